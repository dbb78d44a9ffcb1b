"""Files that describe BOLD runs: JSON sidecars and events, inherited as BIDS says."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from almond.errors import InputError

ENTITY = re.compile(r"(?:^|_)([a-z]+)-([A-Za-z0-9+]+)")
WHO = ("sub", "ses", "task", "acq", "ce", "dir", "run")
"""Entities that tell acquisitions apart; others (space, desc, res, echo) tell versions of one."""

ONE_VALUE = {
    "RepetitionTime": ("repetition times", "one TR"),
    "StartTime": ("StartTime", "one StartTime"),
    "VolumeTiming": ("VolumeTiming", "the same times in all of them"),
}
"""Fields on which the runs that a derivative joins must agree -> words for them, what is expected."""

POINTERS = (b"/annex/objects/", b"../.git/annex/objects/", b"version https://git-lfs")
LARGEST_POINTER = 4096


def entities(path: Path) -> dict[str, str]:
    """Read the key-value pairs of a BIDS file name."""
    return dict(ENTITY.findall(path.name.split(".")[0]))


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
    """
    own = entities(path).items()
    folders = [root, *(root / part for part in _ancestors(path.relative_to(root).parent))]
    files: list[Path] = []
    for folder in folders:
        matching = [file for file in _ending(folder, suffix) if entities(file).items() <= own]
        files += sorted(matching, key=lambda file: len(entities(file)))
    return files


def _ending(folder: Path, suffix: str) -> list[Path]:
    return [
        file for file in folder.glob(f"*{suffix}") if file.name == suffix or file.name.endswith(f"_{suffix}")
    ]


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
    folder = source / path.relative_to(root).parent
    same = {key: value for key, value in entities(path).items() if key in WHO}.items()
    names = sorted({file.name.split(".")[0] for file in folder.glob("sub-*_bold.*")})
    raw = {
        name: merged_sidecar(folder / name, source, "bold")
        for name in names
        if same <= entities(Path(name)).items()
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


def read_sidecar(path: Path) -> dict[str, Any]:
    """Read a JSON sidecar.

    :raises InputError: it is no JSON object.
    """
    check_fetched(path)
    try:
        sidecar = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({error})", "a JSON object") from error
    if not isinstance(sidecar, dict):
        raise InputError(path, "is not a JSON object", 'such as {"RepetitionTime": 2}')
    return sidecar
