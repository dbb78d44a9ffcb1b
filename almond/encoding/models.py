"""From the names of models to estimators."""

from __future__ import annotations

from collections.abc import Mapping

from almond.encoding.config import FitConfig
from almond.encoding.estimators import Banded, Estimator, Pls, Ridge


def make_estimator(model: str, config: FitConfig, bands: Mapping[str, slice]) -> Estimator:
    """The estimator of a model for features whose spaces lie side by side in ``bands``."""
    if model == "pls":
        return Pls(config.components)
    if model == "banded":
        return Banded(bands, config.penalties, config.seed)
    return Ridge(config.penalties)
