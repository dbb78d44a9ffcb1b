"""What a study has beside its plan: its lists with their slots, its log, and the rows of its images."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from almond.digest import digest_json
from encoder.models import DIGEST_LENGTH
from generation.models import Stimulus
from jobs.models import Job

STIMULUS_NAME = re.compile(r"s(\d{1,18})")


def stimulus_name(pk: int) -> str:
    """Return the name of an image in a plan: ``s`` and the number of its row."""
    return f"s{pk}"


def images_by_name(names: Iterable[str], *fields: str) -> dict[str, Stimulus]:
    """Return the rows of images by their names in a plan, leaving out names of no row."""
    numbers = [int(match[1]) for name in names if (match := STIMULUS_NAME.fullmatch(name))]
    rows = Stimulus.objects.only(*fields) if fields else Stimulus.objects.all()
    return {stimulus_name(pk): row for pk, row in rows.in_bulk(numbers).items()}


class DesignFinding(models.Model):
    """What simulated studies found of a study's design: whether each primary test holds its level.

    It is about one design, by its digest (``almond.design.identity``): a draft that is edited has another.
    """

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="findings")
    design_digest = models.CharField(max_length=DIGEST_LENGTH)
    tests = models.JSONField(default=list, help_text="For each test: its rate, alpha, and what would do.")
    headline = models.JSONField(default=list, help_text="The answer in sentences.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(design_digest=""), name="finding_is_about_a_design"),
        ]

    def __str__(self) -> str:
        return f"finding about {self.study}"


class Rehearsal(models.Model):
    """A rehearsal of a frozen study: simulated people went through a copy of it, two of them by its pages.

    ``passed`` is None until it is over. ``result`` holds what was stored, column by column, and what the
    browser said; ``report`` what a job afterwards made of the answers.
    """

    study = models.ForeignKey("studies.Study", on_delete=models.PROTECT, related_name="rehearsals")
    copy = models.OneToOneField("studies.Study", on_delete=models.PROTECT, related_name="rehearsal_of")
    asked = models.JSONField(default=dict, help_text="How many people, and what was declared of them.")
    job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    passed = models.BooleanField(null=True)
    result = models.JSONField(default=dict)
    report = models.JSONField(default=dict)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="rehearsal_over_or_not",
                condition=Q(finished_at__isnull=True, passed__isnull=True)
                | Q(finished_at__isnull=False, passed__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"rehearsal {self.pk} of {self.study}"

    @property
    def findings(self) -> list[str]:
        """What was not as planned, in sentences; empty while it is not over."""
        return list(self.result.get("findings", ()))

    @property
    def summary(self) -> str:
        """What was done and what came of it, in one sentence; empty while it is not over."""
        return str(self.result.get("summary", ""))


class AssignmentListQuerySet(models.QuerySet["AssignmentList"]):
    def open(self) -> AssignmentListQuerySet:
        """Return lists with a free slot, the emptiest first."""
        return self.filter(taken__lt=F("capacity")).order_by("taken", "number")


class AssignmentList(models.Model):
    """One of a study's lists of trials, and how many of its slots are taken."""

    study = models.ForeignKey("studies.Study", on_delete=models.PROTECT, related_name="lists")
    number = models.PositiveIntegerField()
    arm = models.CharField(max_length=40, blank=True)
    trials = models.JSONField()
    capacity = models.PositiveIntegerField()
    taken = models.PositiveIntegerField(default=0)

    objects: ClassVar[models.Manager[AssignmentList]] = models.Manager.from_queryset(AssignmentListQuerySet)()

    class Meta:
        ordering = ["study", "number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="list_numbered_once_per_study"),
            models.CheckConstraint(
                condition=Q(taken__gte=0, taken__lte=F("capacity")), name="list_not_overfull"
            ),
        ]

    def __str__(self) -> str:
        return f"list {self.number}"


class StudyLogQuerySet(models.QuerySet["StudyLog"]):
    def last_of(self, study: int, chain: str) -> StudyLog | None:
        return self.filter(study=study, chain=chain).order_by("number").last()


class StudyLog(models.Model):
    """One entry of one of a study's chains; each names the digest of the one before.

    A study has a chain of its own states, one of joins per list, and one per participant, so that people who
    answer at the same time do not wait for each other.
    """

    study = models.ForeignKey(
        "studies.Study", on_delete=models.PROTECT, related_name="log", db_index=False
    )  # the constraint's index begins with it
    chain = models.CharField(max_length=60, help_text="study, a list, or a participant.")
    number = models.PositiveIntegerField(help_text="Place in the chain, counted from 0.")
    kind = models.CharField(max_length=20)
    about = models.CharField(max_length=80, blank=True)
    content = models.CharField(max_length=DIGEST_LENGTH, help_text="SHA-256 of what was written then.")
    previous = models.CharField(max_length=DIGEST_LENGTH, blank=True)
    at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager[StudyLog]] = models.Manager.from_queryset(StudyLogQuerySet)()

    class Meta:
        ordering = ["study", "chain", "number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "chain", "number"], name="log_numbered_once"),
        ]

    def __str__(self) -> str:
        return f"{self.chain} {self.number}: {self.kind} {self.about}"

    @property
    def digest(self) -> str:
        """The digest that the next entry names: it stands for this entry and all before it."""
        entry: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("study_id", "chain", "number", "kind", "about", "content", "previous")
        }
        return digest_json({**entry, "at": self.at.isoformat(timespec="microseconds")})
