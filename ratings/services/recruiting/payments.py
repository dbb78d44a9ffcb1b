"""What people are paid, what that costs, and the budget: nobody is let in who could not be paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db import transaction
from django.db.models import Count, OuterRef, Subquery, Value
from django.utils import timezone

from accounts.services import record
from ratings.models import QUOTA_IS_FULL, EndPage, Participant, RecruitingPlan, Submission
from ratings.recruiting.bonuses import BONUSES, Work
from ratings.recruiting.outcomes import Outcome
from ratings.services.refusals import NotNow, Reason
from ratings.services.visits.checks import attention_blocks, attention_checks_passed
from studies import services as study_services
from studies.models import Study

Status = Participant.Status
NOTHING = Decimal(0)
CENT = Decimal("0.01")
SETTINGS = ("study", "currency", "fee_percent", "budget", "bonus_rule", "bonus_amount", "bonus_per")
"""Columns of a plan on which costs depend."""


@dataclass(frozen=True)
class Pay:
    """What a study pays: per outcome, as a bonus, and to the panel on top."""

    plan: RecruitingPlan
    rewards: dict[Outcome, Decimal]

    @classmethod
    def of(cls, study: Study, plan: RecruitingPlan) -> Pay:
        pages = EndPage.objects.filter(study=study, pay__isnull=False).values_list("outcome", "pay")
        return cls(plan, {Outcome(outcome): pay or NOTHING for outcome, pay in pages})

    def reward(self, outcome: Outcome | None) -> Decimal:
        return NOTHING if outcome is None else self.rewards.get(outcome, NOTHING)

    def bonus(self, work: Work) -> Decimal:
        """Return the bonus of one person, without the panel's fee."""
        rule = BONUSES.get(self.plan.bonus_rule)
        if rule is None or self.plan.bonus_amount is None or work.outcome is None:
            return NOTHING
        return rule.times(work, self.plan.bonus_per or 1) * self.plan.bonus_amount

    def with_fee(self, amount: Decimal) -> Decimal:
        """Return what an amount costs with the panel's fee, to the cent."""
        whole = amount * (1 + Decimal(self.plan.fee_percent) / 100)
        return whole.quantize(CENT, rounding=ROUND_HALF_UP)

    def whole_visit(self, study: Study) -> Decimal:
        """Return what somebody costs who answers every trial, and passes every check."""
        plan = study.frozen_plan if study.plan_digest else None
        trials, checks = (plan.trials, len(attention_blocks(plan))) if plan else (0, 0)
        work = Work(Outcome.FINISHED, trials, checks)
        return self.with_fee(self.reward(Outcome.FINISHED) + self.bonus(work))


@dataclass(frozen=True)
class Cost:
    """Of a study, in its currency and with fees: what is owed for visits that ended, what may still be owed
    to those inside, and what one more visit costs. ``counts`` is how many people each outcome has."""

    spent: Decimal
    inside: Decimal
    next_visit: Decimal
    budget: Decimal | None
    currency: str
    counts: dict[Outcome, int]

    @property
    def affords_one_more(self) -> bool:
        return self.budget is None or self.spent + self.inside + self.next_visit <= self.budget

    @property
    def percent(self) -> int:
        """Return how much of the budget is spent, from 0 to 100."""
        if not self.budget:
            return 100 if self.budget is not None else 0
        return min(100, int(100 * self.spent / self.budget))


def cost_of(study: Study, plan: RecruitingPlan) -> Cost:
    """Add up what a study costs. Whom the panel replaces is not paid."""
    pay = Pay.of(study, plan)
    rule = BONUSES.get(plan.bonus_rule)
    visit = pay.whole_visit(study)
    spent, inside, counts = NOTHING, NOTHING, dict.fromkeys(Outcome, 0)
    passed = passed_where_paid(study, pay)
    for group in groups_of(study, with_answers=rule is not None and rule.counts):
        outcome = ended_as(group, plan, is_over=study.has_ended(timezone.now()))
        if outcome is None:
            inside += group["count"] * visit
            continue
        counts[outcome] += group["count"]
        if not group["replaced"]:
            work = Work(outcome, group.get("answers", 0), passed[group.get("pk", 0)])
            spent += group["count"] * pay.with_fee(pay.reward(outcome) + pay.bonus(work))
    return Cost(spent, inside, visit, plan.budget, plan.currency, counts)


