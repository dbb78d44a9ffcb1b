"""Blocks: the parts of a study, each of trials of one kind."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from almond.design.trials import TRIAL_KINDS
from studies.constructs import Construct


def trial_kind_choices() -> list[tuple[str, str]]:
    return TRIAL_KINDS.choices()


class Block(models.Model):
    """A sequence of trials of one kind, such as images rated on sliders, or pairs to choose from."""

    class AskedOf(models.TextChoices):
        ALL = "all", "every question of the pairs of all targets"
        OWN = "own", "each question of the pairs of its own target"

    study = models.ForeignKey("studies.Study", on_delete=models.CASCADE, related_name="blocks")
    order = models.PositiveSmallIntegerField(default=1)
    kind = models.CharField(max_length=40, choices=trial_kind_choices, default="rating")
    name = models.SlugField(max_length=40, help_text="For tables: ratings.")
    trials = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Per participant, repeats included. Empty: every image or pair once.",
    )
    repeats = models.PositiveIntegerField(
        default=0, help_text="Images shown a second time, where the kind of the block allows it."
    )
    arms = models.CharField(
        max_length=400,
        blank=True,
        help_text="Names of the arms that see it, separated by commas. Empty: all participants.",
    )
    most_of_scene = models.PositiveSmallIntegerField(
        "most of a scene",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="So many images, or pairs, of one base scene does a participant see in it. 1: never two "
        "variants. Empty: no limit.",
    )
    instructions = models.TextField(blank=True, help_text="Shown before the block. Empty: the usual words.")
    constructs = models.ManyToManyField(Construct, related_name="blocks", blank=True)
    asked_of = models.CharField(
        "questions of pairs",
        max_length=8,
        choices=AskedOf.choices,
        default=AskedOf.ALL,
        help_text="One question over all targets tells whether people see what is meant in the pairs of its "
        "own target more than in those of the others.",
    )
    image_set = models.ForeignKey(
        "generation.ImageSet",
        verbose_name="photographs",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="blocks",
        help_text="Of this block alone. Empty: the images of the study.",
    )
    settings = models.JSONField(
        default=dict, blank=True, editable=False, help_text="What only its kind of trials has, by name."
    )

    class Meta:
        ordering = ["study", "order"]
        constraints = [
            models.UniqueConstraint(fields=["study", "order"], name="one_block_per_place"),
            models.UniqueConstraint(fields=["study", "name"], name="block_named_once_per_study"),
            models.CheckConstraint(condition=~Q(kind=""), name="block_has_a_kind"),
            models.CheckConstraint(
                condition=Q(asked_of__in=["all", "own"]), name="block_asks_of_known_pairs"
            ),
            models.CheckConstraint(
                condition=Q(trials__isnull=True) | Q(trials__gte=1), name="block_has_trials"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def arm_names(self) -> tuple[str, ...]:
        """Return the names of the arms that see it, in order; none where all do."""
        return tuple(dict.fromkeys(name.strip() for name in self.arms.split(",") if name.strip()))

    def clean(self) -> None:
        kind = TRIAL_KINDS.load(self.kind) if self.kind in TRIAL_KINDS.names() else None
        if self.repeats and kind is not None and "repeats" not in kind.applicable:
            raise ValidationError({"repeats": f"Blocks of kind “{self.kind}” repeat no images."})
