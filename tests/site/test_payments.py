"""What people are paid, what it costs, and a budget beyond which nobody is let in."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEvent
from ratings import services
from ratings.models import Participant, RecruitingPlan, Submission
from ratings.recruiting.base import Told
from ratings.recruiting.bonuses import BONUSES, Work
from ratings.recruiting.outcomes import Outcome
from ratings.services.joining import Recruit
from ratings.services.leaving import screen_out
from ratings.services.recruiting.approvals import approval_lines, bonus_text
from ratings.services.recruiting.panels import apply
from ratings.services.recruiting.payments import cost_of, pause_at_budget
from ratings.services.refusals import NotNow
from studies.models import Study, StudyLog
from studies.services import open_study
from tests.site.paged_study import WRONG, make_paged_study, post
from tests.site.recruited_study import recruit_by
from tests.site.small_study import answer_all, answer_to, make_study

pytestmark = pytest.mark.django_db(transaction=True)
PAY = {"finished": "2.00", "screened_out": "0.20", "closed": "1.00"}


def come(study: Study, name: str) -> Participant:
    return services.join(study=study, recruit=Recruit("panel", name, {})).participant


def finish(person: Participant) -> Participant:
    answer_all(person)
    return services.finish(participant=person)


def cost(study: Study) -> tuple[str, str]:
    study = Study.objects.get(pk=study.pk)
    total = cost_of(study, study.recruiting)
    return str(total.spent), str(total.inside)


def test_the_cost_is_that_of_every_outcome_with_the_panels_fee() -> None:
    study = recruit_by(make_study(), "panel", pay=PAY, fee_percent=Decimal("33.3"))
    people = [come(study, f"p{number}") for number in range(6)]
    finish(people[0])
    finish(people[1])
    screen_out(participant=people[2], reason="a check failed")
    services.withdraw(participant=people[3])
    finish(people[4])
    services.withdraw_by_code(people[4].withdrawal_code)  # work that was done is paid
    # 3 x 2.00 x 1.333 = 3 x 2.67, and 0.20 x 1.333 = 0.27; one person is inside.
    assert cost(study) == ("8.28", "2.67")
    counts = cost_of(Study.objects.get(pk=study.pk), study.recruiting).counts
    assert {outcome: count for outcome, count in counts.items() if count} == {
        Outcome.FINISHED: 3, Outcome.SCREENED_OUT: 1, Outcome.WITHDRAWN: 1,
    }  # fmt: skip


def test_whom_the_panel_replaces_is_not_paid() -> None:
    study = recruit_by(make_study(), "panel", pay=PAY, bonus_rule="finished", bonus_amount=Decimal("0.50"))
    for name in ("p1", "p2"):
        finish(come(study, name))
    assert cost(study) == ("5.00", "0")
    apply(study, "panel", Told("s1", "p1", "rejected"), timezone.now())
    assert cost(study) == ("2.50", "0")
    lines = {line.id: line for line in approval_lines(study)}
    assert lines["p1"].decision == "rejected"
    assert lines["p1"].pay == lines["p1"].bonus == Decimal(0)
    assert (lines["p2"].decision, str(lines["p2"].pay)) == ("approve", "2.00")
    assert bonus_text(study) == "p2,0.50\n"
    assert Submission.objects.count() == 1


@pytest.mark.parametrize(
    ("rule", "outcome", "answers", "times"),
    [
        ("finished", Outcome.FINISHED, 7, 1),
        ("finished", Outcome.CLOSED, 7, 0),
        ("answers", Outcome.FINISHED, 7, 2),
        ("answers", Outcome.CLOSED, 2, 0),
        ("part", Outcome.CLOSED, 6, 2),
        ("part", Outcome.TIMED_OUT, 5, 1),
        ("part", Outcome.FINISHED, 7, 0),
    ],
)
def test_bonuses_follow_their_rule(rule: str, outcome: Outcome, answers: int, times: int) -> None:
    assert BONUSES[rule].times(Work(outcome, answers), 3) == times


@pytest.mark.parametrize(("checks", "times"), [(0, 0), (1, 0), (2, 1), (5, 2)])
def test_a_bonus_for_checks_counts_those_passed(checks: int, times: int) -> None:
    assert BONUSES["checks"].times(Work(Outcome.FINISHED, 40, checks), 2) == times


def test_attention_checks_that_were_passed_are_paid() -> None:
    study = make_paged_study(("ratings", "attentive"))
    recruit_by(study, "panel", pay=PAY, bonus_rule="checks", bonus_amount=Decimal("0.25"), bonus_per=1)
    attentive, careless = come(study, "p1"), come(study, "p2")
    for person, answer in ((attentive, None), (careless, WRONG["attentive"])):
        for index in (0, 1):
            post(person, index)
        post(person, 2, answer)
        services.finish(participant=person)
    come(study, "p3")
    assert bonus_text(study) == "p1,0.25\n"
    # 2.25 and 2.00; who is inside may pass the check.
    assert cost(study) == ("4.25", "2.25")


def test_a_bonus_for_answers_is_listed_and_costs() -> None:
    study = recruit_by(
        make_study(), "panel", pay=PAY, bonus_rule="answers", bonus_amount=Decimal("0.10"), bonus_per=2
    )
    finish(come(study, "p1"))  # seven trials
    out = come(study, "p2")
    for index in range(3):
        services.record_response(participant=out, body=answer_to(out.trials.get(index=index)))
    screen_out(participant=out, reason="a check failed")
    come(study, "p3")
    assert bonus_text(study) == "p1,0.30\np2,0.10\n"
    assert cost(study) == ("2.60", "2.30")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [({"bonus_rule": "finished"}, "bonus_amount"),
     ({"bonus_rule": "answers", "bonus_amount": 1}, "bonus_per"),
     ({"bonus_rule": "checks", "bonus_amount": 1}, "bonus_per"),
     ({"budget": -1}, "budget")],
)  # fmt: skip
def test_money_that_makes_no_sense_is_refused(fields: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValidationError) as error:
        RecruitingPlan(study=make_study(state="draft"), **fields).full_clean()
    assert set(error.value.message_dict) == {wrong}


def test_nobody_is_let_in_whom_the_budget_could_not_pay_and_then_the_study_is_paused() -> None:
    study = recruit_by(make_study(), "panel", pay=PAY, budget=Decimal("5.00"))
    first, second = come(study, "p1"), come(study, "p2")
    with pytest.raises(NotNow, match=r"0 are spent and 4\.00 promised of 5\.00 GBP") as refusal:
        come(study, "p3")
    assert refusal.value.reason == "budget"
    finish(first)
    assert Study.objects.get(pk=study.pk).is_live  # the other one is inside, and a pause takes no answers
    finish(second)
    assert Study.objects.get(pk=study.pk).state == Study.State.PAUSED
    event = AuditEvent.objects.get(verb="budget reached")
    assert event.actor is None
    assert event.detail == {"spent": "4.00", "budget": "5.00", "currency": "GBP"}
    assert StudyLog.objects.filter(study=study, kind="pause").count() == 1
    assert not pause_at_budget(study)
    recruit_by(study, "panel", budget=Decimal("6.00"))
    open_study(study=Study.objects.get(pk=study.pk), by=None)
    come(study, "p3")


def test_who_is_screened_out_or_leaves_makes_room_in_the_budget() -> None:
    study = recruit_by(make_study(), "panel", pay=PAY, budget=Decimal("4.30"))
    first, second = come(study, "p1"), come(study, "p2")
    screen_out(participant=first, reason="a check failed")
    come(study, "p3")
    with pytest.raises(NotNow, match="budget"):
        come(study, "p4")
    services.withdraw(participant=second)
    come(study, "p5")
    assert Study.objects.get(pk=study.pk).is_live


def test_a_burst_never_overspends() -> None:
    study = recruit_by(make_study(participants_planned=40), "panel", pay=PAY, budget=Decimal("7.00"))
    gate = threading.Barrier(4)

    def arrive(number: int) -> int:
        gate.wait()
        joined = 0
        try:
            for place in range(3):
                try:
                    come(study, f"p{number}-{place}")
                    joined += 1
                except NotNow:
                    pass
        finally:
            connections.close_all()
        return joined

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(arrive, range(4))) == 3
    assert cost(study) == ("0", "6.00")
    assert sum(study.lists.values_list("taken", flat=True)) == 3


def test_without_a_budget_joining_counts_nobody() -> None:
    study = recruit_by(make_study(), "panel", pay=PAY)
    come(study, "p1")
    with CaptureQueriesContext(connection) as queries:
        come(study, "p2")
    assert not [query for query in queries if "ratings_endpage" in query["sql"]]
