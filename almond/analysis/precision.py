"""How narrow the interval of a study's primary estimate is, from its export, and nothing else of it.

For plans that end collecting by precision. Whoever is told the half-width learns neither the estimate nor its
sign; intervals of proportions depend a little on where the estimate lies, which is why plans name the rule.
"""

from __future__ import annotations

from pathlib import Path

from almond.analysis.questions.base import (
    Aim,
    EffectEstimate,
    NotApplicable,
    Settings,
    load_questions,
    make_context,
    plain_values,
)
from almond.analysis.study_data import read_study
from almond.errors import InputError
from almond.progress import Part, Progress, Silent


def primary_half_width(folder: Path, progress: Progress | None = None) -> float:
    """Return half the width of the interval of the first primary test's estimate, on the estimate's scale.

    :raises InputError: the test cannot be run on this export, or its estimate has no interval.
    """
    progress = progress or Silent()
    data = read_study(folder, Part(progress, 0.0, 0.1))
    analysis = data.plan.analysis
    name = analysis.primary[0]
    question = next(question for question in load_questions() if question.name == name)
    context = make_context(data, Settings(analysis.permutations, data.plan.seed, analysis.alpha))
    try:
        answer = plain_values(question.run(context, Part(progress, 0.1, 1.0)))
    except NotApplicable as reason:
        raise InputError(f"primary test {name!r}", f"cannot be run: {reason}") from reason
    estimate: EffectEstimate | None = question.estimate(answer, Aim())
    if estimate is None or estimate.low is None or estimate.high is None:
        raise InputError(
            f"primary test {name!r}", "gives no interval to judge its precision by", "a test with an interval"
        )
    return (estimate.high - estimate.low) / 2
