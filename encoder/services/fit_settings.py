"""An encoder's row as a configuration of a fit. Light: checked while the form is still open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from almond.encoding.config.model import COMPONENTS
from almond.errors import InputError
from encoder import choices
from encoder.folders import artifact_root
from encoder.models import Dataset, Encoder, FeatureSpace, Region

if TYPE_CHECKING:
    from almond.encoding.config.fit_config import FitConfig

DEFAULTS: dict[str, Any] = {"components": COMPONENTS[-1], "folds": 5, "gap": 10.0}
OWN = ("dataset", "runs", "encoders", "features", "regions", "model", "output", "subjects")
REPORTS = ("evaluation", "validation", "prediction", "betas")
"""Sections that belong to reports and downloads, not to what is fitted."""


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row stores: the defaults, unless a preset brings numbers of its own."""
    return dict(config) if config.get("preset") else {**DEFAULTS, **config}


def fit_settings(
    *,
    name: str,
    dataset: Dataset,
    feature_space: FeatureSpace,
    regions: Iterable[Region],
    model: str,
    config: Mapping[str, Any],
    more_spaces: Sequence[FeatureSpace] = (),
    sections: Mapping[str, Any] | None = None,
) -> FitConfig:
    """Read the row as a configuration of ``python -m almond fit``; every error at once, each with its field.

    ``config`` holds ``components`` (the largest number to choose from, or a list of numbers), ``folds``,
    ``gap`` in seconds, and any other setting of a fit that the encoder's row does not decide itself.
    ``sections`` are those of reports (``evaluation``, ``validation``).
    """
    taken = sorted(set(config) & {*OWN, *REPORTS})
    if taken:
        raise InputError(f"config.{taken[0]}", "is decided by the encoder itself", "other settings of a fit")
    values = with_defaults(config)
    if not values.get("preset"):
        values["components"] = candidates(values["components"])
    mapping = {
        **values,
        **(sections or {}),
        "features": features_of([feature_space, *more_spaces]),
        "regions": {region.name: region.value for region in regions},
        "output": str(artifact_root()),
    }
    if model == choices.IMPORTED:
        raise InputError("model", "imported weights are not fitted", "another model")
    mapping |= {"dataset": dataset.root, "model": model}
    return load_config(mapping, Path(dataset.root), source=name)


def load_config(mapping: Mapping[str, Any], base: Path, *, source: str) -> FitConfig:
    """Validate a configuration; its models are loaded with the first one, so that the site starts sooner."""
    from almond.encoding.config.fit_config import parse_config

    return parse_config(mapping, base, source=source)


def features_of(spaces: Sequence[FeatureSpace]) -> dict[str, Any]:
    """Return the value of one space, or name -> value of several."""
    if len(spaces) == 1:
        return spaces[0].value
    return {space.name: space.value for space in spaces}


def candidates(components: Any) -> Any:
    """List the usual numbers of components up to the largest that is requested, and that one."""
    if not isinstance(components, int) or isinstance(components, bool):
        return components
    return sorted({number for number in COMPONENTS if number < components} | {components})


def settings_of(encoder: Encoder, sections: Mapping[str, Any] | None = None) -> FitConfig:
    """Return an encoder's configuration of a fit, with further sections."""
    return fit_settings(
        name=encoder.name,
        dataset=encoder.dataset,
        feature_space=encoder.feature_space,
        more_spaces=list(encoder.more_spaces.order_by("pk")),
        regions=encoder.regions.order_by("pk"),
        model=encoder.model,
        config=encoder.config,
        sections=sections,
    )


def report_settings(encoder: Encoder, sections: Mapping[str, Any]) -> FitConfig:
    """Return the configuration of statistics over subjects.

    Of imported weights nothing else is known: the configuration names a folder of fitted encoders instead of
    a dataset.
    """
    if not encoder.is_imported:
        return settings_of(encoder, sections)
    mapping = {
        **sections,
        "encoders": str(artifact_root()),
        "features": encoder.feature_space.value,
        "subjects": encoder.subjects,
    }
    artifact_root().mkdir(parents=True, exist_ok=True)
    return load_config(mapping, Path(encoder.dataset.root), source=encoder.name)
