"""Constructs: what participants judge, in the words they read."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Construct(models.Model):
    """A judgement, in the words a participant reads."""

    name = models.SlugField(max_length=60, unique=True, help_text="Short, for tables: threat.")
    question = models.CharField(
        max_length=200, help_text="Asked of one image: How threatening is this scene?"
    )
    low = models.CharField("low end", max_length=60, help_text="What 0 means: not at all.")
    high = models.CharField("high end", max_length=60, help_text="What 100 means: extremely.")
    choice = models.CharField(
        "question of a pair",
        max_length=200,
        blank=True,
        help_text="Asked of two images: Which scene is more threatening?",
    )
    target = models.CharField(
        max_length=60,
        blank=True,
        help_text="The target whose pairs people are expected to tell apart by it, such as LB. Empty: none.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(name="") & ~Q(question="") & ~Q(low="") & ~Q(high=""),
                name="construct_is_in_words",
            ),
            models.CheckConstraint(
                condition=Q(target="") | ~Q(choice=""),
                name="construct_of_a_target_asks_of_pairs",
                violation_error_message="A construct of a target needs the question of its pairs.",
            ),
        ]

    def __str__(self) -> str:
        return self.name
