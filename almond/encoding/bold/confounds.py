"""Nuisance regressors of a run: fMRIPrep-like tables and motion parameters as text."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from almond.cells import MISSING
from almond.encoding.bold.bids import Run, source_dataset
from almond.encoding.bold.nifti import load_nifti
from almond.encoding.bold.run_files import file_of_run
from almond.encoding.bold.run_headers import number_of_volumes
from almond.encoding.bold.sidecars import acquisition, check_fetched
from almond.errors import InputError
from almond.files.folders import visible
from almond.files.text import read_text
from almond.tables import COUNTED, LINE_ENDS, TextColumn, TextTable, read_table
from almond.typing import Floats

NAMES = ("desc-confounds_timeseries.tsv", "desc-confounds_regressors.tsv")
LONGEST_START = 10
"""Rows that may lack a number at the start of a column."""

LABELS = re.compile(r'#\s*ColumnLabels\s*=\s*"([^"]*)"')


def read_confounds(
    run: Run,
    columns: Sequence[str],
    path: str | None = None,
    n_volumes: int | None = None,
    *,
    missing: Sequence[str] = (),
) -> Floats:
    """Read the chosen columns (n, k) of the table that belongs to a run, one row per volume of the run.

    ``n_volumes`` is the length of the run's time axis where the BOLD file lacks censored volumes.

    ``columns`` are names or globs, in the order of the table, each once. ``path`` is a pattern (see
    ``file_of_run``); None looks for fMRIPrep's table beside the BOLD and in ``derivatives``. Text without a
    header (``.1D``, ``.par``, ``.txt``) has the columns ``motion_1``, ``motion_2``, ...

    Derivatives and framewise displacement have ``n/a`` for the first volume: numbers missing *at the start*
    of a column (10 rows at most) take the column's first number, which adds no jump. Missing anywhere else is
    an error. ``missing`` declares other words than ``n/a``.

    :raises InputError: no such file, a name or glob that no column has, numbers missing, other rows than
        volumes.
    """
    file = file_of_run(path, run, "confounds.path") if path else find_confounds(run)
    table = read_regressors(file, missing)
    names = _columns(columns, table.names, file)
    filled = np.column_stack([_filled(table.column(name)) for name in names])
    return rows_of_run(filled, run, file, n_volumes)


def find_confounds(run: Run) -> Path:
    """Find the confounds table beside a run's BOLD, or the only one for it in the derivatives of its dataset.

    :raises InputError: none, or one of each of several pipelines.
    """
    tables = _tables(run.bold.parent, run.bold) or [
        file for folder in _derivatives(run.bold) for file in _tables(folder, run.bold)
    ]
    if not tables:
        raise InputError(run.bold, "has no confounds table beside it or in derivatives", f"*_{NAMES[0]}")
    if len(tables) > 1:
        text = ", ".join(map(str, tables))
        raise InputError(run.bold, f"has several confounds tables: {text}", "confounds.path: which of them")
    return tables[0]


def _tables(folder: Path, bold: Path) -> list[Path]:
    """List tables of confounds in a folder that speak of the same acquisition as a BOLD file."""
    own = acquisition(bold)
    tables = [file for name in NAMES for file in visible(folder.glob(f"*_{name}"))]
    return [file for file in tables if acquisition(file) == own]


def _derivatives(bold: Path) -> list[Path]:
    """List the folders of a run's session below ``derivatives`` and below each pipeline's."""
    subject = next((folder for folder in bold.parents if folder.name.startswith("sub-")), None)
    if subject is None:
        return []
    derivatives = source_dataset(subject.parent) / "derivatives"
    below = bold.parent.relative_to(subject.parent)
    return [derivatives / below, *(folder / below for folder in visible(derivatives.glob("*")))]


def read_regressors(path: Path, missing: Sequence[str] = ()) -> TextTable:
    """Read a table of regressors: TSV or CSV with a header, or text without one.

    :param missing: words for a missing number, beside ``n/a``.
    :raises InputError: it cannot be read, is no table, or is empty.
    """
    check_fetched(path)
    if path.suffix.lower() in (".tsv", ".csv"):
        table = read_table(path, missing=missing)
    else:
        table = _from_text(read_text(path), path, missing)
    if not len(table):
        raise InputError(path, "holds no rows", "one row per volume")
    return table


def _from_text(text: str, path: Path, missing: Sequence[str]) -> TextTable:
    """Read lines of numbers that spaces separate; rows are numbered as the lines of the file."""
    lines = [(row, line.split()) for row, line in enumerate(LINE_ENDS.split(text), start=1)]
    lines = [(row, cells) for row, cells in lines if cells and not cells[0].startswith("#")]
    width = len(lines[0][1]) if lines else 0
    for row, cells in lines:
        if len(cells) != width:
            raise InputError(
                path, f"line {row} has {len(cells)} numbers, others {width}", "a line per volume"
            )
    labels = LABELS.search(text)
    names = [name.strip() for name in labels[1].split(";")] if labels else []
    if len(names) != width or len(set(names)) < width:
        names = [f"motion_{number}" for number in range(1, width + 1)]
    rows, content = zip(*lines, strict=True) if lines else ((), ())
    return TextTable(path, tuple(names), rows, content, (*MISSING, *missing))


def _columns(wanted: Sequence[str], names: Sequence[str], path: Path) -> list[str]:
    selected: set[str] = set()
    for pattern in wanted:
        matching = [name for name in names if name == pattern or fnmatch.fnmatchcase(name, pattern)]
        if not matching:
            near = get_close_matches(pattern, names, n=3, cutoff=0.4) or names[:6]
            raise InputError(path, f"has no column {pattern}", f"columns such as {', '.join(near)}")
        selected.update(matching)
    return [name for name in names if name in selected]


def _filled(column: TextColumn) -> Floats:
    """Convert a column (n,), with the numbers that are missing at its start filled with its first one."""
    values = column.numbers(missing=True, what="n/a for the first volumes only")
    known = np.flatnonzero(~np.isnan(values))
    if len(known) == 0 or known[0] > LONGEST_START:
        problem = f"column {column.name} has no number in the first {LONGEST_START + 1} rows"
        raise InputError(column.source, problem, "numbers, n/a for the first volumes only")
    gaps = np.flatnonzero(np.isnan(values[known[0] :])) + known[0]
    if len(gaps):
        problem = f"column {column.name} has no number in row {column.rows[gaps[0]]}"
        raise InputError(column.source, problem, f"n/a at the start only; {COUNTED}")
    values[: known[0]] = values[known[0]]
    return values


def rows_of_run(values: Floats, run: Run, path: Path, n_volumes: int | None = None) -> Floats:
    """Select the rows of a table for a run: a table for the whole BOLD file is cut as the run is.

    :raises InputError: there are not as many rows as volumes.
    """
    expected = number_of_volumes(run) if n_volumes is None else n_volumes
    if len(values) == expected:
        return values
    if run.volumes is not None and len(values) == load_nifti(run.bold).shape[3]:
        return values[run.volumes[0] : run.volumes[1]]
    raise InputError(
        path, f"has {len(values)} rows, {run.bold.name} has {expected} volumes", "a row per volume"
    )
