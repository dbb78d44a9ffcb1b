"""Studies: what is shown and asked, in which blocks, and the plan that is frozen before the first answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from almond.design.plan import StudyPlan
from almond.design.words import ENGLISH
from encoder.models import DIGEST_LENGTH
from generation.models import Stimulus
from studies import texts
from studies.amendments import Amendment, Look, Unlocking
from studies.arms import Arm
from studies.blocks import Block
from studies.constructs import Construct, ConstructText, language_choices
from studies.exclusions import Exclusion
from studies.information import Information
from studies.preregistrations import Hypothesis, Preregistration
from studies.records import (
    AssignmentList,
    DesignFinding,
    Rehearsal,
    StudyLog,
    images_by_name,
    stimulus_name,
)
from studies.study_templates import StudyTemplate

__all__ = [
    "Amendment",
    "Arm",
    "AssignmentList",
    "Block",
    "Construct",
    "ConstructText",
    "DesignFinding",
    "Exclusion",
    "Hypothesis",
    "Information",
    "Look",
    "Preregistration",
    "Rehearsal",
    "Study",
    "StudyLog",
    "StudyTemplate",
    "Unlocking",
    "images_by_name",
    "stimulus_name",
]


class StudyQuerySet(models.QuerySet["Study"]):
    def joinable(self) -> StudyQuerySet:
        return self.filter(state=Study.State.LIVE)


class Study(models.Model):
    """One study over a matched set, or over natural images. Nothing of it changes once it is frozen."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        FROZEN = "frozen", "frozen"
        LIVE = "live", "live"
        PAUSED = "paused", "paused"
        CLOSED = "closed", "closed"

    class BlockOrder(models.TextChoices):
        FIXED = "fixed", "as they stand"
        LATIN_SQUARE = "latin_square", "a Latin square over the lists"

    class OnWithdrawal(models.TextChoices):
        ERASE = "erase", "their answers are erased"
        KEEP = "keep", "their answers are kept, without recruitment ids"

    title = models.CharField(max_length=200, help_text="Participants read it.")
    slug = models.SlugField(max_length=80, unique=True, help_text="The end of the participants' link.")
    language = models.CharField(
        max_length=20, choices=language_choices, default=ENGLISH, help_text="In which it is taken."
    )
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT, editable=False)
    matched_set = models.ForeignKey(
        "generation.MatchedSet", null=True, blank=True, on_delete=models.PROTECT, related_name="studies"
    )
    image_set = models.ForeignKey(
        "generation.ImageSet",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="studies",
        help_text="Natural images instead of a matched set; blocks of choices pair them.",
    )
    seed = models.PositiveBigIntegerField(
        default=1,
        validators=[MaxValueValidator(2**53 - 1)],
        help_text="Orders, sides and lists follow from it.",
    )
    participants_planned = models.PositiveIntegerField(
        "participants", default=40, validators=[MinValueValidator(1)], help_text="No more can join."
    )
    n_lists = models.PositiveIntegerField(
        "lists",
        default=8,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text="Different lists of trials; participants are spread evenly over them.",
    )
    block_order = models.CharField(
        "order of blocks",
        max_length=12,
        choices=BlockOrder.choices,
        default=BlockOrder.FIXED,
        help_text="A Latin square balances places, and which block follows which. Blocks that show no image "
        "keep their places.",
    )
    permutations = models.PositiveIntegerField(
        default=2000, validators=[MinValueValidator(99)], help_text="Of the confirmatory analysis."
    )
    rehearsal = models.BooleanField(
        default=False,
        help_text="Simulated participants may answer it, and no analysis of it is ever confirmatory.",
    )
    timeout_minutes = models.PositiveIntegerField(
        "time-out",
        default=60,
        validators=[MinValueValidator(5)],
        help_text="A slot is offered again after so many minutes without a sign of its participant.",
    )
    consent = models.TextField(default=texts.consent, help_text="An empty line begins a new paragraph.")
    debriefing = models.TextField(default=texts.debriefing, help_text="Shown with the completion code.")
    grace_minutes = models.PositiveIntegerField(
        "time to finish",
        null=True,
        blank=True,
        help_text="Minutes in which those who take part may finish after the study is closed. Empty: the "
        "time-out.",
    )
    on_withdrawal = models.CharField(
        "whoever withdraws",
        max_length=5,
        choices=OnWithdrawal.choices,
        default=OnWithdrawal.ERASE,
        help_text="The consent text has to say the same.",
    )
    retention_days = models.PositiveIntegerField(
        "days kept",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="So many days after closing, manage.py prune erases all answers. Empty: never.",
    )
    joins_per_minute = models.PositiveIntegerField(
        "arrivals per minute",
        default=60,
        validators=[MinValueValidator(1)],
        help_text="From one internet address. Raise it for a class behind one address.",
    )
    most_events = models.PositiveIntegerField(
        "events kept",
        default=5000,
        validators=[MinValueValidator(100)],
        help_text="Per participant, such as a window that lost focus. Further ones are counted only.",
    )
    most_attempts = models.PositiveIntegerField(
        "attempts kept",
        default=5000,
        validators=[MinValueValidator(100)],
        help_text="Posts of answers per participant that are written down. Further ones are counted only.",
    )
    previous = models.ForeignKey(
        "self",
        verbose_name="previous version",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="next_versions",
    )
    unmatched_reason = models.TextField("reason for an unmatched set", blank=True, help_text=texts.UNMATCHED)
    plan = models.JSONField(default=dict, editable=False)
    plan_digest = models.CharField(max_length=DIGEST_LENGTH, blank=True, editable=False)
    frozen_at = models.DateTimeField(null=True, blank=True, editable=False)
    frozen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="frozen_studies",
    )
    opened_at = models.DateTimeField(null=True, blank=True, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Study]] = models.Manager.from_queryset(StudyQuerySet)()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "studies"
        constraints = [
            models.CheckConstraint(
                condition=Q(matched_set__isnull=True) | Q(image_set__isnull=True),
                name="study_of_one_source_of_images",
                violation_error_message="Choose a matched set or an image set, not both.",
            ),
            models.CheckConstraint(
                condition=(Q(state="draft") & Q(plan_digest="") & Q(frozen_at__isnull=True))
                | (~Q(state="draft") & ~Q(plan_digest="") & Q(frozen_at__isnull=False)),
                name="study_past_draft_has_a_plan",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "frozen", "live", "paused", "closed"]),
                name="study_state_is_known",
            ),
            models.CheckConstraint(
                condition=Q(block_order__in=["fixed", "latin_square"]), name="study_block_order_is_known"
            ),
            models.CheckConstraint(
                condition=Q(on_withdrawal__in=["erase", "keep"]), name="study_withdrawal_is_known"
            ),
            models.CheckConstraint(
                condition=Q(participants_planned__gte=1, n_lists__gte=1, timeout_minutes__gte=5),
                name="study_numbers_make_sense",
            ),
            models.CheckConstraint(
                condition=Q(n_lists__lte=F("participants_planned")),
                name="study_has_a_participant_per_list",
                violation_error_message="There cannot be more lists than participants.",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_draft(self) -> bool:
        return self.state == self.State.DRAFT

    @property
    def is_live(self) -> bool:
        return self.state == self.State.LIVE

    @property
    def ends_at(self) -> datetime | None:
        """Return until when those who take part may finish; None while the study is not closed."""
        if self.closed_at is None:
            return None
        minutes = self.timeout_minutes if self.grace_minutes is None else self.grace_minutes
        return self.closed_at + timedelta(minutes=minutes)

    def takes_answers(self, now: datetime) -> bool:
        """Tell whether those who take part may answer: the study is live, or closed but a while ago."""
        return self.is_live or (self.ends_at is not None and now < self.ends_at)

    def has_ended(self, now: datetime) -> bool:
        """Tell whether the study is closed and the time to finish is over."""
        return self.ends_at is not None and now >= self.ends_at

    @property
    def join_path(self) -> str:
        """Return where participants begin."""
        return reverse("participant_join", args=[self.slug])

    @property
    def frozen_plan(self) -> StudyPlan:
        """Return the plan as it was frozen, read once in a process; ``InputError`` while a draft."""
        return read_plan(self.pk, self.plan_digest) if self.plan_digest else StudyPlan.from_json(self.plan)

    def images(self) -> models.QuerySet[Stimulus]:
        """Return the rows that blocks without photographs of their own would show in a plan made now."""
        if self.matched_set is not None:
            return self.matched_set.stimuli().order_by("id")
        if self.image_set is not None:
            return self.image_set.stimuli.order_by("id")
        return Stimulus.objects.none()

    def planned_images(self) -> dict[str, Stimulus]:
        """Return name in the frozen plan -> row, for every image of the plan."""
        return images_by_name(stimulus["id"] for stimulus in self.plan["stimuli"])


@lru_cache(maxsize=16)
def read_plan(pk: int, digest: str) -> StudyPlan:
    """Read the frozen plan of a study; the digest tells plans apart, for that of a study never changes."""
    return StudyPlan.from_json(Study.objects.values_list("plan", flat=True).get(pk=pk, plan_digest=digest))
