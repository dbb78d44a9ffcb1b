"""Own against other targets: shares by hand, least squares, units, and a study from plan to report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from almond.analysis.questions import choice_specificity, choices
from almond.analysis.questions.base import Aim, NotApplicable, plain_values
from almond.analysis.questions.choice_specificity import specificity
from almond.analysis.trends.trajectories import own_constructs
from almond.design.plan import StudyPlan
from almond.errors import InputError
from almond.power.designs import design_at
from almond.power.layout import make_layout
from almond.power.studies import analysed, p_value, simulate
from almond.progress import Silent
from almond.rng import generator
from almond.world.rater_model import RaterModel
from tests.almond.design_plans import full_plan, with_themes

QUESTION = choice_specificity.QUESTION
OWN = {"threat": "T0", "social": "T1"}


def crossed_plan(
    scenes: int = 8, targets: int = 3, *, asked: tuple[str, ...] = ("threat", "social")
) -> StudyPlan:
    """Every question asked of the pairs of all targets, each with a target of its own."""
    values = with_themes(full_plan(scenes, targets), 1).to_json()
    values["constructs"] = [
        {**item, "target": OWN[item["name"]]} if item["name"] in asked else item
        for item in values["constructs"]
    ]
    values["pairs"] = [
        {**pair, "id": f"{pair['id']}-{name}", "construct": name, "question": f"Which is {name}?"}
        for pair in values["pairs"]
        for name in asked
    ]
    values["blocks"][1] |= {"trials": len(values["pairs"]), "constructs": list(asked)}
    values["analysis"]["primary"] = ["choices", "choice_specificity"]
    return StudyPlan.from_json(values)


def drawn(seed: int, *, questions: int = 1, effect: float = 0.0, visible: float = 0.0) -> pd.DataFrame:
    """Choices of 14 people between the pairs of three targets in nine themes."""
    rng = np.random.default_rng(seed)
    person, theme, target, question = (axis.ravel() for axis in np.indices((14, 9, 3, questions)))
    share = 0.5 + effect * (target == question) + visible * (target == 2)
    share = share + 0.2 * rng.uniform(-1, 1, 14)[person] + 0.1 * rng.uniform(-1, 1, 9)[theme]
    names = np.array(["threat", "social"])
    return pd.DataFrame(
        {
            "participant_id": person,
            "theme": theme,
            "construct": names[question],
            "intended_target": np.char.add("T", target.astype(str)),
            "aligned": (rng.random(len(person)) < share).astype(int),
        }
    )


def test_one_question_gives_the_difference_of_two_shares():
    rows = drawn(1, effect=0.2)
    found = specificity(rows, OWN)
    assert found.limited  # eight degrees of freedom reach no p below 2 / 2^9
    by_target = rows.groupby("intended_target")["aligned"].mean()
    assert found.own == pytest.approx(by_target["T0"])
    assert found.other == pytest.approx((by_target["T1"] + by_target["T2"]) / 2)
    assert found.difference == pytest.approx(found.own - found.other)
    assert found.df == pytest.approx(8.0)
    assert found.p == 2.0**-8
    weaker = specificity(drawn(1, effect=0.05), OWN)
    assert weaker.p == pytest.approx(2 * stats.t.sf(abs(weaker.difference / weaker.se), 8.0))


def test_with_people_alone_random_it_is_the_t_of_their_own_differences():
    """Where themes add nothing beyond people, the covariance is that of people: their differences' t."""
    rows = drawn(2)
    copies = pd.concat([rows.assign(theme=rows["theme"] + 9 * copy) for copy in range(40)])
    found = specificity(copies, OWN)
    means = (
        rows.assign(own=rows["intended_target"] == "T0").groupby(["participant_id", "own"])["aligned"].mean()
    )
    differences = means.unstack()[True] - means.unstack()[False]
    assert found.difference == pytest.approx(differences.mean())
    assert found.se >= stats.sem(differences) * (1 - 1e-9)
    assert found.se == pytest.approx(stats.sem(differences), rel=0.05)


def test_two_questions_take_out_what_targets_have_in_general():
    rows = drawn(3, questions=2, visible=0.4)
    found = specificity(rows, OWN)
    own = rows["construct"].map(OWN) == rows["intended_target"]
    columns = [np.where(own, 0.5, -0.5), rows["construct"] == "threat", np.ones(len(rows))]
    columns += [rows["intended_target"] == name for name in ("T1", "T2")]
    design = np.column_stack([np.asarray(column, float) for column in columns])
    expected = np.linalg.lstsq(design, rows["aligned"].to_numpy(float), rcond=None)[0][0]
    assert found.difference == pytest.approx(expected)
    assert abs(found.difference) < abs(found.own - found.other)


