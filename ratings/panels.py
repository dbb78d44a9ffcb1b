"""How a study finds and pays its people: recruiter, end pages, single-use links, and what a panel said."""

from __future__ import annotations

import json
import re
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from almond.shapes import read
from encoder.models import DIGEST_LENGTH
from ratings.people import seal, unseal
from ratings.recruiting import RECRUITERS
from ratings.recruiting.base import Recruiter, places_of
from ratings.recruiting.bonuses import BONUSES, bonus_choices
from ratings.recruiting.outcomes import Outcome, outcome_choices
from studies.models import Study

MONEY: dict[str, Any] = {"max_digits": 10, "decimal_places": 2, "validators": [MinValueValidator(0)]}
IS_CODE = RegexValidator(r"^[A-Za-z0-9-]*$", "Letters, digits and hyphens only.")
IS_WAY = RegexValidator(r"^https?://\S+$", "An address that begins with https://, without blanks.")


def recruiter_choices() -> list[tuple[str, str]]:
    """Return names and labels of the registered recruiters."""
    return RECRUITERS.choices()


CURRENCIES = ("GBP", "USD", "EUR", "AUD", "CAD", "CHF", "DKK", "ILS", "INR", "NOK", "NZD", "SEK")


def currency_choices() -> list[tuple[str, str]]:
    """Return the currencies in which people are paid."""
    return [(name, name) for name in CURRENCIES]


class RecruitingPlan(models.Model):
    """Who recruits for a study, under which settings, and what its people are paid.

    It is no part of the frozen plan: a panel gives out its id of a study only when that is frozen here.
    """

    study = models.OneToOneField("studies.Study", on_delete=models.CASCADE, related_name="recruiting")
    recruiter = models.CharField(max_length=40, choices=recruiter_choices, default="link")
    parameters = models.JSONField(default=dict, blank=True, editable=False)
    end_after_time_out = models.BooleanField(
        "end after a time-out",
        default=False,
        help_text="Whoever comes back after the time-out gets the end page for it. Else they may go on.",
    )
    currency = models.CharField(
        max_length=3, default="GBP", choices=currency_choices, help_text="Of all amounts."
    )
    fee_percent = models.DecimalField(
        "the panel's fee",
        **{**MONEY, "max_digits": 5},
        default=0,
        help_text="In percent of every payment, with taxes. It counts towards the cost.",
    )
    budget = models.DecimalField(
        **MONEY,
        null=True,
        blank=True,
        help_text="Nobody is let in whom it could not pay; then the study is paused. Empty: no limit.",
    )
    bonus_rule = models.CharField("bonus", max_length=20, blank=True, choices=bonus_choices)
    bonus_amount = models.DecimalField("amount of the bonus", **MONEY, null=True, blank=True)
    bonus_per = models.PositiveIntegerField(
        "answers per bonus",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Where the bonus is paid for every so many answers.",
    )

    class Meta:
        verbose_name = verbose_name_plural = "recruiting and paying"
        constraints = [
            models.CheckConstraint(condition=~Q(recruiter=""), name="recruiting_has_a_recruiter"),
            models.CheckConstraint(
                condition=Q(fee_percent__gte=0) & (Q(budget__isnull=True) | Q(budget__gte=0)),
                name="recruiting_money_is_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(bonus_rule="") | Q(bonus_amount__isnull=False, bonus_amount__gte=0),
                name="bonus_has_an_amount",
                violation_error_message="A bonus needs an amount.",
            ),
        ]

    def __str__(self) -> str:
        return f"recruiting of {self.study}"

    def clean(self) -> None:
        rule = BONUSES.get(self.bonus_rule)
        if rule is not None and self.bonus_amount is None:
            raise ValidationError({"bonus_amount": "A bonus needs an amount."})
        if rule is not None and rule.counts and not self.bonus_per:
            raise ValidationError({"bonus_per": "This bonus is paid for every so many answers: how many?"})

    @classmethod
    def rows_to_copy(cls, study: Study) -> list[RecruitingPlan]:
        """Return what a copy of a study takes over: all but settings that belong to one study there."""
        rows: list[RecruitingPlan] = list(cls.objects.filter(study=study))
        for row in rows:
            own = RECRUITERS.load(row.recruiter).of_one_study if row.recruiter in RECRUITERS.names() else ()
            row.parameters = {name: text for name, text in row.parameters.items() if name not in own}
        return rows

    def source(self) -> Recruiter:
        """Read the recruiter with its settings.

        :raises InputError: a setting is wrong, or nobody registered the recruiter.
        """
        shape: Recruiter = read(
            RECRUITERS.load(self.recruiter),
            {"kind": self.recruiter, **self.parameters},
            source=f"recruiter {self.recruiter}",
        )
        return shape


