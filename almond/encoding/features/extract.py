"""Where features of runs come from: events, images that events name, a film, a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from almond.digest import digest_array, digest_file, digest_json
from almond.encoding.bold.bids import Run
from almond.encoding.bold.events import read_events
from almond.encoding.config.features import FeatureSpec
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.features.film import film_features
from almond.encoding.features.run_features import Predictors, RunFeatures, Scan
from almond.encoding.features.space import FeatureSpace, extract_cached, open_space
from almond.encoding.features.tables import KEY, FeatureTable, load_table
from almond.encoding.hemodynamics.convolution import hold
from almond.errors import InputError
from almond.progress import Part, Progress
from almond.typing import Floats, ImageArray

STEPS_PER_VOLUME = 10
"""Grid of stimuli and events: this many steps per TR, so that onsets between volumes keep their time."""

LARGEST_DURATION = 3600.0
MISSING_SHARE = 0.01
"""A film may be shorter than the runs that show it by this share of them: at the end nothing is shown."""


def gather(
    spaces: Mapping[str, FeatureSpec],
    scans: Sequence[Scan],
    *,
    order: str,
    conditions: Sequence[str],
    stimuli: Path,
    cache: Path,
    progress: Progress,
    device: str = "cpu",
) -> dict[str, Predictors]:
    """Features of the runs of one subject in every space.

    ``order`` says whether features must fit each run's time (``sound``) or are stretched as one film;
    ``conditions`` are those of the whole data set, so that all subjects get the same columns; ``stimuli`` is
    the folder that ``stim_file`` starts from; ``cache`` keeps what a network gave.

    :raises InputError: events, stimuli or rows are missing or do not fit the runs.
    """
    found = {}
    for number, (name, spec) in enumerate(spaces.items()):
        part = Part(progress, number / len(spaces), (number + 1) / len(spaces))
        if spec.kind == "events":
            found[name] = from_events(spec, scans, spec.conditions or tuple(conditions))
        elif spec.kind == "table":
            found[name] = from_table(spec, scans, order)
        elif spec.from_film:
            found[name] = from_film(spec, scans, order, cache, part, device)
        else:
            found[name] = from_images(spec, scans, stimuli, cache, part, device)
    return found


def conditions_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """All values of ``trial_type`` in the events of runs, sorted."""
    found: set[str] = set()
    for run in runs:
        found |= set(column_of(events_of(run), run, "trial_type").dropna().astype(str))
    return tuple(sorted(found))


def events_of(run: Run) -> pd.DataFrame:
    if run.events is None:
        raise InputError(run.bold, "has no events", "an events.tsv beside it or above it")
    return read_events(run.events)


def column_of(events: pd.DataFrame, run: Run, name: str) -> pd.Series[Any]:
    if name not in events:
        raise InputError(run.events, f"has no column {name}", f"onset, duration and {name}")
    return events[name]


def _lay(
    events: pd.DataFrame, rows: NDArray[np.int64], values: Floats, scan: Scan, interval: float | None
) -> RunFeatures:
    """Events that show ``values[rows]`` (S, D) along a run; as time courses of stimuli where that is less."""
    step = interval or scan.tr / STEPS_PER_VOLUME
    onsets, durations = (events[name].to_numpy(np.float64) for name in ("onset", "duration"))
    if (durations < 0).any() or (durations > LARGEST_DURATION).any():
        raise InputError(scan.run.events, "has durations below 0 or above an hour", "seconds")
    used, places = np.unique(rows, return_inverse=True)
    few = 0 < len(used) < values.shape[1]
    shown = np.eye(len(used))[places] if few else values[rows]
    laid = hold(onsets, durations, shown, interval=step, seconds=scan.seconds)
    mixing = values[used] if few else None
    return RunFeatures(laid, step, scan.run.events or scan.run.bold, mixing=mixing)


def from_events(spec: FeatureSpec, scans: Sequence[Scan], conditions: Sequence[str]) -> Predictors:
    """A column per condition that is 1 while it lasts."""
    if not conditions:
        raise InputError("features.conditions", "no condition in any events table", "values of trial_type")
    place = {name: index for index, name in enumerate(conditions)}
    laid = []
    for scan in scans:
        events = events_of(scan.run)
        kind = column_of(events, scan.run, "trial_type").astype(str)
        chosen = events[kind.isin(place)]
        rows = np.array([place[name] for name in kind[kind.isin(place)]], np.int64)
        laid.append(_lay(chosen, rows, np.eye(len(place)), scan, spec.interval))
    if not any(part.values.any() for part in laid):
        raise InputError(
            "features.conditions", f"{', '.join(conditions)} never occur", "values of trial_type"
        )
    digest = digest_json({"kind": "events", "conditions": list(conditions)})
    return Predictors(FeatureSpaceCard("events", digest, len(conditions)), tuple(laid), tuple(conditions))


def from_images(
    spec: FeatureSpec, scans: Sequence[Scan], stimuli: Path, cache: Path, progress: Progress, device: str
) -> Predictors:
    """What a network gives for the images that the events name in ``stim_file``."""
    shown = [_shown(scan.run) for scan in scans]
    names = sorted({name for events in shown for name in events[KEY]})
    paths = [_stimulus(stimuli, name) for name in names]
    space = open_space(spec, device=device)
    digests = [digest_file(path) for path in paths]
    values = extract_cached(space, digests, lambda: _Images(paths), cache, progress).astype(np.float64)
    row = {name: index for index, name in enumerate(names)}
    laid = [
        _lay(events, _rows(events, row), values, scan, spec.interval)
        for events, scan in zip(shown, scans, strict=True)
    ]
    return Predictors(card_of(space), tuple(laid), files={"stimuli": digest_json(digests)})


def card_of(space: FeatureSpace) -> FeatureSpaceCard:
    return FeatureSpaceCard(space.name, space.digest, space.dimension)


def _rows(events: pd.DataFrame, row: dict[str, int]) -> NDArray[np.int64]:
    return np.array([row[name] for name in events[KEY]], np.int64)


class _Images(Sequence[ImageArray]):
    """Image files that are read when they are asked for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        return read_rgb(self.paths[index])