def passed_where_paid(study: Study, pay: Pay) -> Counter[int]:
    """Count the attention checks that people passed, by the row's number; of nobody where no bonus asks
    it."""
    rule = BONUSES.get(pay.plan.bonus_rule)
    counted = rule is not None and rule.looks_at_checks and study.plan_digest
    return attention_checks_passed(study) if counted else Counter()


def groups_of(study: Study, *, with_answers: bool) -> Iterable[dict[str, Any]]:
    """Count people by what their pay depends on; one statement over the participants."""
    own = Submission.objects.filter(study=study, id_digest=OuterRef("recruitment__id_digest"))
    last = Subquery(own.order_by("-status_at", "-pk").values("status")[:1])
    people = Participant.objects.filter(study=study).people().order_by()
    people = people.annotate(panel=last)
    counts: dict[str, Any] = {"count": Count("pk")}
    fields = ["status", "completion_code", "panel", "screened_for"]
    if with_answers:
        people = people.annotate(answers=Count("trials__response"))
        fields += ["pk", "answers"]
        counts = {"count": Value(1)}
    return [
        {**row, "replaced": row["panel"] in Submission.GIVEN_BACK}
        for row in people.values(*fields).annotate(**counts)
    ]


def ended_as(group: dict[str, Any], plan: RecruitingPlan, *, is_over: bool) -> Outcome | None:
    """Tell what a group of people is paid for; None while they are inside.

    Who finished and withdrew later keeps the code, and is paid.

    :param is_over: the study has ended, and the time to finish too.
    """
    status = group["status"]
    if status in Participant.DONE or (status == Status.WITHDRAWN and group["completion_code"]):
        return Outcome.FINISHED
    if status == Status.SCREENED_OUT:
        return Outcome.QUOTA_FULL if group["screened_for"] == QUOTA_IS_FULL else Outcome.SCREENED_OUT
    if status == Status.WITHDRAWN:
        return Outcome.WITHDRAWN
    if status == Status.TIMED_OUT and (group["replaced"] or plan.end_after_time_out or not is_over):
        return Outcome.TIMED_OUT
    return Outcome.CLOSED if is_over else None


def check_affordable(study: Study) -> None:
    """Refuse one more person whom the budget could not pay; ``NotNow`` says so.

    The caller holds the study's row, so that nobody else joins meanwhile; the row comes with its plan.
    """
    plan: RecruitingPlan | None = getattr(study, "recruiting", None)
    if plan is None or plan.budget is None:
        return
    cost = cost_of(Study.objects.defer(*Participant.LARGE).get(pk=study.pk), plan)
    if not cost.affords_one_more:
        raise NotNow(
            "budget",
            f"{cost.spent} are spent and {cost.inside} promised of {cost.budget} {cost.currency}",
            "enough for one more visit",
            reason=Reason.BUDGET,
        )


def pause_at_budget(study: Study) -> bool:
    """Pause a live study whose budget pays nobody more, once nobody is inside; tell whether it was paused.

    Those inside finish first: a paused study takes no answers.
    """
    plan = RecruitingPlan.objects.filter(study=study, budget__isnull=False).first()
    if plan is None:
        return False
    with transaction.atomic():
        rows = Study.objects.select_for_update(of=("self",), no_key=True).defer(*Participant.LARGE)
        current = rows.get(pk=study.pk)
        is_inside = Participant.objects.filter(study=current, status=Status.ACTIVE).people().exists()
        if not current.is_live or current.rehearsal or is_inside:
            return False
        cost = cost_of(current, plan)
        if cost.affords_one_more:
            return False
        record(
            verb="budget reached",
            subject=current,
            by=None,
            spent=str(cost.spent),
            budget=str(cost.budget),
            currency=cost.currency,
        )
        study_services.pause(study=current, by=None)
    return True
