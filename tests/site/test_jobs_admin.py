"""The pages on which an experimenter watches and stops jobs."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from accounts.models import User
from jobs.models import Job, State
from jobs.services import claims
from jobs.services.workers import Worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def job() -> Job:
    job = Job.objects.create(kind="encoder.fit", message="subject 3", progress=0.25, log="read 8 runs\n")
    claims.claim(job, Worker("elsewhere/1", 1, 1))
    job.refresh_from_db()
    return job


def page(name: str, job: Job) -> str:
    return reverse(f"admin:jobs_job_{name}", args=[job.pk])


def test_the_list_shows_state_and_progress(staff_client: Any, job: Job) -> None:
    text = staff_client.get(reverse("admin:jobs_job_changelist")).content.decode()
    assert f"encoder.fit #{job.pk}" in text
    assert 'aria-valuenow="25"' in text


def test_a_running_job_can_be_watched(staff_client: Any, job: Job) -> None:
    text = staff_client.get(page("change", job)).content.decode()
    assert "read 8 runs" in text
    assert "js/job.js" in text
    assert staff_client.get(page("state", job)).json() == {
        "state": "running", "active": True, "percent": 25, "message": "subject 3", "log": "read 8 runs\n",
    }  # fmt: skip


def test_a_failed_job_says_why(staff_client: Any, job: Job) -> None:
    claims.Claim(job.pk, job.worker, 1).failed("mask.nii.gz: is empty", "Traceback (most recent call last)")
    text = staff_client.get(page("change", job)).content.decode()
    assert "mask.nii.gz: is empty" in text
    assert "Traceback (most recent call last)" in text
    assert "js/job.js" not in text


def test_cancel_and_retry_are_posts(staff_client: Any, job: Job) -> None:
    assert staff_client.get(page("cancel", job)).status_code == 405
    staff_client.post(page("cancel", job))
    job.refresh_from_db()
    assert job.cancel_requested
    claims.Claim(job.pk, job.worker, 1).cancelled()
    staff_client.post(page("retry", job))
    job.refresh_from_db()
    assert job.state == State.QUEUED


def test_actions_of_the_list(staff_client: Any, job: Job) -> None:
    address = reverse("admin:jobs_job_changelist")
    chosen = {"action": "cancel_selected", "_selected_action": [job.pk]}
    assert "cancelled or stopping" in staff_client.post(address, chosen, follow=True).content.decode()
    job.refresh_from_db()
    assert job.cancel_requested
    chosen["action"] = "retry_selected"
    assert "is running" in staff_client.post(address, chosen, follow=True).content.decode()


def test_who_may_only_look_may_not_act(client: Any, job: Job) -> None:
    from django.contrib.auth.models import Permission

    onlooker = User.objects.create_user("onlooker", is_staff=True)
    onlooker.user_permissions.add(Permission.objects.get(codename="view_job"))
    client.force_login(onlooker)
    assert client.get(page("change", job)).status_code == 200
    assert client.post(page("cancel", job)).status_code == 403


def test_strangers_see_nothing(client: Any, job: Job) -> None:
    for name in ("change", "state"):
        assert client.get(page(name, job)).status_code == 302
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert client.get(page("state", job)).status_code == 403
