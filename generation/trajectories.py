"""Trajectories of scenes: what was asked for, and which levels were reached once the job has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from almond.shapes import read
from almond.trajectories.settings import TrajectoryPlan
from encoder.models import Target


def trajectory_root() -> Path:
    """Where reports of trajectories lie, each in a folder of its own beside all pictures that were drawn."""
    return Path(settings.ALMOND_HOME) / "trajectories"


class TrajectorySet(models.Model):
    """Pictures of scenes at equal distances of a target's score: one trajectory for each prompt, seed and
    target."""

    name = models.CharField(max_length=110, unique=True)
    targets = models.ManyToManyField(Target, related_name="trajectory_sets", help_text="The guides.")
    judges = models.ManyToManyField(
        Target,
        blank=True,
        related_name="judged_trajectory_sets",
        help_text="Held out, one for each guide.",
    )
    plan = models.JSONField(default=dict, help_text="Prompts, seeds, levels and budget.")
    result = models.JSONField(default=dict, editable=False)
    folder = models.CharField(max_length=200, blank=True, editable=False)
    batch = models.OneToOneField(
        "generation.Batch",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="trajectory_set",
    )
    job = models.ForeignKey(
        "jobs.Job",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="trajectory_sets",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name = "trajectories"
        verbose_name_plural = "trajectories"
        constraints = [
            models.CheckConstraint(
                name="trajectories_ready_or_not",
                condition=Q(finished_at__isnull=True, folder="", batch__isnull=True)
                | (Q(finished_at__isnull=False, batch__isnull=False) & ~Q(folder="")),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("trajectory_report", args=[self.pk])

    @property
    def is_ready(self) -> bool:
        return self.finished_at is not None

    @property
    def path(self) -> Path:
        return trajectory_root() / self.folder

    @property
    def headline(self) -> list[str]:
        """What was reached; empty until it is there."""
        sentences: Any = self.result.get("headline", [])
        return list(sentences)

    def trajectory_plan(self) -> TrajectoryPlan:
        """Return what is looked for, checked again."""
        return read(TrajectoryPlan, self.plan, source=f"plan of {self}")
