"""Settings of nuisance regressors, censored volumes and alignment, as a configuration gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from almond.encoding.config.checks import Checks

ORDERS = ("sound", "paper-amygdala", "paper-subregions")
RESPONSES = ("spm", "spm+derivative", "spm+derivatives", "fir", "none")
CENSOR_MODES = ("drop", "zero-filled")


@dataclass(frozen=True)
class ConfoundSettings:
    """Columns by name or glob, and where the tables lie: a pattern, or None for the file beside the run."""

    columns: tuple[str, ...]
    path: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {"columns": list(self.columns), "path": _file_name(self.path)}


@dataclass(frozen=True)
class CensorSettings:
    """``path``: pattern of the vectors. ``mode``: whether the BOLD files lack the censored volumes (drop), or
    still have them (zero-filled)."""

    path: str
    mode: str

    def to_json(self) -> dict[str, Any]:
        return {"path": _file_name(self.path), "mode": self.mode}


def _file_name(pattern: str | None) -> str | None:
    return None if pattern is None else pattern.rsplit("/", 1)[-1]


def parse_confounds(value: Any, checks: Checks, path: str = "confounds") -> ConfoundSettings | None:
    """``{columns: [names or globs], path: pattern}``; None for none. Relative patterns start from the file of
    the configuration; they may hold ``{subject}``, ``{run}``, ``{bold}`` and BIDS entities such as
    ``{ses}``."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        checks.add(path, "is not a mapping {columns: [names or globs], path: pattern}")
        return None
    checks.known(value, path, ("columns", "path"))
    columns = checks.texts(value.get("columns"), f"{path}.columns")
    if value.get("columns") is None:
        checks.add(f"{path}.columns", "is missing; name columns, or globs such as trans_*")
    pattern = checks.text(value, "path", path)
    if not columns:
        return None
    return ConfoundSettings(columns, None if pattern is None else str(checks.base / pattern))


def parse_censor(value: Any, checks: Checks, path: str = "censor") -> CensorSettings | None:
    """``{path: pattern, mode: drop | zero-filled}``; None for none."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        checks.add(path, "is not a mapping {path: pattern, mode: drop or zero-filled}")
        return None
    checks.known(value, path, ("path", "mode"))
    pattern = checks.text(value, "path", path, required=True)
    mode = checks.choice(value.get("mode"), f"{path}.mode", CENSOR_MODES)
    return CensorSettings(str(checks.base / pattern), mode) if pattern and mode else None


def parse_high_pass(value: Any, checks: Checks, path: str = "high_pass") -> float | None:
    """Cut-off in Hz, such as 0.0078125 (128 s); None for none."""
    return checks.number(value, path, above=0)


def parse_delays(value: Any, checks: Checks, path: str = "delays") -> tuple[float, ...]:
    """Delays of a finite impulse response in seconds, each once, sorted; ``()`` when none are given."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not value:
        checks.add(path, "is not a list of seconds, such as [2, 4, 6, 8]")
        return ()
    found = [checks.number(item, f"{path}[{index}]", least=0) for index, item in enumerate(value)]
    if any(item is None for item in value):
        checks.add(path, "holds nothing where a number of seconds should be")
    known = [item for item in found if item is not None]
    if len(set(known)) < len(known):
        checks.add(path, "has the same delay twice")
    return tuple(sorted(set(known)))
