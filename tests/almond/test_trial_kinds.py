"""Every kind of trials: its answers are checked, a simulated study is exported, verified and analysed."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from almond.analysis.analyse import analyse_export
from almond.analysis.own_scales import on_own_scales
from almond.analysis.study_data import read_study
from almond.design.assignment import make_lists
from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import PlannedTrial, block_of
from almond.design.trials.responses import Response
from almond.errors import InputError
from almond.evidence.export import read_export
from almond.evidence.simulated import simulate_study
from almond.evidence.verify import first_broken, verify
from almond.exchange.schema import table_schemas
from almond.shapes import ShapeError, read
from tests.almond.small_export import CREATED, SmallStudy

FELT = ("arousal", "valence")
BLOCKS: dict[str, dict[str, Any]] = {
    "rating": {"constructs": FELT, "start": 50.0, "path": True},
    "likert": {"constructs": FELT, "points": 5, "middle": "neither"},
    "buttons": {"constructs": ["valence"], "labels": ["no", "a little", "yes"]},
    "grid": {"constructs": FELT},
    "figures": {"constructs": FELT, "between": True},
    "number": {"constructs": FELT, "least": 18.0, "most": 99.0, "unit": "years"},
    "text": {"constructs": FELT, "shortest": 5, "longest": 20},
    "options": {"constructs": FELT, "options": ["yes", "rather", "no"]},
    "choice": {"no_difference": True, "confidence": 4},
    "best_worst": {"constructs": ["valence"]},
}
"""A block of every kind, over the images of the small study."""


def plan_of(study: SmallStudy, *kinds: str) -> StudyPlan:
    """The small study with one block of each of some kinds, of all images or pairs."""
    values = study.plan.to_json()
    extra = [{"name": name, "question": f"{name}?", "low": "low", "high": "high"} for name in FELT]
    blocks = [{"kind": kind, "name": kind, "trials": 4, **BLOCKS[kind]} for kind in kinds]
    return StudyPlan.from_json({**values, "constructs": [*values["constructs"], *extra], "blocks": blocks})


def simulated(plan: StudyPlan, people: int = 4) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(1)
    return simulate_study(
        plan,
        make_lists(plan, 2),
        {stimulus.id: rng.uniform(size=16) for stimulus in plan.stimuli},
        n_participants=people,
        seed=1,
        start=datetime.fromisoformat(CREATED).astimezone(UTC),
    )


def export_of(study: SmallStudy, plan: StudyPlan) -> Path:
    answered = simulated(plan)
    return study.write(plan=plan, participants=answered.pop("participants"), responses=answered)


def test_every_kind_that_shows_images_is_tried_here() -> None:
    """Pages and practice are tried in ``test_pages``."""
    images = {name for name, kind in TRIAL_KINDS.entries().items() if kind.shows != "nothing"}
    assert set(BLOCKS) == images - {"practice"}


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_study_of_a_kind_is_exported_verified_and_analysed(tmp_path: Path, kind: str) -> None:
    study = SmallStudy(tmp_path)
    plan = plan_of(study, kind)
    assert StudyPlan.from_bytes(plan.to_bytes()).digest == plan.digest
    folder = export_of(study, plan)
    assert first_broken(verify(folder)) is None
    export, table = read_export(folder), TRIAL_KINDS.load(kind).table
    rows = export.tables[table.name]
    assert rows["response_id"].nunique() == 4 * 4
    assert set(table_schemas(plan.kinds)) >= {table.name}
    codebook = pd.read_csv(folder / "codebook.csv", keep_default_na=False)
    assert set(rows.columns) == set(codebook.loc[codebook["table"] == table.name, "column"])
    result = analyse_export(folder, permutations=99).data
    assert result["sample"]["analysed"] == 4


def test_scales_of_several_kinds_share_one_table(tmp_path: Path) -> None:
    study = SmallStudy(tmp_path)
    plan = plan_of(study, "rating", "likert", "number")
    folder = export_of(study, plan)
    assert first_broken(verify(folder)) is None
    data = read_study(folder)
    by_block = data.ratings.groupby("block")
    assert by_block.size().to_dict() == {"likert": 32, "number": 32, "rating": 32}
    likert = by_block.get_group("likert")
    assert set(likert["original_value"]) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    np.testing.assert_allclose(likert["value"], 25 * (likert["original_value"] - 1))
    number = by_block.get_group("number")
    np.testing.assert_allclose(number["value"], 100 * (number["original_value"] - 18) / 81)
    sliders = by_block.get_group("rating")
    assert (sliders["value"] == sliders["original_value"]).all()
    # The same constructs on three scales: none of them is the construct's own.
    own, scales = on_own_scales(data, data.ratings)
    assert scales == {}
    assert (own["own"] == own["value"]).all()


def test_a_construct_of_one_scale_is_analysed_on_it(tmp_path: Path) -> None:
    study = SmallStudy(tmp_path)
    data = read_study(export_of(study, plan_of(study, "likert")))
    own, scales = on_own_scales(data, data.ratings)
    assert scales == {"arousal": (1.0, 5.0), "valence": (1.0, 5.0)}
    assert (own["own"] == own["original_value"]).all()


def test_a_study_of_sliders_alone_has_the_columns_that_it_had(tmp_path: Path) -> None:
    study = SmallStudy(tmp_path)
    assert "original_value" not in read_export(export_of(study, plan_of(study, "rating"))).tables["ratings"]


@pytest.mark.parametrize(
    ("kind", "values", "problem"),
    [
        ("rating", {"arousal": 0, "valence": 100}, ""),
        ("rating", {"arousal": 0, "valence": 100.5}, "values.valence: is 100.5, not a number of at most 100"),
        ("likert", {"arousal": 1, "valence": 5}, ""),
        ("likert", {"arousal": 0, "valence": 5}, "values.arousal: is 0, not from 1 to 5"),
        ("likert", {"arousal": 1.5, "valence": 6}, "values.arousal: is 1.5, not in steps of 1 from 1"),
        ("likert", {"arousal": 1}, "values.valence: is missing"),
        ("likert", {"arousal": 1, "valence": 2, "joy": 3}, "values.joy: is not asked here"),
        ("buttons", {"valence": 3}, ""),
        ("buttons", {"valence": 4}, "values.valence: is 4, not from 1 to 3"),
        ("grid", {"arousal": 9, "valence": 1}, ""),
        ("grid", {"arousal": 10, "valence": 1}, "values.arousal: is 10, not from 1 to 9"),
        ("figures", {"arousal": 9, "valence": 2}, ""),
        ("number", {"arousal": 18, "valence": 99.0}, ""),
        ("number", {"arousal": 17, "valence": 20.5}, "values.arousal: is 17, not from 18 to 99"),
        ("number", {"arousal": "18", "valence": 20}, "values.arousal: is '18', not a number"),
        ("text", {"arousal": " a dog ", "valence": "12345"}, ""),
        ("text", {"arousal": "    dog ", "valence": "12345"}, "has 3 characters, not from 5 to 20"),
        ("options", {"arousal": ["yes"], "valence": ["no"]}, ""),
        ("best_worst", {"best": 1, "worst": 4}, ""),
        ("best_worst", {"best": 1, "worst": 1}, "values.worst: is the image chosen as best"),
        ("best_worst", {"best": 5, "worst": 1}, "values.best: is 5, not a number of at most 4"),
        ("best_worst", {"best": 2}, "values.worst: is missing"),
        ("options", {"arousal": ["maybe"], "valence": ["no"]}, "names 'maybe', not one of yes, rather, no"),
        ("options", {"arousal": ["yes", "no"], "valence": []}, "names 2 options, not one"),
    ],
)
def test_an_answer_is_compared_with_its_trial(
    tmp_path: Path, kind: str, values: dict[str, Any], problem: str
) -> None:
    plan = plan_of(SmallStudy(tmp_path), kind)
    assert problem in (said(plan, kind, {"values": values}) or "")
    assert bool(problem) == bool(said(plan, kind, {"values": values}))


def said(plan: StudyPlan, kind: str, fields: dict[str, Any]) -> str:
    """What is wrong with an answer to the first trial of the plan's first list."""
    trial = make_lists(plan, 1)[0][0]
    entry = TRIAL_KINDS.load(kind)
    body = {"response_id": str(uuid.uuid4()), "trial_id": "t", "rt_ms": 500, "images": ["a"], **fields}
    try:
        answer = read(entry.answer, body, source="body")
    except ShapeError as error:
        return "; ".join(error.problems)
    problems = entry.check(answer, trial, block_of(plan, trial.block))
    return "; ".join(f"{path}: {problem}" for path, problem in problems)


