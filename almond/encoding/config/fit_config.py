"""The configuration of an analysis: from YAML or a mapping, with every error at once by its path.

``docs/fit.md`` describes the schema. One file serves every command; each reads its own section beside what
``fit`` needs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from almond.encoding.config.crossvalidation import CrossValidationSettings
from almond.encoding.config.encoding_models import ENCODING_MODELS
from almond.encoding.config.evaluation import EvaluationSettings
from almond.encoding.config.features import FeatureSpaces, FeatureSpec
from almond.encoding.config.model import PRESETS, ModelSettings
from almond.encoding.config.multisubject import FlowSettings, SharedSettings
from almond.encoding.config.paths import BASE
from almond.encoding.config.prediction import BetasSettings, PredictionSettings
from almond.encoding.config.preparation import PreparationSettings
from almond.encoding.config.regions import NAMES, Regions
from almond.encoding.config.runs import DataSettings
from almond.encoding.config.section import unknown_regions
from almond.encoding.config.validation import ValidationSettings
from almond.encoding.config.whole_brain import BrainSettings
from almond.errors import InputError
from almond.shapes import read

SETTINGS = (
    "task", "entities", "suffix", "derivatives", "components", "penalties", "target", "precision",
    "crossvalidation", "folds", "gap", "null_control", "repeats", "permutations", "detrend", "standardise",
    "confounds", "high_pass", "censor", "order", "hrf", "delays", "seed",
)  # fmt: skip
"""What changes the numbers of any model, beside the features, and therefore enters its digest."""


class FitConfig(CrossValidationSettings, PreparationSettings, ModelSettings, DataSettings):
    """What to fit, on what, and how. Times in seconds. Paths are absolute.

    ``null_control`` is the number of noise features of the control, 0 for none. Sections of other commands
    are None where they are absent.
    """

    model_config = ConfigDict(title="Almond configuration", json_schema_extra={"required": ["features"]})

    spaces: FeatureSpaces = Field(default={}, alias="features")
    """required; such as `{kind: emonet}`, or only the kind"""
    regions: Regions = {}
    """required unless `encoders` are given; such as `{LB: masks/LB.nii.gz}`"""
    shared: SharedSettings = Field(default_factory=SharedSettings)
    """the model `shared`: [families.md](families.md)"""
    flow: FlowSettings = Field(default_factory=FlowSettings)
    """the model `flow`: [families.md](families.md)"""
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    """statistics over subjects: [evaluation.md](evaluation.md)"""
    validation: ValidationSettings | None = None
    """images with norms: [amod.md](amod.md)"""
    prediction: PredictionSettings | None = None
    """responses to images that nobody was scanned with"""
    betas: BetasSettings | None = None
    """mean weights as CSV files: [targets.md](targets.md)"""
    brain: BrainSettings | None = None
    """`python -m almond map`: how well ridge predicts every voxel of a mask, with bounded memory"""

    _base: Path = PrivateAttr(Path())
    _region_names: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, value: Any) -> Any:
        """Lay the settings of the preset beneath those of the file."""
        preset = value.get("preset") if isinstance(value, Mapping) else None
        return {**PRESETS[preset], **value} if isinstance(preset, str) and preset in PRESETS else value

    def model_post_init(self, context: Any) -> None:
        """Remember the folder of the file and the names of regions, also of those that are wrong."""
        self._base = (context or {}).get(BASE, Path())
        self._region_names = tuple((context or {}).get(NAMES, ()))

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Compare the sections with each other."""
        for section in (DataSettings, ModelSettings, PreparationSettings):
            yield from section.contradictions(self)
        if "spaces" not in self.model_fields_set:
            yield "features", "is missing; give a kind, such as emonet, or a mapping"
        if "regions" not in self.model_fields_set and "encoders" not in self.model_fields_set:
            yield "regions", "is missing; give a mapping of names to mask files or specifications"
        for name in self.models if len(self.spaces) == 1 else ():
            if ENCODING_MODELS.load(name).needs_several_spaces:
                hint = "give features as a mapping name -> space"
                yield "model", f"{name} needs several feature spaces; {hint}"
        if self._region_names:
            yield from self._unknown_regions()

    def _unknown_regions(self) -> Iterator[tuple[str, str]]:
        for key, names in self.evaluation.named_regions():
            yield from unknown_regions(f"evaluation.{key}", names, self._region_names)
        for key, names in self.validation.named_regions() if self.validation else ():
            yield from unknown_regions(f"validation.{key}", names, self._region_names)

    @property
    def base(self) -> Path:
        """Folder of the file, from which its relative paths start."""
        return self._base

    @property
    def features(self) -> FeatureSpec:
        """The only feature space; ``InputError`` when there are several."""
        if len(self.spaces) != 1:
            raise InputError("features", f"has the spaces {', '.join(self.spaces)}", "one feature space")
        return next(iter(self.spaces.values()))

    def settings(self, model: str | None = None) -> dict[str, Any]:
        """Everything that changes the numbers, as plain JSON values and without this machine's folders.

        Of a single ``model`` (all that are to be fitted unless given): sections that only others read are
        left out, so that changing those changes nothing that was fitted. Regions and subjects are named
        elsewhere; backend and device are left out because they agree within rounding.
        """
        models = self.models if model is None else (model,)
        names = (*SETTINGS, *(name for name in type(self).model_fields if name in models))
        return {"features": _of_spaces(self.spaces), **{name: self.stored(name) for name in names}}


def _of_spaces(spaces: Mapping[str, FeatureSpec]) -> dict[str, Any]:
    """Return a single space as its settings, several under their names."""
    if len(spaces) == 1:
        return next(iter(spaces.values())).settings()
    return {"spaces": {name: spec.settings() for name, spec in spaces.items()}, "order": list(spaces)}


def load_config(path: Path) -> FitConfig:
    """Read a YAML file; relative paths in it are relative to its folder.

    :raises ShapeError: with every error, each with its path.
    """
    if not os.path.isfile(path):
        raise InputError(path, "file not found", "a YAML configuration")
    try:
        mapping = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not YAML ({error})", "a YAML configuration") from error
    return parse_config(mapping, path.resolve().parent, source=path)


def parse_config(mapping: Any, base: Path, *, source: object = "configuration") -> FitConfig:
    """Validate plain values as a configuration whose relative paths start from ``base``.

    :raises ShapeError: with every error, each with its path.
    """
    regions = mapping.get("regions") if isinstance(mapping, Mapping) else None
    names = [str(name) for name in regions] if isinstance(regions, Mapping) else []
    return read(FitConfig, mapping, source=source, context={BASE: base.resolve(), NAMES: names})
