"""What all scales share: one image, a value for each construct, and the table of ratings.

A value is stored as it was given, on the scale of its block. The table has it from 0 to 100, so that every
question about ratings reads any scale, and beside it as it was given where a block's scale is another.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from almond.design.parts import PlannedBlock, PlannedPair, PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import Answer, Problem, TrialKind, TrialLists, block_of, drawn_on
from almond.design.trials.columns import CONSTRUCT, IMAGE_DIGEST, RECEIVED, RT, Coded, Column, TableSchema
from almond.design.trials.responses import Cells, PlannedTrial, Responses, taken
from almond.design.trials.single_image import (
    SHOWN_IMAGE_FACTS,
    STIMULUS_COLUMNS,
    shown_image_columns,
    shown_image_problems,
    single_image_lists,
)
from almond.design.trials.timing import (
    DeadlineBlock,
    in_time,
    is_missed,
    missed_column,
    missed_problems,
    timing_problems,
)
from almond.shapes import Number

if TYPE_CHECKING:
    from almond.world.raters import Latents, Rater

RATINGS = TableSchema(
    "ratings",
    (
        *STIMULUS_COLUMNS,
        CONSTRUCT,
        Column(
            "value", "number", "The rating, from the low end (0) to the high end (100).", range="0 to 100"
        ),
        RT,
        IMAGE_DIGEST,
        RECEIVED,
    ),
    sorted_by=("participant_id", "trial_index", "construct"),
    unique=("response_id", "construct"),
)
ROUNDING = 1e-6
"""Of a step: how far from a whole number of steps a value may lie."""


class Scale(NamedTuple):
    """Values from ``low`` to ``high``, in whole ``step`` from the low end; 0 allows any between."""

    low: float
    high: float
    step: float = 0.0

    def problem(self, value: float) -> str | None:
        """Say why a value is none of the scale's."""
        if not self.low <= value <= self.high:
            return f"is {value:g}, not from {self.low:g} to {self.high:g}"
        steps = (value - self.low) / self.step if self.step else 0.0
        if abs(steps - round(steps)) > ROUNDING:
            return f"is {value:g}, not in steps of {self.step:g} from {self.low:g}"
        return None

    def nearest(self, percent: float) -> float:
        """Return the scale's value nearest to a place from 0 (low) to 100 (high)."""
        value = self.low + (self.high - self.low) * percent / 100
        if not self.step:
            return value
        return min(self.high, round(self.low + self.step * round((value - self.low) / self.step), 9))


PERCENT = Scale(0.0, 100.0)


class ScaledAnswer(Answer):
    """A value for every construct, on the scale of the block."""

    values: dict[str, Number]


class ScaledBlock(DeadlineBlock):
    """A block of ratings on some scale; ``repeats`` of its images are rated a second time."""

    def contradictions(self) -> Iterator[Problem]:
        yield from timing_problems(self)
        if not self.constructs:
            yield "constructs", f"a {self.kind} block needs at least one"


class ScaledTrials(TrialKind):
    """One image, and a value for each construct of its block."""

    question = "classification"
    answer = ScaledAnswer
    in_every_export = True
    facts = SHOWN_IMAGE_FACTS
    table = RATINGS

    @abstractmethod
    def scale(self, block: Any) -> Scale:
        """Return the scale on which the answers to a block's trials are given."""

    def items(
        self, block: PlannedBlock, stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> tuple[PlannedStimulus, ...]:
        return drawn_on(block, stimuli)

    def make_lists(
        self, plan: StudyPlan, block: PlannedBlock, before: TrialLists, rng: np.random.Generator
    ) -> list[list[PlannedTrial]]:
        return single_image_lists(plan, block, before, rng)

    def seconds(self, block: Any) -> float:
        return 3.0 * len(block.constructs)

    def check(self, answer: Any, trial: PlannedTrial, block: Any) -> Iterator[Problem]:
        if is_missed(answer.values, block):
            yield from missed_problems(answer, block)
            return
        scale = self.scale(block)
        for name in sorted(set(answer.values) - set(trial.constructs)):
            yield f"values.{name[:60]}", f"is not asked here, only {', '.join(trial.constructs)}"
        for name in trial.constructs:
            if name not in answer.values:
                yield f"values.{name}", "is missing"
            elif problem := scale.problem(answer.values[name]):
                yield f"values.{name}", problem

    def columns(self, plan: StudyPlan, responses: Responses) -> Mapping[str, Cells]:
        """Make a row of each construct of a trial, in the trial's order."""
        trials = responses.trials
        asked = [trial.constructs for trial in trials.values]
        counts = np.array([len(names) for names in asked], np.intp)[trials.codes]
        rows = np.repeat(np.arange(len(responses)), counts)
        # Names of all trials one after the other; a row's is its trial's first, and its place in the trial.
        firsts = np.cumsum([0, *map(len, asked)])[trials.codes]
        place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        names = Coded([name for group in asked for name in group], firsts[rows] + place)
        answered = zip(responses.values, trials.codes.tolist(), strict=True)
        missed = missed_column(plan, responses, ScaledBlock)
        if missed:
            given = [values.get(name, "") for values, code in answered for name in asked[code]]
        else:
            given = [values[name] for values, code in answered for name in asked[code]]
        scales = responses.of_trials(lambda trial: self.scale(block_of(plan, trial.block))).take(rows)
        return {
            **{name: taken(cells, rows) for name, cells in shown_image_columns(plan, responses).items()},
            "construct": names,
            "value": in_percent(given, scales),
            **({"original_value": given} if has_own_scales(plan) else {}),
            **{name: cells.take(rows) for name, cells in missed.items()},
        }

    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        return shown_image_problems(stimuli, row)

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: Any, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        rating = rater.rate(percepts[str(trial.stimulus)], trial.constructs)
        scale = self.scale(block)
        values = dict(zip(trial.constructs, map(scale.nearest, rating.values), strict=True))
        return in_time({"values": values, "rt_ms": rating.rt_ms}, block)


def in_percent(values: Sequence[Any], scales: Coded) -> Sequence[Any]:
    """Return values (n,) of some scales (n,) from 0 to 100: 100 (value - low) / (high - low).

    Those of a scale from 0 to 100 stay as they are, and so do empty ones of missed answers.
    """
    if all(scale[:2] == PERCENT[:2] for scale in scales.values):
        return values
    paired = zip(values, scales.tolist(), strict=True)
    return [
        value if value == "" else 100.0 * (value - scale.low) / (scale.high - scale.low)
        for value, scale in paired
    ]


def scales_of(plan: StudyPlan) -> dict[str, set[tuple[float, float]]]:
    """Return the ends of the scales on which each construct of a plan is rated."""
    scales: dict[str, set[tuple[float, float]]] = {}
    for block in plan.blocks:
        kind = TRIAL_KINDS.load(block.kind)
        if isinstance(kind, ScaledTrials):
            for name in block.constructs:
                scales.setdefault(name, set()).add(kind.scale(block)[:2])
    return scales


def has_own_scales(plan: StudyPlan) -> bool:
    """Tell whether something is rated on a scale that is not 0 to 100."""
    return any(ends != {PERCENT[:2]} for ends in scales_of(plan).values())
