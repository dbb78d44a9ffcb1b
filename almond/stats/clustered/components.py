"""Reduce the covariates of a regression to few principal components, by a rule that no outcome enters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from almond.errors import InputError
from almond.finite import require_finite
from almond.typing import Floats

UNITS_PER_COMPONENT = 4
"""Themes that one covariate takes: with more covariates to as many themes the tests of
``almond.stats.clustered`` lose their level or their power (``docs/measured.md``)."""


def component_count(units: int, columns: int) -> int:
    """Return how many components stand for so many columns: one for every four units, at least one."""
    return min(columns, max(1, units // UNITS_PER_COMPONENT))


@dataclass(frozen=True, eq=False)
class CovariateComponents:
    """The first q components of F columns: ``scale`` (F,) divides them, ``axes`` (q, F) turn them.

    ``explained``: the share of the scaled columns' squares that the components hold. Each component has a
    root mean square of 1 on the rows that it was made from, and its largest loading is positive.
    """

    scale: Floats
    axes: Floats
    explained: float

    def of(self, columns: Floats) -> Floats:
        """Compute the components (m, q) of ``columns`` (m, F)."""
        return np.asarray((columns / self.scale) @ self.axes.T, np.float64)


def components_about_zero(columns: Floats, count: int) -> CovariateComponents:
    """Compute principal components of ``columns`` (n, F) about zero: they are not centred here.

    A difference of zero stays zero in every component, so that an intercept beside them keeps its meaning.

    :raises InputError: columns that are not finite, or do not vary from zero in ``count`` dimensions.
    """
    require_finite(columns, "components: covariates", axes=("row", "column"))
    scale = np.sqrt((columns**2).mean(axis=0))
    if not (scale > 0.0).all():
        raise InputError("components", "a covariate is zero throughout", "covariates that vary")
    _, lengths, axes = np.linalg.svd(columns / scale, full_matrices=False)
    if len(lengths) < count or lengths[count - 1] <= 1e-9 * lengths[0]:
        raise InputError("components", f"covariates do not vary in {count} dimensions", "more rows")
    turned = axes[:count]
    rows = np.arange(count)
    turned = turned * np.sign(turned[rows, np.abs(turned).argmax(axis=1)])[:, None]
    own = lengths**2
    size = lengths[:count] / np.sqrt(len(columns))
    return CovariateComponents(scale, turned / size[:, None], float(own[:count].sum() / own.sum()))
