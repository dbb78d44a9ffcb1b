"""The primary tests under other exclusions: with all of the plan's rules, with none, and without each.

What a rule does to the answer is for a reader to see; none of these is another confirmatory test.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almond.analysis.questions.base import (
    Aim,
    Context,
    EffectEstimate,
    NotApplicable,
    Question,
    context_of,
    plain_values,
)
from almond.analysis.sample import Sample, screen
from almond.errors import InputError
from almond.progress import Silent


@dataclass(frozen=True)
class Variant:
    """A primary test with ``rules`` (all, none, or without one) applied, on so many ``participants``.

    ``estimate`` is None where the test has none, ``p`` too where it could not run, for the ``reason``.
    """

    test: str
    rules: str
    participants: int
    p: float | None = None
    estimate: float | None = None
    reason: str = ""


def repeat_primary_tests(
    questions: Sequence[Question], context: Context, result: Mapping[str, Any]
) -> list[Variant]:
    """Repeat every primary test under other exclusions; nothing where the plan has no rule.

    :param result: the analysis so far; tests with all rules are taken from it.
    """
    applied = [rule.name for rule in context.sample.rules if not rule.problem]
    if not applied:
        return []
    tests = [question for question in questions if question.name in result["planned"]["primary"]]
    variants = [_planned(question, context.sample, result) for question in tests]
    screening = screen(context.data)
    omissions = {"none": applied} | {f"without {name}": [name] for name in applied if len(applied) > 1}
    known = {context.sample.participants: {row.test: row for row in variants}}
    for label, omit in omissions.items():
        sample = screening.sample(omit=omit)
        if sample.participants not in known:
            other = context_of(context.data, sample, context.settings)
            known[sample.participants] = {row.name: _repeat(row, other) for row in tests}
        same = known[sample.participants]
        variants += [_renamed(same[question.name], label) for question in tests]
    order = {question.name: number for number, question in enumerate(tests)}
    return sorted(variants, key=lambda row: order[row.test])


def _planned(question: Question, sample: Sample, result: Mapping[str, Any]) -> Variant:
    answer, count = result[question.name], len(sample.participants)
    if answer is None:
        reasons = {row["analysis"]: row["reason"] for row in result["not_run"]}
        return Variant(question.name, "all", count, reason=reasons[question.name])
    estimate = question.estimate(answer, Aim())
    p = question.p(answer) if question.p else None
    return Variant(question.name, "all", count, p, estimate.value if estimate else None)


def _repeat(question: Question, context: Context) -> Variant:
    count = len(context.sample.participants)
    try:
        p, estimate = _tested(question, context)
    except (NotApplicable, InputError) as reason:
        return Variant(question.name, "", count, reason=str(reason))
    return Variant(question.name, "", count, p, estimate.value if estimate else None)


def _tested(question: Question, context: Context) -> tuple[float | None, EffectEstimate | None]:
    if question.retest is not None:
        estimate = question.retest(context)
        return estimate.p, estimate
    answer = plain_values(question.run(context, Silent()))
    return (question.p(answer) if question.p else None), question.estimate(answer, Aim())


def _renamed(variant: Variant, rules: str) -> Variant:
    return dataclasses.replace(variant, rules=rules)
