"""Whether effects are no larger than the smallest one of interest: intervals, two one-sided tests, Bayes
factors.

A large p of a difference is no evidence that there is none. Where a plan declares the smallest effect of
interest, two one-sided tests can exclude it; a Bayes factor says how much more likely the data are with an
effect than without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almond.analysis.questions.base import Aim, EffectEstimate, Question, Result
from almond.design.plan import StudyPlan
from almond.report.document import Section, Table
from almond.report.wording import p_cell, p_text, signed, span
from almond.stats.bayes import PRIOR_SCALE, jzs_bayes_factor
from almond.stats.ttest import equivalence_test, half_width

STATED_LEVEL = 0.95
"""Of the intervals of tests that give no standard error."""


@dataclass(frozen=True)
class NarrowInterval:
    """An interval of an effect, which is zero where nothing is there.

    With a standard error ``se`` and degrees of freedom ``df`` its ``level`` is 1 - 2 alpha. Without, it is
    the interval that the test itself gives, of 95 %: two one-sided tests at .025, and at no other level.
    """

    effect: float
    low: float
    high: float
    level: float
    se: float | None = None
    df: float | None = None

    def equivalence_p(self, smallest: float) -> float:
        """Return p of two one-sided tests against ``-smallest`` and ``smallest``.

        Without a standard error only whether it is at most .025 is known: .025, or 1.
        """
        if self.se is not None and self.df is not None:
            return equivalence_test(self.effect, self.se, self.df, smallest).p
        inside = -smallest < self.low and self.high < smallest
        return (1.0 - self.level) / 2.0 if inside else 1.0


def narrow_interval(estimate: EffectEstimate, alpha: float) -> NarrowInterval | None:
    """Return the interval by which equivalence at ``alpha`` is judged, None for an estimate without any."""
    effect = estimate.value - estimate.null
    if estimate.se is not None and estimate.df is not None and estimate.se > 0:
        level = 1.0 - 2.0 * alpha
        reach = half_width(estimate.se, estimate.df, level)
        return NarrowInterval(effect, effect - reach, effect + reach, level, estimate.se, estimate.df)
    if estimate.low is None or estimate.high is None:
        return None
    return NarrowInterval(effect, estimate.low - estimate.null, estimate.high - estimate.null, STATED_LEVEL)


def largest_correlation(result: Result, aim: Aim) -> EffectEstimate | None:
    """Return the largest correlation of natural images, over all constructs or of one, as an estimate.

    Its interval holds those of all pairs that were tested with it, so that what it excludes is excluded for
    every one of them; p is family-wise.
    """
    test = result["scores"] or result["norms"]
    if not test or aim.target is not None:
        return None
    rows = [row for row in test["associations"] if aim.construct in (None, row["construct"])]
    if not rows:
        return None
    largest = max(rows, key=lambda row: abs(float(row["r"])))
    p, low = (min(float(row[name]) for row in rows) for name in ("p_max", "low"))
    return EffectEstimate(largest["r"], 0.0, p, low, max(float(row["high"]) for row in rows))


@dataclass(frozen=True)
class EquivalenceRow:
    """What is known of the smallness of one effect, in the unit of the test's estimate.

    ``hypothesis`` is its name in the plan, empty for a primary test that no hypothesis names as a whole.
    ``smallest``, with the interval of ``level`` and ``p`` of two one-sided tests, is None where the plan
    declares none; ``p`` is also None where the test gives no interval. ``p_exact`` is False where only
    whether p is at most (1 - level) / 2 is known. ``bayes_factor`` (effect over none, with the prior's scale
    beside it) is None for tests without a standard error.
    """

    hypothesis: str
    test: str
    target: str | None
    construct: str | None
    effect: float
    smallest: float | None
    low: float | None
    high: float | None
    level: float | None
    p: float | None
    p_exact: bool
    bayes_factor: float | None
    prior_scale: float
    sentence: str


def equivalence_rows(
    plan: StudyPlan, questions: Sequence[Question], result: Mapping[str, Any]
) -> list[EquivalenceRow]:
    """List the effects of a plan's hypotheses and primary tests, with what is known of their smallness.

    :param result: the results of the questions by name, and ``settings`` with the error level.
    """
    by_name = {question.name: question for question in questions}
    alpha = float(result["settings"]["alpha"])
    stated = plan.preregistration.hypotheses if plan.preregistration else ()
    asked = [
        (row.name, row.test, Aim(row.target, row.construct), row.criterion.smallest_of_interest)
        for row in stated
    ]
    whole = {test for _, test, aim, _ in asked if aim.is_whole}
    asked += [("", test, Aim(), None) for test in plan.analysis.primary if test not in whole]
    rows = []
    for name, test, aim, smallest in asked:
        answer = result.get(test)
        estimate = by_name[test].estimate(answer, aim) if answer else None
        row = _row(name, test, aim, estimate=estimate, smallest=smallest, alpha=alpha) if estimate else None
        rows += [row] if row else []
    return rows


def _row(
    name: str, test: str, aim: Aim, *, estimate: EffectEstimate, smallest: float | None, alpha: float
) -> EquivalenceRow | None:
    """Return what is known of one effect; None where it is neither bounded nor has a standard error."""
    narrow, factor = narrow_interval(estimate, alpha), _bayes_factor(estimate)
    bounded = narrow if smallest is not None else None
    if bounded is None and factor is None:
        return None
    p = bounded.equivalence_p(smallest) if bounded and smallest is not None else None
    said = (
        [_exclusion(bounded, smallest, p, alpha)]
        if bounded and smallest is not None and p is not None
        else []
    )
    said += [_weight(factor)] if factor is not None else []
    return EquivalenceRow(
        hypothesis=name,
        test=test,
        target=aim.target,
        construct=aim.construct,
        effect=estimate.value - estimate.null,
        smallest=smallest,
        low=bounded.low if bounded else None,
        high=bounded.high if bounded else None,
        level=bounded.level if bounded else None,
        p=p,
        p_exact=bounded is None or bounded.se is not None,
        bayes_factor=factor,
        prior_scale=PRIOR_SCALE,
        sentence=" ".join(said),
    )


def _bayes_factor(estimate: EffectEstimate) -> float | None:
    """Return the Bayes factor of the t test that the estimate belongs to, None for another test."""
    if estimate.se is None or estimate.df is None or not estimate.se > 0:
        return None
    return jzs_bayes_factor((estimate.value - estimate.null) / estimate.se, estimate.df)


def _exclusion(narrow: NarrowInterval, smallest: float, p: float, alpha: float) -> str:
    """Say whether effects as large as the smallest one of interest are excluded."""
    interval = f"{100 * narrow.level:g} % interval {span(narrow.low, narrow.high, 3)}"
    test = f", {p_text(p)}" if narrow.se is not None else ""
    excluded = "are excluded" if p <= alpha else "are not excluded"
    return f"Effects of {smallest:g} or more in either direction {excluded} ({interval}{test})."


def _weight(factor: float) -> str:
    """Say what a Bayes factor means."""
    with_effect = factor >= 1.0
    times = factor if with_effect else 1.0 / factor
    which = "with an effect as without one" if with_effect else "without an effect as with one"
    return f"The data are {times:.3g} times as likely {which} (BF10 = {factor:.3g})."


def equivalence_section(rows: Sequence[Mapping[str, Any]]) -> tuple[Section, ...]:
    """Write the section on the smallness of effects; none where nothing is known of any."""
    if not rows:
        return ()
    cells = tuple(
        (
            row["hypothesis"],
            _part(row),
            signed(row["effect"], 3),
            "none declared" if row["smallest"] is None else f"{row['smallest']:g}",
            "" if row["low"] is None else f"{span(row['low'], row['high'], 3)} ({100 * row['level']:g} %)",
            _p_cell(row),
            "" if row["bayes_factor"] is None else f"{row['bayes_factor']:.3g}",
        )
        for row in rows
    )
    head = ("hypothesis", "test", "effect", "smallest of interest", "interval", "p equivalence", "BF10")
    return (
        Section(
            title="How small may the effects be?",
            items=tuple(f"{row['hypothesis'] or _part(row)}: {row['sentence']}" for row in rows),
            tables=(Table(head, cells, text=(0, 1), wrapped=(1,)),),
            notes=(
                "Effects are less their value where nothing is there. p equivalence: the larger of two "
                "one-sided t tests against the smallest effect of interest (Lakens, 2017), not corrected "
                "here; tests without a standard error are judged by their 95 % interval. BF10: Bayes factor "
                "of the t test with as many units as its degrees of freedom plus one, for a Cauchy prior on "
                f"the effect in standard deviations of units, r = {PRIOR_SCALE:.3f} (Rouder et al., 2009).",
            ),
        ),
    )


def _part(row: Mapping[str, Any]) -> str:
    parts = [row["target"], row["construct"]]
    about = ", ".join(part for part in parts if part)
    return f"{row['test']} ({about})" if about else str(row["test"])


def _p_cell(row: Mapping[str, Any]) -> str:
    if row["p"] is None:
        return ""
    if row["p_exact"]:
        return p_cell(row["p"])
    edge = p_cell((1.0 - row["level"]) / 2.0)
    return f"≤ {edge}" if row["p"] < 1.0 else f"> {edge}"
