"""The configuration of an analysis: from YAML or a mapping, with every error at once by its path.

``docs/fit.md`` describes the schema. One file serves every command; each reads its own section beside what
``fit`` needs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from almond.encoding.config.checks import Checks
from almond.encoding.config.evaluation import EvaluationSettings, parse_evaluation
from almond.encoding.config.features import FeatureSpec, parse_feature_set
from almond.encoding.config.model import (
    COMPONENTS,
    NULL_FEATURES,
    PENALTIES,
    Repeats,
    parse_judging,
    parse_model,
    parse_preparation,
    with_preset,
)
from almond.encoding.config.multisubject import FlowSettings, SharedSettings, parse_flow, parse_shared
from almond.encoding.config.prediction import (
    BetasSettings,
    PredictionSettings,
    parse_betas,
    parse_prediction,
)
from almond.encoding.config.preparation import CensorSettings, ConfoundSettings
from almond.encoding.config.regions import RegionSpec, parse_regions
from almond.encoding.config.runs import RunFiles, parse_data
from almond.encoding.config.validation import ValidationSettings, parse_validation
from almond.encoding.config.whole_brain import BrainSettings, parse_brain
from almond.errors import InputError

__all__ = [
    "COMPONENTS",
    "KEYS",
    "PENALTIES",
    "ConfigError",
    "FitConfig",
    "RunFiles",
    "load_config",
    "parse_config",
]


class ConfigError(InputError):
    """A configuration with errors; ``problems`` holds one line for each, beginning with its path."""

    def __init__(self, source: object, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "1 error" if len(self.problems) == 1 else f"{len(self.problems)} errors"
        super().__init__(source, "\n  ".join([count, *self.problems]))


@dataclass(frozen=True)
class FitConfig:
    """What to fit, on what, and how. Times in seconds. Paths are absolute.

    ``null_control`` is the number of noise features of the control, 0 for none. Sections of other commands
    are None where they are absent. ``encoders`` is a folder of artifacts that exist already, such as those
    that ``import-betas`` makes; there is nothing to fit then, and ``regions`` may be empty.
    """

    base: Path
    spaces: Mapping[str, FeatureSpec]
    regions: Mapping[str, RegionSpec]
    dataset: Path | None = None
    runs: tuple[RunFiles, ...] = ()
    encoders: Path | None = None
    task: str | None = None
    entities: Mapping[str, str] = field(default_factory=dict)
    suffix: str = "bold"
    derivatives: bool | str = False
    subjects: tuple[str, ...] | None = None
    tr: float | None = None
    preset: str | None = None
    models: tuple[str, ...] = ("pls",)
    components: tuple[int, ...] = COMPONENTS
    penalties: tuple[float, ...] = PENALTIES
    target: str = "voxels"
    backend: str = "numpy"
    device: str = "cpu"
    precision: str = "float64"
    crossvalidation: str = "blocks"
    folds: int = 5
    gap: float = 10.0
    null_control: int = NULL_FEATURES
    repeats: Repeats | None = None
    permutations: int = 0
    detrend: str = "linear"
    standardise: bool = True
    confounds: ConfoundSettings | None = None
    high_pass: float | None = None
    censor: CensorSettings | None = None
    order: str = "sound"
    hrf: str = "spm"
    delays: tuple[float, ...] = ()
    seed: int = 0
    shared: SharedSettings = field(default_factory=SharedSettings)
    flow: FlowSettings = field(default_factory=FlowSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    validation: ValidationSettings | None = None
    prediction: PredictionSettings | None = None
    betas: BetasSettings | None = None
    brain: BrainSettings | None = None
    output: Path = Path("artifacts")

    @property
    def features(self) -> FeatureSpec:
        """The one feature space; ``InputError`` when there are several."""
        if len(self.spaces) != 1:
            raise InputError("features", f"has the spaces {', '.join(self.spaces)}", "one feature space")
        return next(iter(self.spaces.values()))

    def settings(self, model: str | None = None) -> dict[str, Any]:
        """Everything that changes the numbers, as plain JSON values and without this machine's folders.

        Of one ``model`` (all that are to be fitted unless told): sections that only others read are left out,
        so that changing those changes nothing that was fitted. Regions and subjects are named elsewhere;
        backend and device are left out because they agree within rounding.
        """
        models = self.models if model is None else (model,)
        found: dict[str, Any] = {
            "features": _of_spaces(self.spaces),
            "task": self.task,
            "entities": dict(self.entities),
            "suffix": self.suffix,
            "derivatives": self.derivatives,
            "components": list(self.components),
            "penalties": list(self.penalties),
            "target": self.target,
            "precision": self.precision,
            "crossvalidation": self.crossvalidation,
            "folds": self.folds,
            "gap": self.gap,
            "null_control": self.null_control,
            "repeats": self.repeats.to_json() if self.repeats else None,
            "permutations": self.permutations,
            "detrend": self.detrend,
            "standardise": self.standardise,
            "confounds": self.confounds.to_json() if self.confounds else None,
            "high_pass": self.high_pass,
            "censor": self.censor.to_json() if self.censor else None,
            "order": self.order,
            "hrf": self.hrf,
            "delays": list(self.delays),
            "seed": self.seed,
        }
        if "shared" in models:
            found["shared"] = self.shared.to_json()
        if "flow" in models:
            found["flow"] = self.flow.to_json()
        return found


def _of_spaces(spaces: Mapping[str, FeatureSpec]) -> dict[str, Any]:
    """One space as its settings, several under their names."""
    if len(spaces) == 1:
        return next(iter(spaces.values())).settings()
    return {"spaces": {name: spec.settings() for name, spec in spaces.items()}, "order": list(spaces)}


def load_config(path: Path) -> FitConfig:
    """Read a YAML file; relative paths in it are relative to its folder. ``ConfigError`` lists every
    error."""
    if not os.path.isfile(path):
        raise InputError(path, "file not found", "a YAML configuration")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not YAML ({error})", "a YAML configuration") from error
    return parse_config(found, path.resolve().parent, source=path)


def parse_config(mapping: Any, base: Path, *, source: object = "configuration") -> FitConfig:
    """A configuration from plain values; ``ConfigError`` lists every error with its path."""
    checks = Checks(base.resolve())
    if not isinstance(mapping, Mapping):
        raise ConfigError(source, ["is not a mapping of settings (expected keys such as dataset, regions)"])
    checks.known(mapping, "", KEYS)
    given = with_preset(mapping, checks)
    spaces = parse_feature_set(given.get("features"), "features", checks) or {}
    regions = {} if _may_lack_regions(given) else parse_regions(given.get("regions"), checks)
    values = {
        "base": base.resolve(),
        "preset": given.get("preset"),
        **parse_data(given, checks),
        "spaces": spaces,
        "regions": regions,
        **parse_model(given, len(spaces), checks),
        **parse_judging(given, checks),
        **parse_preparation(given, checks),
        **_sections(given, regions, checks),
        "output": checks.base / str(given.get("output", "artifacts")),
    }
    if checks.problems:
        raise ConfigError(source, checks.problems)
    return FitConfig(**{key: value for key, value in values.items() if value is not None})


def _may_lack_regions(mapping: Mapping[str, Any]) -> bool:
    """Encoders that exist already know their regions."""
    return mapping.get("encoders") is not None and mapping.get("regions") is None


def _sections(
    mapping: Mapping[str, Any], regions: Mapping[str, RegionSpec], checks: Checks
) -> dict[str, Any]:
    """What belongs to one command or one family of models."""
    given = mapping.get("regions")
    # Names of regions that could not be read count too: one error is enough for them.
    names = [str(name) for name in given] if isinstance(given, Mapping) else list(regions)
    validation = parse_validation(mapping.get("validation"), checks)
    if validation is not None and names:
        for key in ("regions", "control", "subregions"):
            _look_up(getattr(validation, key), names, checks, f"validation.{key}")
    return {
        "shared": parse_shared(mapping.get("shared"), checks),
        "flow": parse_flow(mapping.get("flow"), checks),
        "evaluation": parse_evaluation(mapping.get("evaluation"), checks, regions=names or None),
        "validation": validation,
        "prediction": parse_prediction(mapping.get("prediction"), checks),
        "betas": parse_betas(mapping.get("betas"), checks),
        "brain": parse_brain(mapping.get("brain"), checks, regions=names),
    }


def _look_up(given: str | Sequence[str] | None, names: Sequence[str], checks: Checks, path: str) -> None:
    for name in (given,) if isinstance(given, str) else given or ():
        if name not in names:
            checks.add(path, f"{name} is no region; known are {', '.join(names)}")


KEYS = (
    "preset",
    "dataset",
    "runs",
    "encoders",
    "task",
    "entities",
    "suffix",
    "derivatives",
    "subjects",
    "tr",
    "features",
    "regions",
    "model",
    "components",
    "penalties",
    "target",
    "backend",
    "device",
    "precision",
    "crossvalidation",
    "folds",
    "gap",
    "null_control",
    "repeats",
    "permutations",
    "detrend",
    "standardise",
    "confounds",
    "high_pass",
    "censor",
    "order",
    "hrf",
    "delays",
    "seed",
    "shared",
    "flow",
    "evaluation",
    "validation",
    "prediction",
    "betas",
    "brain",
    "output",
)
"""Every key of a configuration; ``docs/fit.md`` describes each."""
