"""Diagnoses of guidance set-ups: what was asked for, and the verdict once the job has it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse

from almond.diagnosis.settings import DiagnosisSettings
from almond.shapes import read
from encoder.models import Target

KEPT_DAYS = 30
"""Days for which pictures are kept unless a diagnosis says otherwise: all can be drawn again."""


def diagnosis_root() -> Path:
    """Where reports of diagnoses lie, each in a folder of its own, and the pictures behind them."""
    return Path(settings.ALMOND_HOME) / "diagnoses"


def picture_root() -> Path:
    """Where the pictures of all diagnoses lie, by the digest of their recipe."""
    return diagnosis_root() / "pictures"


class Diagnosis(models.Model):
    """Whether guides move in pictures what they claim to move, before a study is made of such pictures."""

    name = models.CharField(max_length=120, unique=True)
    targets = models.ManyToManyField(Target, related_name="diagnoses", help_text="The guides.")
    judges = models.ManyToManyField(
        Target,
        blank=True,
        related_name="judged_diagnoses",
        help_text="Held out, one for each guide. Empty: subjects are left out to make them.",
    )
    settings = models.JSONField(default=dict, help_text="Prompts, seeds, strengths and so on.")
    image_set = models.ForeignKey(
        "generation.ImageSet",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="diagnoses",
        help_text="Natural pictures that are scored beside the generated ones.",
    )
    film_folder = models.CharField(
        "film frames",
        max_length=1000,
        blank=True,
        help_text="Folder on this server with frames of the film that the encoders were fitted to.",
    )
    keep_days = models.PositiveIntegerField(
        "days kept",
        null=True,
        blank=True,
        default=KEPT_DAYS,
        validators=[MinValueValidator(1)],
        help_text="So many days after the end, manage.py prune removes its pictures; verdict and report "
        "stay. Empty: never.",
    )
    pictures = models.JSONField(
        default=list, editable=False, help_text="Digests of the recipes of its pictures, while they are kept."
    )
    verdict = models.CharField(max_length=12, blank=True, editable=False)
    result = models.JSONField(default=dict, editable=False)
    folder = models.CharField(max_length=200, blank=True, editable=False)
    job = models.ForeignKey(
        "jobs.Job", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="diagnoses"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "diagnoses"
        constraints = [
            models.CheckConstraint(
                name="diagnosis_ready_or_not",
                condition=Q(finished_at__isnull=True, folder="", verdict="")
                | (Q(finished_at__isnull=False) & ~Q(folder="") & ~Q(verdict="")),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("diagnosis_report", args=[self.pk])

    @property
    def is_ready(self) -> bool:
        return self.finished_at is not None

    @property
    def path(self) -> Path:
        return diagnosis_root() / self.folder

    @property
    def kept_until(self) -> datetime | None:
        """When its pictures may go; None for never, or before the end."""
        if self.keep_days is None or self.finished_at is None:
            return None
        return self.finished_at + timedelta(days=self.keep_days)

    @property
    def headline(self) -> list[str]:
        """The verdict, what is alarming and the reasons; empty until they are there."""
        sentences: Any = self.result.get("headline", [])
        return list(sentences)

    @property
    def alarms(self) -> list[str]:
        said: Any = self.result.get("alarms", [])
        return list(said)

    def dose_of(self, target: str) -> dict[str, Any] | None:
        """Return what the judge read of a target's dose curve; None where nobody held out read it."""
        dose: Any = self.result.get("checks", {}).get("dose", {}).get("numbers")
        rows = dose["targets"] if dose else []
        return next((row["read"]["judge"] for row in rows if row["target"] == target), None)

    def diagnosis_settings(self) -> DiagnosisSettings:
        """Return what is to be drawn, checked again."""
        return read(DiagnosisSettings, self.settings, source=f"settings of {self}")
