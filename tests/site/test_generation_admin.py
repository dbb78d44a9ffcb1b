"""The generation pages: pictures, refusals in the form, and that only a POST changes anything."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import User
from almond.guidance.generators import defaults_of
from generation import services
from generation.models import Batch, ImageSet, MatchedSet, Recipe, Stimulus
from jobs.models import Job
from jobs.services import run_now
from tests.site.encoder_rows import add_target, bare_encoder
from tests.site.generation_rows import full_batch, guides, photograph, write_photographs

pytestmark = pytest.mark.django_db
PAGES = ("recipe", "batch", "stimulus", "matchedset", "imageset")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME = tmp_path / "home"
    settings.DATA_ROOTS = [tmp_path]
    return tmp_path


@pytest.fixture
def matched(db: None) -> MatchedSet:
    batch = full_batch()
    found = services.start_matching(
        name="pairs", batches=[batch], tolerance=0.5, held=["lowlevel", "quality"], by=None
    )
    assert found.job is not None
    assert run_now(found.job).state == "done"
    found.refresh_from_db()
    return found


def page(client: Any, kind: str, row: Any) -> str:
    response = client.get(reverse(f"admin:generation_{kind}_change", args=[row.pk]))
    assert response.status_code == 200
    text: str = response.content.decode()
    return text


@pytest.mark.parametrize("kind", PAGES)
def test_lists_and_forms_open_for_staff_only(client: Any, experimenter: Any, kind: str) -> None:
    address = reverse(f"admin:generation_{kind}_changelist")
    assert client.get(address).status_code == 302
    client.force_login(experimenter)
    assert client.get(address).status_code == 200
    expected = 403 if kind == "stimulus" else 200
    assert client.get(reverse(f"admin:generation_{kind}_add")).status_code == expected


def test_a_recipe_is_written_in_the_form_and_generated_once_posted(staff_client: Any) -> None:
    targets = guides()
    form = {
        "name": "rooms",
        "prompt": "a room",
        "seeds": "1-3, 9",
        "generator": "analytic",
        "targets": [target.pk for target in targets],
        "objective": "contrast",
        "both_signs": "on",
        "strengths": "0.5, 1",
        "window_low": "0.1",
        "window_high": "0.5",
        "ramp": "0",
        "steps": "20",
        "rule": "through",
    }
    response = staff_client.post(reverse("admin:generation_recipe_add"), form)
    assert response.status_code == 302, response.context["errors"]
    recipe = Recipe.objects.get()
    assert (recipe.seeds, recipe.strengths, recipe.images) == ([1, 2, 3, 9], [0.5, 1.0], 4 * 13)
    assert set(recipe.targets.all()) == set(targets)
    assert "52" in page(staff_client, "recipe", recipe)
    empty = dict.fromkeys(("strengths", "window_low", "window_high", "ramp", "steps"), "")
    usual = {**form, "name": "usual", **empty}
    assert staff_client.post(reverse("admin:generation_recipe_add"), usual).status_code == 302
    assert tuple(Recipe.objects.get(name="usual").strengths) == defaults_of("analytic").strengths
    address = reverse("admin:generation_recipe_generate", args=[recipe.pk])
    assert staff_client.get(address).status_code == 405
    assert not Batch.objects.exists()
    assert staff_client.post(address).status_code == 302
    assert Job.objects.get(kind="generation.generate").arguments == {"batch": Batch.objects.get().pk}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seeds": "one"}, "whole numbers and ranges"),
        ({"seeds": "1-9999999"}, "too many"),
        ({"strengths": "strong"}, "numbers separated by commas"),
        ({"strengths": "-1"}, "one or more numbers above 0"),
        ({"window_low": "0.7"}, "two values of alpha-bar"),
        ({"generator": "/no/folder"}, "the folder of a pipeline"),
        ({"targets": []}, "This field is required"),
    ],
)
def test_a_wrong_recipe_is_refused_in_the_form(
    staff_client: Any, changes: dict[str, Any], problem: str
) -> None:
    form = {
        "name": "rooms",
        "prompt": "a room",
        "seeds": "1",
        "generator": "analytic",
        "targets": [target.pk for target in guides()],
        "strengths": "1",
        "window_low": "0.1",
        "window_high": "0.5",
        "ramp": "0",
        "steps": "20",
        "rule": "through",
    }
    response = staff_client.post(reverse("admin:generation_recipe_add"), {**form, **changes})
    assert response.status_code == 200
    assert problem in response.content.decode()
    assert not Recipe.objects.exists()


def test_judges_are_not_offered_as_guides(staff_client: Any) -> None:
    encoder = bare_encoder()
    add_target(encoder, "LB", "guide", 1)
    add_target(encoder, "CM", "judge", 2)
    text = staff_client.get(reverse("admin:generation_recipe_add")).content.decode()
    assert "LB (guide)" in text
    assert "CM (judge)" not in text


def test_the_batch_page_is_a_contact_sheet(staff_client: Any) -> None:
    batch = full_batch()
    text = page(staff_client, "batch", batch)
    shown = {one.url for one in batch.stimuli.all()}
    assert all(url in text for url in shown)
    for heading in ("−2", "−1", "base", "+1", "+2"):
        assert f'<th scope="col">{heading}</th>' in text
    assert "held-out judge" in text
    assert "<svg" in text


def test_a_batch_that_stopped_can_go_on(staff_client: Any) -> None:
    batch = full_batch()
    assert batch.job is not None
    batch.stimuli.remove(batch.stimuli.latest("pk"))
    Job.objects.filter(pk=batch.job.pk).delete()
    address = reverse("admin:generation_batch_resume", args=[batch.pk])
    assert address in page(staff_client, "batch", Batch.objects.get())
    assert staff_client.post(address).status_code == 302
    assert Job.objects.filter(kind="generation.generate").count() == 1


def test_the_stimulus_page_tells_everything(staff_client: Any) -> None:
    batch = full_batch()
    one = batch.stimuli.get(intended_target="LB", direction=1, strength=2, seed=1)
    text = page(staff_client, "stimulus", one)
    for fact in (one.url, one.digest, one.recipe_digest, "LB, judge", "edge energy", "scores of all targets"):
        assert fact in text
    assert "scores of the predicted image over the steps" in text
    base = batch.stimuli.get(direction=0, seed=1)
    assert base.url in text
    assert base.digest in page(staff_client, "stimulus", base)


def test_pairs_stand_side_by_side_with_their_balance(staff_client: Any, matched: MatchedSet) -> None:
    text = page(staff_client, "matchedset", matched)
    for pair in matched.pairs.all():
        assert pair.high.url in text
        assert pair.low.url in text
    assert "median red" in text
    assert "balance of what is held, before and after matching" in text
    assert "sharpness" in text
    assert "Not matched for" in text
    assert "more seeds" in text or "More seeds" in text


def test_a_set_is_frozen_by_post_and_then_stays(staff_client: Any, matched: MatchedSet) -> None:
    freeze = reverse("admin:generation_matchedset_freeze", args=[matched.pk])
    rematch = reverse("admin:generation_matchedset_rematch", args=[matched.pk])
    assert staff_client.get(freeze).status_code == 405
    wrong = staff_client.post(rematch, {"tolerance": "wide"}, follow=True)
    assert "a number from 0.001 to 10" in wrong.content.decode()
    assert staff_client.post(rematch, {"tolerance": "0.7"}).status_code == 302
    matched.refresh_from_db()
    assert matched.tolerance == 0.7
    refused = staff_client.post(freeze, follow=True)
    assert "were not screened" in refused.content.decode()
    assert staff_client.post(freeze, {"unscreened_reason": "a test"}).status_code == 302
    matched.refresh_from_db()
    assert matched.is_frozen
    assert "a test" in page(staff_client, "matchedset", matched)
    after = staff_client.post(rematch, {"tolerance": "0.9"}, follow=True)
    assert "is frozen" in after.content.decode()
    matched.refresh_from_db()
    assert matched.tolerance == 0.7


def test_matching_starts_from_the_form(staff_client: Any) -> None:
    batch = full_batch()
    form = {"name": "m", "batches": [batch.pk], "tolerance": "0.2", "paired": "0.3", "scored_by": "judge"}
    response = staff_client.post(reverse("admin:generation_matchedset_add"), form)
    matched = MatchedSet.objects.get()
    assert response["Location"] == reverse("admin:generation_matchedset_change", args=[matched.pk])
    assert matched.job is not None
    batch.judges.clear()
    refused = staff_client.post(reverse("admin:generation_matchedset_add"), {**form, "name": "n"})
    assert "a batch has no judges" in refused.content.decode()


def test_photographs_come_from_a_folder(staff_client: Any, home: Path) -> None:
    folder = write_photographs(home / "photographs")
    form = {"name": "p", "folder": str(folder), "norms_file": ""}
    response = staff_client.post(reverse("admin:generation_imageset_add"), form)
    assert response.status_code == 302, response.context["errors"]
    image_set = ImageSet.objects.get()
    assert image_set.job is not None
    assert run_now(image_set.job).state == "done"
    text = page(staff_client, "imageset", image_set)
    assert "Dog 1.jpg" in text
    assert all(one.url in text for one in image_set.stimuli.all())


def test_photographs_come_as_a_zip_file_with_norms(staff_client: Any) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, name in enumerate(("a.png", "b.png", "c.png")):
            archive.writestr(name, photograph(number, "PNG"))
    form = {
        "name": "z",
        "folder": "",
        "norms_file": "",
        "archive": SimpleUploadedFile("z.zip", packed.getvalue()),
        "norms_upload": SimpleUploadedFile("n.csv", b"image,valence\ra.png,1\rb.png,2\rc.png,3\r"),
    }
    response = staff_client.post(reverse("admin:generation_imageset_add"), form)
    assert response.status_code == 302, response.context["errors"]
    image_set = ImageSet.objects.get()
    assert image_set.job is not None
    job = run_now(image_set.job)
    assert job.state == "done", job.error
    for number, one in enumerate(image_set.stimuli.order_by("name")):
        services.keep_scores(stimulus=one, scores={"LB": number}, digests={})
    text = page(staff_client, "imageset", image_set)
    assert "score LB against valence" in text


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"folder": "", "norms_file": ""}, "one of the two"),
        ({"folder": "/etc", "norms_file": ""}, "outside of the server"),
        ({"folder": "{home}/absent", "norms_file": ""}, "does not exist on this server"),
        ({"folder": "{home}", "norms_file": "/etc/passwd"}, "outside of the server"),
    ],
)
def test_a_wrong_source_is_refused_in_the_form(
    staff_client: Any, home: Path, form: dict[str, str], problem: str
) -> None:
    filled = {name: value.replace("{home}", str(home)) for name, value in form.items()}
    response = staff_client.post(reverse("admin:generation_imageset_add"), {"name": "p", **filled})
    assert response.status_code == 200
    assert problem in response.content.decode()
    assert not ImageSet.objects.exists()


def test_a_failed_import_shows_why_and_can_be_tried_again(staff_client: Any, home: Path) -> None:
    folder = write_photographs(home / "photographs")
    (folder / "fake.png").write_text("x")
    image_set = services.import_image_set(name="p", folder=folder, by=None)
    assert image_set.job is not None
    run_now(image_set.job)
    assert "fake.png: is not an image" in page(staff_client, "imageset", image_set)
    (folder / "fake.png").unlink()
    staff_client.post(reverse("admin:generation_imageset_retry", args=[image_set.pk]))
    image_set.refresh_from_db()
    assert run_now(image_set.job).state == "done"


def test_scoring_is_asked_for_with_targets(staff_client: Any, home: Path) -> None:
    image_set = services.import_image_set(name="p", folder=write_photographs(home / "x"), by=None)
    target = add_target(bare_encoder(), "LB")
    address = reverse("admin:generation_imageset_score", args=[image_set.pk])
    none = staff_client.post(address, {}, follow=True)
    assert "none were chosen" in none.content.decode()
    assert staff_client.post(address, {"targets": [target.pk]}).status_code == 302
    assert Job.objects.get(kind="generation.score").arguments["targets"] == [target.pk]


@pytest.mark.parametrize(
    ("kind", "deed"),
    [
        ("recipe", "generate"),
        ("batch", "resume"),
        ("matchedset", "freeze"),
        ("matchedset", "rematch"),
        ("imageset", "score"),
        ("imageset", "retry"),
    ],
)
def test_deeds_need_the_permission_to_change(client: Any, matched: MatchedSet, kind: str, deed: str) -> None:
    address = reverse(f"admin:generation_{kind}_{deed}", args=[1])
    assert client.post(address).status_code == 302
    client.force_login(User.objects.create_user("other", password="a long enough password", is_staff=True))
    jobs = Job.objects.count()
    assert client.post(address).status_code == 403
    assert Job.objects.count() == jobs
    assert not MatchedSet.objects.filter(state="frozen").exists()


def test_rows_are_never_edited_or_deleted_in_the_admin(staff_client: Any, matched: MatchedSet) -> None:
    one = Stimulus.objects.first()
    assert one is not None
    for kind, row in (("stimulus", one), ("matchedset", matched)):
        assert staff_client.post(reverse(f"admin:generation_{kind}_change", args=[row.pk])).status_code == 403
        assert staff_client.post(reverse(f"admin:generation_{kind}_delete", args=[row.pk])).status_code == 403
