"""Studies: what a plan is made of, what freezing seals, which state follows which."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import AuditEvent
from almond.design.plan import StudyPlan
from almond.errors import InputError
from generation.models import Stimulus
from studies import services
from studies.models import AssignmentList, Block, Construct, Study
from studies.services import BlockSpec
from tests.site.small_study import advance, make_constructs, make_image_set, make_matched_set, make_study

pytestmark = pytest.mark.django_db
State = Study.State


def test_freezing_seals_a_plan_that_reads_back_and_makes_its_lists(experimenter: Any) -> None:
    study = make_study(state=State.DRAFT)
    frozen = services.freeze(study=study, by=experimenter)
    plan = StudyPlan.from_json(frozen.plan)
    assert plan.digest == frozen.plan_digest
    assert frozen.state == State.FROZEN
    assert frozen.frozen_by == experimenter
    assert len(plan.stimuli) == 12
    assert {stimulus.sha256 for stimulus in plan.stimuli} <= set(
        Stimulus.objects.values_list("digest", flat=True)
    )
    assert {pair.construct for pair in plan.pairs if pair.target == "LB"} == {"threat"}
    assert {pair.question for pair in plan.pairs if pair.target == "CM"} == {
        "Which calls more urgently for action?"
    }
    lists = list(frozen.lists.all())
    assert [row.capacity for row in lists] == [2, 2, 2, 2]
    assert all(len(row.trials) == 7 for row in lists)
    assert AuditEvent.objects.get(verb="freeze").detail["plan_digest"] == plan.digest


def test_a_plan_states_the_theme_of_every_image() -> None:
    """Two prompts, three seeds: the first and the last scene share a prompt."""
    plan = make_study(state=State.FROZEN, matched_set=make_matched_set(prompts=2)).frozen_plan
    assert plan.theme_of_scene == {
        "a-street-0": "a street, view 0",
        "a-street-1": "a street, view 1",
        "a-street-2": "a street, view 0",
    }
    assert plan.told_themes == plan.theme_of_scene
    assert plan.theme_remark == ""


def test_photographs_have_the_themes_of_their_norms_or_are_one_each() -> None:
    photographs = make_image_set(images=4)
    first, second = photographs.stimuli.order_by("id")[:2]
    Stimulus.objects.filter(pk__in=[first.pk, second.pk]).update(stated_theme="lakes")
    study = services.create_study(
        title="Photographs",
        slug="photographs",
        participants_planned=4,
        n_lists=2,
        image_set=photographs,
        blocks=[BlockSpec("rating", "ratings", make_constructs())],
        by=None,
    )
    plan = advance(study, State.FROZEN).frozen_plan
    assert Counter(plan.theme_of_scene.values())["lakes"] == 2
    assert len(plan.themes) == 3
    assert plan.theme_remark == ""


def test_empty_trials_mean_every_image_and_pair_once() -> None:
    study = make_study(state=State.FROZEN, rating_trials=None, choice_trials=None, repeats=3)
    assert [block.trials for block in study.frozen_plan.blocks] == [15, 6]


def test_places_add_up_to_the_planned_participants() -> None:
    study = make_study(state=State.FROZEN, participants_planned=11, n_lists=4)
    assert [row.capacity for row in study.lists.order_by("number")] == [3, 3, 3, 2]


def test_exposure_is_equal_over_the_lists() -> None:
    study = make_study(state=State.FROZEN, rating_trials=6, n_lists=4)
    shown = Counter(
        trial["stimulus"] for row in study.lists.all() for trial in row.trials if trial["kind"] == "rating"
    )
    assert set(shown.values()) == {2}


def test_the_same_seed_gives_the_same_lists() -> None:
    matched = make_matched_set()
    first = make_study(matched_set=matched, slug="one", seed=5, state=State.FROZEN)
    second = make_study(matched_set=matched, slug="two", seed=5, state=State.FROZEN)
    other = make_study(matched_set=matched, slug="three", seed=6, state=State.FROZEN)
    trials = [[row.trials for row in study.lists.order_by("number")] for study in (first, second, other)]
    assert trials[0] == trials[1]
    assert trials[0] != trials[2]


def test_freezing_without_stimuli_says_so_and_changes_nothing() -> None:
    study = services.create_study(
        title="Empty", slug="empty", blocks=[BlockSpec("rating", "ratings", make_constructs())], by=None
    )
    with pytest.raises(
        InputError, match=r"study 'Empty': has no stimuli \(expected a matched set or an image set\)"
    ):
        services.freeze(study=study, by=None)
    study.refresh_from_db()
    assert study.state == State.DRAFT
    assert not AssignmentList.objects.exists()


def test_freezing_needs_a_frozen_matched_set() -> None:
    study = make_study(state=State.DRAFT, matched_set=make_matched_set(frozen=False))
    with pytest.raises(InputError, match="matched set 'matched': is still a draft"):
        services.freeze(study=study, by=None)


def test_freezing_an_empty_image_set_says_so() -> None:
    study = services.create_study(
        title="Photographs",
        slug="photos",
        image_set=make_image_set(images=0),
        blocks=[BlockSpec("rating", "ratings", make_constructs())],
        by=None,
    )
    with pytest.raises(InputError, match="photographs holds no images"):
        services.freeze(study=study, by=None)


def test_freezing_without_blocks_says_so() -> None:
    study = services.create_study(title="No blocks", slug="none", matched_set=make_matched_set(), by=None)
    with pytest.raises(InputError, match="has no blocks"):
        services.freeze(study=study, by=None)


def test_a_missing_image_file_is_named() -> None:
    study = make_study(state=State.DRAFT)
    image = study.images()[0]
    data = image.path.read_bytes()
    image.path.unlink()
    with pytest.raises(InputError, match=f"its file {image.path} is gone"):
        services.freeze(study=study, by=None)
    image.path.write_bytes(data)


def test_a_choice_block_needs_one_question_per_target() -> None:
    threat = make_constructs()[0]
    study = services.create_study(
        title="Half",
        slug="half",
        matched_set=make_matched_set(),
        blocks=[BlockSpec("choice", "choices", [threat], asked_of="own")],
        by=None,
    )
    with pytest.raises(InputError, match="no construct of it asks about pairs of CM"):
        services.freeze(study=study, by=None)


def test_natural_images_are_rated_and_not_paired_without_a_word() -> None:
    constructs = make_constructs()
    photos = make_image_set()
    study = services.create_study(
        title="Photographs",
        slug="photos",
        image_set=photos,
        participants_planned=2,
        n_lists=2,
        blocks=[BlockSpec("rating", "ratings", constructs)],
        by=None,
    )
    plan = advance(study, State.FROZEN).plan
    assert plan["analysis"]["primary"] == ["natural"]
    assert {stimulus["target"] for stimulus in plan["stimuli"]} == {None}
    paired = services.create_study(
        title="Pairs",
        slug="pairs",
        image_set=photos,
        blocks=[BlockSpec("choice", "choices", constructs)],
        by=None,
    )
    with pytest.raises(InputError, match="nothing says how they are made"):
        services.freeze(study=paired, by=None)


def test_nothing_is_frozen_twice_or_deleted_after() -> None:
    study = make_study(state=State.FROZEN)
    with pytest.raises(InputError, match="is frozen: nothing of it can change"):
        services.freeze(study=study, by=None)
    with pytest.raises(InputError, match="nothing of it can change"):
        services.delete_draft(study=study, by=None)


ALLOWED = {
    "open_study": {State.FROZEN, State.PAUSED},
    "pause": {State.LIVE},
    "close": {State.FROZEN, State.LIVE, State.PAUSED},
}
AFTER = {"open_study": State.LIVE, "pause": State.PAUSED, "close": State.CLOSED}


@pytest.mark.parametrize("verb", ALLOWED)
@pytest.mark.parametrize("state", list(State))
def test_every_step_from_every_state(verb: str, state: str) -> None:
    study = make_study(state=state)
    step = getattr(services, verb)
    if state in ALLOWED[verb]:
        more = {"reason": "A test."} if verb == "open_study" else {}
        assert step(study=study, by=None, **more).state == AFTER[verb]
    else:
        with pytest.raises(InputError, match=f"is {state}"):
            step(study=study, by=None)
        study.refresh_from_db()
        assert study.state == state


def test_a_second_opening_keeps_the_first_time() -> None:
    study = make_study()
    first = study.opened_at
    services.pause(study=study, by=None)
    assert services.open_study(study=study, by=None).opened_at == first


def test_wrong_fields_are_named() -> None:
    with pytest.raises(InputError, match=r"slug: .*valid"):
        services.create_study(title="A", slug="not a slug", by=None)
    make_study(state=State.DRAFT)
    with pytest.raises(InputError, match=r"slug: .*already exists"):
        services.create_study(title="A", slug="scenes", by=None)
    with pytest.raises(InputError, match="lists: 9 for 8 participants"):
        services.create_study(title="A", slug="a", n_lists=9, participants_planned=8, by=None)
    for spec, problem in (
        (BlockSpec("odd", "odd", ()), "kind: .*not a valid choice"),
        (BlockSpec("choice", "choices", (), repeats=1), "repeats: Blocks of kind “choice” repeat no images"),
    ):
        with pytest.raises(InputError, match=problem):
            services.create_study(title="A", slug="b", blocks=[spec], by=None)
    with pytest.raises(InputError, match="two sources of images"):
        services.create_study(
            title="A", slug="a", matched_set=make_matched_set("other"), image_set=make_image_set(), by=None
        )


BROKEN: dict[str, Any] = {
    "study_of_one_source_of_images": lambda study: {"image_set": make_image_set()},
    "study_past_draft_has_a_plan": lambda study: {"state": State.LIVE},
    "study_state_is_known": lambda study: {
        "state": "odd",
        "plan_digest": "x" * 64,
        "frozen_at": timezone.now(),
    },
    "study_numbers_make_sense": lambda study: {"timeout_minutes": 1},
    "study_has_a_participant_per_list": lambda study: {"n_lists": 9},
    "study_withdrawal_is_known": lambda study: {"on_withdrawal": "odd"},
    "study_block_order_is_known": lambda study: {"block_order": "odd"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_database_keeps_studies_sound(name: str) -> None:
    study = make_study(state=State.DRAFT)
    fields = BROKEN[name](study)
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        Study.objects.filter(pk=study.pk).update(**fields)


def test_the_database_keeps_blocks_constructs_and_lists_sound() -> None:
    study = make_study(state=State.FROZEN)
    choice = study.blocks.get(kind="choice")
    for fields in (
        {"trials": 0},
        {"kind": ""},
        {"order": 1},
        {"name": "ratings"},
        {"asked_of": "nobody"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Block.objects.filter(pk=choice.pk).update(**fields)
    for fields in ({"low": ""}, {"choice": ""}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Construct.objects.filter(name="threat").update(**fields)
    with pytest.raises(IntegrityError, match="list_not_overfull"), transaction.atomic():
        AssignmentList.objects.filter(study=study, number=0).update(taken=3)


def test_every_constraint_of_a_study_is_broken_above() -> None:
    assert {constraint.name for constraint in Study._meta.constraints} == set(BROKEN)
