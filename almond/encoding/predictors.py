"""Features of a subject's runs on a regular grid, by the three kinds that a configuration knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from almond.digest import digest_array, digest_file, digest_json
from almond.encoding.align import hold
from almond.encoding.artifact import FeatureSpaceCard
from almond.encoding.bids import Run, read_events
from almond.encoding.feature_specs import FeatureSpec
from almond.encoding.features import FeatureSpace, ImageArray, extract_cached, world_features
from almond.encoding.tables import KEY, FeatureTable, load_table
from almond.errors import InputError

Matrix = NDArray[np.float64]

STEPS_PER_VOLUME = 10
"""Grid of stimuli and events: this many steps per TR, so that onsets between volumes keep their time."""

LARGEST_DURATION = 3600.0


@dataclass(frozen=True)
class Scan:
    """What is needed of a run to lay features along it."""

    run: Run
    n_volumes: int
    tr: float

    @property
    def seconds(self) -> float:
        return self.n_volumes * self.tr


@dataclass(frozen=True)
class RunFeatures:
    """Features (n, D) of one run, one row per ``interval`` seconds, and the file they came from."""

    values: Matrix
    interval: float
    source: Path


@dataclass(frozen=True)
class Predictors:
    """The features of a subject's runs, and the space that they live in."""

    card: FeatureSpaceCard
    runs: tuple[RunFeatures, ...]
    names: tuple[str, ...] = ()


def gather(
    features: FeatureSpec,
    scans: Sequence[Scan],
    *,
    conditions: Sequence[str],
    stimuli: Path | None,
    cache: Path,
    base: Path,
) -> Predictors:
    """Features of the runs of one subject.

    ``conditions`` are those of the whole data set, so that all subjects get the same columns; ``stimuli`` is
    the folder that ``stim_file`` starts from; ``cache`` keeps what a network gave.

    :raises InputError: events, stimuli or rows are missing or do not fit the runs.
    """
    if features.kind == "events":
        return _from_events(features, scans, features.conditions or tuple(conditions))
    if features.kind == "world":
        return _from_network(world_features(), features, scans, stimuli or base, cache)
    return _from_table(features, scans)


def conditions_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """All values of ``trial_type`` in the events of runs, sorted."""
    found: set[str] = set()
    for run in runs:
        found |= set(_column(_events(run), run, "trial_type").dropna().astype(str))
    return tuple(sorted(found))


def _events(run: Run) -> pd.DataFrame:
    if run.events is None:
        raise InputError(run.bold, "has no events", "an events.tsv beside it or above it")
    return read_events(run.events)


def _column(events: pd.DataFrame, run: Run, name: str) -> pd.Series[str]:
    if name not in events:
        raise InputError(run.events, f"has no column {name}", f"onset, duration and {name}")
    return events[name]


def _lay(events: pd.DataFrame, values: Matrix, scan: Scan, interval: float | None) -> RunFeatures:
    step = interval or scan.tr / STEPS_PER_VOLUME
    onsets, durations = (events[name].to_numpy(np.float64) for name in ("onset", "duration"))
    if (durations < 0).any() or (durations > LARGEST_DURATION).any():
        raise InputError(scan.run.events, "has durations below 0 or above an hour", "seconds")
    laid = hold(onsets, durations, values, interval=step, seconds=scan.seconds)
    return RunFeatures(laid, step, scan.run.events or scan.run.bold)


def _from_events(features: FeatureSpec, scans: Sequence[Scan], conditions: Sequence[str]) -> Predictors:
    if not conditions:
        raise InputError("features.conditions", "no condition in any events table", "values of trial_type")
    laid = []
    for scan in scans:
        events = _events(scan.run)
        kind = _column(events, scan.run, "trial_type").astype(str).to_numpy()
        values = (kind[:, None] == np.array(conditions)[None, :]).astype(np.float64)
        laid.append(_lay(events, values, scan, features.interval))
    if not any(part.values.any() for part in laid):
        raise InputError(
            "features.conditions", f"{', '.join(conditions)} never occur", "values of trial_type"
        )
    digest = digest_json({"kind": "events", "conditions": list(conditions)})
    return Predictors(FeatureSpaceCard("events", digest, len(conditions)), tuple(laid), tuple(conditions))


