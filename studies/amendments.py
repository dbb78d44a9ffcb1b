"""What is recorded about a study after its plan was frozen: amendments, an early unlocking, planned looks.

Rows are written once, by services; the database refuses to change or delete them (migrations of ``ratings``).
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from almond.exchange.amendments import Amendment as AmendmentShape

BLIND = Q(rehearsal=False, unlockings__isnull=True) & ~Q(state="closed")
"""Studies for people whose answers nobody may see yet: neither closed nor unlocked."""


def is_blind(study: Any) -> bool:
    """Tell whether nobody may see a study's answers yet, as ``BLIND`` does."""
    over = study.rehearsal or study.state == "closed"
    return not over and not study.unlockings.exists()


class Recorded(models.Model):
    """Somebody recorded something about a study, at a time that nobody types in."""

    at = models.DateTimeField(default=timezone.now, editable=False)
    by: Any
    """A field of each: whoever recorded it, None for the system."""

    class Meta:
        abstract = True

    LOGGED: ClassVar[tuple[str, ...]] = ()
    """Fields that the study's log seals."""

    def content(self) -> dict[str, Any]:
        """Return what the study's log seals of the row: read again later, it is the same."""
        own = {name: getattr(self, name) for name in self.LOGGED}
        return {**own, "by": self.by and self.by.pk, "at": self.at.isoformat(timespec="microseconds")}

    @property
    def author(self) -> str:
        """The name of whoever recorded it, as exports and reports print it."""
        return str(self.by.get_full_name() or self.by.get_username()) if self.by else "the system"


class Amendment(Recorded):
    """Something about a study that changed after its plan was frozen; the plan itself does not."""

    LOGGED = ("kind", "text", "why", "responses_before")

    class Kind(models.TextChoices):
        SAMPLE = "sample", "sample: how many, who, when collecting ends"
        EXCLUSIONS = "exclusions", "exclusions"
        ANALYSIS = "analysis", "analysis"
        OTHER = "other", "other"

    study = models.ForeignKey("studies.Study", on_delete=models.PROTECT, related_name="amendments")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    text = models.TextField("what changes")
    why = models.TextField("why")
    responses_before = models.PositiveIntegerField(help_text="Answers of people that were stored by then.")

    class Meta:
        ordering = ["study", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["sample", "exclusions", "analysis", "other"]),
                name="amendment_kind_is_known",
            ),
            models.CheckConstraint(condition=~Q(text="") & ~Q(why=""), name="amendment_is_in_words"),
        ]

    def __str__(self) -> str:
        return f"amendment {self.pk} of {self.study}"

    def shape(self) -> AmendmentShape:
        """Return the amendment as exports hold it."""
        return AmendmentShape(
            kind=self.kind,  # type: ignore[arg-type]  # checked by the shape
            text=self.text,
            why=self.why,
            author=self.author,
            at=self.at.isoformat(),
            responses_before=self.responses_before,
        )


class Unlocking(Recorded):
    """Answers of a study were made visible before its end, once and for good."""

    LOGGED = ("why", "finished")

    study = models.ForeignKey("studies.Study", on_delete=models.PROTECT, related_name="unlockings")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    why = models.TextField("why")
    finished = models.PositiveIntegerField(help_text="How many people had finished.")

    class Meta:
        ordering = ["study", "id"]
        constraints = [
            models.UniqueConstraint(fields=["study"], name="study_unlocked_once"),
            models.CheckConstraint(condition=~Q(why=""), name="unlocking_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"unlocking of {self.study}"


class PrecisionCheck(Recorded):
    """Half the width of the primary estimate's interval, computed while a study collects: no estimate."""

    LOGGED = ("number", "finished", "half_width", "reached")

    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    study = models.ForeignKey("studies.Study", on_delete=models.PROTECT, related_name="precision_checks")
    number = models.PositiveIntegerField(help_text="Participants after which the plan asks for it.")
    finished = models.PositiveIntegerField(help_text="How many people had finished.")
    half_width = models.FloatField()
    reached = models.BooleanField(help_text="Whether it is at most the plan's.")

    class Meta:
        ordering = ["study", "number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="precision_checked_once_per_number"),
            models.CheckConstraint(
                condition=Q(half_width__gt=0) & Q(finished__gte=models.F("number")),
                name="precision_check_is_possible",
            ),
        ]

    def __str__(self) -> str:
        return f"precision with {self.number} participants"


class Look(Recorded):
    """A look that the plan allows was used: answers were exported before the end."""

    LOGGED = ("number", "finished")

    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    study = models.ForeignKey("studies.Study", on_delete=models.PROTECT, related_name="looks")
    number = models.PositiveIntegerField(help_text="Participants at which the plan allows this look.")
    finished = models.PositiveIntegerField(help_text="How many people had finished.")

    class Meta:
        ordering = ["study", "number"]
        constraints = [
            models.UniqueConstraint(fields=["study", "number"], name="planned_look_used_once"),
            models.CheckConstraint(
                condition=Q(finished__gte=models.F("number")), name="look_not_before_its_number"
            ),
        ]

    def __str__(self) -> str:
        return f"look with {self.number} participants"
