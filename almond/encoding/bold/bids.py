"""BOLD runs of a BIDS dataset, raw or derivative: an index over file names. Loads no image library.

Our own instead of pybids: it only lists names, so that a web request can ask it (pybids reads every sidecar
and builds a database first), and it needs no validator (``docs/adr/0007``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

from almond.encoding.bold.sidecars import (
    WHO,
    compared,
    entities,
    inherited,
    merged_sidecar,
    source_sidecar,
)
from almond.encoding.bold.timing import UNSAID, Timing, read_repetition_time, read_timing
from almond.errors import InputError
from almond.files.folders import find_path, normalised, visible
from almond.naming import natural

SUFFIXES = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Run:
    """One BOLD run. ``name`` tells it from the subject's others; ``volumes`` limits it to part of the
    file; ``sidecar_tr`` and ``timing`` are what its sidecars say."""

    subject: str
    name: str
    bold: Path
    events: Path | None = None
    sidecar_tr: float | None = None
    volumes: tuple[int, int] | None = None
    timing: Timing = UNSAID


def find_runs(
    root: Path,
    task: str | None = None,
    subjects: Iterable[str] | None = None,
    only: Mapping[str, str] | None = None,
    *,
    suffix: str = "bold",
    derivatives: bool | str = False,
) -> list[Run]:
    """List the BOLD runs of a dataset, in natural order of subject (2 before 10) and name.

    ``root`` is a raw dataset or a folder of derivatives. ``derivatives`` looks into ``root/derivatives``
    (True: subjects directly below it) or ``root/derivatives/<name>`` instead. ``suffix`` is the last part of
    the file name: ``bold``, or what a pipeline made of it, such as ``bold_blur_censor``. ``only`` filters by
    further entities, such as ``{"space": "MNI152NLin2009cAsym", "desc": "preproc"}``. ``subjects`` are
    written as in the names, without ``sub-``.

    Runs of one subject are told apart by session, task, acquisition, direction and run. Sidecars and events
    apply as BIDS says; those of the raw dataset hold where a derivative has none of its own.

    :raises InputError: no such folder, no run found, a subject without runs, or two files for one run.
    """
    folder = (
        root if derivatives is False else root / "derivatives" / ("" if derivatives is True else derivatives)
    )
    if not folder.is_dir():
        raise InputError(folder, "is not a folder", "the folder of a BIDS dataset")
    wanted = None if subjects is None else set(map(normalised, subjects))
    needed = compared({**({"task": task} if task else {}), **(only or {})})
    every = bold_files(folder, suffix)
    runs: dict[tuple[str, str], Path] = {}
    for path in every:
        pairs = entities(path)
        if needed.items() <= compared(pairs).items() and (wanted is None or pairs.get("sub") in wanted):
            _add(runs, path)
    which = f"{suffix}{''.join(f' with {key}-{value}' for key, value in needed.items())}"
    _check_found(runs, folder, wanted, which, every)
    ordered = sorted(runs, key=lambda key: (natural(key[0]), natural(key[1])))
    return [_describe(runs[key], folder, suffix) for key in ordered]


def source_dataset(folder: Path) -> Path:
    """Find the raw dataset of a folder of derivatives (``.../derivatives`` or ``.../derivatives/<name>``).

    Any other folder is its own.
    """
    absolute = folder.absolute()
    if absolute.name == "derivatives":
        return absolute.parent
    return absolute.parent.parent if absolute.parent.name == "derivatives" else folder


def bold_files(folder: Path, suffix: str = "bold") -> list[Path]:
    """List the files ``*_suffix.nii[.gz]`` in the folders ``func`` of all subjects and sessions."""
    endings = tuple(f"*_{suffix}{ending}" for ending in SUFFIXES)
    folders = [inner for part in ("sub-*/func", "sub-*/ses-*/func") for inner in folder.glob(part)]
    return sorted(
        path
        for inner in folders
        for path in visible(inner.glob("*"))
        if any(fnmatchcase(_lower_ending(path.name), ending) for ending in endings)
    )


def _lower_ending(name: str) -> str:
    """Write ``.NII.GZ``, as some scanners' consoles do, as ``.nii.gz``."""
    return re.sub(r"(?i)\.nii(\.gz)?$", lambda match: match[0].lower(), name)


def _name(pairs: Mapping[str, str]) -> str:
    return "_".join(f"{key}-{pairs[key]}" for key in WHO if key in pairs and key != "sub")


def _add(runs: dict[tuple[str, str], Path], path: Path) -> None:
    key = (entities(path).get("sub", ""), _name(compared(entities(path))))
    if key in runs:
        first, other = compared(entities(runs[key])), compared(entities(path))
        keys = [name for name in {**first, **other} if first.get(name) != other.get(name)]
        hint = f" ({', '.join(keys)} differ)" if keys else ""
        right = "one file: filter by entities" if keys else "one file (run-1 and run-01 are the same run)"
        raise InputError(path, f"is a second file for the run of {runs[key].name}{hint}", right)
    runs[key] = path


def _check_found(
    runs: Mapping[tuple[str, str], Path],
    root: Path,
    wanted: set[str] | None,
    which: str,
    every: Sequence[Path],
) -> None:
    have = {subject for subject, _ in runs}
    missing = sorted((wanted or set()) - have, key=natural)
    if missing and every:
        there = {entities(path).get("sub", "") for path in every}
        near = [name for name in there if name.lstrip("0") == missing[0].lstrip("0")]
        near = near or get_close_matches(missing[0], there, n=1)
        hint = f"sub-{near[0]}" if near and near[0] not in have | set(missing) else "subjects of the dataset"
        raise InputError(root, f"holds no BOLD run {which} of sub-{missing[0]}", hint)
    if not runs:
        raise InputError(root, f"holds no BOLD run {which}", _hint(root))


def _hint(root: Path) -> str:
    """Say what the folder holds instead: endings of its files, or derivatives below it."""
    kinds = sorted({_suffix(path) for path in bold_files(root, "*")} - {""})
    inside = root / "derivatives"
    below = sorted({_suffix(path) for path in bold_files(inside, "*")} - {""}) if inside.is_dir() else []
    if kinds or below:
        hints = [f"suffix: {', '.join(kinds)}"] if kinds else []
        hints += [f"derivatives: true with suffix: {', '.join(below)}"] if below else []
        return f"what is there: {'; '.join(hints)}"
    return "files like sub-01/func/sub-01_task-rest_bold.nii.gz"


def _suffix(path: Path) -> str:
    """Cut out the last part of a BIDS name: everything after the last entity."""
    stem = _lower_ending(path.name).removesuffix(".gz").removesuffix(".nii")
    return re.sub(r"^.*?((?:^|_)[a-z]+-[A-Za-z0-9+]+)+(?:_|$)", "", stem)


def _describe(path: Path, root: Path, suffix: str) -> Run:
    source = source_dataset(root)
    sidecar, events = merged_sidecar(path, root, suffix), inherited(path, root, "events.tsv")
    if source != root:
        # Names in the raw dataset have the same folders below it.
        raw = find_path(source / path.relative_to(root).parent) / path.name
        sidecar |= source_sidecar(path, root, source, sidecar)
        events = events or inherited(raw, source, "events.tsv")
    said = f"sidecar of {path}"
    return Run(
        entities(path).get("sub", ""),
        _name(entities(path)),
        path,
        events[-1] if events else None,
        read_repetition_time(sidecar, said),
        timing=read_timing(sidecar, said),
    )
