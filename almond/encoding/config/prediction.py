"""The sections ``prediction`` and ``betas`` of a configuration. Light: no numbers are read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almond.encoding.config.checks import Checks

SUFFIX = "fc7_invert_imageFeatures"
"""How the published scripts end the names of their files of weights."""


@dataclass(frozen=True)
class PredictionSettings:
    """``predict``: the images (a folder) to predict responses to, or a ``table`` of their features.

    ``leave_one_out`` adds, per subject, the prediction by the mean weights of all other subjects.
    """

    images: Path | None = None
    table: Path | None = None
    out: Path | None = None
    leave_one_out: bool = True


@dataclass(frozen=True)
class BetasSettings:
    """``export-betas`` and ``import-betas``: folders of mean weights as CSV, one file per subject and region.

    Files are named ``meanbeta_sub-<subject>_<region>_<suffix>.csv``. ``names`` maps our regions to theirs.
    """

    folder: Path | None = None
    suffix: str = SUFFIX
    names: Mapping[str, str] | None = None


def parse_prediction(value: Any, checks: Checks, path: str = "prediction") -> PredictionSettings | None:
    """The section's settings; None when it is absent or no mapping (which is a problem)."""
    if not _is_section(value, checks, path, ("images", "table", "out", "leave_one_out")):
        return None
    given = [key for key in ("images", "table") if value.get(key) is not None]
    if len(given) != 1:
        checks.add(path, "give either a folder of images or a table of their features, and not both")
    images = checks.folder(value["images"], f"{path}.images") if "images" in given else None
    suffixes = (".csv", ".tsv", ".npy", ".npz", ".mat", ".parquet")
    table = checks.file(value["table"], f"{path}.table", suffixes) if "table" in given else None
    leave = value.get("leave_one_out", True)
    if not isinstance(leave, bool):
        checks.add(f"{path}.leave_one_out", f"is {leave!r}, not true or false")
        leave = True
    return PredictionSettings(images, table, _new_folder(value.get("out"), checks, f"{path}.out"), leave)


def parse_betas(value: Any, checks: Checks, path: str = "betas") -> BetasSettings | None:
    """The section's settings; None when it is absent or no mapping (which is a problem)."""
    if not _is_section(value, checks, path, ("folder", "suffix", "names")):
        return None
    suffix = checks.text(value, "suffix", path)
    names = value.get("names")
    if names is not None and not _maps_names(names):
        checks.add(f"{path}.names", "is not a mapping of our regions to names in files, such as {LB: LB}")
        names = None
    return BetasSettings(
        _new_folder(value.get("folder"), checks, f"{path}.folder"),
        suffix or SUFFIX,
        {str(key): str(name) for key, name in names.items()} if names else None,
    )


def _maps_names(value: Any) -> bool:
    if not isinstance(value, Mapping) or not value:
        return False
    return all(isinstance(name, str) and name for name in value.values())


def _is_section(value: Any, checks: Checks, path: str, keys: tuple[str, ...]) -> bool:
    if value is None:
        return False
    if not isinstance(value, Mapping):
        checks.add(path, f"is not a mapping with {', '.join(keys)}")
        return False
    checks.known(value, path, keys)
    return True


def _new_folder(value: Any, checks: Checks, path: str) -> Path | None:
    """A folder that need not be there yet."""
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        checks.add(path, f"{value!r} is not a path")
        return None
    return checks.base / value
