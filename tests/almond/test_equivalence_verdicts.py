"""Hypotheses of no difference, and what a report says of the smallness of effects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from almond.analysis.analyse import analyse_export, plain_values
from almond.analysis.document import study_document
from almond.analysis.equivalence import equivalence_rows, equivalence_section, narrow_interval
from almond.analysis.questions.base import EffectEstimate, load_questions
from almond.analysis.registration.plan_document import plan_document
from almond.analysis.registration.verdicts import judge_hypotheses
from almond.design.plan import StudyPlan
from almond.report.render import render_markdown
from almond.stats.bayes import jzs_bayes_factor
from almond.stats.ttest import equivalence_test
from tests.almond.design_plans import full_plan
from tests.almond.export_maker import make_export


def planned(*hypotheses: dict[str, Any], correction: str = "none") -> StudyPlan:
    stated = {"hypotheses": list(hypotheses), "correction": correction}
    return StudyPlan.from_json({**full_plan().to_json(), "preregistration": stated})


def none(name: str, test: str, smallest: float, **about: str) -> dict[str, Any]:
    criterion = {"kind": "equivalence", "smallest": smallest}
    text = f"{name} claims nothing."
    return {"name": name, "text": text, "test": test, "direction": "none", "criterion": criterion, **about}


def found(share: float, se: float, p: float, *, accuracy: float = 0.52) -> dict[str, Any]:
    """Results as questions leave them: a share of choices, an accuracy with an interval, correlations."""
    ends = {"low": share - 2.2 * se, "high": share + 2.2 * se}
    overall = {"share": share, "se": se, "df": 11.0, "p": p, **ends}
    pairs = [
        {"construct": "threat", "predictor": "score_A", "r": 0.02, "low": -0.08, "high": 0.12, "p_max": 0.9},
        {"construct": "calm", "predictor": "score_A", "r": -0.05, "low": -0.19, "high": 0.09, "p_max": 0.7},
    ]
    return {
        "choices": {"overall": overall, "targets": []},
        "classification": {
            "lda": {"accuracy": accuracy, "chance": 0.5},
            "interval": {"low": accuracy - 0.1, "high": accuracy + 0.1},
            "difference": {"p": 0.6},
        },
        "natural": {"scores": {"associations": pairs}, "norms": None},
        "ordinal": None,
        "settings": {"alpha": 0.05},
    }


def judged(plan: StudyPlan, result: dict[str, Any]) -> list[dict[str, Any]]:
    return judge_hypotheses(plan, load_questions(), result)


@pytest.mark.parametrize(
    ("share", "se", "p", "smallest", "verdict"),
    [
        (0.51, 0.02, 0.63, 0.1, "corroborated"),
        (0.53, 0.01, 0.01, 0.1, "corroborated"),  # different from one half, and by little
        (0.55, 0.04, 0.24, 0.1, "inconclusive"),
        (0.65, 0.03, 0.001, 0.1, "falsified"),
        (0.35, 0.03, 0.001, 0.1, "falsified"),
    ],
)
def test_choices_that_do_not_differ(share: float, se: float, p: float, smallest: float, verdict: str) -> None:
    row = judged(planned(none("H1", "choices", smallest)), found(share, se, p))[0]
    assert row["verdict"] == verdict
    assert row["p"] == equivalence_test(share - 0.5, se, 11.0, smallest).p
    assert row["p_corrected"] == row["p"]


def test_equivalence_counts_in_the_correction() -> None:
    hypotheses = [none(f"H{number}", "choices", 0.055) for number in range(1, 4)]
    result = found(0.51, 0.02, 0.63)
    alone = judged(planned(*hypotheses), result)[0]
    family = judged(planned(*hypotheses, correction="holm"), result)[0]
    assert family["p_corrected"] == pytest.approx(3 * alone["p"])
    assert (alone["verdict"], family["verdict"]) == ("corroborated", "inconclusive")


def test_tests_without_a_standard_error_are_judged_by_their_interval() -> None:
    plan = planned(
        none("H1", "classification", 0.2),
        none("H2", "classification", 0.1),
        none("H3", "natural", 0.2),
        none("H4", "natural", 0.15),
        none("H5", "natural", 0.15, construct="threat"),
        none("H6", "classification", 0.1, target=full_plan().targets[0]),
        none("H7", "ordinal", 0.1),
    )
    plan = plan.model_copy(update={"analysis": plan.analysis.model_copy(update={"primary": ()})})
    result = found(0.5, 0.02, 1.0)
    rows = judged(plan, result)
    assert [row["verdict"] for row in rows] == [
        "corroborated",
        "inconclusive",
        "corroborated",
        "inconclusive",
        "corroborated",
        "inconclusive",
        "inconclusive",
    ]
    assert [row["p"] for row in rows[:3]] == [pytest.approx(0.025), 1.0, pytest.approx(0.025)]
    assert rows[5]["why"] == "its test gives no interval of an effect"
    assert rows[6]["why"] == "its test did not run"
    listed = equivalence_rows(plan, load_questions(), result)
    assert [row.hypothesis for row in listed] == ["H1", "H2", "H3", "H4", "H5"]
    assert all(row.bayes_factor is None and not row.p_exact for row in listed)
    (section,) = equivalence_section(plain_values(listed))
    page = str(section.tables[0].rows)
    assert "≤ .025" in page
    assert "> .025" in page


def test_a_level_below_the_interval_of_the_test_needs_a_narrower_one() -> None:
    plan = planned(none("H1", "classification", 0.2))
    result = {**found(0.5, 0.02, 1.0), "settings": {"alpha": 0.01}}
    assert judged(plan, result)[0]["verdict"] == "inconclusive"


def test_the_interval_is_that_of_two_tests_at_the_error_level() -> None:
    estimate = EffectEstimate(0.55, 0.5, 0.2, 0.4, 0.7, se=0.05, df=11.0)
    narrow = narrow_interval(estimate, 0.05)
    assert narrow is not None
    test = equivalence_test(0.05, 0.05, 11.0, 0.1)
    assert (narrow.level, narrow.low, narrow.high) == pytest.approx((0.9, test.low, test.high))
    assert narrow_interval(EffectEstimate(0.55, 0.5, 0.2), 0.05) is None


def test_the_report_says_what_is_excluded_and_weighs_the_rest() -> None:
    greater = {"name": "H2", "text": "x", "test": "choices", "direction": "greater"}
    plan = planned(none("H1", "choices", 0.1), greater)
    rows = equivalence_rows(plan, load_questions(), found(0.51, 0.02, 0.63))
    assert [row.hypothesis for row in rows] == ["H1", "H2"]
    factor = jzs_bayes_factor(0.5, 11.0)
    assert rows[0].bayes_factor == rows[1].bayes_factor == pytest.approx(factor)
    assert rows[1].smallest is rows[1].p is rows[1].low is None
    assert rows[0].sentence.startswith(
        "Effects of 0.1 or more in either direction are excluded (90 % interval -0.026 to +0.046, p "
    )
    assert rows[1].sentence == (
        f"The data are {1 / factor:.3g} times as likely without an effect as with one (BF10 = {factor:.3g})."
    )
    words = render_markdown(plan_document(plan))
    assert "direction: none (no difference). Corroborated where two one-sided tests at 0.05" in words


def test_primary_tests_without_a_hypothesis_are_weighed(tmp_path: Path) -> None:
    data = analyse_export(make_export(tmp_path / "export", participants=6, scenes=6, permutations=19)).data
    (row,) = data["equivalence"]
    overall = data["choices"]["overall"]
    assert (row["hypothesis"], row["test"], row["smallest"]) == ("", "choices", None)
    expected = jzs_bayes_factor((overall["share"] - 0.5) / overall["se"], overall["df"])
    assert row["bayes_factor"] == pytest.approx(expected, rel=1e-6)
    page = render_markdown(study_document(data))
    assert "How small may the effects be?" in page
    assert "choices: The data are" in page
