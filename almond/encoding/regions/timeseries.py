"""Time series of regions in tables (BIDS: ``..._timeseries.tsv``) as runs that a configuration can name.

A table has a row per volume and a column per region, or several columns of one region. Each column becomes a
voxel of a 4-D image (columns, 1, 1, volumes), each region a mask of it, so that everything that a fit does to
measured voxels it does to them: confounds, filters, censoring, cross-validation, noise ceilings. Places of
such voxels mean nothing.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import yaml

from almond.digest import digest_file
from almond.encoding.bold.sidecars import WHO, compared, entities
from almond.errors import InputError
from almond.files.folders import visible
from almond.files.writing import new_folder, publish, write_atomically
from almond.naming import natural
from almond.tables import read_numbers
from almond.typing import Floats

ENDINGS = ("_timeseries.tsv", "_timeseries.csv")
SETTINGS = "runs.yaml"
REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]*")


@dataclass(frozen=True)
class RegionRun:
    """One run's table: ``values`` (volumes, columns) in the order of ``columns``."""

    subject: str
    run: str
    path: Path
    columns: tuple[str, ...]
    values: Floats


def find_tables(paths: Sequence[Path]) -> list[Path]:
    """List tables: files as they are, of folders every ``…_timeseries.tsv`` or ``.csv``, in natural order.

    :raises InputError: nothing there, or a folder without tables.
    """
    tables: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [item for item in visible(path.rglob("*"), path) if item.name.lower().endswith(ENDINGS)]
            if not inside:
                raise InputError(path, "holds no time series", f"files …{' or …'.join(ENDINGS)}")
            tables += sorted(inside, key=lambda item: natural(str(item)))
        elif path.is_file():
            tables.append(path)
        else:
            raise InputError(path, "file not found", "a table of time series, or a folder of them")
    return tables


def read_region_run(path: Path) -> RegionRun:
    """Read a table; subject and run come from its name (``sub-01_task-film_run-2_timeseries.tsv``).

    :raises InputError: a name without subject, a cell that is empty or no number, fewer than two volumes.
    """
    named = entities(path)
    if "sub" not in named:
        raise InputError(path, "does not say whose it is", "a name such as sub-01_run-1_timeseries.tsv")
    table = read_numbers(path)
    if len(table.values) < 2:
        raise InputError(path, f"has {len(table.values)} volumes", "two or more")
    run = "_".join(f"{key}-{named[key]}" for key in WHO if key in named and key != "sub")
    return RegionRun(named["sub"], run or "run-1", path, table.names, table.values)


def regions_of(columns: Sequence[str], patterns: Mapping[str, str] | None) -> dict[str, list[int]]:
    """Map each region to the places of its columns; without patterns each column is a region of its own.

    :param patterns: region -> the columns' names, ``*`` for any text, such as ``LB -> LB_*``.
    :raises InputError: a pattern without a column, a column of two regions, a name that is none for a file.
    """
    if patterns is None:
        patterns = {name: re.sub(r"([*?[])", r"[\1]", name) for name in columns}
    regions = {
        region: [place for place, name in enumerate(columns) if fnmatch.fnmatchcase(name, pattern)]
        for region, pattern in patterns.items()
    }
    for region, places in regions.items():
        if not REGION.fullmatch(region):
            raise InputError("regions", f"{region!r} cannot name a file", "letters, digits, _, - and .")
        if not places:
            raise InputError("--region", f"{region}={patterns[region]} matches no column", ", ".join(columns))
    used = [place for places in regions.values() for place in places]
    for place in set(used):
        if used.count(place) > 1:
            raise InputError("--region", f"puts column {columns[place]} into two regions", "one region each")
    return regions


