"""Power analyses of a study: asked for on its page, run by a worker, told to the study for its freezing."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.urls import reverse

from accounts.models import AuditEvent, User
from almond.errors import InputError
from almond.world.rater_model import RaterModel
from analysis.admin.power_form import RATER_FIELDS
from analysis.models import PowerRun, power_root
from analysis.services.power import request_power, stale_reason
from jobs.models import State
from jobs.services import run_now
from studies import services
from studies.models import Study
from studies.services.findings import finding_about, store_finding
from studies.services.plans import build_plan
from tests.site.small_study import make_matched_set, make_study
from tests.site.test_jobs_processes import PATIENCE, Processes, processes, wait_for

__all__ = ["processes"]

pytestmark = pytest.mark.django_db

ASKED: dict[str, Any] = {"people": [8], "themes": [8], "effects": [1.0], "studies": 3, "seed": 1}


@pytest.fixture
def study() -> Study:
    """A draft of six prompts, two targets, twelve participants."""
    return make_study(
        matched_set=make_matched_set(scenes=6),
        state=Study.State.DRAFT,
        participants_planned=12,
        rating_trials=None,
        choice_trials=None,
    )


@pytest.fixture
def run(study: Study) -> PowerRun:
    return request_power(study=study, raters=RaterModel(), by=None, **ASKED)


def simulated(run: PowerRun) -> PowerRun:
    assert run.job is not None
    ended = run_now(run.job)
    assert ended.state == State.DONE, ended.error + ended.traceback
    run.refresh_from_db()
    return run


def level(**changes: Any) -> dict[str, Any]:
    """What a simulation says of a test that holds its level, with changes."""
    numbers = {"rate": 0.05, "low": 0.02, "high": 0.09, "alpha": 0.05, "holds": True}
    return {"test": "choices", **numbers, "themes_needed": None, "people_needed": None, **changes}


LIBERAL = {"rate": 0.12, "low": 0.08, "high": 0.17, "holds": False}


def tell(study: Study, **changes: Any) -> None:
    digest = request_power(study=study, raters=RaterModel(), by=None, **ASKED).design_digest
    store_finding(study=study, digest=digest, tests=[level(**changes)], headline=["Found."], by=None)


# -- the run


def test_a_run_leaves_a_report_and_tells_the_study(run: PowerRun, study: Study) -> None:
    simulated(run)
    assert run.result["design"]["participants"] == 12
    assert {(row["people"], row["themes"]) for row in run.result["rows"]} == {(12, 6), (8, 6), (12, 8)}
    assert json.loads((run.path / "power.json").read_text()) == run.result
    assert [path.suffix for path in power_root().glob(f"{run.pk}-*")] == []
    finding = finding_about(study, build_plan(study))
    assert finding is not None
    assert finding.headline == run.headline
    assert AuditEvent.objects.filter(verb="simulate power", subject_id=str(study.pk)).exists()


def test_a_deleted_draft_leaves_a_job_that_says_so(run: PowerRun, study: Study) -> None:
    job = run.job
    assert job is not None
    services.delete_draft(study=study, by=None)
    ended = run_now(job)
    assert ended.state == State.FAILED
    assert "deleted together with its draft" in ended.error


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"effects": []}, "effects"),
        ({"people": [1]}, "people"),
        ({"themes": [0]}, "themes"),
        ({"studies": 1}, "studies"),
    ],
)
def test_what_cannot_be_simulated_is_refused_before_there_is_a_row(
    study: Study, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        request_power(study=study, raters=RaterModel(), by=None, **{**ASKED, **changes})
    assert not PowerRun.objects.exists()


def test_a_row_is_ready_with_its_folder_only(run: PowerRun) -> None:
    for fields in ({"folder": "somewhere"}, {"design_digest": ""}):
        with pytest.raises(IntegrityError), transaction.atomic():
            PowerRun.objects.filter(pk=run.pk).update(**fields)


# -- the design


def test_texts_leave_the_design_as_it_is_and_numbers_do_not(run: PowerRun, study: Study) -> None:
    study.title = "Another title"
    study.save()
    run.refresh_from_db()
    assert stale_reason(run) == ""
    for field, value in (("participants_planned", 14), ("n_lists", 3)):
        Study.objects.filter(pk=study.pk).update(**{field: value})
        run = PowerRun.objects.get(pk=run.pk)
        assert "edited since" in stale_reason(run)


# -- freezing


def test_a_design_that_nobody_simulated_is_frozen(study: Study) -> None:
    assert services.freeze(study=study, by=None).plan_digest


def test_a_liberal_test_is_refused_with_the_number_that_would_do(study: Study) -> None:
    tell(study, **LIBERAL, themes_needed=12)
    with pytest.raises(
        InputError, match=r"“choices” does not hold its level.*12\.0 % .*With 12 themes it does"
    ):
        services.freeze(study=study, by=None)
    study.refresh_from_db()
    assert study.is_draft
    assert not study.lists.exists()


def test_the_newest_finding_about_this_design_decides(study: Study) -> None:
    tell(study, **LIBERAL)
    Study.objects.filter(pk=study.pk).update(participants_planned=14)
    study.refresh_from_db()
    with transaction.atomic():
        services.freeze(study=study, by=None)  # nobody simulated it with 14
        transaction.set_rollback(True)
    Study.objects.filter(pk=study.pk).update(participants_planned=12)
    study.refresh_from_db()
    with pytest.raises(InputError, match="None of the larger numbers"):
        services.freeze(study=study, by=None)
    tell(study)
    assert services.freeze(study=study, by=None).plan_digest


def test_a_rehearsal_is_frozen_whatever_was_found(study: Study) -> None:
    Study.objects.filter(pk=study.pk).update(rehearsal=True)
    study.refresh_from_db()
    tell(study, **LIBERAL)
    assert services.freeze(study=study, by=None).plan_digest


# -- pages


@pytest.fixture
def staff(client: Any) -> Any:
    user = User.objects.create_user("staff", password="word", is_staff=True)
    wanted = [
        "view_powerrun",
        "add_powerrun",
        "delete_powerrun",
        "view_study",
        "change_study",
        "delete_study",
    ]
    user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    client.force_login(user)
    return client


def form(study: Study, **changes: Any) -> dict[str, Any]:
    raters = {name: field.initial for name, field in RATER_FIELDS.items()}
    sizes = {"effects": "0.5, 1", "people": "8", "themes": "", "studies": 3, "seed": 1}
    return {"study": study.pk, **raters, **sizes, **changes}


def test_the_form_asks_for_a_run_with_its_raters(staff: Any, study: Study) -> None:
    answer = staff.post(reverse("admin:analysis_powerrun_add"), form(study, careless=0.2, ratings_theme_sd=2))
    run = PowerRun.objects.get()
    assert answer.url == reverse("admin:analysis_powerrun_change", args=[run.pk])
    assert run.asked["effects"] == [0.5, 1.0]
    assert run.asked["raters"]["careless"] == 0.2
    assert run.asked["raters"]["ratings"]["theme_sd"] == 2.0
    assert run.asked["lists"] == study.n_lists


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"effects": "large"}, "is not a list of numbers"),
        ({"effects": "-1"}, "above 0"),
        ({"people": "20,5.5"}, "is not a list of whole numbers"),
        ({"people": "1"}, "whole numbers from 2"),
        ({"careless": "2"}, "at most 1"),
        ({"ratings_points": "0"}, "above 0"),
    ],
)
def test_what_is_wrong_stands_at_its_field(
    staff: Any, study: Study, changes: dict[str, Any], words: str
) -> None:
    answer = staff.post(reverse("admin:analysis_powerrun_add"), form(study, **changes))
    errors = answer.context["adminform"].form.errors
    assert list(errors) == list(changes)
    assert words in str(errors)
    assert not PowerRun.objects.exists()


def test_a_study_that_cannot_be_planned_says_why(staff: Any, study: Study) -> None:
    study.blocks.all().delete()
    page = staff.post(reverse("admin:analysis_powerrun_add"), form(study)).content.decode()
    assert "has no blocks" in page


def test_pages_show_the_answer_the_report_and_that_it_is_stale(
    staff: Any, run: PowerRun, study: Study
) -> None:
    simulated(run)
    study_page = reverse("admin:studies_study_change", args=[study.pk])
    for address in (
        study_page,
        reverse("admin:analysis_powerrun_change", args=[run.pk]),
        run.get_absolute_url(),
    ):
        page = staff.get(address).content.decode()
        assert "participants and 6 themes" in page, address
        assert "edited since" not in page
    file = staff.get(reverse("power_report_file", args=[run.pk, "power.json"]))
    assert json.loads(b"".join(file.streaming_content)) == run.result
    assert staff.get(reverse("power_report_file", args=[run.pk, "other.json"])).status_code == 404
    Study.objects.filter(pk=study.pk).update(participants_planned=14)
    for address in (
        study_page,
        reverse("admin:analysis_powerrun_change", args=[run.pk]),
        run.get_absolute_url(),
    ):
        assert "edited since" in staff.get(address).content.decode(), address


def test_a_draft_with_a_power_analysis_can_be_deleted(staff: Any, run: PowerRun, study: Study) -> None:
    staff.post(reverse("admin:studies_study_delete", args=[study.pk]), {"post": "yes"})
    assert not Study.objects.exists()
    assert not PowerRun.objects.exists()


# -- a worker that is killed


@pytest.mark.django_db(transaction=True)
def test_a_killed_workers_studies_are_not_simulated_again(processes: Processes, tmp_path: Path) -> None:
    draft = make_study(
        matched_set=make_matched_set(scenes=6),
        state=Study.State.DRAFT,
        participants_planned=12,
        rating_trials=None,
        choice_trials=None,
    )
    asked = {**ASKED, "people": [], "themes": [], "studies": 16}
    run = request_power(study=draft, raters=RaterModel(), by=None, **asked)
    home = {"ALMOND_HOME": str(power_root().parent)}
    worker = processes.start("worker", **home)

    def kept() -> list[bytes]:
        files = power_root().glob(f"{run.pk}-*.jsonl")
        return [line for path in files for line in path.read_bytes().splitlines()]

    wait_for(lambda: len(kept()) > 3, "some studies")
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert len(kept()) < 32

    assert processes.start("worker", "--once", **home).wait(3 * PATIENCE) == 0, processes.logs()
    run.refresh_from_db()
    whole = run.result
    assert whole["rows"][0]["studies"] == 16
    again = simulated(request_power(study=draft, raters=RaterModel(), by=None, **asked)).result
    assert again == whole