@pytest.mark.parametrize(
    ("kind", "changes", "problem"),
    [
        ("likert", {"points": 12}, r"blocks\[0\].points: is 12, not a number of at most 11"),
        ("likert", {"points": 4}, r"blocks\[0\].middle: has no place among 4 points"),
        ("buttons", {"constructs": FELT}, r"are 2: a block of buttons asks about exactly one"),
        ("buttons", {"labels": ["yes"]}, r"blocks\[0\].labels: is \['yes'\], not a list of at least 2"),
        ("grid", {"across": "threat"}, r"blocks\[0\].across: is 'threat', not one of arousal and valence"),
        ("grid", {"points": 4}, r"blocks\[0\].points: is 4: a grid needs a middle"),
        ("figures", {"constructs": ["threat"]}, r"have no figures for threat, only for valence, arousal"),
        ("number", {"most": 18.0}, r"blocks\[0\].most: is 18, not above the least, 18"),
        ("text", {"longest": 4}, r"blocks\[0\].longest: is 4, below the shortest, 5"),
        ("options", {"options": ["yes"]}, r"blocks\[0\].options: are 1, not at least 2"),
        ("best_worst", {"constructs": FELT}, r"are 2: a best-worst block asks about exactly one"),
        ("best_worst", {"draws_on": ["nothing"]}, r"blocks\[0\].draws_on: 'nothing' is none of the stimuli"),
        ("options", {"constructs": []}, r"blocks\[0\].constructs: a options block|needs at least one"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    tmp_path: Path, kind: str, changes: dict[str, Any], problem: str
) -> None:
    plan = plan_of(SmallStudy(tmp_path), kind).to_json()
    with pytest.raises(InputError, match=problem):
        StudyPlan.from_json({**plan, "blocks": [{**plan["blocks"][0], **changes}]})


def test_images_of_best_worst_sets_are_shown_equally_often(tmp_path: Path) -> None:
    plan = plan_of(SmallStudy(tmp_path), "best_worst")
    lists = make_lists(plan, 5)
    for trials in lists:
        shown = Counter(name for trial in trials for name in trial.stimuli)
        assert all(len(set(trial.several)) == 4 for trial in trials)
        assert set(shown.values()) == {2}  # 4 sets of 4 images, of 8
    assert PlannedTrial.from_json(lists[0][0].to_json()) == lists[0][0]


def test_several_options_are_rows_of_their_own(tmp_path: Path) -> None:
    plan = plan_of(SmallStudy(tmp_path), "options")
    trial = make_lists(plan, 1)[0][0]
    rows = TRIAL_KINDS.load("options").rows(plan, answered(trial, {"arousal": ["no"], "valence": ["yes"]}))
    selected = [(row["construct"], row["option"]) for row in rows if row["selected"]]
    assert len(rows) == 6
    assert selected == [("arousal", "no"), ("valence", "yes")]


def answered(trial: PlannedTrial, values: dict[str, Any]) -> Response:
    return Response(trial=trial, images=["a"], values=values, chosen="", shared={"response_id": "r"})


def test_settings_added_later_leave_the_digest_of_plans_without_them(tmp_path: Path) -> None:
    values = SmallStudy(tmp_path).plan.to_json()
    first = values["blocks"][0]
    unset = StudyPlan.from_json(
        {**values, "blocks": [{**first, "start": None, "path": False}, *values["blocks"][1:]]}
    )
    assert "start" not in first
    assert unset.digest == StudyPlan.from_json(values).digest
    moved = StudyPlan.from_json({**values, "blocks": [{**first, "start": 0.0}, *values["blocks"][1:]]})
    assert moved.digest != unset.digest