def test_pairs_followed_everywhere_are_no_specificity():
    rows = drawn(4).assign(aligned=1)
    found = specificity(rows, OWN)
    assert (found.own, found.other) == (1.0, 1.0)
    assert found.difference == pytest.approx(0.0, abs=1e-12)
    assert found.p == pytest.approx(1.0)


def test_swapping_what_is_aligned_turns_the_sign_and_leaves_p():
    rows = drawn(5, effect=0.15)
    first, second = specificity(rows, OWN), specificity(rows.assign(aligned=1 - rows["aligned"]), OWN)
    assert second.difference == pytest.approx(-first.difference)
    assert second.p == pytest.approx(first.p)


def test_too_few_units_and_a_missing_side_are_refused():
    rows = drawn(6)
    with pytest.raises(InputError, match="1 participants, 9 themes"):
        specificity(rows[rows["participant_id"] == 0], OWN)
    with pytest.raises(InputError, match="cannot be told from the others"):
        specificity(rows[rows["intended_target"] == "T0"], OWN)


@pytest.fixture(scope="module")
def context():
    layout = make_layout(crossed_plan(), 4)
    model = RaterModel.model_validate({"careless": 0.0, "drop_out": 0.0})
    return analysed(simulate(layout, model, people=24, effect=0.8, rng=generator(3, "crossed")), 5)


def test_a_study_that_asks_of_all_targets_is_analysed_by_own_pairs_and_by_the_difference(context):
    result = plain_values(QUESTION.run(context, Silent()))
    own = plain_values(choices.QUESTION.run(context, Silent()))
    assert {row["target"] for row in own["targets"]} == {"T0", "T1"}
    assert own["overall"]["trials"] == 24 * 16
    assert result["overall"]["trials"] == 24 * 48
    assert own["overall"]["share"] == pytest.approx(result["overall"]["own"])
    assert result["overall"]["p"] < 0.01 < result["overall"]["difference"]
    assert p_value(QUESTION, context) == result["overall"]["p"]
    assert {(cell["construct"], cell["target"]) for cell in result["shares"] if cell["own"]} == set(
        OWN.items()
    )


def test_a_target_keeps_its_own_constructs():
    assert own_constructs(crossed_plan()) == {"T0": ["threat"], "T1": ["social"]}
    assert own_constructs(full_plan(2, 2)) == {"T0": ["threat"], "T1": ["threat"]}


def test_its_section_says_what_was_found(context):
    result = plain_values(QUESTION.run(context, Silent()))
    headline = QUESTION.headline(result, 0.05)
    assert headline.startswith("Choices followed a question more in the pairs of its own target")
    section = QUESTION.section(QUESTION.title, result)
    assert [row[0] for row in section.tables[0].rows] == ["all", "social", "threat"]
    assert sum("*" in cell for row in section.tables[1].rows for cell in row) == 2
    assert set(QUESTION.figures(result)) == {section.figures[0].name}
    part = QUESTION.estimate(result, Aim(construct="threat"))
    assert part == QUESTION.estimate(result, Aim(target="T0"))
    assert part.null == 0.0


def test_questions_of_own_pairs_alone_have_no_such_test():
    layout = make_layout(with_themes(full_plan(4, 2), 1), 2)
    data = simulate(layout, RaterModel(), people=6, effect=0.0, rng=generator(3, "own"))
    with pytest.raises(NotApplicable, match="no question with a target of its own"):
        QUESTION.run(analysed(data, 1), Silent())


def test_other_numbers_of_themes_keep_what_a_block_draws_on():
    plan = crossed_plan(4)
    values = plan.to_json()
    first = [item["id"] for item in values["stimuli"] if item["base_scene"] in {"scene-0", "s0"}] or [
        item["id"] for item in values["stimuli"][:6]
    ]
    values["blocks"][0] |= {"draws_on": first, "trials": len(first)}
    plan = StudyPlan.from_json(values)
    more = design_at(plan, people=10, themes=8, seed=1)
    assert len(more.items_of(more.blocks[0])) == 2 * len(first)
    assert more.blocks[0].trials == 2 * len(first)
