"""Exports of studies, and the analyses made from them alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse

from almond.design.plan import StudyPlan
from almond.design.power_settings import PowerSettings, check_settings
from almond.exchange.publication import Publication
from almond.shapes import read
from almond.world.rater_model import RaterModel
from encoder.models import DIGEST_LENGTH
from jobs.models import Job, State
from studies.amendments import is_blind
from studies.models import Look, Study

IS_SPDX = RegexValidator(r"^[A-Za-z0-9.+-]+\Z", "An identifier of SPDX, such as CC-BY-4.0.")


def export_root() -> Path:
    """Where exports lie, each in a folder of its own."""
    return Path(settings.ALMOND_HOME) / "exports"


def report_root() -> Path:
    """Where reports lie, each in a folder of its own."""
    return Path(settings.ALMOND_HOME) / "reports"


def power_root() -> Path:
    """Where reports of power analyses lie, and the studies of those that are not finished."""
    return Path(settings.ALMOND_HOME) / "power"


class MadeByJob(models.Model):
    """What a job makes: asked for by somebody, there once the job is done."""

    job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def is_ready(self) -> bool:
        return self.finished_at is not None

    @property
    def standing(self) -> str:
        """``ready``, or how far the job is."""
        if self.is_ready:
            return "ready"
        return self.job.state if self.job else State.CANCELLED.value


class Export(MadeByJob):
    """A study as it stood at one moment: a folder of tables, images and provenance under one digest."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="exports")
    folder = models.CharField(max_length=200, blank=True, help_text="Its name below the exports.")
    digest = models.CharField(max_length=DIGEST_LENGTH, blank=True, help_text="Stands for every byte of it.")
    counts = models.JSONField(default=dict, help_text="Rows per table.")
    look = models.OneToOneField(
        Look,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="export",
        help_text="The planned look that it used; empty after the end, or once a study is unlocked.",
    )
    licence = models.CharField(
        max_length=60,
        blank=True,
        validators=[IS_SPDX],
        help_text="Of the data, as SPDX names it: CC-BY-4.0, CC0-1.0. Empty: none is granted yet.",
    )
    authors = models.TextField(blank=True, help_text="Who is to be cited, one per line.")
    citation = models.CharField(
        max_length=1000, blank=True, help_text="How to cite the data, or the paper that describes them."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="export_ready_or_not",
                condition=Q(finished_at__isnull=True, folder="", digest="")
                | (Q(finished_at__isnull=False) & ~Q(folder="") & ~Q(digest="")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.study} (export {self.pk})"

    @property
    def path(self) -> Path:
        return export_root() / self.folder

    @property
    def is_shown(self) -> bool:
        """Tell whether its answers may be seen: the study is not blind, or the plan allowed this look."""
        return self.look_id is not None or not is_blind(self.study)

    @property
    def publication(self) -> Publication:
        """How the data may be used and are to be cited. ``ShapeError`` for an author who stands twice."""
        authors = [line.strip() for line in self.authors.splitlines() if line.strip()]
        said = {"licence": self.licence or None, "authors": authors, "citation": self.citation or None}
        return read(Publication, said, source=self)


class AnalysisRun(MadeByJob):
    """One analysis of one export, with what it may be called (see ``almond.analysis.registration.label``)."""

    class Mode(models.TextChoices):
        CONFIRMATORY = "confirmatory", "confirmatory"
        EXPLORATORY = "exploratory", "exploratory"
        # Collecting data had not ended by the plan's rule.
        INTERIM = "interim", "interim"
        SIMULATED = "simulated", "simulated"

    export = models.ForeignKey(Export, on_delete=models.PROTECT, related_name="runs")
    permutations = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: as the plan says. Any other number makes it exploratory."
    )
    mode = models.CharField(max_length=12, choices=Mode.choices, blank=True)
    result = models.JSONField(default=dict)
    folder = models.CharField(max_length=200, blank=True, help_text="Its name below the reports.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="analysis_ready_or_not",
                condition=Q(finished_at__isnull=True, folder="", mode="")
                | (
                    Q(
                        finished_at__isnull=False,
                        mode__in=["confirmatory", "exploratory", "interim", "simulated"],
                    )
                    & ~Q(folder="")
                ),
            ),
            models.CheckConstraint(
                name="analysis_permutes", condition=Q(permutations__isnull=True) | Q(permutations__gte=1)
            ),
            models.CheckConstraint(
                name="own_permutations_are_exploratory",
                condition=Q(permutations__isnull=True) | ~Q(mode="confirmatory"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.export.study} (analysis {self.pk})"

    def get_absolute_url(self) -> str:
        return reverse("analysis_report", args=[self.pk])

    @property
    def path(self) -> Path:
        return report_root() / self.folder

    @property
    def reasons(self) -> list[str]:
        """Why it is not confirmatory; analyses of earlier versions do not say."""
        said: Any = self.result.get("reasons", [])
        return list(said)

    @property
    def answer(self) -> str:
        """The first sentence of the headline that says a result."""
        label = f"{self.mode.capitalize()}: "
        return next((text for text in self.headline if not text.startswith(label)), "")

    @property
    def headline(self) -> list[str]:
        """The answer in plain sentences; empty until it is there."""
        sentences: Any = self.result.get("headline", [])
        return list(sentences)


class PowerRun(MadeByJob):
    """Simulated studies of a study's design as it stood when they were asked for."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="power_runs")
    plan = models.JSONField(default=dict, help_text="The plan that freezing would have made.")
    design_digest = models.CharField(max_length=DIGEST_LENGTH, help_text="Of its design, without its texts.")
    asked = models.JSONField(default=dict, help_text="People, themes, effects, studies, seed, lists, raters.")
    result = models.JSONField(default=dict)
    folder = models.CharField(max_length=200, blank=True, help_text="Its name below the power analyses.")

    class Meta:
        ordering = ["-id"]
        verbose_name = "power analysis"
        verbose_name_plural = "power analyses"
        constraints = [
            models.CheckConstraint(
                name="power_ready_or_not",
                condition=Q(finished_at__isnull=True, folder="")
                | (Q(finished_at__isnull=False) & ~Q(folder="")),
            ),
            models.CheckConstraint(name="power_of_a_design", condition=~Q(design_digest="")),
        ]

    def __str__(self) -> str:
        return f"{self.study} (power {self.pk})"

    def get_absolute_url(self) -> str:
        return reverse("power_report", args=[self.pk])

    @property
    def path(self) -> Path:
        return power_root() / self.folder

    @property
    def headline(self) -> list[str]:
        """The answer in plain sentences; empty until it is there."""
        sentences: Any = self.result.get("headline", [])
        return list(sentences)

    def power_settings(self) -> PowerSettings:
        """Return what is to be simulated, checked again."""
        fields = dict(self.asked)
        raters = read(RaterModel, fields.pop("raters"), source=f"raters of {self}")
        return check_settings(StudyPlan.from_json(self.plan), raters, **fields)
