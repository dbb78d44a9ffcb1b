"""Matched sets that keep their word: screening, verdicts, reasons in plans, pools that grow, photographs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from almond.analysis.registration.plan_document import plan_texts
from almond.design.plan import StudyPlan
from almond.errors import InputError
from almond.shapes import ShapeError
from generation import services
from generation.models import Batch, MatchedSet, Recipe, Screening, Stimulus
from generation.runs.matching import pool_of
from generation.services.matching import usual_groups
from jobs.models import Job
from jobs.services import run_now
from studies.models import Study
from studies.services import freeze
from tests.site.encoder_rows import bare_encoder
from tests.site.generation_rows import add_recipe, full_batch, real_target
from tests.site.small_study import make_image_set, make_matched_set, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME = tmp_path / "home"
    settings.DATA_ROOTS = [tmp_path]
    return tmp_path


def done(job: Job | None) -> Job:
    assert job is not None
    ended = run_now(job)
    assert ended.state == "done", ended.error + ended.traceback
    return ended


@pytest.fixture
def draft(db: None) -> MatchedSet:
    """A set with several candidates for each picture, matched by bounds that any choice keeps."""
    batch = full_batch(seeds=[1, 2, 3], strengths=[1.0, 2.0])
    matched = services.start_matching(
        name="pairs", batches=[batch], tolerance=9.0, paired=90.0, held=["lowlevel"], by=None
    )
    done(matched.job)
    matched.refresh_from_db()
    return matched


def test_a_person_screens_every_image_before_a_set_is_locked(draft: MatchedSet, experimenter: Any) -> None:
    images = services.to_screen(draft)
    assert len(images) == draft.stimuli().count() == 18
    first, others = images[0], images[1:]
    services.screen_images(matched_set=draft, verdicts={first.pk: " a knife handle "}, by=experimenter)
    services.screen_images(matched_set=draft, verdicts={row.pk: "" for row in others}, by=experimenter)
    assert not services.to_screen(draft)
    with pytest.raises(InputError, match="shows 1 rejected"):
        services.freeze_matched_set(matched_set=draft, by=experimenter)
    with pytest.raises(InputError, match="not waiting to be screened"):
        services.screen_images(matched_set=draft, verdicts={first.pk: ""}, by=experimenter)
    services.rematch(matched_set=draft, tolerance=9.0, by=experimenter)
    done(draft.job)
    draft.refresh_from_db()
    assert first.pk not in set(draft.stimuli().values_list("pk", flat=True))
    waiting = services.to_screen(draft)
    assert len(waiting) == 1
    services.screen_images(matched_set=draft, verdicts={waiting[0].pk: ""}, by=experimenter)
    services.freeze_matched_set(matched_set=draft, by=experimenter)
    assert draft.is_frozen
    assert draft.unscreened_reason == ""
    rejected = draft.screenings.get(accepted=False)
    assert (rejected.stimulus, rejected.reason, rejected.by) == (first, "a knife handle", experimenter)
    with pytest.raises(InputError, match="is locked"):
        services.screen_images(matched_set=draft, verdicts={first.pk: ""}, by=experimenter)


def test_a_rejection_has_a_reason_and_an_image_one_verdict(draft: MatchedSet) -> None:
    image = services.to_screen(draft)[0]
    with pytest.raises(IntegrityError, match="rejected_image_has_a_reason"), transaction.atomic():
        Screening.objects.create(matched_set=draft, stimulus=image, accepted=False)
    Screening.objects.create(matched_set=draft, stimulus=image, accepted=True)
    with pytest.raises(IntegrityError), transaction.atomic():
        Screening.objects.create(matched_set=draft, stimulus=image, accepted=True)


def test_the_page_of_the_screening_is_blind(draft: MatchedSet, staff_client: Any) -> None:
    address = reverse("admin:generation_matchedset_screen", args=[draft.pk])
    text = staff_client.get(address).content.decode()
    body = text[text.index("to look at") : text.index("</form>", text.index("to look at"))]
    body = re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", body)  # letters that mean nothing
    for image in draft.stimuli():
        assert image.url in body
        for told in (image.base_scene, image.name, f">{image.intended_target}<", "seed"):
            assert told not in body
    for word in ("LB", "CM", "high", "low ", "score"):
        assert word not in body
    place = [image.pk for image in services.to_screen(draft)]
    directions = [Stimulus.objects.get(pk=pk).direction for pk in place]
    assert directions not in (sorted(directions), sorted(directions, reverse=True))
    shown = {"image": place, f"reason-{place[0]}": "a face without a mouth"}
    answer = staff_client.post(reverse("admin:generation_matchedset_screened", args=[draft.pk]), shown)
    assert "Every image of the pairs was looked at" in answer.content.decode()
    page = staff_client.get(reverse("admin:generation_matchedset_change", args=[draft.pk])).content.decode()
    assert "a face without a mouth" in page


def test_the_screening_is_for_those_who_may_change_sets(draft: MatchedSet, client: Any) -> None:
    address = reverse("admin:generation_matchedset_screen", args=[draft.pk])
    assert client.get(address).status_code == 302


def test_a_set_that_misses_is_called_so_on_every_page(staff_client: Any) -> None:
    matched = make_matched_set()
    study = make_study(state=Study.State.FROZEN, matched_set=matched)
    image = matched.stimuli().first()
    pages = [
        reverse("admin:generation_matchedset_changelist"),
        reverse("admin:generation_matchedset_change", args=[matched.pk]),
        reverse("admin:generation_batch_change", args=[matched.batches.get().pk]),
        reverse("admin:generation_stimulus_change", args=[image.pk]),
        reverse("admin:studies_study_changelist"),
        reverse("admin:studies_study_change", args=[study.pk]),
    ]
    for address in pages:
        assert "not matched" in staff_client.get(address).content.decode().lower(), address
    MatchedSet.objects.filter(pk=matched.pk).update(matched=True)
    for address in pages[:5]:
        assert "not matched" not in staff_client.get(address).content.decode().lower(), address


def test_a_study_of_an_unmatched_set_needs_a_reason_that_its_plan_prints(db: None) -> None:
    study = make_study(state=Study.State.DRAFT, unmatched_reason="  ")
    with pytest.raises(InputError, match="is not matched"):
        freeze(study=study, by=None)
    study.unmatched_reason = "Only a rehearsal."
    study.save()
    plan = freeze(study=study, by=None).frozen_plan
    assert plan.matching is not None
    assert plan.matching.reason == "Only a rehearsal."
    for words in ("is not matched", "Only a rehearsal."):
        assert words in plan_texts(plan)["manipulated"]
    values = plan.to_json()
    del values["matching"]["reason"]
    with pytest.raises(ShapeError, match="not matched"):
        StudyPlan.from_json(values)


def test_a_matched_set_needs_no_reason(db: None) -> None:
    matched = make_matched_set()
    balance = [
        {
            "intended_target": name,
            "feature": "luminance",
            "before": 0.4,
            "after": after,
            "d_z": 0.2,
            "within": True,
        }
        for name, after in (("LB", -0.05), ("CM", 0.02))
    ]
    MatchedSet.objects.filter(pk=matched.pk).update(matched=True, balance=balance)
    matched.refresh_from_db()
    plan = make_study(state=Study.State.FROZEN, matched_set=matched, unmatched_reason="").frozen_plan
    assert plan.matching is not None
    assert (plan.matching.worst_difference, plan.matching.worst_d_z) == (0.05, 0.2)
    assert "is matched" in plan.matching.words()
    assert "reason" not in plan.to_json()["matching"]


@pytest.fixture
def batch(db: None) -> Batch:
    encoder = bare_encoder()
    targets = [
        real_target(encoder, name, role, seed)
        for seed, (name, role) in enumerate(
            (("LB", "guide"), ("CM", "guide"), ("LB", "judge"), ("CM", "judge"))
        )
    ]
    recipe = add_recipe(targets[:2], seeds=[3, 4], strengths=[1.0], steps=2, window=(0.05, 0.9))
    made = services.start_batch(recipes=[recipe], by=None)
    done(made.job)
    return made


def grown(batch: Batch, name: str, budget: int) -> MatchedSet:
    return services.start_matching(
        name=name, batches=[batch], tolerance=0.02, scenes=2, budget=budget, held=["lowlevel"], by=None
    )


def test_a_pool_grows_within_its_budget_and_goes_on_after_a_kill(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rounds of ten images fit; the worker dies in the second, and nothing is drawn twice."""
    matched = grown(batch, "killed", 30)
    keep, made = services.keep_generated, []

    def keep_some(**fields: Any) -> Stimulus:
        if len(made) == 13:
            raise KeyboardInterrupt
        made.append(keep(**fields))
        return made[-1]

    monkeypatch.setattr(services, "keep_generated", keep_some)
    assert matched.job is not None
    with pytest.raises(KeyboardInterrupt):
        run_now(matched.job)
    monkeypatch.undo()
    own = services.own_batch(matched)
    assert own is not None
    assert (own.recipes.count(), own.stimuli.count()) == (2, 13)
    assert not matched.pairs.exists()
    Job.objects.filter(pk=matched.job.pk).update(state="queued", worker="")
    result = done(matched.job).result
    assert result is not None
    assert result["pictures"] == 30
    matched.refresh_from_db()
    assert (own.recipes.count(), own.stimuli.count()) == (2, 20)
    assert sorted(seed for row in own.recipes.all() for seed in row.seeds) == [5, 6, 7, 8]
    assert matched.checks["ended"] in ("budget", "matched")
    assert matched.verdict == ("matched" if matched.checks["ended"] == "matched" else "not matched")
    assert all(scene.count() == 2 for scene in (matched.pairs.filter(target=t) for t in ("LB", "CM")))
    if not matched.matched:
        assert any("binds" in line for line in matched.checks["advice"])
    pairs = set(matched.pairs.values_list("target", "high", "low"))
    whole = grown(batch, "whole", 30)
    whole.batches.set(matched.batches.all())
    whole.budget = None
    whole.save()
    done(whole.job)
    assert set(whole.pairs.values_list("target", "high", "low")) == pairs