def import_timeseries(
    tables: Sequence[Path], out: Path, *, tr: float, patterns: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Write images, masks and ``runs.yaml`` (the keys ``runs`` and ``regions`` of a configuration) to a new
    folder, whole or not at all.

    :param tr: repetition time in seconds.
    :param patterns: as in ``regions_of``.
    :return: the content of ``runs.yaml``, and under ``tables`` the SHA-256 of each table.
    :raises InputError: tables that differ in columns, two of one run, whatever the other functions raise.
    """
    if not tr > 0:
        raise InputError("--tr", f"is {tr:g}", "the repetition time in seconds")
    if out.exists():
        raise InputError(out, "exists already", "a new folder")
    runs = [read_region_run(path) for path in tables]
    columns = runs[0].columns
    _check_alike(runs)
    regions = regions_of(columns, patterns)
    with new_folder(out.parent) as scratch:
        for run in runs:
            order = [run.columns.index(name) for name in columns]
            _save(scratch / _image(run), run.values[:, order].T[:, None, None, :], tr)
            _copy_events(run, scratch)
        for region, places in regions.items():
            mask = np.zeros((len(columns), 1, 1), np.uint8)
            mask[places] = 1
            _save(scratch / "regions" / f"{region}.nii.gz", mask)
        settings = _settings(runs, regions, scratch)
        write_atomically(scratch / SETTINGS, _yaml_of(settings))
        publish(scratch, out)
    return settings


def _check_alike(runs: Sequence[RegionRun]) -> None:
    first, named = runs[0], dict[tuple[str | None, ...], Path]()
    for run in runs:
        if set(run.columns) != set(first.columns):
            apart = sorted(set(run.columns) ^ set(first.columns))
            raise InputError(
                run.path, f"and {first.path.name} differ in {', '.join(apart)}", "the same columns"
            )
        key = tuple(compared(entities(run.path)).get(name) for name in WHO)
        other = named.setdefault(key, run.path)
        if other != run.path:
            raise InputError(run.path, f"is the same run as {other}", "one table for each run")


def _settings(
    runs: Sequence[RegionRun], regions: Mapping[str, Sequence[int]], folder: Path
) -> dict[str, Any]:
    rows = []
    for run in runs:
        events = {"events": _events(run)} if (folder / _events(run)).exists() else {}
        rows.append({"subject": run.subject, "run": run.run, "bold": _image(run), **events})
    return {
        "runs": rows,
        "regions": {region: f"regions/{region}.nii.gz" for region in regions},
        "tables": {run.path.name: digest_file(run.path) for run in runs},
    }


def _yaml_of(settings: Mapping[str, Any]) -> bytes:
    """Write the keys of a configuration, and as a comment what they were made of."""
    keys = {name: settings[name] for name in ("runs", "regions")}
    made = "".join(f"# {digest}  {name}\n" for name, digest in settings["tables"].items())
    return (f"# Made of these tables (SHA-256):\n{made}" + yaml.safe_dump(keys, sort_keys=False)).encode()


def _copy_events(run: RegionRun, folder: Path) -> None:
    """Copy the events that lie beside a table, of the same acquisition by their name."""
    own = {key: value for key, value in compared(entities(run.path)).items() if key in WHO}
    tables = visible(run.path.parent.glob("*_events.tsv"))
    beside = [path for path in tables if compared(entities(path)) == own]
    if len(beside) > 1:
        raise InputError(run.path, f"has {len(beside)} tables of events beside it", "one at most")
    if beside:
        write_atomically(folder / _events(run), beside[0].read_bytes())


def _events(run: RegionRun) -> str:
    return _image(run).replace("_bold.nii.gz", "_events.tsv")


def _image(run: RegionRun) -> str:
    return f"sub-{run.subject}_{run.run}_bold.nii.gz"


def _save(path: Path, values: np.ndarray[Any, Any], tr: float | None = None) -> None:
    """Write an image of voxels in a row, 1 mm apart, for places that mean nothing."""
    image: Any = nibabel.Nifti1Image(values, np.eye(4))  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm", "sec" if tr else None)
    if tr:
        image.header.set_zooms((1.0, 1.0, 1.0, tr))
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
