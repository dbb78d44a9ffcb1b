"""The spread around the anchor: how the residuals of voxels vary together, in a few factors.

Residuals of a subject's voxels fluctuate together (movement, breathing, arousal, what the features miss), and
a mean over a region varies far more than independent voxels would let it. There are more voxels than volumes
would determine a covariance of, so it is a factor model (probabilistic principal components, Tipping & Bishop
1999): q leading directions with the variances found, all others alike, and every voxel's own variance
restored. q is the number under which held-out residuals are likeliest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FACTORS = (0, 1, 2, 3, 4, 6, 8, 12, 16)
"""Numbers of directions to choose from."""

SMALLEST = 1e-6
"""Standard deviations and variances, in units of the standardised BOLD, are at least this."""


@dataclass(frozen=True)
class Spread:
    """Covariance diag(scale) (E diag(variances) E' + rest (I - E E')) diag(scale) of a subject's residuals.

    ``scale`` (V,), orthonormal ``directions`` E (V, q), ``variances`` (q,), ``rest`` (). The mean is 0.
    """

    scale: Tensor
    directions: Tensor
    variances: Tensor
    rest: Tensor

    @property
    def deviation(self) -> Tensor:
        """Standard deviation (V,) of each voxel."""
        factors = (self.directions.square() * (self.variances - self.rest)).sum(dim=1)
        return self.scale * (self.rest + factors).sqrt()

    def coloured(self, white: Tensor) -> Tensor:
        """Independent numbers (m, V) of variance 1 to residuals of this covariance."""
        gains = self.variances.sqrt() - self.rest.sqrt()
        inside = self.rest.sqrt() * white + (white @ self.directions * gains) @ self.directions.T
        return self.scale * inside

    def whitened(self, residuals: Tensor) -> Tensor:
        """The reverse of :meth:`coloured`."""
        values = residuals / self.scale
        gains = self.variances.rsqrt() - self.rest.rsqrt()
        return self.rest.rsqrt() * values + (values @ self.directions * gains) @ self.directions.T

    def likelihood(self, residuals: Tensor) -> float:
        """Mean log-likelihood per row of Gaussian residuals (m, V), but for a constant."""
        voxels, factors = self.directions.shape
        size = 2 * self.scale.log().sum() + self.variances.log().sum()
        size = size + (voxels - factors) * self.rest.log()
        return -0.5 * float(size + self.whitened(residuals).square().sum(dim=1).mean())


def fit_spread(residuals: Tensor, factors: int) -> Spread:
    """Of residuals (n, V) with this number of directions, fewer where the data hold no more."""
    deviation = residuals.square().mean(dim=0).sqrt().clamp_min(SMALLEST)
    rows = residuals / deviation
    _, values, right = torch.linalg.svd(rows, full_matrices=False)
    variances = values.square() / len(rows)
    voxels = rows.shape[1]
    kept = max(0, min(factors, voxels - 1, len(variances) - 1))
    rest = (variances[kept:].sum() / (voxels - kept)).clamp_min(SMALLEST)
    chosen = variances[:kept].maximum(rest)
    directions = right[:kept].T
    own = rest + (directions.square() * (chosen - rest)).sum(dim=1)
    return Spread(deviation / own.sqrt(), directions, chosen, rest)


def leading_directions(residuals: Tensor, spread: Spread, count: int) -> Tensor:
    """Orthonormal directions (V, count), or as many as there are, in which residuals in units of each
    voxel's deviation vary most: the first are those of the spread."""
    _, _, right = torch.linalg.svd(residuals / spread.deviation, full_matrices=False)
    leading: Tensor = right[:count].T.contiguous()
    return leading


def find_spread(residuals: Tensor, train: Tensor, held: Tensor) -> Spread:
    """The covariance of all residuals (n, V), its number of factors chosen on the ``held`` rows."""
    reached = [fit_spread(residuals[train], factors).likelihood(residuals[held]) for factors in FACTORS]
    best = FACTORS[max(range(len(FACTORS)), key=reached.__getitem__)]
    return fit_spread(residuals[torch.cat([train, held])], best)
