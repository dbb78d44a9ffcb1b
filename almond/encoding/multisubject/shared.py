"""A space of a few time courses that subjects share, and the ridge maps between it and their voxels.

The idea is MindEye2's (Scotti et al. 2024): a subject with little data needs to learn only a small linear map
into a space that others have filled. There it decodes; here it encodes. With features X (n, D), the shared
time courses are X W, W (D, k), and the response of a subject is X W A + intercept, A (k, V) by ridge. The
product W A is an ordinary weight matrix.

Two ways to find W. From features: every training subject's ridge weights B, whatever film that subject saw;
the k directions that explain most of the variance of all predicted responses X B (the reduced-rank solution,
Izenman 1975). From a film that all saw: the k time courses nearest to all subjects' ridge maps from voxels
(generalised canonical correlation, the MAXVAR criterion of Kettenring 1971, a relative of the shared response
model of Chen et al. 2015), then a ridge from the features to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from almond.digest import digest_array
from almond.encoding.models.estimators import Fitted
from almond.encoding.models.folds import Fold
from almond.encoding.models.ridge import fit_ridge, relative_penalties
from almond.errors import InputError
from almond.typing import Floats

RANK_TOLERANCE = 1e-10
"""Directions with less than this share of the largest variance hold nothing but rounding."""

VOXEL_PENALTY = 1.0
"""Ridge from voxels to the shared time courses of a film, in units of the mean eigenvalue of Y'Y."""


@dataclass(frozen=True)
class TrainingPart:
    """One training subject: predictors (n, D), responses (n, V), and folds within these rows."""

    x: Floats
    y: Floats
    folds: Sequence[Fold]


@dataclass(frozen=True)
class SharedSpace:
    """``weights`` (D, k): features to shared time courses; ``variance`` (k,) of each, falling, as a share."""

    weights: Floats
    variance: Floats

    @property
    def dimensions(self) -> int:
        return int(self.weights.shape[1])

    def evened(self) -> SharedSpace:
        """Return the same space with orthonormal columns: a ridge in it shrinks as one on the features would,
        and with as many dimensions as features it *is* that ridge."""
        return SharedSpace(np.linalg.qr(self.weights)[0], self.variance)


def space_from_features(
    parts: Sequence[TrainingPart], dimensions: int, factors: Sequence[float]
) -> SharedSpace:
    """Find the subspace of features in which the subjects' predicted responses vary most.

    Each subject counts alike, however many voxels it has. The columns of the result are the principal
    directions of all subjects' weights under the predictors' covariance, scaled as these weights spread: a
    ridge in the space thereby expects of a new subject what it found in the others.

    :raises InputError: fewer directions than ``dimensions`` are there to find.
    """
    weights = np.concatenate(_ridge_weights(parts, factors), axis=1)
    root = _square_root(weights)
    variance = np.zeros((root.shape[1], root.shape[1]))
    for part in parts:
        course = (part.x - part.x.mean(axis=0)) @ root
        # L'(sum over subjects of X0'X0 / n / S) L with L L' = B B'; its eigenvectors are the directions.
        variance += course.T @ course / (len(course) * len(parts))
    values, vectors = np.linalg.eigh(variance)
    return _leading(root, values[::-1], vectors[:, ::-1], dimensions)


def _ridge_weights(parts: Sequence[TrainingPart], factors: Sequence[float]) -> list[Floats]:
    """Return ridge weights (D, V) of each part over the root of V; parts with the same predictors are solved
    at once."""
    groups: dict[str, list[TrainingPart]] = {}
    for part in parts:
        groups.setdefault(digest_array(part.x), []).append(part)
    weights = []
    for group in groups.values():
        x, y = group[0].x, np.concatenate([part.y / np.sqrt(part.y.shape[1]) for part in group], axis=1)
        weights.append(fit_ridge(x, y, relative_penalties(x, factors), group[0].folds).weights)
    return weights


