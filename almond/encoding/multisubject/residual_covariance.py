"""The covariance of the residuals around the anchor, in a few factors.

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
class ResidualCovariance:
    """Covariance diag(scale) (E diag(variances) E' + rest (I - E E')) diag(scale) of a subject's residuals.

    ``scale`` (V,), orthonormal ``directions`` E (V, q), ``variances`` (q,), ``rest`` (). The mean is 0.
    """

    scale: Tensor
    directions: Tensor
    variances: Tensor
    rest: Tensor

    @property
    def deviation(self) -> Tensor:
        """Return the standard deviation (V,) of each voxel."""
        factors = (self.directions.square() * (self.variances - self.rest)).sum(dim=1)
        return self.scale * (self.rest + factors).sqrt()

    def coloured(self, white: Tensor) -> Tensor:
        """Turn independent numbers (m, V) of variance 1 into residuals of this covariance."""
        # s (sqrt(rest) z + E (sqrt(variances) - sqrt(rest)) E'z).
        gains = self.variances.sqrt() - self.rest.sqrt()
        inside = self.rest.sqrt() * white + (white @ self.directions * gains) @ self.directions.T
        return self.scale * inside

    def whitened(self, residuals: Tensor) -> Tensor:
        """Turn residuals into independent numbers: the inverse of :meth:`coloured`."""
        values = residuals / self.scale
        # z = rest^(-1/2) r + E (variances^(-1/2) - rest^(-1/2)) E'r of r = residuals / s.
        gains = self.variances.rsqrt() - self.rest.rsqrt()
        return self.rest.rsqrt() * values + (values @ self.directions * gains) @ self.directions.T

    def likelihood(self, residuals: Tensor) -> float:
        """Return the mean log-likelihood per row of Gaussian residuals (m, V), but for a constant."""
        voxels, factors = self.directions.shape
        # -1/2 (log det C + mean |z|^2), log det C = 2 sum log s + sum log variances + (V - q) log rest.
        size = 2 * self.scale.log().sum() + self.variances.log().sum()
        size = size + (voxels - factors) * self.rest.log()
        return -0.5 * float(size + self.whitened(residuals).square().sum(dim=1).mean())


def fit_covariance(residuals: Tensor, factors: int) -> ResidualCovariance:
    """Fit residuals (n, V) with this number of directions, fewer where the data hold no more."""
    deviation = residuals.square().mean(dim=0).sqrt().clamp_min(SMALLEST)
    rows = residuals / deviation
    _, values, right = torch.linalg.svd(rows, full_matrices=False)
    # Eigenvalues of R'R / n; rest = mean of those beyond the first q.
    variances = values.square() / len(rows)
    voxels = rows.shape[1]
    count = max(0, min(factors, voxels - 1, len(variances) - 1))
    rest = (variances[count:].sum() / (voxels - count)).clamp_min(SMALLEST)
    leading = variances[:count].maximum(rest)
    directions = right[:count].T
    # Each voxel's variance under the factors; scale restores its own.
    own = rest + (directions.square() * (leading - rest)).sum(dim=1)
    return ResidualCovariance(deviation / own.sqrt(), directions, leading, rest)


def leading_directions(residuals: Tensor, covariance: ResidualCovariance, count: int) -> Tensor:
    """Return orthonormal directions (V, count), or as many as there are, in which residuals in units of each
    voxel's deviation vary most: the first are those of the covariance."""
    _, _, right = torch.linalg.svd(residuals / covariance.deviation, full_matrices=False)
    leading: Tensor = right[:count].T.contiguous()
    return leading


def choose_covariance(residuals: Tensor, train: Tensor, held: Tensor) -> ResidualCovariance:
    """Fit the covariance of all residuals (n, V), its number of factors chosen on the ``held`` rows."""
    # q* = argmax over q of the log-likelihood of the held rows.
    reached = [fit_covariance(residuals[train], factors).likelihood(residuals[held]) for factors in FACTORS]
    best = FACTORS[max(range(len(FACTORS)), key=reached.__getitem__)]
    return fit_covariance(residuals[torch.cat([train, held])], best)
