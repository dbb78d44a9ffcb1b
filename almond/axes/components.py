"""Principal components of scores with fixed signs, and contrasts. Light: numpy only, the site uses it too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from almond.errors import InputError
from almond.finite import require_finite
from almond.typing import Floats

NEGLIGIBLE = 1e-10
"""Share of the variance below which a component is left out."""


@dataclass(frozen=True, eq=False)
class ScoreComponents:
    """``loadings`` (K, T), orthonormal rows in order of variance, the largest entry of each positive;
    ``shares`` (K,) of the variance; ``mean`` (T,) of the scores; ``sd`` (K,) along each component."""

    loadings: Floats
    shares: Floats
    mean: Floats
    sd: Floats

    def along(self, scores: Floats) -> Floats:
        """Compute the places (n, K) of scores (n, T), in standard deviations from the mean."""
        return np.asarray((scores - self.mean) @ self.loadings.T / self.sd, np.float64)


def score_components(scores: Floats) -> ScoreComponents:
    """Find the principal components of scores (n, T) of unguided pictures, by singular values.

    :raises InputError: fewer than three pictures or two targets, scores that are not finite or do not vary.
    """
    values = np.asarray(scores, np.float64)
    if values.ndim != 2 or len(values) < 3 or values.shape[1] < 2:
        raise InputError(
            "scores", f"have shape {values.shape}", "three pictures or more of two targets or more"
        )
    require_finite(values, "scores", axes=("picture", "target"))
    mean = values.mean(axis=0)
    _, singular, right = np.linalg.svd(values - mean, full_matrices=False)
    variance = singular**2
    if not variance.sum() > 0:
        raise InputError("scores", "do not vary over the pictures", "pictures that differ")
    shares = variance / variance.sum()
    rank = int((shares > NEGLIGIBLE).sum())
    signs = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    loadings = (right * signs[:, None])[:rank]
    return ScoreComponents(loadings, shares[:rank], mean, singular[:rank] / np.sqrt(len(values) - 1))
