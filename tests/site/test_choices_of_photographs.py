"""Choices between photographs: their pairs in the plan, the lists, the export and the analysis."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from django.urls import reverse

from almond.design.assignment import make_lists
from almond.design.plan import StudyPlan
from almond.errors import InputError
from almond.evidence.verify import first_broken, verify
from almond.rng import generator
from analysis import services as analysis_services
from generation.models import ImageSet
from jobs.models import State
from jobs.services import run_now
from ratings.models import Response
from ratings.services.simulating import start_simulation
from studies import services
from studies.admin.readiness import obstacles
from studies.models import Construct, Study
from studies.services import BlockSpec
from studies.services.copying import new_version
from studies.services.plans import build_plan
from studies.services.rehearsing import rehearse
from tests.site.small_study import advance, make_constructs, make_image_set, make_matched_set, with_recipes
from tests.site.test_analysis import analysed, answer_all

pytestmark = pytest.mark.django_db

BY_DIFFERENCE = {
    "photograph_pairs": "difference",
    "norm": "valence",
    "least_difference": 2.0,
    "in_points": True,
}


def normed(images: int = 8) -> ImageSet:
    """Photographs with valence 0, 1, 2 and so on, and arousal at random."""
    row = make_image_set(images=images)
    rng = generator(5, "arousal")
    for image in row.stimuli.all():
        image.norms = {**image.norms, "arousal": float(rng.normal())}
        image.save()
    return row


def asked(*constructs: Construct, **settings: Any) -> BlockSpec:
    return BlockSpec("choice", "choices", list(constructs), settings=settings)


def make_draft(*blocks: BlockSpec, **fields: Any) -> Study:
    usual = {"participants_planned": 8, "n_lists": 4, "permutations": 99}
    return services.create_study(
        title="Which is nicer", slug="nicer", blocks=blocks, by=None, **{**usual, **fields}
    )


def pairs_of(plan: StudyPlan) -> set[frozenset[str]]:
    return {frozenset((pair.high, pair.low)) for pair in plan.pairs}


def test_pairs_differ_in_the_norm_and_each_photograph_stands_in_one() -> None:
    threat = make_constructs()[0]
    photographs = normed()
    plan = build_plan(make_draft(asked(threat, **BY_DIFFERENCE), image_set=photographs))
    valence = {f"s{row.pk}": row.norms["valence"] for row in photographs.stimuli.all()}
    assert len(plan.pairs) == plan.blocks[0].trials == 4
    assert all(valence[pair.high] - valence[pair.low] >= 2 for pair in plan.pairs)
    assert all((pair.target, pair.by) == (None, "valence") for pair in plan.pairs)
    assert max(Counter(name for pair in pairs_of(plan) for name in pair).values()) == 1
    assert plan.analysis.primary == ("photograph_choices",)
    assert StudyPlan.from_json(plan.to_json()).digest == plan.digest


def test_sides_are_balanced_and_no_photograph_follows_itself() -> None:
    threat = make_constructs()[0]
    settings = {"photograph_pairs": "random", "norm": "valence", "pairs_of_one": 2}
    plan = build_plan(make_draft(asked(threat, **settings), image_set=normed()))
    assert len(plan.pairs) == 8
    lists = make_lists(plan, 4)
    for trials in lists:
        high_left = sum(plan.pair_by_id[str(trial.pair)].high == trial.left for trial in trials)
        assert high_left == len(trials) // 2 == 4
        neighbours = [
            {first.left, first.right} & {second.left, second.right}
            for first, second in itertools.pairwise(trials)
        ]
        assert not any(neighbours)


def test_with_a_limit_nobody_sees_a_photograph_twice() -> None:
    threat = make_constructs()[0]
    settings = {"photograph_pairs": "random", "pairs_of_one": 3}
    block = BlockSpec("choice", "choices", [threat], 4, most_of_scene=1, settings=settings)
    plan = build_plan(make_draft(block, image_set=normed()))
    assert len(plan.pairs) == 12
    lists = make_lists(plan, 6)
    for trials in lists:
        assert max(Counter(name for trial in trials for name in trial.stimuli).values()) == 1
    shown = Counter(trial.pair for trials in lists for trial in trials)
    assert set(shown.values()) == {2}


LIST = "left;right;higher;theme\nphoto 1.png;photo 0;left;calm\nphoto 2;photo 3;;calm\n"


def test_pairs_of_a_list_are_taken_as_they_stand() -> None:
    threat = make_constructs()[0]
    study = make_draft(asked(threat, photograph_pairs="listed", listed_pairs=LIST), image_set=normed())
    plan = build_plan(study)
    names = {f"s{row.pk}": row.name for row in study.image_set.stimuli.all()}  # type: ignore[union-attr]
    assert [(names[pair.high], names[pair.low], pair.by, pair.theme) for pair in plan.pairs] == [
        ("photo 1", "photo 0", "list", "calm"),
        ("photo 2", "photo 3", None, "calm"),
    ]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "nothing says how they are made"),
        (
            {"photograph_pairs": "listed", "listed_pairs": "left,right\nphoto 1,photo 77\n"},
            "line 2, column right",
        ),
        (
            {"photograph_pairs": "listed", "listed_pairs": "left,right\nphoto 1,photo 2\nphoto 2,photo 1\n"},
            "line 3, columns left and right: the pair of line 2 again",
        ),
        ({"photograph_pairs": "listed", "listed_pairs": "left,other\nphoto 1,photo 2\n"}, "no column right"),
        ({**BY_DIFFERENCE, "norm": "fear"}, "no norm 'fear'"),
        ({**BY_DIFFERENCE, "least_difference": 50.0}, "none fit the settings"),
        ({**BY_DIFFERENCE, "pairs_wanted": 5}, "5 are wanted, and only 4"),
        ({"photograph_pairs": "random", "listed_pairs": "left,right"}, "has no meaning for pairs"),
    ],
)
def test_what_is_wrong_with_pairs_is_said_before_freezing(settings: dict[str, Any], problem: str) -> None:
    study = make_draft(asked(make_constructs()[0], **settings), image_set=normed())
    with pytest.raises(InputError, match=problem) as caught:
        build_plan(study)
    assert [one.field for one in obstacles(study, caught.value)] == ["id_blocks-0-choice_photograph_pairs"]


def test_best_and_worst_are_chosen_of_photographs_too() -> None:
    constructs = make_constructs()
    block = BlockSpec("best_worst", "sets", constructs[:1], image_set=normed())
    plan = build_plan(make_draft(block, matched_set=make_matched_set(), unmatched_reason="Of a test."))
    shown = {name for trials in make_lists(plan, 4) for trial in trials for name in trial.several}
    assert shown == {row.id for row in plan.stimuli if row.target is None and not row.prompt}


def test_a_matched_set_keeps_its_own_pairs() -> None:
    threat = make_constructs()[0]
    study = make_draft(
        asked(threat, photograph_pairs="random"),
        matched_set=with_recipes(make_matched_set()),
        unmatched_reason="Pairs of a test.",
    )
    with pytest.raises(InputError, match="shows the pairs of a matched set"):
        build_plan(study)


def test_both_sorts_of_pairs_are_taken_exported_verified_and_analysed() -> None:
    constructs = make_constructs()
    study = make_draft(
        BlockSpec("choice", "scenes", constructs),
        BlockSpec("choice", "photographs", constructs[:1], image_set=normed(), settings=BY_DIFFERENCE),
        matched_set=with_recipes(make_matched_set(scenes=3)),
        unmatched_reason="Pairs of a test.",
    )
    plan = build_plan(study)
    assert plan.analysis.primary == ("choices", "choice_specificity")
    assert [block.trials for block in plan.blocks] == [12, 4]
    live = advance(study, "live")
    assert build_plan(new_version(study=live, by=None)).digest == live.plan_digest
    closed = services.close(study=answer_all(live, 4), by=None)
    export = analysis_services.request_export(study=closed, by=None)
    assert export.job is not None
    assert run_now(export.job).state == State.DONE
    export.refresh_from_db()
    assert first_broken(verify(export.path)) is None
    result = analysed(analysis_services.request_analysis(export=export, by=None)).result
    assert result["choices"]["overall"]["trials"] == 4 * 6
    photographs = result["photograph_choices"]
    assert (photographs["trials"], photographs["units"]["pairs"]) == (16, 4)
    share = photographs["tests"][0]
    assert (share["family"], share["predictor"], share["construct"]) == ("paired", "valence", "threat")
    rows = Response.objects.filter(trial__block="photographs").select_related("trial")
    followed = [
        plan.pair_by_id[row.trial.planned["pair"]].high == row.trial.planned[row.chosen] for row in rows
    ]
    assert share["share"] == pytest.approx(np.mean(followed))


def test_simulated_people_choose_between_photographs(staff_client: Any) -> None:
    """Pairs that call neither photograph the higher, with every setting of answers."""
    threat = make_constructs()[0]
    settings = {"photograph_pairs": "random", "no_difference": True, "confidence": 4}
    photographs = normed()
    photographs.stimuli.update(scores={"LB": 0.0})
    for number, image in enumerate(photographs.stimuli.all()):
        image.scores = {"LB": float(number)}
        image.save()
    frozen = advance(make_draft(asked(threat, **settings), image_set=photographs), "frozen")
    study = rehearse(study=frozen, by=None)
    job = start_simulation(study=study, participants=5, seed=3, by=None)
    assert run_now(job).state == State.DONE
    page = staff_client.get(reverse("admin:ratings_monitor", args=[study.pk]))
    assert page.status_code == 200
    closed = services.close(study=study, by=None)
    export = analysis_services.request_export(study=closed, by=None)
    assert export.job is not None
    assert run_now(export.job).state == State.DONE
    export.refresh_from_db()
    assert first_broken(verify(export.path)) is None
    run = analysed(analysis_services.request_analysis(export=export, by=None))
    assert run.mode == "simulated"
    tests = run.result["photograph_choices"]["tests"]
    assert {(row["family"], row["predictor"]) for row in tests} == {
        ("scores", "LB"),
        ("norms", "valence"),
        ("norms", "arousal"),
    }
    body = (run.path / "body.html").read_text()
    assert "Do people choose the photograph that is higher?" in body
    assert run.result["confidence"] is None
