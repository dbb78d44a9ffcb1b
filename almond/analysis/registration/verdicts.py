"""The verdict on every hypothesis of a preregistration, by the criterion that the plan names for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almond.analysis.equivalence import NarrowInterval, narrow_interval
from almond.analysis.questions.base import Aim, EffectEstimate, Question
from almond.design.criteria.base import Direction, Evidence, Verdict
from almond.design.plan import StudyPlan
from almond.design.preregistration import Hypothesis
from almond.design.questions import directions_of
from almond.stats.multiple import holm


@dataclass(frozen=True)
class _Tested:
    """A hypothesis with what its test found: no p, but why, where the test or that part of it did not run.

    ``narrow`` decides on a hypothesis of no difference; ``p`` is then that of equivalence.
    """

    hypothesis: Hypothesis
    p: float | None
    estimate: EffectEstimate | None
    absent: str = "its test did not run"
    narrow: NarrowInterval | None = None


def judge_hypotheses(
    plan: StudyPlan, questions: Sequence[Question], result: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """List the verdicts on a plan's hypotheses, in its order; none without a preregistration.

    P values are corrected over all hypotheses whose test ran, where the plan says so.

    :param result: the results of the questions by name, and ``settings`` with the error level.
    """
    if plan.preregistration is None:
        return []
    by_name = {question.name: question for question in questions}
    alpha = float(result["settings"]["alpha"])
    tested = [_look_up(row, by_name[row.test], result, alpha) for row in plan.preregistration.hypotheses]
    p_values = [row.p for row in tested if row.p is not None]
    corrected = iter(holm(p_values) if plan.preregistration.correction == "holm" else p_values)
    return [_verdict_row(row, None if row.p is None else next(corrected), alpha) for row in tested]


def _look_up(hypothesis: Hypothesis, question: Question, result: Mapping[str, Any], alpha: float) -> _Tested:
    """Read from a question's result what it found about a hypothesis."""
    answer, aim = result[question.name], Aim(hypothesis.target, hypothesis.construct)
    if not answer:
        return _Tested(hypothesis, None, None)
    estimate = question.estimate(answer, aim)
    if hypothesis.direction == "none":
        return _equivalence(hypothesis, estimate, alpha)
    if aim.is_whole and question.p is not None:
        return _Tested(hypothesis, question.p(answer), estimate)
    return _Tested(hypothesis, estimate.p if estimate else None, estimate)


def _equivalence(hypothesis: Hypothesis, estimate: EffectEstimate | None, alpha: float) -> _Tested:
    """Test that there is no effect as large as the smallest one that the criterion declares."""
    narrow = narrow_interval(estimate, alpha) if estimate else None
    smallest = hypothesis.criterion.smallest_of_interest
    if narrow is None or smallest is None:
        return _Tested(hypothesis, None, estimate, "its test gives no interval of an effect")
    return _Tested(hypothesis, narrow.equivalence_p(smallest), estimate, narrow=narrow)


def _verdict_row(row: _Tested, p: float | None, alpha: float) -> dict[str, Any]:
    verdict = Verdict("inconclusive", row.absent) if p is None else _judge(row, p, alpha)
    hypothesis = row.hypothesis
    return {
        "name": hypothesis.name,
        "text": hypothesis.text,
        "test": hypothesis.test,
        "target": hypothesis.target,
        "construct": hypothesis.construct,
        "direction": hypothesis.direction,
        "criterion": hypothesis.criterion.words(hypothesis.direction, alpha),
        "p": row.p,
        "p_corrected": p,
        "estimate": dataclasses.asdict(row.estimate) if row.estimate else None,
        "verdict": verdict.outcome,
        "why": verdict.why,
    }


def _judge(row: _Tested, p: float, alpha: float) -> Verdict:
    hypothesis, estimate = row.hypothesis, row.estimate
    direction: Direction = hypothesis.direction
    if estimate is None:
        # The p value of a test that can show one direction only speaks for this direction.
        one_way = len(directions_of(hypothesis.test)) == 1
        evidence = Evidence(p, alpha)
        return hypothesis.criterion.judge("either" if one_way else direction, evidence)
    low, high = (None if end is None else end - estimate.null for end in (estimate.low, estimate.high))
    effect = estimate.value - estimate.null
    if row.narrow is None:
        return hypothesis.criterion.judge(direction, Evidence(p, alpha, effect, low, high))
    narrow = (row.narrow.low, row.narrow.high, estimate.p)
    return hypothesis.criterion.judge(direction, Evidence(p, alpha, effect, low, high, *narrow))
