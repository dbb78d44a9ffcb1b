"""What a study's preregistration says beyond its images, blocks and numbers: texts and hypotheses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from almond.design.criteria import CRITERIA
from almond.design.preregistration import Hypothesis as PlannedHypothesis
from almond.design.questions import QUESTIONS
from almond.errors import InputError
from almond.shapes import ShapeError, keys_of, read

EMPTY = "Empty: the text that the document on the study's page shows."


def test_choices() -> list[tuple[str, str]]:
    """Return the tests that a hypothesis may name."""
    return QUESTIONS.choices()


def criterion_choices() -> list[tuple[str, str]]:
    """Return names and labels of the registered criteria."""
    return CRITERIA.choices()


def words(label: str, help_text: str = "") -> Any:
    """Make a field for the text of one field of the forms."""
    return models.TextField(label, blank=True, help_text=" ".join(filter(None, (help_text, EMPTY))))


class Preregistration(models.Model):
    """Texts of the OSF form; an empty one is written from the study's design when the plan is made."""

    part_of_design: ClassVar[str] = "preregistration"

    class Correction(models.TextChoices):
        HOLM = "holm", "Holm, over all hypotheses"
        NONE = "none", "none"

    class PrecisionThen(models.TextChoices):
        CLOSE = "close", "close the study"
        PAUSE = "pause", "pause it"
        RECOMMEND = "recommend", "say so on the monitor"

    study = models.OneToOneField("studies.Study", on_delete=models.CASCADE, related_name="preregistration")
    study_type = words("study type")
    blinding = words("blinding")
    additional_blinding = words("additional blinding")
    design = words("design")
    randomization = words("randomization")
    existing_data = words("existing data")
    existing_data_explained = words("what is known of existing data")
    procedures = words("procedures", "How participants are recruited and paid.")
    sample_size_reason = words("reason for the sample size", "Such as the power for an effect of interest.")
    stop_on = models.DateField(
        "collecting ends on", null=True, blank=True, help_text="Empty: with the last participant."
    )
    looks = models.CharField(
        "planned looks",
        max_length=200,
        blank=True,
        help_text="Numbers of participants, separated by commas, at which the data are analysed before the "
        "end. Empty: never. Any other look makes the analysis exploratory.",
    )
    half_width = models.FloatField(
        "ends early at half-width",
        null=True,
        blank=True,
        validators=[MinValueValidator(1e-9)],
        help_text="Of the interval of the first primary test's estimate, such as 0.05 for a share. Nobody "
        "learns the estimate before the end. Empty: only the number of participants counts.",
    )
    precision_every = models.PositiveIntegerField(
        "looked at after every",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Participants who have finished. The planned number of participants is the most.",
    )
    precision_then = models.CharField(
        "when it is reached",
        max_length=9,
        choices=PrecisionThen.choices,
        default=PrecisionThen.CLOSE,
    )
    manipulated = words("manipulated variables")
    measured = words("measured variables")
    indices = words("indices")
    statistical_models = words("statistical models")
    transformations = words("transformations")
    correction = models.CharField(
        "correction for several hypotheses",
        max_length=4,
        choices=Correction.choices,
        default=Correction.HOLM,
    )
    exclusions = words("exclusions")
    missing_data = words("missing data")
    exploratory = words("exploratory part")
    other = words("other")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(correction__in=["holm", "none"]), name="preregistered_correction_is_known"
            ),
            models.CheckConstraint(
                condition=Q(precision_then__in=["close", "pause", "recommend"]),
                name="precision_then_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"preregistration of {self.study}"

    def clean(self) -> None:
        try:
            self.planned_looks()
        except InputError as error:
            raise ValidationError({"looks": str(error)}) from error
        if (self.half_width is None) != (self.precision_every is None):
            lacking = "half_width" if self.half_width is None else "precision_every"
            raise ValidationError({lacking: "Half-width and number of participants go together."})
        if self.half_width is not None and self.stop_on is not None:
            raise ValidationError({"half_width": "Collecting ends on a date: choose one of both."})

    def precision(self) -> dict[str, Any] | None:
        """Return the rule of precision as the plan holds it; None without one."""
        if self.half_width is None:
            return None
        return {"half_width": self.half_width, "every": self.precision_every, "then": self.precision_then}

    def planned_looks(self) -> list[int]:
        """Read the numbers of participants at the planned looks; ``InputError`` for anything else."""
        parts = [part.strip() for part in self.looks.split(",") if part.strip()]
        numbers = [int(part) for part in parts if part.isascii() and part.isdigit()]
        if len(numbers) < len(parts) or numbers != sorted(set(numbers)) or 0 in numbers:
            raise InputError("planned looks", f"{self.looks!r}", "whole numbers that rise, such as 20, 40")
        return numbers


def _by_field(problems: Iterable[str]) -> dict[str, list[str]]:
    """Sort problems of a hypothesis to the fields of the form; those of a criterion to its parameter."""
    errors: dict[str, list[str]] = {}
    for problem in problems:
        field = problem.partition(":")[0].partition(".")[0]
        errors.setdefault("parameter" if field == "criterion" else field, []).append(problem)
    return errors


class Hypothesis(models.Model):
    """One claim, the test that decides on it, and by which criterion."""

    part_of_design: ClassVar[str] = "hypotheses"

    class Direction(models.TextChoices):
        GREATER = "greater", "greater: in the direction of the manipulation, above chance"
        LESS = "less", "less: against it"
        EITHER = "either", "either"
        NONE = "none", "none: no difference as large as the criterion's parameter"

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="hypotheses")
    name = models.CharField(max_length=20, help_text="Such as H1.")
    text = models.TextField("claim", help_text="One sentence, as a paper prints it.")
    test = models.CharField(max_length=40, choices=test_choices)
    target = models.CharField(max_length=60, blank=True, help_text="Only this target. Empty: all together.")
    construct = models.CharField(max_length=60, blank=True, help_text="Only this construct. Empty: all.")
    direction = models.CharField(max_length=7, choices=Direction.choices, default=Direction.GREATER)
    criterion = models.CharField(max_length=40, choices=criterion_choices, default="significance")
    parameter = models.FloatField(
        null=True, blank=True, help_text="Of the criterion, such as the smallest effect of interest."
    )

    class Meta:
        verbose_name_plural = "hypotheses"
        ordering = ["study", "name"]
        constraints = [
            models.UniqueConstraint(fields=["study", "name"], name="hypothesis_named_once_per_study"),
            models.CheckConstraint(
                condition=Q(direction__in=["greater", "less", "either", "none"]),
                name="hypothesis_direction_is_known",
            ),
            models.CheckConstraint(
                condition=~Q(test="") & ~Q(criterion=""), name="hypothesis_has_test_and_criterion"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.criterion not in CRITERIA.names():
            return  # its own field says so
        try:
            read(PlannedHypothesis, self.to_json(), source=f"hypothesis {self.name}")
        except ShapeError as error:
            raise ValidationError(_by_field(error.problems)) from error

    def to_json(self) -> dict[str, Any]:
        """Return the hypothesis as the plan holds it."""
        parameters = [key for key in keys_of(CRITERIA.load(self.criterion)) if key != "kind"]
        settings = (
            {} if self.parameter is None else dict.fromkeys(parameters[:1] or ["parameter"], self.parameter)
        )
        return {
            "name": self.name,
            "text": self.text,
            "test": self.test,
            "target": self.target or None,
            "construct": self.construct or None,
            "direction": self.direction,
            "criterion": {"kind": self.criterion, **settings},
        }
