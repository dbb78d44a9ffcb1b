"""Trajectories and axes in the site: looked for in a job that goes on, kept as a batch, chosen as a pool."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from almond.errors import Cancelled, InputError
from almond.progress import Part
from almond.trajectories.settings import TrajectoryPlan
from encoder.models import EncoderVersion, Target
from generation import services
from generation.models import ImageSet, Stimulus, TrajectorySet
from generation.trajectories import trajectory_root
from jobs.services import run_now
from tests.site.encoder_rows import bare_encoder
from tests.site.generation_rows import full_batch, real_target

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any) -> Path:
    settings.ALMOND_HOME = tmp_path / "home"
    settings.DATA_ROOTS = [tmp_path]
    return tmp_path


def plan(**changes: Any) -> TrajectoryPlan:
    values: dict[str, Any] = {
        "generator": "analytic",
        "prompts": ["a street"],
        "seeds": [3],
        "window": [0.0, 0.9],
        "steps": 3,
        "trajectory": {"pictures": 3, "budget": 8, "strengths": [0.5], "window": [0.0, 1.0]},
    }
    return TrajectoryPlan.model_validate({**values, **changes})


def judged_guide() -> list[Target]:
    encoder = bare_encoder()
    EncoderVersion.objects.all().delete()
    rows = [real_target(encoder, "LB", role, seed) for seed, role in enumerate(("guide", "judge"))]
    return rows[:1]


def started(**changes: Any) -> TrajectorySet:
    return services.start_trajectories(name="first", targets=judged_guide(), plan=plan(**changes), by=None)


def finished(row: TrajectorySet) -> TrajectorySet:
    assert row.job is not None
    ended = run_now(row.job)
    assert ended.state == "done", ended.error + ended.traceback
    row.refresh_from_db()
    return row


def test_trajectories_leave_a_report_and_their_pictures_as_a_batch(staff_client: Any) -> None:
    row = finished(started())
    assert [judge.score_name for judge in row.judges.all()] == ["LB_judge"]
    assert (row.path / "report.html").is_file()
    trajectory = row.result["trajectories"][0]
    assert trajectory["drawn"] <= 8
    assert row.batch is not None
    digests = {step["recipe_digest"] for step in trajectory["steps"]}
    assert set(row.batch.stimuli.values_list("recipe_digest", flat=True)) == digests
    stored = row.batch.stimuli.first()
    assert stored is not None
    assert stored.path.is_file()
    page = staff_client.get(reverse("admin:generation_trajectoryset_change", args=[row.pk])).content.decode()
    assert page.count("/stimuli/") >= len(digests)
    assert "Look at every strip" in page
    assert staff_client.get(reverse("trajectory_report", args=[row.pk])).status_code == 200
    written = staff_client.get(reverse("trajectory_report_file", args=[row.pk, "result.json"]))
    assert json.loads(b"".join(written.streaming_content))["format"] == "almond-trajectories/1"
    assert staff_client.get(reverse("admin:generation_batch_change", args=[row.batch.pk])).status_code == 200
    with pytest.raises(InputError, match="is finished"):
        services.resume_trajectories(trajectories=row, by=None)


def test_a_cancelled_search_goes_on_at_the_first_missing_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    row = started()
    assert row.job is not None
    report = Part.report

    def stop_late(part: Part, fraction: float, message: str = "") -> None:
        if len(list(trajectory_root().rglob("*.png"))) >= 3:
            raise Cancelled("stopped")
        report(part, fraction, message)

    with monkeypatch.context() as patched:
        patched.setattr(Part, "report", stop_late)
        assert run_now(row.job).state == "cancelled"
    there = {path.name: path.stat().st_mtime_ns for path in trajectory_root().rglob("images/*.png")}
    assert len(there) >= 3
    row.refresh_from_db()
    assert not row.is_ready
    finished(services.resume_trajectories(trajectories=row, by=None))
    after = {path.name: path.stat().st_mtime_ns for path in trajectory_root().rglob("images/*.png")}
    assert there.items() <= after.items()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prompts": ["xyzzy"]}, "prompt"),
        ({"trajectory": {"budget": 60}, "seeds": list(range(200))}, "fewer scenes"),
    ],
)
def test_what_cannot_be_looked_for_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        started(**changes)
    assert not TrajectorySet.objects.exists()


def test_ready_rows_have_a_folder_and_a_batch() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        TrajectorySet.objects.create(name="broken", finished_at=timezone.now(), folder="x")


def test_the_form_asks_for_trajectories_and_refuses_bad_levels(staff_client: Any) -> None:
    target = judged_guide()[0]
    form = {
        "name": "streets",
        "generator": "analytic",
        "prompts": "a street\na park by day",
        "seeds": "1-2",
        "targets": [target.pk],
        "pictures": "5",
        "within": "0.25",
        "budget": "60",
        "span": "0.7",
    }
    address = reverse("admin:generation_trajectoryset_add")
    assert "at least 12" not in staff_client.get(address).content.decode()
    refused = staff_client.post(address, {**form, "budget": "9"})
    assert refused.status_code == 200
    assert "7 pictures find the range" in refused.content.decode()
    made = staff_client.post(address, form)
    assert made.status_code == 302, made.content.decode()
    row = TrajectorySet.objects.get()
    assert row.trajectory_plan().prompts == ("a street", "a park by day")
    assert row.job is not None
    page = staff_client.get(reverse("admin:generation_trajectoryset_change", args=[row.pk])).content.decode()
    assert "4</b>trajectories" in page


# The axes page


def points_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="axes-points" type="application/json">(.*?)</script>', page)
    assert found is not None
    values: dict[str, Any] = json.loads(found[1])
    return values


def test_the_axes_page_places_images_on_components_and_scores(staff_client: Any) -> None:
    batch = full_batch(seeds=[1, 2, 3, 4])
    for number, image in enumerate(batch.stimuli.bases()):
        image.scores = {name: value + number % 3 for name, value in image.scores.items()}
        image.save()
    page = staff_client.get(reverse("axes"), {"batch": batch.pk}).content.decode()
    data = points_of(page)
    names = sorted({name for image in batch.stimuli.all() for name in image.scores})
    assert [name for name in data["axes"] if not name.startswith("PC")] == sorted(
        names, key=lambda name: (name.endswith("_judge"), name)
    )
    assert len(data["points"]) == batch.stimuli.count()
    first = next(point for point in data["points"] if point["direction"])
    image = Stimulus.objects.get(pk=first["id"])
    assert first["at"][data["axes"].index("LB")] == pytest.approx(image.scores["LB"], abs=1e-3)
    assert first["url"] == image.url
    unguided = [p["at"][0] for p in data["points"] if not p["direction"]]
    assert np.std(unguided, ddof=1) == pytest.approx(1.0, abs=1e-3)


def test_images_without_scores_are_said(staff_client: Any) -> None:
    page = staff_client.get(reverse("axes")).content.decode()
    assert "No image has been scored." in page


def test_a_pool_is_an_image_set_with_the_same_bytes_and_scores(staff_client: Any) -> None:
    batch = full_batch()
    images = list(batch.stimuli.guided()[:3])
    posted = {"name": "high ones", "images": ",".join(str(image.pk) for image in images)}
    response = staff_client.post(reverse("axes_pool"), posted)
    made = ImageSet.objects.get(name="high ones")
    assert response.url == reverse("admin:generation_imageset_change", args=[made.pk])
    pooled = {image.digest: image for image in made.stimuli.all()}
    assert set(pooled) == {image.digest for image in images}
    for image in images:
        assert pooled[image.digest].scores == image.scores
        assert pooled[image.digest].theme == image.theme
        assert pooled[image.digest].recipe_json == image.recipe_json
    page = staff_client.get(reverse("axes"), {"set": made.pk}).content.decode()
    assert len(points_of(page)["points"]) == len(pooled)
    assert "No principal components" in page  # guided images are no unguided ones in a pool either
    staff_client.post(reverse("axes_pool"), posted)
    staff_client.post(reverse("axes_pool"), {"name": "none", "images": "x"})
    assert ImageSet.objects.count() == 1


def test_pages_ask_for_rights(client: Any) -> None:
    person = User.objects.create_user("reader", password="x", is_staff=True)
    client.force_login(person)
    assert client.get(reverse("axes")).status_code == 403
    assert client.post(reverse("axes_pool")).status_code == 403
    assert client.get(reverse("axes_pool")).status_code == 405
    person.user_permissions.add(Permission.objects.get(codename="view_stimulus"))
    assert client.get(reverse("axes")).status_code == 200
    assert client.get(reverse("trajectory_report", args=[1])).status_code == 403
