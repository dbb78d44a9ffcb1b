"""From the names of models to estimators."""

from __future__ import annotations

from collections.abc import Mapping

from almond.encoding.config.fit_config import FitConfig
from almond.encoding.config.section import DEFAULT
from almond.encoding.models.estimators import Banded, Estimator, Pls, Ridge


def make_estimator(
    model: str, config: FitConfig, bands: Mapping[str, slice], most: int | None = None
) -> Estimator:
    """The estimator of a model for features whose spaces lie side by side in ``bands``.

    ``most``: the largest number of components that a region takes, None for any.
    """
    if model == "pls":
        numbers = {min(number, most or number) for number in config.components}
        return Pls(tuple(sorted(numbers)))
    if model == "banded":
        return Banded(bands, config.penalties, config.seed)
    return Ridge(config.penalties)


def most_components(config: FitConfig, voxels: int) -> int | None:
    """Of a region: the published scripts take no more components than voxels."""
    limited = config.order != DEFAULT and config.target == "voxels" and voxels < max(config.components)
    return voxels if limited else None
