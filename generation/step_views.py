"""Pictures over the steps of their diffusion: which were asked for, and where their files lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from almond.attribution.methods import DEFAULT_METHOD, METHODS


def steps_root() -> Path:
    """Where the files of step views lie, each in a folder of its own."""
    return Path(settings.ALMOND_HOME) / "steps"


def method_choices() -> list[tuple[str, str]]:
    """List the attribution methods of the registry: a further one needs no migration."""
    return METHODS.choices()


class StepView(models.Model):
    """One generated picture over its steps: predictions, scores, and the attribution of one score."""

    stimulus = models.ForeignKey("generation.Stimulus", on_delete=models.PROTECT, related_name="step_views")
    target = models.CharField("score", max_length=80, help_text="Whose pixels are shown: a guide or a judge.")
    method = models.CharField(max_length=60, choices=method_choices, default=DEFAULT_METHOD)
    result = models.JSONField(default=dict, editable=False, help_text="What the files say, by step.")
    job = models.ForeignKey(
        "jobs.Job",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="step_views",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["stimulus", "target", "method"], name="steps_of_a_picture_shown_once"
            ),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True, result={}) | Q(finished_at__isnull=False),
                name="steps_ready_with_their_result",
            ),
        ]

    def __str__(self) -> str:
        return f"steps of {self.stimulus}, {self.target} by {self.method.replace('_', ' ')}"

    @property
    def is_ready(self) -> bool:
        return self.finished_at is not None

    @property
    def path(self) -> Path:
        return steps_root() / f"view-{self.pk}"

    @property
    def steps(self) -> list[dict[str, Any]]:
        """What is known of each step; empty until all are there."""
        steps: Any = self.result.get("steps", [])
        return list(steps)
