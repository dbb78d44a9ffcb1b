"""Questions asked of the pairs of all targets, and blocks of photographs beside those of a matched set."""

from __future__ import annotations

import pytest

from almond.design.assignment import make_lists
from almond.errors import InputError
from almond.evidence.verify import first_broken, verify
from analysis import services as analysis_services
from jobs.models import State
from jobs.services import run_now
from studies import services
from studies.admin.readiness import obstacles
from studies.models import Construct, Study
from studies.services import BlockSpec
from studies.services.copying import new_version
from studies.services.plans import build_plan
from tests.site.small_study import advance, make_constructs, make_image_set, make_matched_set, with_recipes
from tests.site.test_analysis import analysed, answer_all

pytestmark = pytest.mark.django_db


def make_draft(*blocks: BlockSpec, **fields: object) -> Study:
    settings = {
        "title": "One question",
        "slug": "one-question",
        "participants_planned": 8,
        "n_lists": 4,
        "permutations": 99,
        "unmatched_reason": "Pairs of a test, made without matching.",
        "matched_set": with_recipes(make_matched_set("asked", scenes=3)),
    }
    return services.create_study(**{**settings, **fields}, blocks=blocks, by=None)  # type: ignore[arg-type]


def test_one_question_is_asked_of_the_pairs_of_all_targets() -> None:
    threat = make_constructs()[0]
    plan = build_plan(make_draft(BlockSpec("choice", "choices", [threat])))
    assert {(pair.target, pair.construct) for pair in plan.pairs} == {("LB", "threat"), ("CM", "threat")}
    assert {pair.question for pair in plan.pairs} == {threat.choice}
    assert plan.blocks[0].trials == len(plan.pairs) == 6
    assert [item.target for item in plan.constructs] == ["LB"]
    assert plan.analysis.primary == ("choices", "choice_specificity")
    assert {hypothesis.test for hypothesis in plan.preregistration.hypotheses} == set(plan.analysis.primary)  # type: ignore[union-attr]
    assert all(len(trials) == 6 for trials in make_lists(plan, 4))


def test_a_question_without_a_target_is_compared_with_nothing() -> None:
    make_constructs()
    odd = services.create_construct(
        name="odd", question="How odd?", low="not", high="very", choice="Which is odder?", by=None
    )
    plan = build_plan(make_draft(BlockSpec("choice", "choices", [odd])))
    assert plan.analysis.primary == ("choices",)
    assert plan.constructs[0].target is None


def test_each_question_of_its_own_pairs_leaves_the_plan_as_it_was() -> None:
    constructs = make_constructs()
    plan = build_plan(make_draft(BlockSpec("choice", "choices", constructs, asked_of="own")))
    assert {(pair.target, pair.construct) for pair in plan.pairs} == {("LB", "threat"), ("CM", "urgency")}
    values = plan.to_json()
    assert all("target" not in item for item in values["constructs"])
    assert "draws_on" not in values["blocks"][0]


def test_own_and_all_stand_side_by_side() -> None:
    constructs = make_constructs()
    own = BlockSpec("choice", "own", constructs, asked_of="own")
    plan = build_plan(make_draft(own, BlockSpec("choice", "all", constructs[:1])))
    assert [block.trials for block in plan.blocks] == [6, 6]
    assert {pair.construct for pair in plan.items_of(plan.blocks[1])} == {"threat"}
    assert {(pair.target, pair.construct) for pair in plan.items_of(plan.blocks[0])} == {
        ("LB", "threat"),
        ("CM", "urgency"),
    }


def test_a_question_without_words_for_pairs_is_shown_at_its_block() -> None:
    make_constructs()
    Construct.objects.filter(name="threat").update(choice="", target="")
    study = make_draft(BlockSpec("choice", "choices", list(Construct.objects.filter(name="threat"))))
    with pytest.raises(InputError, match="threat of it has no question of a pair") as caught:
        build_plan(study)
    assert [one.field for one in obstacles(study, caught.value)] == ["id_blocks-0-kind"]


def test_a_study_shows_photographs_beside_its_matched_set() -> None:
    constructs = make_constructs()
    photographs = make_image_set(images=5)
    study = make_draft(
        BlockSpec("rating", "photographs", constructs, image_set=photographs),
        BlockSpec("rating", "scenes", constructs, repeats=2),
        BlockSpec("choice", "choices", constructs[:1]),
    )
    plan = build_plan(study)
    natural = {item.id for item in plan.stimuli if item.target is None and not item.prompt}
    photos, scenes, _ = plan.blocks
    assert len(natural) == photos.trials == 5
    assert {item.id for item in plan.items_of(photos)} == natural
    assert not natural & {item.id for item in plan.items_of(scenes)}
    assert scenes.trials == 12 + 2
    for trials in make_lists(plan, 4):
        assert {trial.stimulus for trial in trials if trial.block == "photographs"} == natural
        assert not natural & {trial.stimulus for trial in trials if trial.block == "scenes"}
    assert plan.analysis.primary == ("classification", "choices", "choice_specificity")
    live = advance(study, "live")
    assert build_plan(new_version(study=live, by=None)).digest == live.plan_digest


def test_photographs_of_a_block_need_no_other_source_and_are_shown_once() -> None:
    constructs = make_constructs()
    photographs = make_image_set(images=3)
    block = BlockSpec("rating", "ratings", constructs, image_set=photographs)
    plan = build_plan(make_draft(block, matched_set=None, unmatched_reason=""))
    assert plan.analysis.primary == ("natural",)
    assert len(plan.stimuli) == plan.blocks[0].trials == 3


def test_photographs_are_paired_only_as_the_block_says() -> None:
    block = BlockSpec("choice", "choices", make_constructs(), image_set=make_image_set())
    with pytest.raises(InputError, match="nothing says how they are made"):
        build_plan(make_draft(block))


def test_an_export_of_all_of_it_verifies_and_is_analysed() -> None:
    constructs = make_constructs()
    draft = make_draft(
        BlockSpec("rating", "photographs", constructs, image_set=make_image_set(images=3)),
        BlockSpec("rating", "scenes", constructs),
        BlockSpec("choice", "choices", constructs),
    )
    study = services.close(study=answer_all(advance(draft, "live"), 4), by=None)
    export = analysis_services.request_export(study=study, by=None)
    assert export.job is not None
    assert run_now(export.job).state == State.DONE
    export.refresh_from_db()
    assert first_broken(verify(export.path)) is None
    row = analysed(analysis_services.request_analysis(export=export, by=None))
    result = row.result["choice_specificity"]
    assert result["overall"]["trials"] == 4 * 12
    assert row.result["choices"]["overall"]["trials"] == 4 * 6