class EndPage(models.Model):
    """What the page of one outcome says and leads to, where it is not the usual, and its pay."""

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="end_pages")
    outcome = models.CharField(max_length=14, choices=outcome_choices)
    code = models.CharField(
        max_length=40,
        blank=True,
        validators=[IS_CODE],
        help_text="Everybody with this outcome gets it. Empty: who finishes gets an own one, others none.",
    )
    text = models.TextField(
        blank=True, help_text="Empty: the usual words. An empty line begins a new paragraph."
    )
    link = models.CharField(
        "link back",
        max_length=500,
        blank=True,
        validators=[IS_WAY],
        help_text="{code}, {outcome} and the parameters of the recruiter's links are filled in. Empty: the "
        "recruiter's own.",
    )
    pay = models.DecimalField(
        **MONEY, null=True, blank=True, help_text="For each visit that ends so. Empty: nothing."
    )

    class Meta:
        ordering = ["study", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "outcome"],
                name="end_page_once_per_outcome",
                violation_error_message="Each outcome has one end page.",
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=[str(outcome) for outcome in Outcome]), name="outcome_is_known"
            ),
            models.CheckConstraint(condition=Q(pay__isnull=True) | Q(pay__gte=0), name="pay_is_not_negative"),
        ]

    def __str__(self) -> str:
        return self.get_outcome_display()

    def clean(self) -> None:
        if "{" in re.sub(r"\{\w+\}", "", self.link):
            raise ValidationError({"link": "A brace opens that does not close around one name."})

    @classmethod
    def rows_to_copy(cls, study: Study) -> list[EndPage]:
        """Return what a copy of a study takes over: every end page."""
        return list(cls.objects.filter(study=study))

    def unknown_places(self, recruiter: Recruiter) -> set[str]:
        """Return the names in braces that the recruiter's links do not carry."""
        return places_of(self.link) - recruiter.places()


class RecruitedStudy(Study):
    """A study on the pages of recruiting and paying, which may be edited when its plan is frozen."""

    class Meta:
        proxy = True
        verbose_name = "recruiting and paying"
        verbose_name_plural = "recruiting and paying"


class InvitationLink(models.Model):
    """A single-use link. Whether it was used is known, and by whom is not: that is no column of it."""

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="invitations")
    digest = models.CharField(max_length=DIGEST_LENGTH, editable=False)
    sealed_secret = models.TextField(editable=False)
    used = models.BooleanField(default=False)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["study", "digest"], name="invitation_made_once")]

    def __str__(self) -> str:
        return f"link {self.pk}"

    @property
    def secret(self) -> str:
        """Open what the link carries.

        :raises InputError: it was sealed under another key.
        """
        return unseal(self.sealed_secret, self)


class SubmissionQuerySet(models.QuerySet["Submission"]):
    def last_of(self, study: Study, id_digest: str) -> Submission | None:
        """Return what was said last of a person in a study."""
        return self.filter(study=study, id_digest=id_digest).order_by("-status_at", "-pk").first()


class Submission(models.Model):
    """What a panel last said of one of its people in a study: the later word counts, however it came.

    ``id_digest`` is that of the recruitment of the same person. Exports never read this table.
    """

    class Status(models.TextChoices):
        RESERVED = "reserved", "reserved"
        ACTIVE = "active", "active"
        AWAITING_REVIEW = "awaiting_review", "awaiting review"
        SCREENED_OUT = "screened_out", "screened out"
        TIMED_OUT = "timed_out", "timed out"
        RETURNED = "returned", "returned"
        APPROVED = "approved", "approved"
        REJECTED = "rejected", "rejected"

    GIVEN_BACK = (Status.TIMED_OUT, Status.RETURNED, Status.REJECTED)
    """Then the panel offers the place to somebody else."""

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="submissions")
    digest = models.CharField(max_length=DIGEST_LENGTH, editable=False, help_text="Of the panel's id of it.")
    id_digest = models.CharField(max_length=DIGEST_LENGTH, editable=False, help_text="Of the person's id.")
    sealed_ids = models.TextField(editable=False)
    status = models.CharField(max_length=16, choices=Status.choices)
    status_at = models.DateTimeField(help_text="When the panel says it came to be so.")
    code = models.CharField(max_length=60, blank=True, help_text="The completion code that was handed in.")

    objects: ClassVar[models.Manager[Submission]] = models.Manager.from_queryset(SubmissionQuerySet)()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["study", "id_digest"], name="submissions_of_a_person")]
        constraints = [
            models.UniqueConstraint(fields=["study", "digest"], name="submission_once_per_study"),
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        *("reserved", "active", "awaiting_review", "screened_out"),
                        *("timed_out", "returned", "approved", "rejected"),
                    ]
                ),
                name="submission_status_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.digest[:12]}…"

    @property
    def is_given_back(self) -> bool:
        """Whether the panel offers the place to somebody else."""
        return self.status in self.GIVEN_BACK

    @property
    def ids(self) -> dict[str, str]:
        """Open the panel's ids: ``person`` and ``submission``.

        :raises InputError: they were sealed under another key.
        """
        ids: dict[str, str] = json.loads(unseal(self.sealed_ids, self))
        return ids

    @staticmethod
    def seal_ids(person: str, submission: str) -> str:
        return seal(json.dumps({"person": person, "submission": submission}))


class PanelEvent(models.Model):
    """A message of a panel, each once by its id; what came of it is kept for whoever looks for a fault."""

    class Effect(models.TextChoices):
        APPLIED = "applied", "applied"
        STALE = "stale", "older than what is known"
        UNKNOWN = "unknown", "of nobody here"
        IGNORED = "ignored", "of no use here"

    source = models.CharField(max_length=40)
    event_id = models.CharField(max_length=100)
    at = models.DateTimeField(help_text="When the panel says it happened.")
    received_at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=60)
    effect = models.CharField(max_length=8, choices=Effect.choices)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["source", "event_id"], name="panel_event_counts_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"
