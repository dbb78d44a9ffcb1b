"""Participants and what they answered: planned trials, one response each, every attempt, every event.

A trial and its response are written once; the database itself refuses to change them (see the migrations).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import Count, Q

from encoder.models import DIGEST_LENGTH
from ratings.consents import Consent, ConsentForm
from ratings.panels import (
    EndPage,
    InvitationLink,
    PanelEvent,
    RecruitedStudy,
    RecruitingPlan,
    Submission,
)
from ratings.people import Arrival, Permit, Recruitment
from ratings.quotas import QUOTA_IS_FULL, QuotaCount, QuotaPlace
from ratings.records import SINCE_COUNTED, HandExclusion, Progress
from studies.models import AssignmentList, Study

__all__ = [
    "QUOTA_IS_FULL",
    "Arrival",
    "Attempt",
    "Consent",
    "ConsentForm",
    "EndPage",
    "Event",
    "HandExclusion",
    "InvitationLink",
    "PanelEvent",
    "Participant",
    "Permit",
    "Progress",
    "QuotaCount",
    "QuotaPlace",
    "RecruitedStudy",
    "RecruitingPlan",
    "Recruitment",
    "Response",
    "Submission",
    "Trial",
    "token_digest",
]

CODE_LETTERS = 12


def token_digest(token: str) -> str:
    """Return what is stored of a participant's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_withdrawal_code() -> str:
    """Make a code of 60 random bits, of letters and digits that are not mistaken for each other."""
    return base64.b32encode(secrets.token_bytes(10)).decode()[:CODE_LETTERS]


class ParticipantQuerySet(models.QuerySet["Participant"]):
    def people(self) -> ParticipantQuerySet:
        return self.filter(kind=Participant.Kind.PERSON)

    def exported(self, study: Study) -> ParticipantQuerySet:
        """Return those whose answers may leave a study: not erased, not withdrawn unless it keeps them."""
        here = self.filter(study=study, erased_at__isnull=True)
        if study.on_withdrawal == Study.OnWithdrawal.KEEP:
            return here
        return here.exclude(status=Participant.Status.WITHDRAWN)

    def holding_a_slot(self) -> ParticipantQuerySet:
        return self.people().filter(status__in=Participant.HOLDING)

    def idle_since(self, moment: datetime) -> ParticipantQuerySet:
        """Return active participants from whom nothing came since then."""
        return self.people().filter(status=Participant.Status.ACTIVE, last_seen_at__lt=moment)

    def seen_since(self, moment: datetime) -> ParticipantQuerySet:
        return self.people().filter(status=Participant.Status.ACTIVE, last_seen_at__gte=moment)

    def since_counted(self) -> ParticipantQuerySet:
        """Return those whose rows differ from what the monitor counted of them."""
        return self.filter(SINCE_COUNTED)

    def without_texts(self) -> ParticipantQuerySet:
        """Read each with its study, but for the study's large texts and plan."""
        return self.select_related("study").defer(*(f"study__{name}" for name in Participant.LARGE))

    def with_progress(self) -> ParticipantQuerySet:
        """Annotate with ``planned`` and ``done``: trials of the list, and responses stored."""
        return self.annotate(
            planned=Count("trials", distinct=True), done=Count("trials__response", distinct=True)
        )


class Participant(models.Model):
    """Somebody who consented. Known by a random name; only the digest of the token is stored."""

    class Status(models.TextChoices):
        ACTIVE = "active", "active"
        FINISHED = "finished", "finished"
        WITHDRAWN = "withdrawn", "withdrawn"
        TIMED_OUT = "timed_out", "timed out"
        # Answered every trial, but holds no slot: it was assigned to somebody else meanwhile, or the panel
        # offers the place again.
        FINISHED_LATE = "finished_late", "finished late"
        SCREENED_OUT = "screened_out", "screened out"

    class Kind(models.TextChoices):
        PERSON = "person", "person"
        # An experimenter who tries the study.
        PREVIEW = "preview", "preview"
        ROBOT = "robot", "robot"

    LARGE = ("plan", "consent", "debriefing")

    HOLDING = (Status.ACTIVE, Status.FINISHED)
    DONE = (Status.FINISHED, Status.FINISHED_LATE)

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="participants")
    name = models.CharField(max_length=40, unique=True)
    token_digest = models.CharField(max_length=DIGEST_LENGTH, unique=True, editable=False)
    assignment = models.ForeignKey(AssignmentList, on_delete=models.PROTECT, related_name="participants")
    status = models.CharField(max_length=14, choices=Status.choices, default=Status.ACTIVE)
    kind = models.CharField(
        max_length=8,
        choices=Kind.choices,
        default=Kind.PERSON,
        help_text="Only people take slots and are counted.",
    )
    consented_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    completion_code = models.CharField(max_length=40, blank=True)
    withdrawal_code = models.CharField(
        max_length=CODE_LETTERS, unique=True, default=new_withdrawal_code, editable=False
    )
    erased_at = models.DateTimeField(
        null=True, blank=True, help_text="When values, events and ids were erased; the rows stay."
    )
    screened_for = models.CharField(
        "screened out for", max_length=200, blank=True, help_text="Why, in words for experimenters."
    )
    attempts_made = models.PositiveIntegerField(
        default=0, help_text="Posts of answers that were written down."
    )
    answered_below = models.PositiveIntegerField(
        default=0, editable=False, help_text="Every trial of a lower index has a response."
    )
    events_over = models.PositiveIntegerField(
        default=0, help_text="Events that came after the study's limit and were not kept."
    )
    attempts_over = models.PositiveIntegerField(
        default=0, help_text="Posts of answers that came after the study's limit and were not written down."
    )

    objects: ClassVar[models.Manager[Participant]] = models.Manager.from_queryset(ParticipantQuerySet)()

    class Meta:
        ordering = ["-id"]
        # Of nothing that an answer changes: PostgreSQL then has no index to write when somebody is seen.
        indexes = [models.Index(fields=["study", "status"], name="participant_status")]
        constraints = [
            models.CheckConstraint(
                condition=(
                    Q(status__in=["finished", "finished_late"])
                    & Q(finished_at__isnull=False)
                    & ~Q(completion_code="")
                )
                # Who withdraws after the end keeps the code: work that was done is paid.
                | Q(status="withdrawn")
                | Q(status="screened_out", finished_at__isnull=True)
                | (Q(status__in=["active", "timed_out"]) & Q(completion_code="")),
                name="completion_code_only_when_finished",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        *("active", "finished", "withdrawn", "timed_out", "finished_late", "screened_out"),
                    ]
                ),
                name="participant_status_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(status="screened_out") | ~Q(screened_for=""), name="screened_out_for_a_reason"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["person", "preview", "robot"]), name="participant_kind_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_done(self) -> bool:
        return self.status in self.DONE

    @property
    def is_person(self) -> bool:
        return self.kind == self.Kind.PERSON

    def idle_for(self, now: datetime) -> timedelta:
        return now - self.last_seen_at