def _square_root(weights: Floats) -> Floats:
    """Return L (D, r) with L L' = B B', r no more than D."""
    if weights.shape[1] <= len(weights):
        return weights
    # B B' = U diag(l) U': L = U sqrt(l), without directions of rounding.
    values, vectors = np.linalg.eigh(weights @ weights.T)
    positive = values > values[-1] * RANK_TOLERANCE
    return np.asarray(vectors[:, positive] * np.sqrt(values[positive]), np.float64)


def _leading(root: Floats, values: Floats, vectors: Floats, dimensions: int) -> SharedSpace:
    there = int((values > values[0] * RANK_TOLERANCE).sum()) if values[0] > 0 else 0
    if there < dimensions:
        raise InputError(
            "shared.dimensions", f"is {dimensions}, but the data span only {there}", f"at most {there}"
        )
    total = float(values[values > 0].sum())
    return SharedSpace(root @ vectors[:, :dimensions], values[:dimensions] / total)


def space_from_film(parts: Sequence[TrainingPart], dimensions: int, factors: Sequence[float]) -> SharedSpace:
    """Find the space of the time courses that all subjects' voxels share; the rows of all parts are the same
    moments of one film.

    :raises InputError: the parts have unlike numbers of rows, or ``dimensions`` is too large.
    """
    if len({len(part.y) for part in parts}) > 1:
        raise InputError("shared.space", "film, but the subjects' volumes differ in number", "one film")
    courses, values = shared_time_courses([part.y for part in parts], dimensions)
    x = np.mean([part.x for part in parts], axis=0)
    penalties = relative_penalties(x, factors)
    # Ridge from the features to S; columns scaled by the root of the share that subjects explain.
    weights = fit_ridge(x, courses, penalties, parts[0].folds).weights
    return SharedSpace(weights * np.sqrt(values), values / values.sum())


def shared_time_courses(responses: Sequence[Floats], dimensions: int) -> tuple[Floats, Floats]:
    """Return S (n, k), orthonormal, and the mean share of each that the subjects' ridge maps explain (k,).

    S minimises the sum over subjects of min_G |S - Y G|^2 + a |G|^2: the leading left singular vectors of the
    subjects' Y (Y'Y + a)^(-1/2) side by side.
    """
    whitened = []
    for y in responses:
        centred = y - y.mean(axis=0)
        # Y = U s V': Y (Y'Y + a)^(-1/2) = U (s / sqrt(s^2 + a)) V', whose left singular vectors need no V'.
        left, values, _ = np.linalg.svd(centred, full_matrices=False)
        penalty = VOXEL_PENALTY * float((values**2).sum()) / y.shape[1]
        whitened.append(left * (values / np.sqrt(values**2 + penalty)))
    left, values, _ = np.linalg.svd(np.concatenate(whitened, axis=1), full_matrices=False)
    there = int((values > values[0] * RANK_TOLERANCE).sum())
    if there < dimensions:
        raise InputError(
            "shared.dimensions", f"is {dimensions}, but the data span only {there}", f"at most {there}"
        )
    return left[:, :dimensions], values[:dimensions] ** 2 / len(responses)


def fit_map(
    space: SharedSpace, x: Floats, y: Floats, factors: Sequence[float], folds: Sequence[Fold]
) -> Fitted:
    """Fit a subject's encoder: ridge from the shared time courses to voxels, as weights (D, V) of the
    features.

    ``factors`` are penalties in units of the mean eigenvalue of the shared time courses' Gram matrix; with
    several, each voxel takes its own over ``folds``.
    """
    courses = x @ space.weights
    # A = argmin |Y0 - (X W)0 A|^2 + a |A|^2; the encoder is W A.
    model = fit_ridge(courses, y, relative_penalties(courses, factors), folds)
    hyperparameters = {"dimensions": space.dimensions, "penalty_median": float(np.median(model.penalties))}
    return Fitted(space.weights @ model.weights, model.intercept, hyperparameters)
