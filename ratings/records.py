"""What the monitor keeps: per participant, a summary of their rows, so that looking costs little; and who was
left out by hand."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from studies.amendments import Recorded


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
    loads = models.PositiveIntegerField(default=0, help_text="How often the study's page was loaded.")
    device = models.CharField(max_length=12, blank=True, help_text="Width of the window, in classes.")
    median_ms = models.FloatField(null=True, help_text="Median of the times.")
    failed = models.PositiveIntegerField(default=0, help_text="Checks failed with every attempt.")
    failed_at = models.JSONField(default=list, help_text="Indices of the trials of failed checks.")
    longest_run = models.PositiveIntegerField(
        default=0, help_text="Most trials in a row of a block with the very same answer."
    )
    spread = models.FloatField(
        null=True, help_text="SD of ratings about the means of their constructs, on 0 to 100."
    )
    bins = models.JSONField(
        default=dict, help_text="Construct -> how many ratings lie in each tenth of 0 to 100."
    )

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


class HandExclusion(Recorded):
    """Somebody was left out of the analysis by hand, with a reason, or taken back in; the last entry holds.

    ``blind`` says whether nobody could see the study's answers then. Written once, and sealed in the
    study's log.
    """

    LOGGED = ("participant_id", "out", "why", "blind")

    study = models.ForeignKey("studies.Study", on_delete=models.PROTECT, related_name="hand_exclusions")
    participant = models.ForeignKey(
        "ratings.Participant", on_delete=models.PROTECT, related_name="hand_exclusions"
    )
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    out = models.BooleanField(help_text="Left out; else taken back in.")
    why = models.TextField("why")
    blind = models.BooleanField(help_text="Whether answers were hidden from everybody then.")

    class Meta:
        ordering = ["study", "id"]
        constraints = [
            models.CheckConstraint(condition=~Q(why=""), name="hand_exclusion_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{'exclusion' if self.out else 'return'} of {self.participant}"
