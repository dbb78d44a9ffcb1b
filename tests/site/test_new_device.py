"""The experimenter's click: a participant goes on in another browser, by a link that works once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core import signing
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from almond.errors import InputError
from ratings import services
from ratings.models import Participant
from ratings.services import Recruit
from ratings.services.arriving import PASS_MINUTES, resume_code
from ratings.services.refusals import NotTheirs, Reason
from tests.site.small_study import answer_to, make_study

pytestmark = pytest.mark.django_db


@pytest.fixture
def joined(db: None) -> services.Joined:
    return services.join(study=make_study(), recruit=Recruit("prolific", "5f0a", {}))


def address(participant: Participant) -> str:
    return reverse("admin:ratings_new_device", args=[participant.pk])


def link_to(device_pass: str) -> str:
    return reverse("participant_go_on", args=[device_pass])


def test_a_pass_hands_the_visit_over_once_and_ends_the_former_browser(joined: services.Joined) -> None:
    person = joined.participant
    services.record_response(participant=person, body=answer_to(person.trials.get(index=0)))
    device_pass = services.let_in(participant=person, by=None)
    entered = services.enter_with_pass(device_pass)
    assert entered.participant == person
    assert entered.token != joined.token
    assert Client().get(reverse("participant_study", args=[joined.token])).status_code == 404
    state = Client().get(reverse("participant_state", args=[entered.token])).json()
    assert state["done"] == [0]
    with pytest.raises(NotTheirs) as refused:
        services.enter_with_pass(device_pass)
    assert refused.value.reason == Reason.NEW_DEVICE


def test_a_pass_ends_with_whatever_token_it_was_made_for(joined: services.Joined) -> None:
    person = joined.participant
    first, second = (services.let_in(participant=person, by=None) for _ in range(2))
    services.enter_with_pass(second)
    with pytest.raises(NotTheirs):
        services.enter_with_pass(first)
    person.refresh_from_db()
    third = services.let_in(participant=person, by=None)
    recruit = Recruit("prolific", "5f0a", {})
    services.resume(study=person.study, recruit=recruit, code=resume_code(person))
    with pytest.raises(NotTheirs):
        services.enter_with_pass(third)


@pytest.mark.parametrize("seconds", [-5, 5])
def test_a_pass_ends_with_its_time(
    joined: services.Joined, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    device_pass = services.let_in(participant=joined.participant, by=None)
    later = signing.time.time() + timedelta(minutes=PASS_MINUTES).total_seconds() + seconds
    monkeypatch.setattr(signing.time, "time", lambda: later)
    if seconds < 0:
        assert services.enter_with_pass(device_pass).participant == joined.participant
    else:
        with pytest.raises(NotTheirs, match="older than 30 minutes"):
            services.enter_with_pass(device_pass)


def test_a_changed_pass_and_that_of_somebody_else_let_nobody_in(joined: services.Joined) -> None:
    other = services.join(study=joined.participant.study).participant
    device_pass = services.let_in(participant=joined.participant, by=None)
    _, moment, signature = device_pass.split(".")
    for wrong in ("", "p-0", device_pass[:-1], f"{other.name}.{moment}.{signature}", device_pass + "."):
        with pytest.raises(NotTheirs):
            services.enter_with_pass(wrong)
    assert services.enter_with_pass(device_pass).participant == joined.participant


def test_whoever_withdrew_is_not_let_in_again(joined: services.Joined) -> None:
    device_pass = services.let_in(participant=joined.participant, by=None)
    services.withdraw(participant=joined.participant)
    with pytest.raises(InputError, match="was erased"):
        services.let_in(participant=joined.participant, by=None)
    # The page that an earlier link leads to says that they have stopped.
    token = services.enter_with_pass(device_pass).token
    page = Client().get(reverse("participant_study", args=[token])).content.decode()
    assert "You have stopped taking part" in page


def test_the_page_asks_then_shows_a_link_that_lets_a_browser_in(
    staff_client: Any, experimenter: User, joined: services.Joined
) -> None:
    person = joined.participant
    page = staff_client.get(reverse("admin:ratings_participant_change", args=[person.pk])).content.decode()
    assert address(person) in page
    asked = staff_client.get(address(person))
    assert "/go-on/" not in asked.content.decode()
    assert not AuditEvent.objects.filter(verb="let in").exists()
    shown = staff_client.post(address(person))
    assert "no-store" in shown["Cache-Control"]
    link = shown.context["link"]
    assert link in shown.content.decode()
    event = AuditEvent.objects.get(verb="let in")
    assert (event.actor, event.subject_id) == (experimenter, str(person.pk))
    phone = Client()
    assert "Continue here" in phone.get(link).content.decode()
    assert phone.get(link).status_code == 200  # looking at it, as a messenger does, does not use it up
    entered = phone.post(link)
    assert entered.status_code == 302
    assert phone.get(entered["Location"]).status_code == 200
    assert "You have begun already" in phone.get(person.study.join_path).content.decode()
    for used in (phone.get(link), phone.post(link)):
        assert used.status_code == 403
        assert "ask the people who invited you for a new one" in used.content.decode()
    assert AuditEvent.objects.filter(verb="enter", subject_id=str(person.pk), actor=None).count() == 1


def test_another_site_cannot_press_the_button(joined: services.Joined) -> None:
    link = link_to(services.let_in(participant=joined.participant, by=None))
    assert Client().post(link, headers={"Origin": "https://evil.org"}).status_code == 403
    assert Client().get(reverse("participant_study", args=[joined.token])).status_code == 200


def test_the_right_to_change_participants_is_needed(client: Client, joined: services.Joined) -> None:
    looker = User.objects.create_user("looker", password="a long enough password", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_participant"))
    client.force_login(looker)
    page = client.get(reverse("admin:ratings_participant_change", args=[joined.participant.pk]))
    assert page.status_code == 200
    assert address(joined.participant) not in page.content.decode()
    assert client.get(address(joined.participant)).status_code == 403
    assert client.post(address(joined.participant)).status_code == 403
    looker.user_permissions.add(Permission.objects.get(codename="change_participant"))
    assert client.post(address(joined.participant)).status_code == 200
    assert AuditEvent.objects.filter(verb="let in", actor=looker).count() == 1


def test_the_page_says_why_somebody_is_not_let_in(staff_client: Any, joined: services.Joined) -> None:
    services.withdraw(participant=joined.participant)
    reply = staff_client.post(address(joined.participant), follow=True)
    assert "was erased (expected somebody who takes part or has finished)" in reply.content.decode()
    assert "Let in on a new device" not in reply.content.decode()
