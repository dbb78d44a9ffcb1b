"""Files that describe BOLD runs: JSON sidecars and events, inherited as BIDS says."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from almond.errors import InputError
from almond.files.folders import find_path, normalised, visible

ENTITY = re.compile(r"(?:^|_)([a-z]+)-((?:[^\W_]|[+\u0300-\u036f])+)")
INDICES = ("run", "echo", "inv", "flip", "split", "chunk")
"""Entities whose value BIDS calls an index: ``run-1`` and ``run-01`` are one."""

WHO = ("sub", "ses", "task", "acq", "ce", "dir", "run")
"""Entities that tell acquisitions apart; others (space, desc, res, echo) tell versions of one."""

TIMES = (
    "RepetitionTime",
    "StartTime",
    "SliceTiming",
    "SliceTimingCorrected",
    "VolumeTiming",
    "DelayTime",
    "FrameAcquisitionDuration",
    "AcquisitionDuration",
)
"""Fields that Almond reads."""

ONE_VALUE = {
    "RepetitionTime": ("repetition times", "one TR"),
    "StartTime": ("StartTime", "one StartTime"),
    "VolumeTiming": ("VolumeTiming", "the same times in all of them"),
}
"""Fields on which the runs that a derivative joins must agree -> words for them, what is expected."""

POINTERS = (b"/annex/objects/", b"../.git/annex/objects/", b"version https://git-lfs")
LARGEST_POINTER = 4096


def entities(path: Path) -> dict[str, str]:
    """Read the key-value pairs of a BIDS file name, as it writes them."""
    return dict(ENTITY.findall(normalised(path.name).split(".")[0]))


def compared(pairs: Mapping[str, str]) -> dict[str, str]:
    """Write entities so that equal ones are equal text: an index without zeros in front."""
    return {key: _index(value) if key in INDICES else normalised(value) for key, value in pairs.items()}


def _index(value: str) -> str:
    return value.lstrip("0") or "0" if value.isascii() and value.isdigit() else value


def same_bids_name(name: str) -> str:
    """Write a file or folder name so that names that mean the same are equal text."""

    def without_zeros(match: re.Match[str]) -> str:
        return match[0] if match[1] not in INDICES else match[0].replace(match[2], _index(match[2]))

    return ENTITY.sub(without_zeros, normalised(name))


def check_fetched(path: Path) -> None:
    """Check that a file's data are here, not the pointer that a dataset's clone has in their place.

    git-annex leaves links into ``.git/annex`` that lead nowhere, or small files that name a key; git-lfs
    leaves small files too.

    :raises InputError: with the command that fetches the file.
    """
    if path.is_symlink() and not path.exists():
        kind = "git-annex link" if "annex" in os.readlink(path) else "link"
        raise InputError(path, f"is a {kind} to data that were not fetched", _fetch(path))
    if path.is_file() and path.stat().st_size < LARGEST_POINTER:
        with path.open("rb") as stream:
            if stream.read(64).startswith(POINTERS):
                raise InputError(path, "is a pointer to data that were not fetched", _fetch(path))


def _fetch(path: Path) -> str:
    return f"the file itself: run `datalad get {path.name}` (or `git annex get`) in its folder"


def inherited(path: Path, root: Path, suffix: str) -> list[Path]:
    """List the files ``*_suffix`` that apply to a run by BIDS' inheritance, from the root down.

    A file applies that lies in a folder above (or beside) the run and has no entity that the run lacks.

    :raises InputError: two files of one folder say the same of which runs they are for.
    """
    own = compared(entities(path)).items()
    folders = [root, *(find_path(root / part) for part in _ancestors(path.relative_to(root).parent))]
    files: list[Path] = []
    for folder in folders:
        applying: dict[frozenset[tuple[str, str]], Path] = {}
        for file in _ending(folder, suffix):
            pairs = frozenset(compared(entities(file)).items())
            if pairs <= own and applying.setdefault(pairs, file) != file:
                raise InputError(file, f"is a second file for the runs of {applying[pairs].name}", "one file")
        files += sorted(applying.values(), key=lambda file: len(entities(file)))
    return files


def _ending(folder: Path, suffix: str) -> list[Path]:
    matching = visible(folder.glob(f"*{suffix}"))
    return [file for file in matching if file.name == suffix or file.name.endswith(f"_{suffix}")]


def _ancestors(relative: Path) -> list[Path]:
    return [part for part in reversed([relative, *relative.parents]) if part != Path()]


def merged_sidecar(path: Path, root: Path, suffix: str) -> dict[str, Any]:
    """Merge a run's own sidecars, the nearest last."""
    merged: dict[str, Any] = {}
    for file in inherited(path, root, f"{suffix}.json"):
        merged.update(read_sidecar(file))
    return merged


def sidecar_beside(path: Path) -> dict[str, Any]:
    """Read the sidecar that lies beside a BOLD file under its name; empty where there is none."""
    file = path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".json")
    return read_sidecar(file) if file.is_file() or file.is_symlink() else {}


def source_sidecar(path: Path, root: Path, source: Path, own: Mapping[str, Any]) -> dict[str, Any]:
    """Merge what the raw runs behind a derivative file say beyond its ``own`` sidecar.

    A derivative may join several runs, so that every raw run counts that it could have come from.

    :raises InputError: these runs disagree on one of ``ONE_VALUE``.
    """
    folder = find_path(source / path.relative_to(root).parent)
    same = acquisition(path).items()
    names = sorted({file.name.split(".")[0] for file in visible(folder.glob("sub-*_bold.*"))})
    raw = {
        name: merged_sidecar(folder / name, source, "bold")
        for name in names
        if same <= compared(entities(Path(name))).items()
    }
    for key, (words, one) in ONE_VALUE.items():
        said = {name: sidecar[key] for name, sidecar in raw.items() if key in sidecar and key not in own}
        first = next(iter(said.values()), None)
        if any(value != first for value in said.values()):
            text = ", ".join(f"{name} {_short(value)}" for name, value in said.items())
            raise InputError(path, f"comes from runs with different {words}: {text}", one)
    merged: dict[str, Any] = {}
    for sidecar in reversed(raw.values()):
        merged.update(sidecar)
    return {key: value for key, value in merged.items() if key not in own}


def _short(value: object) -> str:
    return f"{value:g} s" if isinstance(value, int | float) else f"{str(value)[:40]} ..."


def acquisition(path: Path) -> dict[str, str]:
    """Take the entities that tell which acquisition a file belongs to, to be compared."""
    return {key: value for key, value in compared(entities(path)).items() if key in WHO}


def read_sidecar(path: Path) -> dict[str, Any]:
    """Read a JSON sidecar.

    :raises InputError: it is no JSON object, or names a key twice.
    """
    check_fetched(path)
    try:
        sidecar = json.loads(path.read_bytes(), object_pairs_hook=_each_once)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(path, f"cannot be read ({error})", "a JSON object") from error
    if not isinstance(sidecar, dict):
        raise InputError(path, "is not a JSON object", 'such as {"RepetitionTime": 2}')
    return sidecar


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a mapping; a field of times must stand in it once. Published sidecars repeat others."""
    keys = [key for key, _ in pairs]
    if repeated := [key for key in TIMES if keys.count(key) > 1]:
        raise ValueError(f"{repeated[0]!r} stands in it twice")
    return dict(pairs)