def test_a_budget_that_allows_no_round_draws_nothing(batch: Batch) -> None:
    matched = grown(batch, "small", 19)
    done(matched.job)
    matched.refresh_from_db()
    assert services.own_batch(matched) is None
    assert matched.checks["ended"] == "budget"
    assert len(matched.checks["rounds"]) == 1


def test_judges_scores_stand_beside_those_that_choose(batch: Batch) -> None:
    table = pool_of(batch.stimuli.all(), judged=False)
    assert {"score_LB", "score_LB_judge", "score_CM", "score_CM_judge"} <= set(table)
    recipe = Batch.objects.get(pk=batch.pk).recipes.get()
    assert recipe.objective == "clamp"
    matched = services.start_matching(name="usual", batches=[batch], by=None)
    assert matched.held == ["lowlevel", "quality", "likeness", "off_target", "people"]
    Recipe.objects.filter(pk=recipe.pk).update(objective="contrast")
    assert usual_groups([batch]) == ("lowlevel", "quality", "likeness", "people")
    Recipe.objects.filter(pk=recipe.pk).update(generator="/a/folder")
    assert usual_groups([batch]) == ("lowlevel", "quality", "likeness")
    with pytest.raises(InputError, match="embedded generators alone"):
        services.start_matching(name="x", batches=[batch], held=["people"], by=None)
    with pytest.raises(InputError, match="d_z"):
        services.start_matching(name="x", batches=[batch], paired=0.0, by=None)
    with pytest.raises(InputError, match="'size' is not known"):
        services.start_matching(name="x", batches=[batch], held=["size"], by=None)


