"""The configuration of a fit: read from YAML or a mapping, with every error reported at once by its path.

``docs/fit.md`` describes the schema.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from almond.encoding import crossval
from almond.encoding.checks import Checks
from almond.encoding.tables import SUFFIXES
from almond.errors import InputError

MODELS = ("pls", "ridge")
FEATURE_KINDS = ("world", "table", "events")
DETREND = ("linear", "none")
HRF = ("spm", "none")
COMPONENTS = (1, 2, 3, 4, 6, 8, 12, 16, 20)
PENALTIES = tuple(10.0**power for power in range(-3, 4))
NIFTI = (".nii", ".nii.gz")


class ConfigError(InputError):
    """A configuration with errors; ``problems`` holds one line for each, beginning with its path."""

    def __init__(self, source: object, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "1 error" if len(self.problems) == 1 else f"{len(self.problems)} errors"
        super().__init__(source, "\n  ".join([count, *self.problems]))


@dataclass(frozen=True)
class RunFiles:
    """A run given by its files instead of a BIDS folder. ``volumes`` is a half-open range of the file."""

    subject: str
    run: str
    bold: Path
    events: Path | None = None
    volumes: tuple[int, int] | None = None


@dataclass(frozen=True)
class Features:
    """Where predictors come from.

    ``world``: the shipped network on the images that the events name in ``stim_file``. ``table``: numbers
    from a file, which has a row per stimulus (with a column ``stim_file``), or a row per ``interval`` seconds
    (per volume unless told), of each run after the other, or of one run when the path holds ``{subject}`` or
    ``{run}``. ``events``: one column per condition (``trial_type``) that is 1 while the condition lasts.
    """

    kind: str
    path: str = ""
    interval: float | None = None
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True)
class FitConfig:
    """What to fit, on what, and how. Times in seconds. Paths are absolute."""

    base: Path
    features: Features
    regions: Mapping[str, Path]
    dataset: Path | None = None
    runs: tuple[RunFiles, ...] = ()
    task: str | None = None
    entities: Mapping[str, str] = field(default_factory=dict)
    subjects: tuple[str, ...] | None = None
    tr: float | None = None
    models: tuple[str, ...] = ("pls",)
    components: tuple[int, ...] = COMPONENTS
    penalties: tuple[float, ...] = PENALTIES
    crossvalidation: str = "blocks"
    folds: int = 5
    gap: float = 10.0
    detrend: str = "linear"
    standardise: bool = True
    hrf: str = "spm"
    seed: int = 0
    output: Path = Path("artifacts")

    def settings(self) -> dict[str, Any]:
        """Everything that changes the numbers, as plain JSON values and without this machine's folders."""
        return {
            "features": {**dataclasses.asdict(self.features), "path": Path(self.features.path).name},
            "components": list(self.components),
            "penalties": list(self.penalties),
            "crossvalidation": self.crossvalidation,
            "folds": self.folds,
            "gap": self.gap,
            "detrend": self.detrend,
            "standardise": self.standardise,
            "hrf": self.hrf,
            "seed": self.seed,
        }


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
    values = {
        "base": base.resolve(),
        **_data(mapping, checks),
        "features": _features(mapping.get("features"), checks),
        "regions": _regions(mapping.get("regions"), checks),
        **_model(mapping, checks),
        **_evaluation(mapping, checks),
        "output": checks.base / str(mapping.get("output", "artifacts")),
    }
    if checks.problems:
        raise ConfigError(source, checks.problems)
    return FitConfig(**{key: value for key, value in values.items() if value is not None})


KEYS = (
    "dataset",
    "runs",
    "task",
    "entities",
    "subjects",
    "tr",
    "features",
    "regions",
    "model",
    "components",
    "penalties",
    "crossvalidation",
    "folds",
    "gap",
    "detrend",
    "standardise",
    "hrf",
    "seed",
    "output",
)


def _data(mapping: Mapping[str, Any], checks: Checks) -> dict[str, Any]:
    given = [key for key in ("dataset", "runs") if mapping.get(key) is not None]
    if len(given) != 1:
        checks.add("dataset", "give either a BIDS folder (dataset) or files (runs), and not both")
    found: dict[str, Any] = {
        "task": checks.text(mapping, "task"),
        "subjects": checks.texts(mapping.get("subjects"), "subjects"),
        "tr": checks.number(mapping.get("tr"), "tr", above=0),
    }
    if "dataset" in given:
        found["dataset"] = checks.folder(mapping["dataset"], "dataset")
    if "runs" in given:
        found["runs"] = _runs(mapping["runs"], checks)
    extra = mapping.get("entities")
    if extra is not None:
        if isinstance(extra, Mapping) and all(isinstance(value, str) for value in extra.values()):
            found["entities"] = {str(key): value for key, value in extra.items()}
        else:
            checks.add("entities", "is not a mapping of BIDS entities to text, such as {space: MNI}")
    return found


