"""An encoder's row as a configuration of a fit. Light: checked while the form is still open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from almond.encoding.config import COMPONENTS, FitConfig, parse_config
from almond.errors import InputError
from encoder.models import Dataset, Encoder, FeatureSpace, Region

DEFAULTS: dict[str, Any] = {"components": COMPONENTS[-1], "folds": 5, "gap": 10.0}
OWN = ("dataset", "runs", "features", "regions", "model", "output", "subjects")


def fit_settings(
    *,
    name: str,
    dataset: Dataset,
    feature_space: FeatureSpace,
    regions: Iterable[Region],
    model: str,
    config: Mapping[str, Any],
) -> FitConfig:
    """What ``python -m almond fit`` would be given; every error at once, each with its field.

    ``config`` holds ``components`` (the largest number to choose from, or a list of numbers), ``folds``,
    ``gap`` in seconds, and any other setting of a fit that the encoder's row does not decide itself.
    """
    taken = sorted(set(config) & set(OWN))
    if taken:
        raise InputError(f"config.{taken[0]}", "is decided by the encoder itself", "other settings of a fit")
    features: dict[str, Any] = {"kind": feature_space.kind}
    if feature_space.kind == FeatureSpace.Kind.TABLE:
        features["path"] = feature_space.path
    values = {**DEFAULTS, **config}
    mapping = {
        **values,
        "components": candidates(values["components"]),
        "dataset": dataset.root,
        "features": features,
        "regions": {region.name: region.mask_path for region in regions},
        "model": model,
    }
    return parse_config(mapping, Path(dataset.root), source=name)


def candidates(components: Any) -> Any:
    """The usual numbers of components up to the largest that was asked for, and that one."""
    if not isinstance(components, int) or isinstance(components, bool):
        return components
    return sorted({number for number in COMPONENTS if number < components} | {components})


def settings_of(encoder: Encoder) -> FitConfig:
    return fit_settings(
        name=encoder.name,
        dataset=encoder.dataset,
        feature_space=encoder.feature_space,
        regions=encoder.regions.order_by("pk"),
        model=encoder.model,
        config=encoder.config,
    )
