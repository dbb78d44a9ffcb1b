"""Arms: groups of participants that go through blocks of their own."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q


class Arm(models.Model):
    """One group; of a study's lists it has its weight over the sum of all weights."""

    part_of_design: ClassVar[str] = "arms"

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="arms")
    name = models.SlugField(max_length=40, help_text="Blocks name the arms that see them by it.")
    weight = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="2 beside 1: twice as many participants.",
    )

    class Meta:
        ordering = ["study", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["study", "name"], name="arm_named_once_per_study"),
            models.CheckConstraint(condition=Q(weight__gte=1, weight__lte=100), name="arm_has_a_weight"),
        ]

    def __str__(self) -> str:
        return self.name