def _runs(value: Any, checks: Checks) -> tuple[RunFiles, ...]:
    if not isinstance(value, list) or not value:
        checks.add("runs", "is not a list of runs, each {subject, run, bold}")
        return ()
    found = [run for index, item in enumerate(value) if (run := _run(item, f"runs[{index}]", checks))]
    seen: set[tuple[str, str]] = set()
    for run in found:
        if (run.subject, run.run) in seen:
            checks.add("runs", f"subject {run.subject} has two runs called {run.run}")
        seen.add((run.subject, run.run))
    return tuple(found)


def _run(item: Any, path: str, checks: Checks) -> RunFiles | None:
    if not isinstance(item, Mapping):
        checks.add(path, "is not a mapping {subject, run, bold}")
        return None
    checks.known(item, path, ("subject", "run", "bold", "events", "volumes"))
    subject = checks.text(item, "subject", path, required=True)
    name = item.get("run")
    if not isinstance(name, str | int) or isinstance(name, bool):
        checks.add(f"{path}.run", "is missing or no name or number")
    bold = checks.file(item.get("bold"), f"{path}.bold", NIFTI)
    events = None if item.get("events") is None else checks.file(item["events"], f"{path}.events", (".tsv",))
    volumes = checks.range(item.get("volumes"), f"{path}.volumes")
    if subject is None or name is None or bold is None:
        return None
    return RunFiles(subject, str(name), bold, events, volumes)


def _regions(value: Any, checks: Checks) -> dict[str, Path]:
    if not isinstance(value, Mapping) or not value:
        checks.add("regions", "is not a mapping of region names to mask files")
        return {}
    found = {}
    for name, mask in value.items():
        path = checks.file(mask, f"regions.{name}", NIFTI)
        if path is not None:
            found[str(name)] = path
    return found


def _features(value: Any, checks: Checks) -> Features | None:
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, Mapping):
        checks.add("features", f"is missing; give a kind ({', '.join(FEATURE_KINDS)})")
        return None
    checks.known(value, "features", ("kind", "path", "interval", "conditions"))
    kind = checks.choice(value.get("kind"), "features.kind", FEATURE_KINDS)
    interval = checks.number(value.get("interval"), "features.interval", above=0)
    conditions = checks.texts(value.get("conditions"), "features.conditions") or ()
    path = ""
    if kind == "table":
        path = _table_path(value.get("path"), checks)
    elif value.get("path") is not None:
        checks.add("features.path", f"has no meaning for the kind {kind}")
    if conditions and kind != "events":
        checks.add("features.conditions", f"has no meaning for the kind {kind}")
    return Features(kind, path, interval, conditions) if kind else None


def _table_path(value: Any, checks: Checks) -> str:
    if isinstance(value, str) and ("{subject}" in value or "{run}" in value):
        if not value.endswith(SUFFIXES):
            checks.add("features.path", f"{value} does not end in {', '.join(SUFFIXES)}")
        return str(checks.base / value)
    found = checks.file(value, "features.path", SUFFIXES)
    return str(found or "")


def _model(mapping: Mapping[str, Any], checks: Checks) -> dict[str, Any]:
    given = mapping.get("model", "pls")
    models = [given] if isinstance(given, str) else given
    if not isinstance(models, list) or not models:
        checks.add("model", "is not pls, ridge or a list of them")
        models = []
    names = [checks.choice(name, "model", MODELS) for name in models]
    return {
        "models": tuple(dict.fromkeys(name for name in names if name)) or None,
        "components": checks.numbers(mapping.get("components"), "components", whole=True),
        "penalties": checks.numbers(mapping.get("penalties"), "penalties", whole=False),
    }


def _evaluation(mapping: Mapping[str, Any], checks: Checks) -> dict[str, Any]:
    def chosen(name: str, options: Sequence[str]) -> str | None:
        return checks.choice(mapping[name], name, options) if name in mapping else None

    standardise = mapping.get("standardise")
    if standardise is not None and not isinstance(standardise, bool):
        checks.add("standardise", f"is {standardise!r}, not true or false")
    return {
        "crossvalidation": chosen("crossvalidation", crossval.KINDS),
        "detrend": chosen("detrend", DETREND),
        "hrf": chosen("hrf", HRF),
        "folds": checks.whole(mapping.get("folds"), "folds", least=2),
        "gap": checks.number(mapping.get("gap"), "gap", least=0),
        "seed": checks.whole(mapping.get("seed"), "seed", least=0),
        "standardise": standardise,
    }
