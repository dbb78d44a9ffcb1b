"""Files that describe BOLD runs: JSON sidecars and events, inherited as BIDS says."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from almond.errors import InputError
from almond.folders import find_path, normalised, visible

ENTITY = re.compile(r"(?:^|_)([a-z]+)-((?:[^\W_]|[+\u0300-\u036f])+)")
INDICES = ("run", "echo", "inv", "flip", "split", "chunk")
"""Entities whose value BIDS calls an index: ``run-1`` and ``run-01`` are one."""

WHO = ("sub", "ses", "task", "acq", "ce", "dir", "run")
"""Entities that tell acquisitions apart; others (space, desc, res, echo) tell versions of one."""

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


def sidecar_tr(path: Path, root: Path, suffix: str) -> float | None:
    """Read the repetition time in seconds that a run's own sidecars give."""
    merged: dict[str, Any] = {}
    for file in inherited(path, root, f"{suffix}.json"):
        merged.update(read_sidecar(file))
    return _tr(merged, f"sidecar of {path}")


def source_tr(path: Path, root: Path, source: Path) -> float | None:
    """Read the repetition time that the raw runs behind a derivative file were measured with.

    A derivative may join several runs, so that every raw run counts that it could have come from.

    :raises InputError: these runs disagree.
    """
    own = acquisition(path)
    folder = find_path(source / path.relative_to(root).parent)
    said: dict[str, float] = {}
    for raw in sorted({file.name.split(".")[0] for file in visible(folder.glob("sub-*_bold.*"))}):
        if own.items() <= compared(entities(Path(raw))).items():
            tr = sidecar_tr(folder / raw, source, "bold")
            if tr is not None:
                said[raw] = tr
    if len(set(said.values())) > 1:
        text = ", ".join(f"{name} {value:g} s" for name, value in said.items())
        raise InputError(path, f"comes from runs with different repetition times: {text}", "one TR")
    return next(iter(said.values()), None)


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
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError(f"{max(keys, key=keys.count)!r} stands in it twice")
    return dict(pairs)


def _tr(sidecar: Mapping[str, Any], source: str) -> float | None:
    value = sidecar.get("RepetitionTime")
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e4:
        raise InputError(source, f"RepetitionTime is {value!r}", "seconds, above 0")
    return float(value)
