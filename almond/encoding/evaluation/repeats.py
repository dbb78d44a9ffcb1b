"""Which volumes of a subject answer to repeats of the same stimulus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from almond.encoding.config.crossvalidation import RepeatSettings
from almond.encoding.evaluation.noise_ceiling import EqualRuns, Presentations
from almond.encoding.features.run_features import Scan
from almond.encoding.features.stimulus_events import column_of, events_of
from almond.errors import InputError

RUNS = "runs"


def repeats_of(repeats: RepeatSettings, scans: Sequence[Scan]) -> Presentations | EqualRuns:
    """What is compared for the noise ceiling of one subject.

    :raises InputError: runs of unequal length or with censored volumes, no such column in the events, or a
        window that holds no volume of any presentation.
    """
    if repeats.by == RUNS:
        return _equal_runs(scans)
    rows: list[NDArray[np.int64]] = []
    names: list[str] = []
    first = 0
    for scan in scans:
        for onset, name in _presentations(scan, repeats.by):
            chosen = _volumes(scan, onset, repeats.window)
            if len(chosen):
                rows.append(first + chosen)
                names.append(name)
        first += scan.n_uncensored
    if not rows:
        window = f"{repeats.window[0]:g} to {repeats.window[1]:g} s"
        raise InputError("repeats.window", f"no volume lies {window} after an onset", "a longer window")
    stimulus = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return Presentations(repeats.by, tuple(rows), stimulus)


def _equal_runs(scans: Sequence[Scan]) -> EqualRuns:
    lengths = sorted({scan.n_volumes for scan in scans})
    if len(lengths) > 1 or any(scan.n_uncensored < scan.n_volumes for scan in scans):
        text = ", ".join(map(str, lengths))
        raise InputError(
            "repeats.by", f"runs have {text} volumes or censored ones", "equal runs, none of it censored"
        )
    return EqualRuns(len(scans), lengths[0])


def _presentations(scan: Scan, column: str) -> list[tuple[float, str]]:
    events = events_of(scan.run)
    named = column_of(events, scan.run, column)
    chosen = events[named.notna()]
    return list(zip(chosen["onset"].astype(float), chosen[column].astype(str), strict=True))


def _volumes(scan: Scan, onset: float, window: tuple[float, float]) -> NDArray[np.int64]:
    """Positions among the kept volumes of a run of those that lie in the window after an onset."""
    times = np.arange(scan.n_volumes) * scan.tr
    inside = (times >= onset + window[0] - 1e-9) & (times < onset + window[1] - 1e-9)
    kept = inside if scan.uncensored is None else inside[scan.uncensored]
    return np.flatnonzero(kept)
