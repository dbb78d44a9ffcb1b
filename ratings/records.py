"""What the monitor keeps: per participant, a summary of their rows, so that looking costs little."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q


class ProgressQuerySet(models.QuerySet["Progress"]):
    def of(self, study: int) -> ProgressQuerySet:
        return self.filter(participant__study=study)

    def of_people(self, study: int) -> ProgressQuerySet:
        return self.of(study).filter(participant__kind="person")


class Progress(models.Model):
    """What the rows of one participant came to, as ``ratings.services.monitoring.progress`` counted them.

    Nothing here is data: it can be deleted at any time and is made again from the rows. ``seen_at``,
    ``posts`` and ``erased`` tell of which state of the participant it is; whoever differs is counted anew.
    """

    participant = models.OneToOneField(
        "ratings.Participant", on_delete=models.CASCADE, primary_key=True, related_name="progress"
    )
    seen_at = models.DateTimeField(help_text="When something last came from them, as it was counted.")
    posts = models.PositiveIntegerField(help_text="Posts of answers, written down or not, as it was counted.")
    erased = models.BooleanField(default=False)
    done = models.PositiveIntegerField(default=0, help_text="Responses stored.")
    times = models.JSONField(
        default=list, help_text="Reaction times in milliseconds by the trial's index; null where it is open."
    )
    marked = models.PositiveIntegerField(default=0, help_text="Responses with a mark: too fast, too long …")
    refused = models.JSONField(
        default=dict, help_text="Posts that stored nothing new: code of reason -> count."
    )
    refused_at = models.DateTimeField(null=True, help_text="When the last of them came.")
    offline = models.PositiveIntegerField(default=0, help_text="How often the network was gone.")
    framed = models.PositiveIntegerField(default=0, help_text="Trials of which frames were measured.")
    slow = models.PositiveIntegerField(default=0, help_text="Trials in which frames were left out.")
    retries = models.PositiveIntegerField(default=0, help_text="Images that were asked for again.")

    objects: ClassVar[models.Manager[Progress]] = models.Manager.from_queryset(ProgressQuerySet)()

    def __str__(self) -> str:
        return f"{self.participant_id}: {self.done}"


SINCE_COUNTED = (
    Q(progress__isnull=True)
    | ~Q(progress__seen_at=F("last_seen_at"))
    | ~Q(progress__posts=F("attempts_made") + F("attempts_over"))
    | Q(progress__erased=False, erased_at__isnull=False)
)
"""Of a participant: from whom something came since they were counted, or who was erased."""