def _from_network(
    space: FeatureSpace, features: FeatureSpec, scans: Sequence[Scan], stimuli: Path, cache: Path
) -> Predictors:
    shown = [_shown(scan.run) for scan in scans]
    names = sorted({name for events in shown for name in events[KEY]})
    paths = [_stimulus(stimuli, name) for name in names]
    digests = [digest_file(path) for path in paths]
    values = extract_cached(space, digests, lambda: [read_rgb(path) for path in paths], cache)
    row = {name: index for index, name in enumerate(names)}
    laid = [
        _lay(events, values[[row[name] for name in events[KEY]]].astype(np.float64), scan, features.interval)
        for events, scan in zip(shown, scans, strict=True)
    ]
    return Predictors(FeatureSpaceCard(space.name, space.digest, space.dimension), tuple(laid))


def _shown(run: Run) -> pd.DataFrame:
    """The events during which a stimulus was shown."""
    events = _events(run)
    chosen = events[_column(events, run, KEY).notna()]
    if chosen.empty:
        raise InputError(run.events, f"names no stimulus in {KEY}", "files below stimuli/")
    return chosen.assign(**{KEY: chosen[KEY].astype(str)})


def _stimulus(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(path, "lies outside the folder of stimuli", f"a file below {folder}")
    if not path.is_file():
        raise InputError(path, "stimulus not found", "the files that the events name in stim_file")
    return path


def read_rgb(path: Path) -> ImageArray:
    """An image file as (H, W, 3) uint8; ``InputError`` when it is none."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"), np.uint8)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InputError(path, f"is not an image ({error})", "a PNG or JPEG file") from error


def _from_table(features: FeatureSpec, scans: Sequence[Scan]) -> Predictors:
    if "{subject}" in features.path or "{run}" in features.path:
        return _one_table_per_run(features, scans)
    path = Path(features.path)
    table = load_table(path)
    card = FeatureSpaceCard(path.stem, _table_digest(table), len(table.names))
    if table.keys is not None:
        laid = [_by_key(table, scan, features, path) for scan in scans]
        return Predictors(card, tuple(laid), table.names)
    rows = [_rows_of(scan, features) for scan in scans]
    if sum(rows) != len(table.values):
        raise InputError(
            path,
            f"has {len(table.values)} rows of features for {len(scans)} runs of "
            f"{', '.join(str(scan.n_volumes) for scan in scans)} volumes",
            f"{sum(rows)} rows ({', '.join(map(str, rows))})",
        )
    parts = np.split(table.values, np.cumsum(rows)[:-1])
    laid = [
        RunFeatures(part, features.interval or scan.tr, path) for part, scan in zip(parts, scans, strict=True)
    ]
    return Predictors(card, tuple(laid), table.names)


def _table_digest(table: FeatureTable) -> str:
    return digest_json({"names": list(table.names), "values": digest_array(table.values)})


def _rows_of(scan: Scan, features: FeatureSpec) -> int:
    return scan.n_volumes if features.interval is None else round(scan.seconds / features.interval)


def _one_table_per_run(features: FeatureSpec, scans: Sequence[Scan]) -> Predictors:
    """The space of features that come per run is their columns: values of runs are data, not the space."""
    laid, names = [], None
    for scan in scans:
        filled = features.path.replace("{subject}", scan.run.subject).replace("{run}", scan.run.name)
        path = Path(filled)
        table = load_table(path)
        if names is not None and table.names != names:
            raise InputError(path, "has other columns than the run before", "the same columns in every run")
        names = table.names
        laid.append(RunFeatures(table.values, features.interval or scan.tr, path))
    digest = digest_json({"kind": "table", "columns": list(names or ())})
    card = FeatureSpaceCard(Path(features.path).name, digest, len(names or ()))
    return Predictors(card, tuple(laid), names or ())


def _by_key(table: FeatureTable, scan: Scan, features: FeatureSpec, path: Path) -> RunFeatures:
    events = _shown(scan.run)
    row = {key: index for index, key in enumerate(table.keys or ())}
    missing = [name for name in events[KEY] if name not in row]
    if missing:
        raise InputError(
            path, f"has no row for the stimulus {missing[0]}", f"a {KEY} for every stimulus shown"
        )
    return _lay(events, table.values[[row[name] for name in events[KEY]]], scan, features.interval)
