"""Matched sets: pairs held to two yardsticks, screened by a person before they are locked."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q

from almond.stimuli.pairing.yardsticks import HELD, PAIRED, TOLERANCE, Yardsticks
from encoder.models import Target


def held_by_default() -> list[str]:
    """List the groups of quantities that a set is held to unless it says otherwise."""
    return list(HELD)


class MatchedSet(models.Model):
    """Pairs in which a target's score differs and nothing else that is held. Locked before it is shown."""

    class State(models.TextChoices):
        DRAFT = "draft", "draft"
        FROZEN = "frozen", "frozen"

    name = models.CharField(max_length=120, unique=True)
    batches = models.ManyToManyField("generation.Batch", related_name="matched_sets")
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT, editable=False)
    tolerance = models.FloatField(
        default=TOLERANCE,
        help_text="Largest mean difference between high and low, in standard deviations of the pool.",
    )
    paired = models.FloatField(
        "paired d_z",
        default=PAIRED,
        help_text="Largest mean pair difference in standard deviations of the pair differences: what "
        "participants see, who compare pictures of one scene.",
    )
    held = models.JSONField("held constant", default=held_by_default)
    scenes = models.PositiveIntegerField(
        "scenes kept",
        null=True,
        blank=True,
        validators=[MinValueValidator(2)],
        help_text="Base scenes in each target's pairs, by the guides' scores. Empty: all.",
    )
    budget = models.PositiveIntegerField(
        "largest pool",
        null=True,
        blank=True,
        help_text="Further seeds are drawn until both yardsticks hold or the pool has so many images. "
        "Empty: nothing more is drawn.",
    )
    matched = models.BooleanField(
        null=True, editable=False, help_text="Whether every quantity held keeps both yardsticks."
    )
    reached = models.JSONField(
        default=dict, editable=False, help_text="Target -> tolerance met; null for none."
    )
    kept = models.JSONField(
        default=dict, editable=False, help_text="Target -> share of the unmatched contrast."
    )
    scored_by = models.CharField(
        max_length=8,
        choices=Target.Role.choices,
        default=Target.Role.GUIDE,
        help_text="Whose scores select the pairs. Judges that select pairs are no longer held out.",
    )
    balance = models.JSONField(default=list, editable=False)
    checks = models.JSONField(
        default=dict,
        editable=False,
        help_text="Equivalence tests, the classifier on what is held, what binds, rounds of the pool.",
    )
    unscreened_reason = models.TextField(
        blank=True, editable=False, help_text="Why the set was locked without a person's screening."
    )
    job = models.ForeignKey(
        "jobs.Job",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="matched_sets",
    )
    frozen_at = models.DateTimeField(null=True, blank=True, editable=False)
    frozen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.PROTECT
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(tolerance__gt=0), name="matching_tolerance_above_zero"),
            models.CheckConstraint(condition=Q(paired__gt=0), name="matching_dz_above_zero"),
            models.CheckConstraint(
                condition=(Q(state="draft") & Q(frozen_at__isnull=True))
                | (Q(state="frozen") & Q(frozen_at__isnull=False)),
                name="matched_set_frozen_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_frozen(self) -> bool:
        return self.state == self.State.FROZEN

    @property
    def yardsticks(self) -> Yardsticks:
        """Return both bounds."""
        return Yardsticks(self.tolerance, self.paired)

    @property
    def verdict(self) -> str:
        """Return ``matched`` where every quantity keeps both yardsticks, and ``not matched`` otherwise.

        Sets that were measured by one yardstick alone, or by none, are not matched either.
        """
        return "matched" if self.matched else "not matched"

    @property
    def missed(self) -> list[str]:
        """List the targets of which some quantity misses a yardstick, or was not measured by both."""
        return sorted({row["intended_target"] for row in self.balance if not row.get("within")})

    @property
    def worst(self) -> tuple[float | None, float | None]:
        """Return the largest mean difference (SD of the pool) and the largest d_z, None where unknown."""
        return largest(self.balance, "after"), largest(self.balance, "d_z")

    def stimuli(self) -> models.QuerySet[Any]:
        """Filter the images of the set: both sides of each pair, each once."""
        rows = apps.get_model("generation", "Stimulus").objects
        return rows.filter(Q(high_in__matched_set=self) | Q(low_in__matched_set=self)).distinct()

    def bases(self) -> models.QuerySet[Any]:
        """Filter the unguided image of each base scene in the set."""
        scenes = self.pairs.values("base_scene")
        rows = apps.get_model("generation", "Stimulus").objects
        return rows.filter(
            direction=0, image_set=None, base_scene__in=scenes, batches__in=self.batches.all()
        ).distinct()

    def unscreened(self) -> models.QuerySet[Any]:
        """Filter the images of the pairs that nobody has looked at yet."""
        return self.stimuli().exclude(pk__in=self.screenings.values("stimulus"))


def largest(balance: list[dict[str, Any]], column: str) -> float | None:
    """Return the largest absolute value of a column; None where a row lacks it, or there is no row."""
    values = [abs(float(row[column])) for row in balance if row.get(column) is not None]
    return max(values) if values and len(values) == len(balance) else None


class MatchedPair(models.Model):
    """Two images of one base scene: one with a high and one with a low score of a target."""

    matched_set = models.ForeignKey(MatchedSet, on_delete=models.CASCADE, related_name="pairs")
    base_scene = models.CharField(max_length=340)
    target = models.CharField(max_length=60)
    high = models.ForeignKey("generation.Stimulus", on_delete=models.PROTECT, related_name="high_in")
    low = models.ForeignKey("generation.Stimulus", on_delete=models.PROTECT, related_name="low_in")

    class Meta:
        ordering = ["target", "base_scene", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["matched_set", "base_scene", "target"], name="one_pair_per_scene_and_target"
            ),
            models.CheckConstraint(condition=~Q(high=F("low")), name="pair_of_two_images"),
        ]

    def __str__(self) -> str:
        return f"{self.target}: {self.base_scene}"


class Screening(models.Model):
    """A person's word on one image of a set, given without its target or direction. Written once."""

    matched_set = models.ForeignKey(MatchedSet, on_delete=models.CASCADE, related_name="screenings")
    stimulus = models.ForeignKey("generation.Stimulus", on_delete=models.PROTECT, related_name="screenings")
    accepted = models.BooleanField()
    reason = models.CharField(max_length=300, blank=True, help_text="Why the image was rejected.")
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="screenings"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["matched_set", "stimulus"], name="image_screened_once_per_set"),
            models.CheckConstraint(
                condition=Q(accepted=True) | ~Q(reason=""), name="rejected_image_has_a_reason"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stimulus}: {'accepted' if self.accepted else 'rejected'}"


class PhotographComparison(models.Model):
    """Photographs of an image set selected by the same targets' scores under the matching of a set."""

    matched_set = models.ForeignKey(MatchedSet, on_delete=models.CASCADE, related_name="comparisons")
    image_set = models.ForeignKey("generation.ImageSet", on_delete=models.PROTECT, related_name="comparisons")
    column = models.CharField(max_length=200, blank=True)
    rows = models.JSONField(default=list)
    ranks = models.JSONField(default=list)
    job = models.ForeignKey(
        "jobs.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="comparisons"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.matched_set}: photographs of {self.image_set}"


def score_difference(pair: MatchedPair, name: str) -> float | None:
    """Return the high minus the low score of a target, in standard deviations of the reference images."""
    high: Any = pair.high.scores.get(name)
    low: Any = pair.low.scores.get(name)
    return None if high is None or low is None else float(high) - float(low)
