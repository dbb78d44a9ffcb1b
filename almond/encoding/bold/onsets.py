"""Onsets and durations of a run's events: what cannot be is refused, what is doubtful gets a remark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from almond.errors import InputError
from almond.remarks import Remarks
from almond.typing import Floats, Rows

LARGEST_DURATION = 3600.0
MOST = 0.5
"""Share of the events: when more lie outside the run, their unit or their zero is wrong."""

EARLY = 0.5
"""Share of the run: events that end before it may be counted in another unit."""

FEWEST = 3
"""Events from which on the time of the last one says anything."""

OVERLAP = 0.01
"""Seconds by which events of the same kind may reach into the next one, for rounding."""

SAME_TIME = 1e-6


@dataclass(frozen=True)
class EventTimes:
    """Events that count, n of them: ``onsets`` and ``durations`` (n,) in seconds, and which ``rows`` (n,)
    of the features they show."""

    onsets: Floats
    durations: Floats
    rows: Rows


@dataclass(frozen=True)
class Span:
    """A run as its events see it: ``seconds`` long, the events' file, and the run's name."""

    seconds: float
    source: Path
    name: str


def event_times(events: pd.DataFrame, rows: Rows, span: Span, remarks: Remarks) -> EventTimes:
    """Check the events of a run that are used; the same row twice counts once.

    :param rows: (n,) what each event shows.
    :raises InputError: times that are no numbers, durations that cannot be, or events of which most lie
        outside the run; names the file, and the row or how many.
    """
    onsets, durations = (events[name].to_numpy(np.float64) for name in ("onset", "duration"))
    _check_numbers(events, onsets, durations, span)
    if not len(onsets):
        return EventTimes(onsets, durations, rows)
    first = _first_of_equals(onsets, durations, rows)
    times = EventTimes(onsets[first], durations[first], rows[first])
    if not first.all():
        _say(remarks, "events-overlap", span, f"names {_of(~first)} twice; each counts once")
    _check_units(times, span)
    _remark_outside(times, span, remarks)
    _remark_durations(times, span, remarks)
    return times


def _say(remarks: Remarks, kind: str, span: Span, text: str) -> None:
    remarks.add(kind, span.source, text, about=span.name)


def _of(marked: NDArray[np.bool_]) -> str:
    return f"{int(marked.sum())} of {len(marked)} events"


def _check_numbers(events: pd.DataFrame, onsets: Floats, durations: Floats, span: Span) -> None:
    for name, values, wrong, expected in (
        ("onset", onsets, ~np.isfinite(onsets), "seconds from the first volume"),
        ("duration", durations, ~np.isfinite(durations), "seconds, 0 for an event of no length"),
        (
            "duration",
            durations,
            (durations < 0) | (durations > LARGEST_DURATION),
            "seconds; none has durations below 0 or above an hour",
        ),
    ):
        if wrong.any():
            place = int(np.argmax(wrong))
            line = int(events.index[place]) + 2  # the header is line 1
            raise InputError(span.source, f"line {line}: {name} is {values[place]:g}", expected)


def _first_of_equals(onsets: Floats, durations: Floats, rows: Rows) -> NDArray[np.bool_]:
    """Mark each event (n,) that is not the repetition of one before it."""
    keys = np.stack([np.round(onsets / SAME_TIME), np.round(durations / SAME_TIME), rows], axis=1)
    first = np.zeros(len(keys), bool)
    first[np.unique(keys, axis=0, return_index=True)[1]] = True
    return first


def _outside(times: EventTimes, seconds: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Mark events that are over before the run begins, and those that begin after its end."""
    before = (times.onsets < 0) & (times.onsets + times.durations <= 0)
    return before, times.onsets >= seconds


def _check_units(times: EventTimes, span: Span) -> None:
    before, after = _outside(times, span.seconds)
    outside = before | after
    if outside.mean() > MOST:
        thousandth = EventTimes(times.onsets / 1000, times.durations, times.rows)
        inside = not np.logical_or(*_outside(thousandth, span.seconds)).any()
        raise InputError(
            span.source,
            f"has {_of(outside)} outside of the run of {span.seconds:g} s (onsets {times.onsets.min():g} to "
            f"{times.onsets.max():g})" + (", which would fit in milliseconds" if inside else ""),
            "onsets in seconds from the first volume",
        )
    longer = times.durations > span.seconds
    if longer.mean() > MOST and len(longer) > 1:
        raise InputError(
            span.source,
            f"has {_of(longer)} that last longer than the run of {span.seconds:g} s (up to "
            f"{times.durations.max():g})",
            "durations in seconds",
        )


def _remark_outside(times: EventTimes, span: Span, remarks: Remarks) -> None:
    before, after = _outside(times, span.seconds)
    if (before | after).any():
        where = f"{int(before.sum())} over before it begins, {int(after.sum())} after its end"
        text = f"has {_of(before | after)} outside of the run of {span.seconds:g} s ({where})"
        _say(remarks, "events-outside", span, f"{text}; they were left out")
    cut = (times.onsets < 0) & ~before
    if cut.any():
        text = f"has {_of(cut)} that begin before the run, the first at {times.onsets.min():g} s"
        _say(remarks, "events-outside", span, f"{text}; what lies before the first volume was left out")
    longer = times.durations > span.seconds
    if longer.any():
        text = f"has {_of(longer)} that last longer than the run of {span.seconds:g} s"
        _say(remarks, "events-outside", span, f"{text}; they were cut at its end")
    last = float((times.onsets + times.durations).max())
    if last < EARLY * span.seconds and len(times.onsets) >= FEWEST:
        text = f"has its last event over at {last:g} s of a run of {span.seconds:g} s"
        _say(remarks, "events-early", span, f"{text}; the rest was taken to be without events")


def _remark_durations(times: EventTimes, span: Span, remarks: Remarks) -> None:
    impulses = times.durations == 0
    if impulses.any():
        both = set(times.rows[impulses].tolist()) & set(times.rows[~impulses].tolist())
        mixed = "; others of the same kind last longer" if both else ""
        text = f"has {_of(impulses)} of duration 0{mixed}"
        _say(remarks, "events-duration", span, f"{text}; each is an impulse with the area of 1 s")
    order = np.lexsort((times.onsets, times.rows))
    onsets, durations, rows = times.onsets[order], times.durations[order], times.rows[order]
    reaching = (rows[1:] == rows[:-1]) & (onsets[1:] < onsets[:-1] + durations[:-1] - OVERLAP)
    if reaching.any():
        text = f"has {int(reaching.sum())} of {len(onsets)} events that last into the next of the same kind"
        _say(remarks, "events-overlap", span, f"{text}; where they overlap they add up")
