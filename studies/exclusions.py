"""The exclusion rules that a study's experimenter chose, in the order in which they are applied."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from almond.design.exclusions import EXCLUSIONS
from almond.design.exclusions.base import ExclusionRule
from almond.shapes import read


def rule_choices() -> list[tuple[str, str]]:
    """Return names and labels of the registered exclusion rules."""
    return EXCLUSIONS.choices()


class Exclusion(models.Model):
    """One rule with its parameters; frozen with the plan of its study."""

    part_of_design: ClassVar[str] = "exclusions"

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="exclusions")
    order = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1)],
        help_text="Rules are applied from the lowest to the highest; those of one number as they were added.",
    )
    rule = models.CharField(max_length=40, choices=rule_choices)
    parameters = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = "exclusion rule"
        ordering = ["study", "order", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["study", "rule"], name="exclusion_rule_once_per_study"),
            models.CheckConstraint(condition=~Q(rule=""), name="exclusion_has_a_rule"),
        ]

    def __str__(self) -> str:
        return self.rule

    def to_json(self) -> dict[str, Any]:
        """Return the rule as the plan holds it."""
        return {"kind": self.rule, **self.parameters}

    def planned(self) -> ExclusionRule:
        """Read the rule as the library applies it; ``InputError`` names what is wrong."""
        rule: ExclusionRule = read(EXCLUSIONS.load(self.rule), self.to_json(), source=f"rule {self.rule}")
        return rule
