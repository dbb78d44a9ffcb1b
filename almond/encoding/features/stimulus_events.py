"""Events of runs: which stimulus or condition is on when, and its values laid along the run."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from almond.cells import is_number
from almond.encoding.bold.bids import Run
from almond.encoding.bold.events import read_events
from almond.encoding.bold.onsets import Span, event_times
from almond.encoding.features.run_features import RunFeatures, Scan
from almond.encoding.features.tables import KEY
from almond.encoding.hemodynamics.convolution import hold
from almond.errors import InputError
from almond.files.folders import normalised
from almond.remarks import Remarks
from almond.typing import Floats, Rows

STEPS_PER_VOLUME = 10
"""Grid of stimuli and events: this many steps per TR, so that onsets between volumes keep their time."""


def conditions_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """List all values of ``trial_type`` in the events of runs, sorted.

    :raises InputError: one condition that is written in two ways.
    """
    conditions: dict[str, object] = {}
    for run in runs:
        for name in column_of(events_of(run), run, "trial_type").dropna().unique():
            conditions.setdefault(name, run.events)
    check_spelling(conditions, "trial_type")
    return tuple(sorted(conditions))


def check_spelling(places: Mapping[str, object], column: str) -> None:
    """Refuse words that are one and the same written in two ways: 1 and 1.0, or an accent that is one
    character here and two there.

    Programs write a column of whole numbers with a missing one among them as 1.0, so that one table has the
    condition 1 and the other 1.0.

    :param places: where each word of ``column`` stands first.
    """
    spelling: dict[str | float, str] = {}
    for word, place in places.items():
        key = float(word) if is_number(word) else unicodedata.normalize("NFC", word)
        other = spelling.setdefault(key, word)
        if other != word:
            said = f"{column} is {word!r} here and {other!r} in {places[other]}"
            raise InputError(place, said, f"one way of writing it, such as {min(word, other, key=len)}")


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
    return shown.assign(**{KEY: shown[KEY].map(normalised)})


def rows_of_stimuli(events: pd.DataFrame, row: Mapping[str, int]) -> Rows:
    """Look up the row of the stimulus of each event (n,)."""
    return np.array([row[name] for name in events[KEY]], np.int64)


def lay_events(
    events: pd.DataFrame, rows: Rows, values: Floats, scan: Scan, interval: float | None, *, remarks: Remarks
) -> RunFeatures:
    """Lay events that show ``values[rows]`` (n, D) along a run, as stimuli's time courses where that is less.

    :param rows: (n,) the row of ``values`` (S, D) that each event shows.
    :param interval: seconds per row of the grid; a tenth of the TR where None.
    :param remarks: take what is doubtful about the times.
    :raises InputError: times that cannot be: see :func:`almond.encoding.bold.onsets.event_times`.
    """
    step = interval or scan.tr / STEPS_PER_VOLUME
    source = scan.run.events or scan.run.bold
    times = event_times(events, rows, Span(scan.seconds, source, scan.run.name), remarks)
    stimuli, columns = np.unique(times.rows, return_inverse=True)
    few = 0 < len(stimuli) < values.shape[1]
    shown = np.eye(len(stimuli))[columns] if few else values[times.rows]
    courses = hold(times.onsets, times.durations, shown, interval=step, seconds=scan.seconds)
    mixing = values[stimuli] if few else None
    return RunFeatures(courses, step, source, mixing=mixing)
