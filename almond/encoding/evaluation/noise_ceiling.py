"""How well a perfect model could do: the noise ceiling where something was shown more than once.

Repeats of the same stimulus differ by noise alone. The variance of the responses to S stimuli is split into
what repeats share (signal power) and what they do not (noise power), as in a one-way analysis of variance:

    noise power  = mean square within stimuli
    signal power = (mean square between stimuli - mean square within) / repeats

which is unbiased, and for whole runs equals Sahani & Linden's estimate (2003, Advances in Neural Information
Processing Systems 15, "How linear are auditory cortical responses?"). The correlation of a perfect prediction
with single responses is r_max = sqrt(signal / (signal + noise)) (Hsu, Borst & Theunissen 2004, Network 15:91;
CC_max of Schoppe et al. 2016, Frontiers in Computational Neuroscience 10:10, for one trial), and r / r_max is
the normalised correlation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.config.crossvalidation import RepeatSettings
from almond.encoding.features.run_features import Scan
from almond.encoding.features.stimulus_events import check_spelling, column_of, events_of
from almond.encoding.models.folds import correlation
from almond.errors import InputError
from almond.typing import Floats

RUNS = "runs"
LEAST_CEILING = 0.1
"""Voxels below it repeat too badly for a ratio to say anything; they take no part in the normalised r."""


@dataclass(frozen=True)
class Powers:
    """Signal and noise power (V,) of each voxel; a signal power below 0 by chance stays so."""

    signal: Floats
    noise: Floats

    @property
    def ceiling(self) -> Floats:
        """r_max (V,) in [0, 1]: of a perfect prediction with one response; 0 where repeats share nothing."""
        total = self.signal + self.noise
        share = np.divide(self.signal, total, out=np.zeros_like(total), where=total > 0)
        return np.asarray(np.sqrt(np.clip(share, 0.0, 1.0)), np.float64)


def powers(responses: Floats, stimulus: NDArray[np.int64]) -> Powers:
    """Return the powers of responses (n, V) to n presentations of stimuli (n,), numbered from 0; those shown
    once are left out.

    With unequal numbers of repeats the number in the formula is (N - sum n_s^2 / N) / (S - 1).

    :raises InputError: fewer than two stimuli were repeated.
    """
    counts = np.bincount(stimulus)
    repeated = counts[stimulus] > 1
    numbers, place = np.unique(stimulus[repeated], return_inverse=True)
    if len(numbers) < 2:
        raise InputError(
            "repeats.by", f"{len(numbers)} stimuli were shown more than once", "two or more repeated stimuli"
        )
    values, each = responses[repeated], np.bincount(place).astype(np.float64)
    means = np.zeros((len(numbers), values.shape[1]))
    np.add.at(means, place, values)
    means /= each[:, None]
    total = len(values)
    grand = values.mean(axis=0)
    # Mean squares between stimuli and within: sum n_s (m_s - m)^2 / (S - 1), sum (y - m_s)^2 / (N - S).
    between = (each[:, None] * (means - grand) ** 2).sum(axis=0) / (len(numbers) - 1)
    within = ((values - means[place]) ** 2).sum(axis=0) / (total - len(numbers))
    repeats = (total - (each**2).sum() / total) / (len(numbers) - 1)
    return Powers((between - within) / repeats, within)


def run_powers(runs: NDArray[np.float64]) -> Powers:
    """Return the powers of N runs (N, n, V) that showed the same from start to end: a stimulus per volume.

    Each run's mean is taken out first, which costs a degree of freedom per run: the noise is the interaction
    of run and volume.
    """
    count, n, _ = runs.shape
    if count < 2:
        raise InputError("repeats.by", "runs repeat, but there is one run only", "two or more equal runs")
    centred = runs - runs.mean(axis=1, keepdims=True)
    mean = centred.mean(axis=0)
    # The same with a stimulus per volume: N sum m^2 / (n - 1), sum (y - m)^2 / ((N - 1) (n - 1)).
    between = count * (mean**2).sum(axis=0) / (n - 1)
    within = ((centred - mean) ** 2).sum(axis=(0, 1)) / ((count - 1) * (n - 1))
    return Powers((between - within) / count, within)


@dataclass(frozen=True)
class Presentations:
    """Which volumes hold the response to each presentation, and which stimulus it was.

    ``rows``: row numbers of the volumes whose mean is the response, one array per presentation.
    """

    by: str
    rows: tuple[NDArray[np.int64], ...]
    stimulus: NDArray[np.int64]

    def responses(self, courses: Floats) -> Floats:
        """Average time courses (n, V) over the volumes of each presentation (P, V)."""
        return np.stack([courses[rows].mean(axis=0) for rows in self.rows])

    def ceiling(self, bold: Floats, predicted: Floats) -> dict[str, Any]:
        """Return the metrics of one region from ``bold`` and held-out ``predicted`` (n, V); see
        :func:`ceiling_metrics`."""
        measured = self.responses(bold)
        reached = correlation(self.responses(predicted), measured)
        stimuli = len(np.unique(self.stimulus))
        counts = {"level": "presentations", "presentations": len(self.rows), "stimuli": stimuli}
        return ceiling_metrics(powers(measured, self.stimulus), reached, {"by": self.by, **counts})


@dataclass(frozen=True)
class EqualRuns:
    """Runs of ``length`` volumes each that all show the same."""

    count: int
    length: int

    def ceiling(self, bold: Floats, predicted: Floats) -> dict[str, Any]:
        """Return the metrics of one region from ``bold`` and held-out ``predicted`` (n, V); see
        :func:`ceiling_metrics`."""
        shape = (self.count, self.length, bold.shape[1])
        measured = bold.reshape(shape)
        reached = correlation(predicted.reshape(shape), measured).mean(axis=0)
        said = {"by": RUNS, "level": "volumes", "presentations": self.count, "stimuli": self.length}
        return ceiling_metrics(run_powers(measured), reached, said)


def ceiling_metrics(power: Powers, reached: Floats, source: dict[str, Any]) -> dict[str, Any]:
    """Return as metrics the ceiling r_max of single responses, their held-out r (V,), and the ratio of the
    two.

    Voxels whose ceiling is below LEAST_CEILING have no ratio; ``normalised_r`` is None when none has one.
    """
    top = power.ceiling
    enough = top >= LEAST_CEILING
    ratio = reached[enough] / top[enough]
    return {
        **source,
        "r_max": float(top.mean()),
        "r_max_voxels": [round(float(value), 6) for value in top],
        "heldout_r": float(reached.mean()),
        "normalised_r": float(ratio.mean()) if enough.any() else None,
        "voxels_with_ceiling": int(enough.sum()),
    }


def repeats_of(repeats: RepeatSettings, scans: Sequence[Scan]) -> Presentations | EqualRuns:
    """Find the repeats of one subject that the noise ceiling is made from.

    :raises InputError: runs of unequal length or with censored volumes, no such column in the events, or a
        window that holds no volume of any presentation.
    """
    if repeats.by == RUNS:
        return _equal_runs(scans)
    rows: list[NDArray[np.int64]] = []
    names: list[str] = []
    places: dict[str, object] = {}
    first = 0
    for scan in scans:
        for onset, name in _presentations(scan, repeats.by):
            places.setdefault(name, scan.run.events)
            volumes = _volumes(scan, onset, repeats.window)
            if len(volumes):
                rows.append(first + volumes)
                names.append(name)
        first += scan.n_uncensored
    check_spelling(places, repeats.by)
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
    shown = events[named.notna()]
    return list(zip(shown["onset"], shown[column].astype(str), strict=True))


def _volumes(scan: Scan, onset: float, window: tuple[float, float]) -> NDArray[np.int64]:
    """Return which of a run's uncensored volumes lie in the window after an onset, as positions among
    them."""
    times = scan.times
    inside = (times >= onset + window[0] - 1e-9) & (times < onset + window[1] - 1e-9)
    measured = inside if scan.uncensored is None else inside[scan.uncensored]
    return np.flatnonzero(measured)
