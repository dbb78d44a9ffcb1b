"""How carefully somebody answered, from their answers alone: checks, runs of same answers, spread of ratings.

Nothing here looks at what an image is, so that it may be shown while a study is blind.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import numpy as np

from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import TrialKind
from almond.design.trials.scales.scaled import Scale, ScaledTrials

BINS = 10
"""Ratings are counted in so many equal parts of the scale from 0 to 100."""
DEVICES = ("phone", "tablet", "computer")
"""Classes of windows by their width, the narrowest first."""
PHONE, TABLET = 600, 1024
"""Windows narrower than these, in CSS pixels, are as wide as a phone's or a tablet's."""


class Given(NamedTuple):
    """An answer: the trial's index and block, and what was answered."""

    index: int  # type: ignore[assignment]  # the stored name; tuples have a method of that name
    block: str
    values: Mapping[str, Any]
    chosen: str


class Measures:
    """What the plan says of its blocks that measures of answers depend on; made once for many people."""

    def __init__(self, plan: StudyPlan) -> None:
        self.blocks = {block.name: block for block in plan.blocks}
        kinds = {block.name: TRIAL_KINDS.load(block.kind) for block in plan.blocks}
        self.checks: dict[str, TrialKind] = {
            name: kind for name, kind in kinds.items() if kind.checks is not None
        }
        self.pictured = {name for name, kind in kinds.items() if kind.shows != "nothing"}
        self.scales: dict[str, Scale] = {
            name: kind.scale(self.blocks[name])
            for name, kind in kinds.items()
            if isinstance(kind, ScaledTrials)
        }

    def of(self, answers: Sequence[Given]) -> dict[str, Any]:
        """Measure one person's answers, in the order of their indices."""
        ratings = self.ratings(answers)
        failed = self.failed_checks(answers)
        return {
            "failed": len(failed),
            "failed_at": sorted(index for places in failed.values() for index in places),
            "longest_run": self.longest_run(answers),
            "spread": spread(ratings),
            "bins": {name: binned(values) for name, values in sorted(ratings.items())},
        }

    def failed_checks(self, answers: Iterable[Given]) -> dict[str, list[int]]:
        """Return the blocks of checks that were failed with every attempt -> indices of the attempts."""
        given: dict[str, list[Given]] = defaultdict(list)
        for answer in answers:
            if answer.block in self.checks:
                given[answer.block].append(answer)
        return {
            name: [answer.index for answer in rows]
            for name, rows in given.items()
            if self.checks[name].outcome(self.blocks[name], [answer.values for answer in rows]).get("passed")
            == "no"
        }

    def longest_run(self, answers: Iterable[Given]) -> int:
        """Return the most trials in a row, of one block that shows images, with the very same answer."""
        longest = 0
        for block, rows in groupby(answers, key=lambda answer: answer.block):
            if block not in self.pictured:
                continue
            told = [(answer.values, answer.chosen) for answer in rows]
            run = 1
            longest = max(longest, run)
            for before, after in pairwise(told):
                run = run + 1 if before == after else 1
                longest = max(longest, run)
        return longest

    def ratings(self, answers: Iterable[Given]) -> dict[str, list[float]]:
        """Return construct -> ratings from 0 to 100, whatever the scale on which they were given."""
        found: dict[str, list[float]] = defaultdict(list)
        for answer in answers:
            scale = self.scales.get(answer.block)
            if scale is None:
                continue
            for name, value in answer.values.items():
                if isinstance(value, int | float):
                    found[name].append(100.0 * (value - scale.low) / (scale.high - scale.low))
        return found


def spread(ratings: Mapping[str, Sequence[float]]) -> float | None:
    """Return the standard deviation of ratings about the means of their constructs, as the exclusion rule
    *straight-lining* computes it; None where no construct was rated twice."""
    groups = [np.asarray(values) for values in ratings.values() if len(values) > 1]
    if not groups:
        return None
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in groups)
    return round(float(np.sqrt(squares / sum(len(values) - 1 for values in groups))), 6)


def binned(values: Sequence[float]) -> list[int]:
    """Count values from 0 to 100 in ``BINS`` equal parts; the ends belong to the first and the last."""
    parts = np.clip((np.asarray(values) * BINS / 100).astype(np.intp), 0, BINS - 1)
    return [int(count) for count in np.bincount(parts, minlength=BINS)]


def device_of(width: Any) -> str:
    """Name the class of a window by its width in CSS pixels; empty for what is no width."""
    if not isinstance(width, int | float) or isinstance(width, bool) or not width > 0:
        return ""
    return "phone" if width < PHONE else "tablet" if width < TABLET else "computer"
