"""Predictors of the kind ``table``: rows of files that were computed elsewhere, laid along the runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from almond.digest import digest_array, digest_file, digest_json
from almond.encoding.bold.sidecars import same_bids_name
from almond.encoding.config.section import DEFAULT
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.features.run_features import Predictors, Presentation, RunFeatures, Scan
from almond.encoding.features.stimulus_events import lay_events, rows_of_stimuli, stimulus_events
from almond.encoding.features.tables import KEY, FeatureTable, load_table
from almond.errors import InputError
from almond.files.folders import find_path, normalised
from almond.remarks import Remarks
from almond.typing import Floats

if TYPE_CHECKING:
    from almond.encoding.features.kinds.table import TableSpec


def predictors_of_table(spec: TableSpec, presentation: Presentation) -> Predictors:
    """Read numbers from one file, or from one per subject or run.

    With another order of alignment than the default the rows are one film over all runs.

    :raises InputError: the rows do not fit the runs, or lack a stimulus.
    """
    pattern, scans = str(spec.path), presentation.scans
    if "{run}" in pattern:
        return _table_per_run(spec, scans)
    per_subject = "{subject}" in pattern
    path = find_path(Path(pattern.replace("{subject}", scans[0].run.subject)))
    needed = [_rows_of(scan, spec) for scan in scans] if presentation.order == DEFAULT else None
    table = _read(spec, path, needed)
    files = {path.name: digest_file(path)}
    digest = _columns_digest(table.names) if per_subject else _table_digest(table)
    card = FeatureSpaceCard(spec.path.name if per_subject else path.stem, digest, len(table.names))
    if table.keys is not None:
        courses = [_by_stimulus(table, scan, spec, path, presentation.remarks) for scan in scans]
        return Predictors(card, tuple(courses), table.names, files=files)
    if needed is None:
        film = RunFeatures(table.values, spec.interval or scans[0].tr, path)
        return Predictors(card, (), table.names, film, files)
    if sum(needed) != len(table.values):
        raise InputError(
            path,
            f"has {len(table.values)} rows of features for {len(scans)} runs of "
            f"{', '.join(str(scan.n_volumes) for scan in scans)} volumes",
            f"{sum(needed)} rows ({', '.join(map(str, needed))})",
        )
    parts = np.split(table.values, np.cumsum(needed)[:-1])
    runs = [_laid(part, scan, spec, path) for part, scan in zip(parts, scans, strict=True)]
    return Predictors(card, tuple(runs), table.names, files=files)


def _laid(values: Floats, scan: Scan, spec: TableSpec, path: Path) -> RunFeatures:
    """Lay rows along a run: every ``interval`` seconds from its start, or one for each of its volumes."""
    if spec.interval is None:
        return RunFeatures(values, scan.tr, path, scan.start_time)
    return RunFeatures(values, spec.interval, path)


def _table_per_run(spec: TableSpec, scans: Sequence[Scan]) -> Predictors:
    runs: list[RunFeatures] = []
    names: tuple[str, ...] | None = None
    files = {}
    for scan in scans:
        filled = str(spec.path).replace("{subject}", scan.run.subject).replace("{run}", scan.run.name)
        path = find_path(Path(filled), same_bids_name)
        table = _read(spec, path, [_rows_of(scan, spec)])
        if names is not None and table.names != names:
            raise InputError(path, "has other columns than the run before", "the same columns in every run")
        names = table.names
        files[path.name] = digest_file(path)
        runs.append(_laid(table.values, scan, spec, path))
    card = FeatureSpaceCard(spec.path.name, _columns_digest(names or ()), len(names or ()))
    return Predictors(card, tuple(runs), names or (), files=files)


def _read(spec: TableSpec, path: Path, needed: Sequence[int] | None) -> FeatureTable:
    """Read a table; the number of rows that the runs need says how a MATLAB file lies. Others are checked
    later."""
    known = needed is not None and path.suffix == ".mat" and spec.rows is None
    expected = sum(needed) if known and needed is not None else None
    return load_table(path, variable=spec.variable or None, rows=spec.rows, expected_rows=expected)


def _table_digest(table: FeatureTable) -> str:
    return digest_json({"names": list(table.names), "values": digest_array(table.values)})


def _columns_digest(names: Sequence[str]) -> str:
    """Digest columns alone, which are the space of features per run: values of runs are data."""
    return digest_json({"kind": "table", "columns": list(names)})


def _rows_of(scan: Scan, spec: TableSpec) -> int:
    return scan.n_volumes if spec.interval is None else round(scan.seconds / spec.interval)


def _by_stimulus(
    table: FeatureTable, scan: Scan, spec: TableSpec, path: Path, remarks: Remarks
) -> RunFeatures:
    events = stimulus_events(scan.run)
    row = {normalised(key): index for index, key in enumerate(table.keys or ())}
    missing = [name for name in events[KEY] if name not in row]
    if missing:
        raise InputError(
            path, f"has no row for the stimulus {missing[0]}", f"a {KEY} for every stimulus shown"
        )
    rows = rows_of_stimuli(events, row)
    return lay_events(events, rows, table.values, scan, spec.interval, remarks=remarks)