def _shown(run: Run) -> pd.DataFrame:
    """The events during which a stimulus was shown."""
    events = events_of(run)
    chosen = events[column_of(events, run, KEY).notna()]
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


def from_film(
    spec: FeatureSpec, scans: Sequence[Scan], order: str, cache: Path, progress: Progress, device: str
) -> Predictors:
    """What a network gives for every n-th frame of the film that the runs show, one going on where the one
    before it ended."""
    path = Path(spec.video)
    space = open_space(spec, device=device)
    film = film_features(space, path, every=spec.every, cache=cache, progress=progress)
    even = film.regular() if film.variable_rate else film
    whole = RunFeatures(even.values, even.interval, path)
    runs = () if order != "sound" else split_film(whole, scans)
    return Predictors(card_of(space), runs, film=whole, files={path.name: film.digest})


def split_film(film: RunFeatures, scans: Sequence[Scan]) -> tuple[RunFeatures, ...]:
    """The part of a film that each run shows. Nothing of it reaches over a run's border.

    :raises InputError: the film is shorter than the runs by more than a hundredth of them.
    """
    shown, needed = len(film.values) * film.interval, sum(scan.seconds for scan in scans)
    if shown < needed * (1 - MISSING_SHARE):
        raise InputError(
            film.source,
            f"lasts {shown:.1f} s, the {len(scans)} runs that show it {needed:.1f} s",
            "the whole film (order: paper-amygdala stretches any film onto the runs)",
        )
    found, begin = [], 0.0
    for scan in scans:
        # The small number keeps a frame that lies on the border of a run from slipping to the next.
        first = math.ceil(begin / film.interval - 1e-6)
        last = math.ceil((begin + scan.seconds) / film.interval - 1e-6)
        start = max(0.0, first * film.interval - begin)
        rows = film.values[first:last]
        if len(rows) == 0:
            raise InputError(film.source, f"ends before {scan.run.name} begins", "a film that all runs show")
        if start < 1e-6:
            missing = last - first - len(rows)
            rows = np.concatenate([rows, np.zeros((missing, rows.shape[1]), rows.dtype)]) if missing else rows
            start = 0.0
        found.append(RunFeatures(rows, film.interval, film.source, start))
        begin += scan.seconds
    return tuple(found)