def test_photographs_are_selected_by_the_same_scores(draft: MatchedSet, staff_client: Any) -> None:
    photographs = make_image_set(images=10)
    with pytest.raises(InputError, match="is not scored by CM, LB, SF"):
        services.start_comparison(matched_set=draft, image_set=photographs, by=None)
    for number, image in enumerate(photographs.stimuli.order_by("pk")):
        image.scores = {
            name: float(number * (place + 1) % 7) for place, name in enumerate(("LB", "CM", "SF"))
        }
        image.lowlevel = draft.stimuli().first().lowlevel
        image.save()
    with pytest.raises(InputError, match="is no norm of"):
        services.start_comparison(matched_set=draft, image_set=photographs, column="arousal", by=None)
    row = services.start_comparison(matched_set=draft, image_set=photographs, column="valence", by=None)
    done(row.job)
    row.refresh_from_db()
    assert [(line["target"], line["way"]) for line in row.rows] == [
        (target, way) for target in ("CM", "LB", "SF") for way in ("guided pairs", "photographs")
    ]
    assert {line["scenes_constant"] for line in row.rows if line["way"] == "photographs"} == {False}
    assert all(line["n"] == 6 for line in row.rows)
    assert [test["target"] for test in row.ranks] == ["CM", "LB", "SF"]
    assert all(test["n"] == 10 for test in row.ranks)
    text = staff_client.get(reverse("admin:generation_matchedset_change", args=[draft.pk])).content.decode()
    assert "guided pairs" in text
    assert "Score LB and valence" in text
