"""How long trials and visits take: medians over the people who came last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ratings.models import Participant
from studies.models import Study

RECENT_PEOPLE = 500
"""Of so many people, those who came last, times are read."""


def times(study: Study) -> dict[str, Any]:
    """Return medians over those who came last: of a trial (ms) by its place and by block, of a visit (s)."""
    people = Participant.objects.filter(study=study).people().order_by("-pk")
    counted = people.filter(progress__done__gt=0, progress__erased=False)
    answered = table(list(counted.values_list("progress__times", flat=True)[:RECENT_PEOPLE]))
    first, blocks = 0, []
    for block in study.frozen_plan.blocks:
        values = answered[:, first : first + block.trials]
        blocks.append({"block": block.name, "trial_ms": median(values), "answers": count(values)})
        first += block.trials
    finished = people.filter(status__in=Participant.DONE).values_list("consented_at", "finished_at")
    seconds = [(end - begin).total_seconds() for begin, end in finished[:RECENT_PEOPLE] if end is not None]
    return {
        "people": len(answered),
        "most_people": RECENT_PEOPLE,
        "by_trial_ms": [median(column) for column in answered.T],
        "trial_ms": median(answered),
        "blocks": blocks,
        "visits": len(seconds),
        "visit_s": median(np.asarray(seconds)),
    }


def table(rows: Sequence[Sequence[float | None]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return times (people, trials), with NaN where a trial is open."""
    values = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for number, row in enumerate(rows):
        values[number, : len(row)] = row  # None becomes NaN
    return values


def median(values: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    """Return the median of the values that are known; None of none."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if known.size else None


def count(values: np.ndarray[Any, np.dtype[np.float64]]) -> int:
    return int(np.count_nonzero(~np.isnan(values)))
