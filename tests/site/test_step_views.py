"""A picture over its steps in the site: asked for, made again in a job that goes on, shown, pruned."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from almond.attribution import viewer
from almond.errors import Cancelled, InputError
from almond.guidance.backends.analytic import AnalyticGenerator, BankRule
from almond.guidance.generators import GENERATORS
from generation import services
from generation.models import Batch, Stimulus
from generation.services.steps import KEPT_DAYS
from generation.step_views import StepView
from jobs.models import Job
from jobs.services import run_now
from tests.site.encoder_rows import bare_encoder
from tests.site.generation_rows import add_recipe, full_batch, real_target

pytestmark = pytest.mark.django_db

SMALL = "small-bank"


def small_bank() -> AnalyticGenerator:
    return AnalyticGenerator(rule=BankRule(each=2))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    settings.ALMOND_HOME = tmp_path / "home"
    return tmp_path


@pytest.fixture
def stimulus(home: Path) -> Any:
    """A picture guided by real targets, made by a worker."""
    with GENERATORS.registered(SMALL, f"{__name__}:small_bank"):
        encoder = bare_encoder()
        targets = [real_target(encoder, "LB", "guide", 0), real_target(encoder, "LB", "judge", 1)]
        recipe = add_recipe(
            targets[:1],
            seeds=[3],
            strengths=[0.2],
            steps=4,
            window=(0.05, 0.6),
            generator=SMALL,
            both_signs=False,
        )
        batch: Batch = services.start_batch(recipes=[recipe], by=None)
        assert batch.job is not None
        ended = run_now(batch.job)
        assert ended.state == "done", ended.error
        yield batch.stimuli.guided().get()


def asked(stimulus: Stimulus, target: str = "LB", method: str = "hires_cam") -> StepView:
    return services.start_step_view(stimulus=stimulus, target=target, method=method, by=None)


def finished(row: StepView) -> StepView:
    assert row.job is not None
    ended = run_now(row.job)
    assert ended.state == "done", ended.error + ended.traceback
    row.refresh_from_db()
    return row


def test_the_steps_end_in_the_stored_picture_and_its_scores(stimulus: Stimulus, staff_client: Any) -> None:
    row = finished(asked(stimulus))
    assert row.result["same"] is True
    assert len(row.steps) == 4
    assert row.steps[-1]["scores"] == pytest.approx(stimulus.scores, abs=1e-4)
    assert (row.path / "picture-004.png").read_bytes() == stimulus.path.read_bytes()
    assert asked(stimulus) == row
    assert Job.objects.filter(kind="generation.view_steps").count() == 1
    page = staff_client.get(reverse("admin:generation_stepview_change", args=[row.pk])).content.decode()
    assert "exactly the stored pixels" in page
    assert 'max="4"' in page
    for name in ("picture-002.png", "overlay-003.png", "steps.json"):
        sent = staff_client.get(reverse("step_view_file", args=[row.pk, name]))
        assert sent.getvalue() == (row.path / name).read_bytes()
    assert staff_client.get(reverse("step_view_file", args=[row.pk, "steps.zip"])).content[:2] == b"PK"
    for name in ("replay.json", "picture-009.png", "..%2Fsecret_key"):
        assert staff_client.get(f"/steps/{row.pk}/{name}").status_code == 404


def test_a_stopped_job_goes_on(stimulus: Stimulus, monkeypatch: pytest.MonkeyPatch) -> None:
    row, keep = asked(stimulus), viewer._keep_step
    seen: list[Any] = []

    def keep_two(*given: Any) -> None:
        if len(seen) == 2:
            raise Cancelled("stop")
        seen.append(given)
        keep(*given)

    monkeypatch.setattr(viewer, "_keep_step", keep_two)
    assert row.job is not None
    assert run_now(row.job).state == "cancelled"
    monkeypatch.undo()
    there = {path.name: path.stat().st_mtime_ns for path in row.path.glob("step-*")}
    assert len(there) == 2
    again = asked(stimulus)
    assert (again, again.job == row.job) == (row, False)
    finished(again)
    after = {path.name: path.stat().st_mtime_ns for path in row.path.glob("step-*")}
    assert len(after) == 4
    assert there.items() <= after.items()


def test_a_changed_picture_is_said_in_red(stimulus: Stimulus, staff_client: Any) -> None:
    other = full_batch_picture(stimulus)
    stimulus.path.write_bytes(other)
    row = finished(asked(stimulus))
    assert row.result["same"] is False
    page = staff_client.get(reverse("admin:generation_stepview_change", args=[row.pk])).content.decode()
    assert "Not the stored picture" in page


def full_batch_picture(stimulus: Stimulus) -> bytes:
    """The bytes of the unguided picture of the same size."""
    return Stimulus.objects.bases().get(base_scene=stimulus.base_scene).path.read_bytes()


def test_what_cannot_be_followed_is_refused(home: Path) -> None:
    made = full_batch().stimuli.guided().first()
    assert made is not None
    with pytest.raises(InputError, match="'V1' did not score"):
        asked(made, target="V1")
    Stimulus.objects.filter(pk=made.pk).update(score_digests={"LB": "f" * 64})
    made.refresh_from_db()
    with pytest.raises(InputError, match="target LB: of digest ffff"):
        asked(made)
    with pytest.raises(InputError, match="magic"):
        services.start_step_view(stimulus=made, target="LB", method="magic", by=None)
    made.recipe_json = {**made.recipe_json, "search": "beam"}
    with pytest.raises(InputError, match="replace each other"):
        asked(made)
    made.recipe_json = {}
    with pytest.raises(InputError, match="not generated"):
        asked(made)
    assert not StepView.objects.exists()


def test_another_version_of_the_generator_fails_the_job(stimulus: Stimulus) -> None:
    Stimulus.objects.filter(pk=stimulus.pk).update(
        recipe_json={**stimulus.recipe_json, "generator_digest": "0" * 64}
    )
    stimulus.refresh_from_db()
    row = asked(stimulus)
    assert row.job is not None
    ended = run_now(row.job)
    assert ended.state == "failed"
    assert f"generator {SMALL}" in ended.error or "analytic" in ended.error


def test_a_row_is_ready_with_its_result_only(stimulus: Stimulus) -> None:
    row = asked(stimulus)
    with pytest.raises(IntegrityError), transaction.atomic():
        StepView.objects.filter(pk=row.pk).update(result={"same": True})
    with pytest.raises(IntegrityError), transaction.atomic():
        StepView.objects.create(stimulus=stimulus, target="LB", method="hires_cam")


def test_the_page_of_a_picture_offers_its_scores(stimulus: Stimulus, staff_client: Any, client: Any) -> None:
    page = staff_client.get(reverse("admin:generation_stimulus_change", args=[stimulus.pk])).content.decode()
    assert "Follow the steps" in page
    assert page.index('value="LB"') < page.index('value="LB_judge"')
    address = reverse("admin:generation_stimulus_steps", args=[stimulus.pk])
    answer = staff_client.post(address, {"target": "LB_judge", "method": "occlusion"})
    row = StepView.objects.get()
    assert answer.url == reverse("admin:generation_stepview_change", args=[row.pk])
    assert "queued" in staff_client.get(answer.url).content.decode()
    assert staff_client.get(reverse("step_view_file", args=[row.pk, "steps.json"])).status_code == 404
    client.logout()
    assert client.get(reverse("step_view_file", args=[row.pk, "steps.json"])).status_code == 302


def test_old_step_views_are_pruned_with_their_files(stimulus: Stimulus) -> None:
    old, new = finished(asked(stimulus)), asked(stimulus, target="LB_judge")
    when = timezone.now() - timedelta(days=KEPT_DAYS + 1)
    StepView.objects.filter(pk=old.pk).update(finished_at=when)
    assert services.prune_step_views(dry_run=True) == 1
    assert old.path.is_dir()
    assert services.prune_step_views() == 1
    assert not old.path.exists()
    assert list(StepView.objects.all()) == [new]
