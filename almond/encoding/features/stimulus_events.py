"""Events of runs: which stimulus or condition is on when, and its values laid along the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from almond.encoding.bold.bids import Run
from almond.encoding.bold.events import read_events
from almond.encoding.features.run_features import RunFeatures, Scan
from almond.encoding.features.tables import KEY
from almond.encoding.hemodynamics.convolution import hold
from almond.errors import InputError
from almond.folders import normalised
from almond.typing import Floats, Rows

STEPS_PER_VOLUME = 10
"""Grid of stimuli and events: this many steps per TR, so that onsets between volumes keep their time."""

LARGEST_DURATION = 3600.0


def conditions_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """List all values of ``trial_type`` in the events of runs, sorted."""
    conditions: set[str] = set()
    for run in runs:
        conditions |= set(column_of(events_of(run), run, "trial_type").dropna().astype(str))
    return tuple(sorted(conditions))


def events_of(run: Run) -> pd.DataFrame:
    """Read the events of a run: onset and duration in seconds, and the table's other columns.

    :raises InputError: it has none, or they cannot be read.
    """
    if run.events is None:
        raise InputError(run.bold, "has no events", "an events.tsv beside it or above it")
    return read_events(run.events)


def column_of(events: pd.DataFrame, run: Run, name: str) -> pd.Series[Any]:
    """Take a column of the events of a run.

    :raises InputError: there is no such column.
    """
    if name not in events:
        raise InputError(run.events, f"has no column {name}", f"onset, duration and {name}")
    return events[name]


def stimulus_events(run: Run) -> pd.DataFrame:
    """Read the events during which a stimulus was shown; its name is text in the column ``stim_file``.

    :raises InputError: no event names a stimulus.
    """
    events = events_of(run)
    shown = events[column_of(events, run, KEY).notna()]
    if shown.empty:
        raise InputError(run.events, f"names no stimulus in {KEY}", "files below stimuli/")
    return shown.assign(**{KEY: shown[KEY].astype(str).map(normalised)})


def rows_of_stimuli(events: pd.DataFrame, row: Mapping[str, int]) -> Rows:
    """Look up the row of the stimulus of each event (n,)."""
    return np.array([row[name] for name in events[KEY]], np.int64)


def lay_events(
    events: pd.DataFrame, rows: Rows, values: Floats, scan: Scan, interval: float | None
) -> RunFeatures:
    """Lay events that show ``values[rows]`` (n, D) along a run, as stimuli's time courses where that is less.

    :param rows: (n,) the row of ``values`` (S, D) that each event shows.
    :param interval: seconds per row of the grid; a tenth of the TR where None.
    :raises InputError: durations below 0 or above an hour.
    """
    step = interval or scan.tr / STEPS_PER_VOLUME
    onsets, durations = (events[name].to_numpy(np.float64) for name in ("onset", "duration"))
    if (durations < 0).any() or (durations > LARGEST_DURATION).any():
        raise InputError(scan.run.events, "has durations below 0 or above an hour", "seconds")
    stimuli, columns = np.unique(rows, return_inverse=True)
    few = 0 < len(stimuli) < values.shape[1]
    shown = np.eye(len(stimuli))[columns] if few else values[rows]
    courses = hold(onsets, durations, shown, interval=step, seconds=scan.seconds)
    mixing = values[stimuli] if few else None
    return RunFeatures(courses, step, scan.run.events or scan.run.bold, mixing=mixing)
