"""Recruiters, end pages, single-use links: who gets in by which link, and where each visit leads."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from almond.errors import InputError
from ratings import services
from ratings.models import (
    Arrival,
    EndPage,
    InvitationLink,
    Participant,
    RecruitingPlan,
    Recruitment,
    token_digest,
)
from ratings.recruiting import RECRUITERS
from ratings.recruiting.base import fill
from ratings.recruiting.outcomes import WORDS, Outcome
from ratings.services.flow import flow
from ratings.services.joining import recruited_as
from ratings.services.leaving import screen_out
from ratings.services.recruiting.approvals import approval_lines
from ratings.services.recruiting.ends import end_of, make_codes
from ratings.services.recruiting.invitations import invitation_table, make_links
from ratings.services.refusals import NotNow
from ratings.services.verifying import verify_study
from studies.models import Study, StudyLog
from studies.services.copying import duplicate
from tests.site.recruited_study import recruit_by
from tests.site.small_study import answer_all, answer_to, make_study

pytestmark = pytest.mark.django_db
Status = Participant.Status


@pytest.fixture(scope="module")
def study_pk(module_database: None) -> int:
    return make_study(rating_trials=1, choice_trials=1).pk


@pytest.fixture
def study(study_pk: int) -> Study:
    return Study.objects.get(pk=study_pk)


def join_by(study: Study, query: str, **form: str) -> Any:
    client, address = Client(), study.join_path + query
    fields = {"begin_token": client.get(address).context["begin_token"], "agreed": "yes", **form}
    return client.post(address, fields)


LINKS = {
    "link": ({}, "?id=anna", "anna", {}, {}),
    "prolific": (
        {"study_id": "abc"}, "?PROLIFIC_PID=5f&STUDY_ID=abc&SESSION_ID=9", "5f", {"STUDY_ID": "abc"}, {},
    ),
    "sona": ({}, "?survey_code=4711", "4711", {}, {}),
    "mturk": (
        {}, "?workerId=A1&assignmentId=B2&hitId=C3", "A1", {"hitId": "C3"}, {"assignmentId": "B2"},
    ),
    "panel": (
        {"id_parameter": "rid", "more_parameters": "quota, wave"}, "?rid=r-1&quota=q2&wave=autumn", "r-1",
        {}, {"quota": "q2", "wave": "autumn"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("recruiter", LINKS)
def test_each_recruiters_link_lets_people_in_with_its_ids(study: Study, recruiter: str) -> None:
    settings, query, external_id, details, personal = LINKS[recruiter]
    study = recruit_by(study, recruiter, settings=settings)
    assert join_by(study, query).status_code == 302
    row = Recruitment.objects.get()
    assert (row.source, row.external_id) == (recruiter, external_id)
    assert (row.details, row.personal) == (details, personal)
    assert join_by(study, query).status_code == 409  # the same id takes part once
    for value in personal.values():
        assert value not in row.sealed_details


@pytest.mark.parametrize("recruiter", [name for name in LINKS if name != "link"])
def test_without_its_id_or_with_placeholders_a_panels_link_lets_nobody_in(
    study: Study, recruiter: str
) -> None:
    study = recruit_by(study, recruiter, settings=LINKS[recruiter][0])
    link = study.recruiting.source().link("")
    for query in ("", "?other=1", link):
        assert join_by(study, query).status_code == 400
    assert not Participant.objects.exists()


def test_a_worker_who_only_looks_at_the_hit_is_not_let_in(study: Study) -> None:
    study = recruit_by(study, "mturk")
    refused = join_by(study, "?workerId=A1&assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE&hitId=C3")
    assert refused.status_code == 400


def test_every_outcome_has_words_and_every_recruiter_its_own() -> None:
    assert set(WORDS) == set(Outcome)
    for name, recruiter in RECRUITERS.entries().items():
        assert recruiter(kind=name).kind == name
        assert recruiter.hint.endswith(".")
        assert recruiter.title


@pytest.mark.parametrize(
    ("recruiter", "settings", "wrong"),
    [
        ("prolific", {"study_id": "a b"}, "study_id"),
        ("panel", {"id_parameter": "r id"}, "id_parameter"),
        ("panel", {"more_parameters": "a,,b"}, "more_parameters"),
        ("sona", {"completion_url": "https://x.sona-systems.com/credit"}, "completion_url"),
        ("nobody", {}, "recruiter"),
    ],
)
def test_settings_that_are_wrong_are_named(recruiter: str, settings: dict[str, str], wrong: str) -> None:
    with pytest.raises(InputError, match=wrong):
        RecruitingPlan(recruiter=recruiter, parameters=settings).source()


# Ways back


def finished(study: Study, query: str) -> Participant:
    join_by(study, query)
    person = Participant.objects.get()
    answer_all(person)
    return services.finish(participant=person)


SONA = "https://lab.sona-systems.com/webstudy_credit.aspx?experiment_id=1&credit_token=ab&survey_code=XXXX"
WAYS = {
    "prolific": ({}, "", "https://app.prolific.com/submissions/complete?cc=DONE-1"),
    "sona": ({"completion_url": SONA}, "", SONA.replace("XXXX", "4711")),
    "panel": (
        {"id_parameter": "rid", "more_parameters": "quota, wave"},
        "https://panel.example/back?who={rid}&quota={quota}&is={outcome}&code={code}",
        "https://panel.example/back?who=r-1&quota=q2&is=finished&code=DONE-1",
    ),
    "mturk": ({}, "", ""),
    "link": ({}, "", ""),
}


@pytest.mark.parametrize("recruiter", WAYS)
def test_who_finished_is_led_back_by_the_recruiters_own_way(
    study: Study, recruiter: str, settings: Any
) -> None:
    settings.PROLIFIC_APP = "https://app.prolific.com"
    own, link, way = WAYS[recruiter]
    study = recruit_by(study, recruiter, settings=own, codes={"finished": "DONE-1"})
    EndPage.objects.filter(study=study).update(link=link)
    query = LINKS[recruiter][1]
    end = end_of(finished(study, query), Outcome.FINISHED)
    assert (end.way_back, end.code) == (way, "DONE-1")
    assert end.by_itself == bool(way)


def test_a_way_back_with_a_name_that_is_not_known_is_none(study: Study) -> None:
    assert fill("https://x.org/{a}?b={b}", {"a": "1/2", "b": ""}) == ""
    assert fill("https://x.org/{a}", {"a": "1/2&3"}) == "https://x.org/1%2F2%263"
    page = EndPage(study=study, outcome="finished", link="https://x.org/{nobody}?c={code}")
    assert page.unknown_places(recruit_by(study, "panel").recruiting.source()) == {"nobody"}
    with pytest.raises(ValidationError, match="A brace opens"):
        EndPage(study=study, outcome="finished", link="https://x.org/{a b}").full_clean()
    with pytest.raises(ValidationError, match="begins with https://"):
        EndPage(study=study, outcome="finished", link="javascript:alert(1)").full_clean()


def test_experimenters_words_stand_on_the_page_and_are_escaped(study: Study) -> None:
    study = recruit_by(study, codes={"finished": "DONE-1"})
    EndPage.objects.update(text="First.\n\n<b>Second</b>", link="https://lab.example.org/?c={code}")
    person = finished(study, "")
    token = services.new_token()
    Participant.objects.update(token_digest=token_digest(token))
    page = Client().get(f"/take/{token}/done").content.decode()
    assert "<p>First.</p>" in page
    assert "&lt;b&gt;Second&lt;/b&gt;" in page
    assert 'href="https://lab.example.org/?c=DONE-1"' in page
    assert "way_back.js" not in page  # a plain link takes nobody away by itself
    assert f"quote this ID: {person.name}" in page


# Declining, being screened out


def test_who_declines_leaves_no_trace_but_a_count(study: Study) -> None:
    study = recruit_by(study, "panel", settings={"id_parameter": "rid"}, codes={"declined": "NO-1"})
    EndPage.objects.update(link="https://panel.example/{rid}/{outcome}/{code}")
    reply = join_by(study, "?rid=r-1", agreed="", decline="yes")
    assert reply.status_code == 302
    page = Client().get(reply["Location"]).content.decode()
    assert "You are not taking part" in page
    assert 'href="https://panel.example/r-1/declined/NO-1"' in page
    assert not Participant.objects.exists()
    assert not Recruitment.objects.exists()
    arrival = Arrival.objects.get()
    assert arrival.reason == "declined"
    assert "r-1" not in arrival.refusal
    assert flow(study)["arrived"] == 1
    assert sum(study.lists.values_list("taken", flat=True)) == 0
    assert join_by(study, "?rid=r-1").status_code == 302  # and they may think better of it


def test_who_has_begun_cannot_decline_any_more(study: Study) -> None:
    client = Client()
    form = {"begin_token": client.get(study.join_path).context["begin_token"], "agreed": "yes"}
    begun = client.post(study.join_path, form)["Location"]
    assert "I do not want to take part" not in client.get(study.join_path).content.decode()
    assert client.post(study.join_path, {**form, "decline": "yes"})["Location"] == begun
    assert Participant.objects.get().status == Status.ACTIVE


def test_who_is_screened_out_frees_the_place_and_answers_nothing_more(study: Study) -> None:
    study = recruit_by(study, codes={"screened_out": "OUT-1"})
    joined = services.join(study=study)
    person = joined.participant
    services.record_response(participant=person, body=answer_to(person.trials.get(index=0)))
    screen_out(participant=person, reason="two checks failed")
    again = screen_out(participant=person, reason="another")
    assert (again.status, again.screened_for) == (Status.SCREENED_OUT, "two checks failed")
    assert again.completion_code == "OUT-1"
    assert sum(study.lists.values_list("taken", flat=True)) == 0
    with pytest.raises(NotNow, match="was screened out") as refusal:
        services.record_response(participant=person, body=answer_to(person.trials.get(index=1)))
    assert refusal.value.reason == "screened_out"
    with pytest.raises(NotNow, match="was screened out"):
        services.finish(participant=person)
    page = Client().get(f"/take/{joined.token}/").content.decode()
    assert "The study ends here for you" in page
    assert "OUT-1" in page
    assert flow(study)["screened_out"] == 1
    assert StudyLog.objects.filter(kind="screening", about=person.name).count() == 1
    assert list(verify_study(study)) == []
    Participant.objects.update(status="active", screened_for="", completion_code="")
    assert "the log has a screening" in next(iter(verify_study(study)))


def test_who_was_screened_out_may_still_withdraw(study: Study) -> None:
    person = services.join(study=study).participant
    screen_out(participant=person, reason="a check failed")
    left = services.withdraw_by_code(person.withdrawal_code)
    assert left.status == Status.WITHDRAWN
    assert sum(study.lists.values_list("taken", flat=True)) == 0
    assert list(verify_study(study)) == []


def test_nobody_is_screened_out_after_the_end_or_without_a_reason(study: Study) -> None:
    person = services.join(study=study).participant
    with pytest.raises(IntegrityError, match="screened_out_for_a_reason"), transaction.atomic():
        screen_out(participant=person, reason=" ")
    answer_all(person)
    services.finish(participant=person)
    with pytest.raises(NotNow, match="has finished"):
        screen_out(participant=person, reason="too late")
    other = services.join(study=study).participant
    services.withdraw(participant=other)
    with pytest.raises(NotNow, match="stopped taking part"):
        screen_out(participant=other, reason="too late")


def test_who_comes_back_after_the_time_out_goes_on_or_ends_as_the_study_says(study: Study) -> None:
    joined = services.join(study=study)
    Participant.objects.update(status=Status.TIMED_OUT)
    assert Client().get(f"/take/{joined.token}/").context["config"]
    recruit_by(study, end_after_time_out=True)
    assert "Your time for this study is over" in Client().get(f"/take/{joined.token}/").content.decode()


# Single-use links


def test_each_single_use_link_lets_one_person_in(study: Study) -> None:
    study = recruit_by(study, "single_use")
    make_links(study=study, count=3, by=None)
    links = [row["link"] for row in csv.DictReader(io.StringIO(invitation_table(study, "")))]
    assert len(set(links)) == 3
    assert join_by(study, links[0]).status_code == 302
    assert join_by(study, links[0]).status_code == 409
    assert join_by(study, "?invitation=forged-but-long-enough").status_code == 400
    assert join_by(study, "").status_code == 400
    assert Participant.objects.count() == 1
    assert list(InvitationLink.objects.values_list("used", flat=True)) == [True, False, False]
    # Which answers came by which link is no column, and no digest is in both tables.
    secret = InvitationLink.objects.filter(used=True).get().secret
    assert Recruitment.objects.get().external_id == "single-use link"
    assert recruited_as(secret) == []
    assert approval_lines(study) == []
    digests = set(InvitationLink.objects.values_list("digest", flat=True))
    assert not digests & set(Recruitment.objects.values_list("id_digest", flat=True))
    # A link stays used when the person's ids are erased.
    services.withdraw(participant=Participant.objects.get())
    assert join_by(study, links[0]).status_code == 409
    table = list(csv.DictReader(io.StringIO(invitation_table(study, ""))))
    assert [row["used"] for row in table] == ["yes", "no", "no"]


def test_a_refused_join_uses_no_link_up(study: Study) -> None:
    study = recruit_by(study, "single_use")
    make_links(study=study, count=1, by=None)
    link = next(csv.DictReader(io.StringIO(invitation_table(study, ""))))["link"]
    Study.objects.filter(pk=study.pk).update(state="paused")
    assert join_by(study, link).status_code == 409
    Study.objects.filter(pk=study.pk).update(state="live")
    assert join_by(study, link).status_code == 302


# What is stored


def test_codes_are_made_once_where_people_hand_codes_in(study: Study) -> None:
    assert make_codes(study=recruit_by(study), by=None) == 0
    study = recruit_by(study, "prolific", codes={"finished": "MINE"})
    assert make_codes(study=study, by=None) == len(Outcome) - 1
    codes = dict(EndPage.objects.values_list("outcome", "code"))
    assert codes["finished"] == "MINE"
    assert len(set(codes.values())) == len(Outcome)
    assert make_codes(study=study, by=None) == 0


def test_a_copy_of_a_study_recruits_in_the_same_way(study: Study) -> None:
    study = recruit_by(study, "panel", settings={"id_parameter": "rid"}, pay={"finished": "1.50"})
    make_links(study=study, count=2, by=None)
    copy = duplicate(study=study, by=None)
    assert copy.recruiting.parameters == {"id_parameter": "rid"}
    assert str(copy.end_pages.get().pay) == "1.50"
    recruit_by(study, "prolific", settings={"study_id": "abc"})
    assert duplicate(study=study, by=None).recruiting.parameters == {}  # a study there is one study here
    assert not copy.invitations.exists()


BROKEN = {
    "end_page_once_per_outcome": lambda study: [
        EndPage.objects.create(study=study, outcome="finished") for _ in range(2)
    ],
    "outcome_is_known": lambda study: EndPage.objects.create(study=study, outcome="lost"),
    "pay_is_not_negative": lambda study: EndPage.objects.create(study=study, outcome="closed", pay=-1),
    "recruiting_has_a_recruiter": lambda study: RecruitingPlan.objects.create(study=study, recruiter=""),
    "recruiting_money": lambda study: RecruitingPlan.objects.create(study=study, budget=-1),
    "bonus_has_an_amount": lambda study: RecruitingPlan.objects.create(study=study, bonus_rule="finished"),
    "invitation_made_once|digest": lambda study: [
        InvitationLink.objects.create(study=study, digest="d", sealed_secret="s") for _ in range(2)
    ],
}


@pytest.mark.parametrize("constraint", BROKEN)
def test_the_database_keeps_the_rules(study: Study, constraint: str) -> None:
    with pytest.raises(IntegrityError, match=f"{constraint}|UNIQUE"), transaction.atomic():
        BROKEN[constraint](study)


# Pages of the lab


def test_ids_are_shown_and_sent_to_those_alone_who_may_see_them(study: Study) -> None:
    study = recruit_by(study, "prolific", codes={"finished": "MINE"})
    join_by(study, "?PROLIFIC_PID=5f0a77")
    staff = User.objects.create_user("ra", password="a long enough password", is_staff=True)
    for name in ("view_study", "change_study"):
        staff.user_permissions.add(Permission.objects.get(codename=name))
    client = Client()
    client.force_login(staff)
    page = reverse("admin:ratings_recruitedstudy_change", args=[study.pk])
    files = [
        reverse(f"admin:ratings_recruiting_{name}_file", args=[study.pk])
        for name in ("links", "approvals", "bonuses")
    ]
    assert "5f0a77" not in client.get(page).content.decode()
    assert [client.get(address).status_code for address in files] == [403, 403, 403]
    staff.user_permissions.add(Permission.objects.get(codename="view_recruitment"))
    assert "5f0a77" in client.get(page).content.decode()
    sent = client.get(files[1])
    assert sent["Content-Disposition"] == 'attachment; filename="scenes-approvals.csv"'
    assert [row["id"] for row in csv.DictReader(io.StringIO(sent.content.decode()))] == ["5f0a77"]


def test_recruiting_is_edited_also_when_the_plan_is_frozen(study: Study, staff_client: Any) -> None:
    page = reverse("admin:ratings_recruitedstudy_change", args=[study.pk])
    form = {
        "recruiting-TOTAL_FORMS": "1", "recruiting-INITIAL_FORMS": "0",
        "recruiting-0-recruiter": "prolific", "recruiting-0-prolific_study_id": "abc",
        "recruiting-0-currency": "GBP", "recruiting-0-fee_percent": "33.3", "recruiting-0-budget": "100",
        "end_pages-TOTAL_FORMS": "1", "end_pages-INITIAL_FORMS": "0",
        "end_pages-0-outcome": "finished", "end_pages-0-pay": "2.50",
    }  # fmt: skip
    before = Study.objects.get(pk=study.pk)
    reply = staff_client.post(page, form)
    assert reply.status_code == 302, reply.context["errors"]
    study = Study.objects.get(pk=study.pk)
    assert study.plan_digest == before.plan_digest
    assert study.recruiting.parameters == {"study_id": "abc"}
    assert EndPage.objects.filter(study=study).exclude(code="").count() == len(Outcome)
    assert AuditEvent.objects.filter(verb="edit recruiting", subject_id=str(study.pk)).count() == 1
    shown = staff_client.get(page).content.decode()
    assert "PROLIFIC_PID={{%PROLIFIC_PID%}}&amp;STUDY_ID={{%STUDY_ID%}}" in shown
    for code in EndPage.objects.filter(study=study).values_list("code", flat=True):
        assert code in shown
    wrong = staff_client.post(page, {**form, "recruiting-0-prolific_study_id": "a b"})
    assert "study_id" in str(wrong.context["errors"])


def test_links_are_made_on_the_page(study: Study, staff_client: Any) -> None:
    recruit_by(study, "single_use")
    address = reverse("admin:ratings_recruiting_links", args=[study.pk])
    staff_client.post(address, {"count": "5"})
    assert InvitationLink.objects.count() == 5
    staff_client.post(address, {"count": "0"})
    assert InvitationLink.objects.count() == 5
    page = staff_client.get(reverse("admin:ratings_recruitedstudy_change", args=[study.pk]))
    assert "0 of 5" in page.content.decode()
    sent = staff_client.get(reverse("admin:ratings_recruiting_links_file", args=[study.pk]))
    assert sent.content.decode().count("?invitation=") == 5
