"""The section ``validation`` of a configuration: images with published norms. Light: nothing is read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from almond.encoding.config.checks import Checks

LOW_LEVEL = ("sound", "paper", "none")
DECILES = ("sound", "paper")
OUTCOMES = ("z", "raw")
REPEATED = ("error", "mean")
KEYS = (
    "sets",
    "features",
    "model",
    "regions",
    "control",
    "subregions",
    "low_level",
    "deciles",
    "decile_edges",
    "outcome",
    "neutral",
    "voxelwise",
    "alpha",
    "permutations",
    "seed",
    "out",
)
SET_KEYS = ("images", "norms", "name", "valence", "arousal", "repeated", "features")
NORMS = (".csv", ".tsv", ".txt")
TABLES = (".csv", ".tsv", ".npy", ".npz", ".mat", ".parquet")


@dataclass(frozen=True)
class ImageSet:
    """Images with norms: a folder of pictures and a table with a row for each.

    ``column_name``, ``valence`` and ``arousal`` are columns of the table; None stands for the names that the
    published tables of OASIS and IAPS use. ``features`` is a table of features of these images, made
    elsewhere. ``images`` may be None where features are given and no low-level features are wanted.
    ``repeated`` says what several rows for one image are: an error, or ratings to take the mean of.
    """

    name: str
    norms: Path
    images: Path | None = None
    column_name: str | None = None
    valence: str | None = None
    arousal: str | None = None
    features: Path | None = None
    repeated: str = "error"


@dataclass(frozen=True)
class ValidationSettings:
    """What to predict and test on images with norms of valence and arousal.

    ``model`` None is the first of the configuration, ``regions`` None all of them. ``control`` is compared
    with every other region in pairs; ``subregions`` (two or more) with each other. ``outcome``: predictions
    z-scored per subject and image set, or as they are (as published). ``neutral`` is the bound
    of abs(z valence) of the images called neutral. ``alpha`` is the uncorrected threshold of voxelwise maps
    and the rate of false discoveries of the corrected ones is .05.
    """

    sets: Mapping[str, ImageSet]
    model: str | None = None
    regions: tuple[str, ...] | None = None
    control: str | None = None
    subregions: tuple[str, ...] = ()
    low_level: str = "sound"
    deciles: int = 10
    decile_edges: str = "sound"
    outcome: str = "z"
    neutral: float = 1.0
    voxelwise: bool = True
    alpha: float = 0.005
    permutations: int = 2000
    seed: int = 0
    out: Path | None = None


@dataclass
class _Found:
    """Values that were given and are right; everything else keeps its default."""

    values: dict[str, Any] = field(default_factory=dict)

    def put(self, key: str, value: Any) -> None:
        if value is not None:
            self.values[key] = value


def parse_validation(value: Any, checks: Checks, path: str = "validation") -> ValidationSettings | None:
    """The section's settings; None when it is absent or wrong (which adds problems)."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        checks.add(path, "is not a mapping with sets of images")
        return None
    checks.known(value, path, KEYS)
    before = len(checks.problems)
    low_level = _choice(value, "low_level", LOW_LEVEL, checks, path) or "sound"
    shared = _table(value.get("features"), checks, f"{path}.features")
    sets = _sets(value.get("sets"), shared, low_level, checks, f"{path}.sets")
    found = _Found({"sets": sets, "low_level": low_level})
    _names(value, found, checks, path)
    _numbers(value, found, checks, path)
    found.put("decile_edges", _choice(value, "decile_edges", DECILES, checks, path))
    found.put("outcome", _choice(value, "outcome", OUTCOMES, checks, path))
    found.put("out", _new_folder(value.get("out"), checks, f"{path}.out"))
    return ValidationSettings(**found.values) if len(checks.problems) == before else None


def _sets(value: Any, shared: Path | None, low_level: str, checks: Checks, path: str) -> dict[str, ImageSet]:
    if not isinstance(value, Mapping) or not value:
        checks.add(path, "is not a mapping of names to sets of images, each {images, norms}")
        return {}
    made = {str(name): _set(str(name), item, shared, low_level, checks, path) for name, item in value.items()}
    return {name: item for name, item in made.items() if item is not None}


def _set(
    name: str, value: Any, shared: Path | None, low_level: str, checks: Checks, path: str
) -> ImageSet | None:
    where = f"{path}.{name}"
    if not isinstance(value, Mapping):
        checks.add(where, "is not a mapping with images and norms")
        return None
    checks.known(value, where, SET_KEYS)
    norms = checks.file(value.get("norms"), f"{where}.norms", NORMS)
    features = _table(value.get("features"), checks, f"{where}.features") or shared
    images = None
    if value.get("images") is not None or features is None or low_level != "none":
        images = checks.folder(value.get("images"), f"{where}.images")
    column, valence, arousal = (checks.text(value, key, where) for key in ("name", "valence", "arousal"))
    repeated = _choice(value, "repeated", REPEATED, checks, where) or "error"
    if norms is None:
        return None
    return ImageSet(name, norms, images, column, valence, arousal, features, repeated)


def _names(value: Mapping[str, Any], found: _Found, checks: Checks, path: str) -> None:
    regions = checks.texts(value.get("regions"), f"{path}.regions")
    control = checks.text(value, "control", path)
    subregions = checks.texts(value.get("subregions"), f"{path}.subregions")
    found.put("model", checks.text(value, "model", path))
    found.put("regions", regions)
    found.put("control", control)
    found.put("subregions", subregions)
    for key, names in (("regions", regions), ("subregions", subregions)):
        if names and len(set(names)) < len(names):
            checks.add(f"{path}.{key}", "names a region twice")
    if subregions is not None and len(subregions) < 2:
        checks.add(f"{path}.subregions", "holds one name; two or more can be compared")
    if regions:
        for key, names in (("control", (control,) if control else ()), ("subregions", subregions or ())):
            unknown = [name for name in names if name not in regions]
            if unknown:
                checks.add(f"{path}.{key}", f"{unknown[0]} is not among {path}.regions")


def _numbers(value: Mapping[str, Any], found: _Found, checks: Checks, path: str) -> None:
    found.put("deciles", checks.whole(value.get("deciles"), f"{path}.deciles", least=3))
    found.put("neutral", checks.number(value.get("neutral"), f"{path}.neutral", above=0))
    found.put("permutations", checks.whole(value.get("permutations"), f"{path}.permutations", least=0))
    found.put("seed", checks.whole(value.get("seed"), f"{path}.seed", least=0))
    alpha = checks.number(value.get("alpha"), f"{path}.alpha", above=0)
    if alpha is not None and alpha >= 1:
        checks.add(f"{path}.alpha", f"is {alpha:g}, not a probability below 1")
    found.put("alpha", alpha)
    voxelwise = value.get("voxelwise")
    if voxelwise is not None and not isinstance(voxelwise, bool):
        checks.add(f"{path}.voxelwise", f"is {voxelwise!r}, not true or false")
    found.put("voxelwise", voxelwise)


def _choice(
    value: Mapping[str, Any], key: str, options: tuple[str, ...], checks: Checks, path: str
) -> str | None:
    return None if value.get(key) is None else checks.choice(value[key], f"{path}.{key}", options)


def _table(value: Any, checks: Checks, path: str) -> Path | None:
    return None if value is None else checks.file(value, path, TABLES)


def _new_folder(value: Any, checks: Checks, path: str) -> Path | None:
    """A folder that need not be there yet."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        checks.add(path, f"{value!r} is not a path")
        return None
    return checks.base / value