def from_table(spec: FeatureSpec, scans: Sequence[Scan], order: str) -> Predictors:
    """Numbers from one file, or from one per subject or run."""
    if "{run}" in spec.path:
        return _one_table_per_run(spec, scans)
    own = "{subject}" in spec.path
    path = Path(spec.path.replace("{subject}", scans[0].run.subject))
    needed = None if order != "sound" else [_rows_of(scan, spec) for scan in scans]
    table = _read(spec, path, needed)
    files = {path.name: digest_file(path)}
    digest = _columns_digest(table.names) if own else _table_digest(table)
    card = FeatureSpaceCard(path.stem if not own else Path(spec.path).name, digest, len(table.names))
    if table.keys is not None:
        laid = [_by_key(table, scan, spec, path) for scan in scans]
        return Predictors(card, tuple(laid), table.names, files=files)
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
    laid = [
        RunFeatures(part, spec.interval or scan.tr, path) for part, scan in zip(parts, scans, strict=True)
    ]
    return Predictors(card, tuple(laid), table.names, files=files)


def _read(spec: FeatureSpec, path: Path, needed: Sequence[int] | None) -> FeatureTable:
    """A MATLAB file says nothing about its rows; the number that is needed can. Others are checked later."""
    known = needed is not None and path.suffix == ".mat" and spec.rows is None
    expected = sum(needed) if known and needed is not None else None
    return load_table(path, variable=spec.variable or None, rows=spec.rows, expected_rows=expected)


def _table_digest(table: FeatureTable) -> str:
    return digest_json({"names": list(table.names), "values": digest_array(table.values)})


def _columns_digest(names: Sequence[str]) -> str:
    """The space of features that come per run is their columns: values of runs are data, not the space."""
    return digest_json({"kind": "table", "columns": list(names)})


def _rows_of(scan: Scan, spec: FeatureSpec) -> int:
    return scan.n_volumes if spec.interval is None else round(scan.seconds / spec.interval)


def _one_table_per_run(spec: FeatureSpec, scans: Sequence[Scan]) -> Predictors:
    laid, names, files = [], None, {}
    for scan in scans:
        filled = spec.path.replace("{subject}", scan.run.subject).replace("{run}", scan.run.name)
        path = Path(filled)
        table = _read(spec, path, [_rows_of(scan, spec)])
        if names is not None and table.names != names:
            raise InputError(path, "has other columns than the run before", "the same columns in every run")
        names = table.names
        files[path.name] = digest_file(path)
        laid.append(RunFeatures(table.values, spec.interval or scan.tr, path))
    card = FeatureSpaceCard(Path(spec.path).name, _columns_digest(names or ()), len(names or ()))
    return Predictors(card, tuple(laid), names or (), files=files)


def _by_key(table: FeatureTable, scan: Scan, spec: FeatureSpec, path: Path) -> RunFeatures:
    events = _shown(scan.run)
    row = {key: index for index, key in enumerate(table.keys or ())}
    missing = [name for name in events[KEY] if name not in row]
    if missing:
        raise InputError(
            path, f"has no row for the stimulus {missing[0]}", f"a {KEY} for every stimulus shown"
        )
    return _lay(events, _rows(events, row), table.values, scan, spec.interval)