class Trial(models.Model):
    """One planned trial of one participant. ``name`` is ``<participant>-t<index>``."""

    participant = models.ForeignKey(
        Participant, on_delete=models.CASCADE, related_name="trials", db_index=False
    )  # the constraint's index begins with it
    index = models.PositiveIntegerField()
    name = models.CharField(max_length=60, unique=True)
    block = models.CharField(max_length=40)
    kind = models.CharField(max_length=40)
    planned = models.JSONField(help_text="The planned trial of the list.")
    digests = models.JSONField(help_text="SHA-256 of the images to show, left to right.")

    class Meta:
        ordering = ["participant", "index"]
        constraints = [
            models.UniqueConstraint(fields=["participant", "index"], name="one_trial_per_place"),
            models.CheckConstraint(condition=~Q(kind=""), name="trial_has_a_kind"),
        ]

    def __str__(self) -> str:
        return self.name


class Response(models.Model):
    """The answer to a trial: the first that came, and the only one.

    Nothing is refused because it is implausible; ``marks`` say what is.
    """

    MARKS: ClassVar[dict[str, str]] = {
        "too_fast": "faster than a person can react (100 ms)",
        "too_long": "longer than the time since the participant joined",
        "out_of_order": "stored while an earlier trial was open",
    }

    trial = models.OneToOneField(Trial, on_delete=models.CASCADE, related_name="response")
    response_id = models.UUIDField(unique=True)
    values = models.JSONField(default=dict, help_text="What was answered, by name: ratings from 0 to 100.")
    chosen = models.CharField(max_length=5, blank=True, help_text="left or right, of a pair.")
    rt_ms = models.FloatField(help_text="From the first paint of the images to the answer.")
    digests = models.JSONField(help_text="SHA-256 of the image bytes that the browser showed, left to right.")
    late = models.BooleanField(default=False, help_text="Came after the participant's slot had timed out.")
    marks = models.JSONField(
        default=list, help_text="What is implausible about it, of MARKS; kept all the same."
    )
    received_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(rt_ms__gte=0), name="reaction_time_not_negative"),
            models.CheckConstraint(condition=Q(chosen__in=["", "left", "right"]), name="chosen_is_a_side"),
        ]

    def __str__(self) -> str:
        return str(self.response_id)

    def receipt(self) -> dict[str, Any]:
        """Return what the browser reads: which response is stored for the trial."""
        return {
            "trial_id": self.trial.name,
            "response_id": str(self.response_id),
            "received_at": self.received_at.isoformat(timespec="milliseconds"),
        }


class Attempt(models.Model):
    """Every post of a response by a participant, and what became of it."""

    class Outcome(models.TextChoices):
        STORED = "stored", "stored"
        REPEATED = "repeated", "the same response again"
        # The id of the stored response, but other content.
        ALTERED = "altered", "the same response again, with other content"
        DUPLICATE = "duplicate", "another response was there first"
        REFUSED = "refused", "refused"

    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="attempts")
    trial = models.ForeignKey(Trial, null=True, blank=True, on_delete=models.CASCADE, related_name="attempts")
    response_id = models.CharField(max_length=60, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    status = models.PositiveSmallIntegerField(help_text="HTTP status of the reply.")
    detail = models.CharField(max_length=400, blank=True)
    body_digest = models.CharField(max_length=DIGEST_LENGTH, blank=True)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.outcome} {self.response_id}"


class Event(models.Model):
    """What happened around the answers: the window lost focus, the page was loaded again."""

    KINDS = (
        "load",
        "focus",
        "blur",
        "hidden",
        "visible",
        "offline",
        "online",
        "instructions",
        "images",
        "resize",
        "fullscreen",
        "fullscreen_left",
        "frames",
        "slider",
    )

    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="events")
    event_id = models.UUIDField()
    kind = models.CharField(max_length=20)
    trial_index = models.PositiveIntegerField(null=True, blank=True)
    page_ms = models.FloatField(help_text="Milliseconds since the page was loaded.")
    detail = models.JSONField(default=dict)
    received_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["participant", "event_id"], name="event_stored_once"),
            models.CheckConstraint(condition=Q(page_ms__gte=0), name="event_not_before_its_page"),
        ]

    def __str__(self) -> str:
        return self.kind
