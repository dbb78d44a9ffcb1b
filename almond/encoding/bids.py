"""BOLD runs of a BIDS dataset: an index over file names.

An index of our own rather than pybids: names and the inheritance of sidecars and events are all that is
needed, and it opens no NIfTI file until it is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from almond.encoding.nifti import load_nifti
from almond.errors import InputError

ENTITY = re.compile(r"([a-z]+)-([A-Za-z0-9+]+)")
SUFFIXES = (".nii", ".nii.gz")
TR_TOLERANCE = 1e-3
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "unknown": 1.0}
EVENT_COLUMNS = ("onset", "duration")


@dataclass(frozen=True)
class Run:
    """One BOLD run. ``name`` tells it from the subject's others; ``volumes`` limits it to part of the
    file."""

    subject: str
    name: str
    bold: Path
    events: Path | None = None
    sidecar_tr: float | None = None
    volumes: tuple[int, int] | None = None


def entities(path: Path) -> dict[str, str]:
    """The key-value pairs of a BIDS file name."""
    return dict(ENTITY.findall(path.name.split(".")[0]))


def find_runs(
    root: Path,
    task: str | None = None,
    subjects: Iterable[str] | None = None,
    only: Mapping[str, str] | None = None,
) -> list[Run]:
    """The BOLD runs below ``root``, sorted by subject and name; subjects without ``sub-``.

    ``only`` filters by further entities, such as ``{"space": "MNI152NLin2009cAsym", "desc": "preproc"}``.

    :raises InputError: no such folder, no run found, a subject without runs, or two files for one run.
    """
    if not root.is_dir():
        raise InputError(root, "is not a folder", "the folder of a BIDS dataset")
    wanted = None if subjects is None else set(subjects)
    needed = {**({"task": task} if task else {}), **(only or {})}
    files = sorted(
        path
        for suffix in SUFFIXES
        for pattern in ("sub-*/func", "sub-*/ses-*/func")
        for path in root.glob(f"{pattern}/*_bold{suffix}")
    )
    runs: dict[tuple[str, str], Run] = {}
    for path in files:
        run = _describe(path, root)
        if needed.items() <= entities(path).items() and (wanted is None or run.subject in wanted):
            _add(runs, run)
    _check_found(runs, root, wanted, needed)
    return [runs[key] for key in sorted(runs, key=_natural)]


def _natural(key: tuple[str, str]) -> list[tuple[int, int, str]]:
    """Run 10 after run 2."""
    parts = re.split(r"(\d+)", "\0".join(key))
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def _add(runs: dict[tuple[str, str], Run], run: Run) -> None:
    key = (run.subject, run.name)
    if key in runs:
        raise InputError(
            run.bold, f"is a second file for the run of {runs[key].bold.name}", "one file: filter by entities"
        )
    runs[key] = run


def _check_found(
    runs: Mapping[tuple[str, str], Run], root: Path, wanted: set[str] | None, needed: Mapping[str, str]
) -> None:
    which = "".join(f" with {key}-{value}" for key, value in needed.items())
    if not runs:
        raise InputError(
            root, f"holds no BOLD run{which}", "files like sub-01/func/sub-01_task-rest_bold.nii.gz"
        )
    missing = sorted((wanted or set()) - {subject for subject, _ in runs})
    if missing:
        raise InputError(root, f"holds no BOLD run{which} of sub-{missing[0]}", "subjects of the dataset")


def _describe(path: Path, root: Path) -> Run:
    found = entities(path)
    name = "_".join(f"{key}-{found[key]}" for key in ("ses", "task", "run") if key in found)
    sidecars = [_read_sidecar(file) for file in _inherited(path, root, "bold.json")]
    merged = {key: value for sidecar in sidecars for key, value in sidecar.items()}
    events = _inherited(path, root, "events.tsv")
    return Run(
        subject=found.get("sub", ""),
        name=name,
        bold=path,
        events=events[-1] if events else None,
        sidecar_tr=_sidecar_tr(merged, path),
    )


def _inherited(path: Path, root: Path, suffix: str) -> list[Path]:
    """Files that apply to a run by BIDS' inheritance: from the root down, the nearest last."""
    own = entities(path).items()
    folders = [root, *(root / part for part in _ancestors(path.relative_to(root).parent))]
    found: list[Path] = []
    for folder in folders:
        matching = [
            file for file in folder.glob(f"*{suffix}") if file.name == suffix or entities(file).items() <= own
        ]
        found += sorted(matching, key=lambda file: len(entities(file)))
    return found


def _ancestors(relative: Path) -> list[Path]:
    return [part for part in reversed([relative, *relative.parents]) if part != Path()]


def _read_sidecar(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({error})", "a JSON object") from error
    if not isinstance(found, dict):
        raise InputError(path, "is not a JSON object", 'such as {"RepetitionTime": 2}')
    return found


def _sidecar_tr(sidecar: Mapping[str, Any], bold: Path) -> float | None:
    value = sidecar.get("RepetitionTime")
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        raise InputError(f"sidecar of {bold}", f"RepetitionTime is {value!r}", "seconds, above 0")
    return float(value)


def repetition_time(run: Run, stated: float | None = None) -> float:
    """The TR in seconds from header, sidecar and configuration, which must agree where they speak.

    :raises InputError: two of them differ by more than a millisecond, or none gives one.
    """
    header = load_nifti(run.bold).header
    zooms = header.get_zooms()
    unit = SECONDS.get(header.get_xyzt_units()[1], 1.0)
    in_header = float(zooms[3]) * unit if len(zooms) > 3 else 0.0
    known = {
        "header": in_header if np.isfinite(in_header) and in_header > 0 else None,
        "sidecar": run.sidecar_tr,
        "configuration": stated,
    }
    said = {where: value for where, value in known.items() if value is not None}
    if not said:
        raise InputError(run.bold, "has no repetition time in header or sidecar", "tr: seconds")
    if max(said.values()) - min(said.values()) > TR_TOLERANCE:
        text = ", ".join(f"{where} {value:g} s" for where, value in said.items())
        raise InputError(run.bold, f"its repetition times disagree: {text}", "one TR")
    return said.get("configuration") or said.get("sidecar") or said["header"]


def number_of_volumes(run: Run) -> int:
    if run.volumes:
        return run.volumes[1] - run.volumes[0]
    shape: Sequence[int] = load_nifti(run.bold).shape
    if len(shape) != 4:
        raise InputError(run.bold, f"has shape {tuple(shape)}", "a 4-D BOLD run")
    return int(shape[3])


def read_events(path: Path) -> pd.DataFrame:
    """An events table with numeric ``onset`` and ``duration`` in seconds; ``InputError`` naming the file."""
    if not path.is_file():
        raise InputError(path, "file not found", "a BIDS events.tsv")
    try:
        events = pd.read_csv(path, sep="\t", na_values=["n/a"])
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read ({error})", "a tab-separated table") from error
    for column in EVENT_COLUMNS:
        if column not in events:
            raise InputError(path, f"has no column {column}", "onset, duration and more")
        if not pd.api.types.is_numeric_dtype(events[column]) or events[column].isna().any():
            raise InputError(path, f"column {column} does not hold numbers only", "seconds")
    return events
