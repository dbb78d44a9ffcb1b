"""The monitor and the data pages of the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from accounts.models import User
from almond.errors import InputError
from jobs.models import Job
from jobs.services import enqueue, run_now
from ratings import services
from studies.models import Study
from studies.services import create_construct
from tests.site.small_study import advance, answer_all, answer_to, make_study

pytestmark = pytest.mark.django_db


def at(name: str, study: Study) -> str:
    return reverse(f"admin:ratings_{name}", args=[study.pk])


def test_the_monitor_counts(staff_client: Any) -> None:
    study = make_study()
    people = [services.join(study=study).participant for _ in range(4)]
    answer_all(people[0])
    services.finish(participant=people[0])
    services.record_response(participant=people[1], body=answer_to(people[1].trials.get(index=0)))
    services.withdraw(participant=people[2])
    numbers = staff_client.get(at("monitor_numbers", study)).json()
    assert (numbers["started"], numbers["active_now"], numbers["finished"]) == (4, 2, 1)
    assert (numbers["withdrawn"], numbers["timed_out"], numbers["responses"]) == (1, 0, 8)
    assert sum(numbers["per_minute"]) == 8
    assert len(numbers["per_minute"]) == 30
    assert sum(row["taken"] for row in numbers["lists"]) == 3
    assert sum(row["finished"] for row in numbers["lists"]) == 1
    page = staff_client.get(at("monitor", study)).content.decode()
    assert study.title in page
    assert at("rehearse", study) in page


def test_the_monitor_is_for_staff_alone(client: Any) -> None:
    study = make_study()
    for name in ("monitor", "monitor_live", "monitor_numbers"):
        assert client.get(at(name, study)).status_code == 302
    looker = User.objects.create_user("looker", password="a long enough password", is_staff=True)
    client.force_login(looker)
    for name in ("monitor", "monitor_live", "monitor_numbers"):
        assert client.get(at(name, study)).status_code == 403
    assert client.get(at("rehearse", study)).status_code == 403


def test_drafts_have_no_monitor(staff_client: Any) -> None:
    assert staff_client.get(at("monitor", make_study(state=Study.State.DRAFT))).status_code == 404


def test_a_study_for_people_takes_no_simulated_participants() -> None:
    study = make_study()
    with pytest.raises(InputError, match=r"is for people \(expected a rehearsal"):
        services.start_simulation(study=study, participants=3, seed=1, by=None)
    arguments = {"study": study.pk, "participants": 3, "seed": 1}
    job = run_now(enqueue(kind="ratings.simulate", arguments=arguments, by=None))
    assert job.state == "failed"
    assert "is for people" in job.error
    assert not study.participants.exists()


def test_nobody_is_simulated_in_a_rehearsal_that_has_ended() -> None:
    study = make_study(state=Study.State.PAUSED, rehearsal=True)
    with pytest.raises(InputError, match=r"is paused \(expected a live study\)"):
        services.start_simulation(study=study, participants=1, seed=1, by=None)


def test_simulated_people_who_do_not_know_a_construct_are_refused_before_there_is_a_job() -> None:
    study = make_study(rehearsal=True, state=Study.State.DRAFT)
    study.blocks.first().constructs.set(
        [create_construct(name="awe", question="How awesome?", low="not", high="very", by=None)]
    )
    study = advance(study, Study.State.LIVE)
    with pytest.raises(InputError, match="construct 'awe': is none that simulated raters know"):
        services.start_simulation(study=study, participants=1, seed=1, by=None)
    assert not Job.objects.exists()


def test_participants_and_responses_are_looked_at_and_never_changed(staff_client: Any) -> None:
    participant = services.join(study=make_study()).participant
    answer_all(participant)
    for model, row in (("participant", participant), ("response", participant.trials.get(index=0).response)):
        assert staff_client.get(reverse(f"admin:ratings_{model}_changelist")).status_code == 200
        address = reverse(f"admin:ratings_{model}_change", args=[row.pk])
        assert staff_client.get(address).status_code == 200
        assert staff_client.post(address, {}).status_code == 403
        assert staff_client.post(reverse(f"admin:ratings_{model}_delete", args=[row.pk])).status_code == 403
    page = staff_client.get(reverse("admin:ratings_participant_changelist")).content.decode()
    assert "7 of 7" in page
    assert participant.token_digest not in page


def test_a_login_that_was_asked_for_by_nothing_leads_to_the_admin(client: Any, experimenter: User) -> None:
    form = {"username": experimenter.username, "password": "a long enough password"}
    page = client.post(reverse("admin:login"), form, follow=True)
    assert page.redirect_chain == [(reverse("admin:index"), 302)]
    assert page.status_code == 200
