"""Partial least squares regression for many targets at once: SIMPLS, one fit at a time.

Many fits on shared predictors are made by :mod:`almond.encoding.models.pls_cv`, to the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.models.solvers.eigen import leading_eigenvector
from almond.errors import InputError
from almond.typing import Floats

NOTHING_LEFT = 1e-12
"""Stop when the remaining covariance is this small against the first: no direction is left to extract."""


@dataclass(frozen=True)
class PlsModel:
    """A fitted PLS regression. n observations, D predictors, V targets, K components.

    ``rotations`` (D, K) turn centred predictors into scores of unit length; ``x_loadings`` (D, K) and
    ``y_loadings`` (V, K) rebuild X and Y from the scores; ``x_scores`` and ``y_scores`` are (n, K). K may be
    smaller than asked for when the covariance of X and Y is exhausted first. ``squares``: the sums of
    squares of the centred predictors and responses.
    """

    x_mean: Floats
    y_mean: Floats
    rotations: Floats
    x_loadings: Floats
    y_loadings: Floats
    x_scores: Floats
    y_scores: Floats
    squares: tuple[float, float]

    @property
    def n_components(self) -> int:
        return int(self.rotations.shape[1])

    @property
    def percent_variance(self) -> Floats:
        """The share in [0, 1] of the variance of X (first row) and of Y (second) that each component explains
        (2, K): what ``plsregress`` returns as PCTVAR."""
        explained = [(part**2).sum(axis=0) for part in (self.x_loadings, self.y_loadings)]
        return np.stack([part / (whole or 1.0) for part, whole in zip(explained, self.squares, strict=True)])

    def coefficients(self, components: int | None = None) -> tuple[Floats, Floats]:
        """Return weights (D, V) and intercept (V,) of the first ``components`` (default: all)."""
        k = self.n_components if components is None else min(components, self.n_components)
        weights = self.rotations[:, :k] @ self.y_loadings[:, :k].T
        return weights, self.y_mean - self.x_mean @ weights

    def path(self, predictors: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Predictions (K, m, V) of predictors (m, D) by the first 1, 2, ..., K components."""
        # X R, and the prediction by k components as the cumulative sum of t_k q_k'.
        scores = (np.asarray(predictors, np.float64) - self.x_mean) @ self.rotations
        steps = scores.T[:, :, None] * self.y_loadings.T[:, None, :]
        return np.cumsum(steps, axis=0) + self.y_mean


def fit_pls(
    predictors: NDArray[np.floating[Any]], responses: NDArray[np.floating[Any]], components: int
) -> PlsModel:
    """Fit SIMPLS (de Jong 1993) with the conventions of MATLAB's ``plsregress``.

    Our own because scikit-learn has NIPALS only: other components for several responses, and 165 times as
    long for the fits of one subject (docs/speed.md).

    Predictors (n, D) and responses (n, V) are centred, not scaled. Each component is the leading left
    singular vector of the deflated X'Y; scores have unit length; X'Y is deflated by the loading, which is
    orthogonalised twice against those before it. In float64 throughout. Signs of components are arbitrary.

    :raises InputError: row counts differ, or ``components`` is below 1.
    """
    x, y = np.asarray(predictors, np.float64), np.asarray(responses, np.float64)
    if len(x) != len(y):
        raise InputError("features", f"has {len(x)} rows for {len(y)} volumes", f"{len(y)} rows")
    most = min(components, len(x) - 1, x.shape[1])
    if most < 1:
        raise InputError(
            "components", f"is {components} for {len(x)} rows", "1 or more, and two or more rows"
        )
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    x0, y0 = x - x_mean, y - y_mean
    extracted = _extract(x0, y0, most)
    squares = float((x0**2).sum()), float((y0**2).sum())
    return PlsModel(x_mean, y_mean, *extracted, _y_scores(y0, extracted[2], extracted[3]), squares)


def _extract(x0: Floats, y0: Floats, components: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Rotations, X loadings, Y loadings and X scores of up to ``components`` components."""
    covariance = x0.T @ y0
    whole = np.linalg.norm(covariance)
    rotations, x_loadings, y_loadings, scores = ([] for _ in range(4))
    basis = np.zeros((x0.shape[1], components))
    for index in range(components):
        if np.linalg.norm(covariance) <= NOTHING_LEFT * whole:
            break
        # r = leading left singular vector of S = X0'Y0, deflated so far.
        direction = leading_left_vector(covariance)
        # Score t = X0 r at unit length; r is scaled with it.
        score = x0 @ direction
        length = np.linalg.norm(score)
        score /= length
        # Loadings p = X0't and q = Y0't.
        loading = x0.T @ score
        rotations.append(direction / length)
        scores.append(score)
        x_loadings.append(loading)
        y_loadings.append(y0.T @ score)
        # v = p made orthogonal to the earlier loadings; S <- S - v v'S, once more against rounding.
        basis[:, index] = _orthonormal(loading, basis[:, :index])
        covariance -= np.outer(basis[:, index], basis[:, index] @ covariance)
        earlier = basis[:, : index + 1]
        covariance -= earlier @ (earlier.T @ covariance)
    if not rotations:  # X and Y do not covary at all, as when Y is constant: predict the mean
        return (np.zeros((x0.shape[1], 1)),) * 2 + (np.zeros((y0.shape[1], 1)), np.zeros((len(x0), 1)))
    stacked = tuple(np.stack(columns, axis=1) for columns in (rotations, x_loadings, y_loadings, scores))
    return stacked[0], stacked[1], stacked[2], stacked[3]


def leading_left_vector(matrix: Floats) -> Floats:
    """The left singular vector (D,) of the largest singular value, through the smaller Gram matrix."""
    if matrix.shape[1] <= matrix.shape[0]:
        vector = matrix @ leading_eigenvector(matrix.T @ matrix)[1]
    else:
        vector = leading_eigenvector(matrix @ matrix.T)[1]
    return np.asarray(vector / np.linalg.norm(vector), np.float64)


def _orthonormal(vector: Floats, basis: Floats) -> Floats:
    """``vector`` made orthogonal to the columns of ``basis``, twice against rounding, at unit length."""
    free = vector.copy()
    for _ in range(2):
        free -= basis @ (basis.T @ free)
    return np.asarray(free / np.linalg.norm(free), np.float64)


def _y_scores(y0: Floats, y_loadings: Floats, x_scores: Floats) -> Floats:
    """Y scores as plsregress gives them: Y0 times its loadings, orthogonal to the X scores before them."""
    scores = y0 @ y_loadings
    for index in range(1, scores.shape[1]):
        earlier = x_scores[:, :index]
        for _ in range(2):
            scores[:, index] -= earlier @ (earlier.T @ scores[:, index])
    return np.asarray(scores, np.float64)
