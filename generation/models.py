"""Recipes, the images made from them or imported, and the matched sets selected among them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.text import slugify

from almond.design.themes import theme_named
from almond.guidance.generators import DEFAULT_GENERATOR
from almond.guidance.objectives import DEFAULT_OBJECTIVE, OBJECTIVES
from almond.guidance.rules import DEFAULT_RULE, RULES
from almond.guidance.searches import DEFAULT_SEARCH, SEARCHES
from encoder.models import DIGEST_LENGTH, Target
from generation.diagnoses import Diagnosis
from generation.matched_sets import MatchedPair, MatchedSet, PhotographComparison, Screening, score_difference
from generation.step_views import StepView
from generation.trajectories import TrajectorySet

__all__ = [
    "Batch",
    "Diagnosis",
    "ImageSet",
    "MatchedPair",
    "MatchedSet",
    "PhotographComparison",
    "Recipe",
    "Screening",
    "StepView",
    "Stimulus",
    "StimulusQuerySet",
    "TrajectorySet",
    "base_scene_name",
    "push_label",
    "rule_choices",
    "score_difference",
    "stimulus_path",
]


def stimulus_path(digest: str, suffix: str) -> Path:
    """Return the path of an image's bytes: ``ALMOND_HOME/stimuli/<first two>/<digest>.<suffix>``."""
    return Path(settings.ALMOND_HOME) / "stimuli" / digest[:2] / f"{digest}.{suffix}"


def rule_choices() -> list[tuple[str, str]]:
    """List the guidance rules of the registry: a further one needs no migration."""
    return RULES.choices()


def objective_choices() -> list[tuple[str, str]]:
    """List the objectives of the registry: a further one needs no migration."""
    return OBJECTIVES.choices()


def search_choices() -> list[tuple[str, str]]:
    """List the searches of the registry: a further one needs no migration."""
    return SEARCHES.choices()


class Recipe(models.Model):
    """What to draw: a prompt, seeds, and the targets that guide it, how strongly, in which window."""

    name = models.CharField(max_length=120, unique=True)
    prompt = models.CharField(max_length=300)
    seeds = models.JSONField(default=list, help_text="Whole numbers; one base scene each.")
    targets = models.ManyToManyField(Target, related_name="recipes", help_text="Guides only.")
    objective = models.CharField(max_length=60, choices=objective_choices, default=DEFAULT_OBJECTIVE)
    settings = models.JSONField(
        default=dict, blank=True, help_text="Numbers of rule, objective and search, by name."
    )
    search = models.CharField(max_length=60, choices=search_choices, default=DEFAULT_SEARCH)
    penalties = models.JSONField(default=dict, blank=True, help_text="Penalty -> its weight mu.")
    view = models.JSONField(
        default=dict, blank=True, help_text="How predictions are looked at: blur, downsample, copies."
    )
    coefficients = models.JSONField(
        default=dict, editable=False, help_text="Target -> other target -> regression coefficient."
    )
    both_signs = models.BooleanField(default=True, help_text="Also guide towards lower scores.")
    strengths = models.JSONField(
        default=list, help_text="In units of the text guidance; each above 0, or 0 alone without a rule."
    )
    window_low = models.FloatField(help_text="Guidance is on while alpha-bar is between these two.")
    window_high = models.FloatField()
    ramp = models.FloatField(
        default=0.0, help_text="Share of the window over which guidance fades in and out."
    )
    rule = models.CharField(max_length=60, choices=rule_choices, default=DEFAULT_RULE)
    steps = models.PositiveIntegerField()
    generator = models.CharField(
        max_length=1000,
        default=DEFAULT_GENERATOR,
        help_text="An embedded generator, or the folder of a diffusers pipeline.",
    )
    digest = models.CharField(max_length=DIGEST_LENGTH, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(window_low__gte=0, window_high__lte=1, window_low__lt=F("window_high")),
                name="recipe_window_within_alpha_bar",
            ),
            models.CheckConstraint(condition=Q(steps__gte=1), name="recipe_has_steps"),
            models.CheckConstraint(condition=Q(ramp__gte=0, ramp__lte=0.5), name="recipe_ramp_is_a_share"),
            models.CheckConstraint(condition=~Q(prompt=""), name="recipe_has_a_prompt"),
        ]

    def __str__(self) -> str:
        return self.name

    def base_scene(self, seed: int) -> str:
        """Name what all images of one prompt and seed have in common."""
        return base_scene_name(self.prompt, seed)

    @property
    def images(self) -> int:
        """Count the images of a batch of this recipe: the unguided bases, and the guided versions of each."""
        signs = 2 if self.both_signs else 1
        return len(self.seeds) * (1 + self.targets.count() * signs * len(self.strengths))


def base_scene_name(prompt: str, seed: int) -> str:
    return f"{slugify(prompt)}-{seed}"


def push_label(direction: int, strength: float) -> str:
    """Write a push as ``+0.12``; as ``up`` or ``down`` where a search climbed without a rule's strength."""
    if not strength:
        return {-1: "down", 0: "base", 1: "up"}[direction]
    return f"{'+' if direction > 0 else '−'}{strength:g}"


class Batch(models.Model):
    """The images of some recipes: those made for it, and those that existed already."""

    name = models.CharField(max_length=120, unique=True)
    recipes = models.ManyToManyField(Recipe, related_name="batches")
    judges = models.ManyToManyField(Target, blank=True, related_name="judged_batches")
    planned = models.PositiveIntegerField(default=0)
    folder = models.CharField(
        max_length=1000, blank=True, help_text="Where its images were made, if not by this lab's own jobs."
    )
    manifest = models.JSONField(
        default=dict,
        blank=True,
        help_text="What that folder says: digests of generator, targets and recipes.",
    )
    job = models.ForeignKey(
        "jobs.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="batches"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        return self.name

    def guides(self) -> models.QuerySet[Target]:
        """Return the targets that guided its images, by recipe or by the digests of its folder."""
        digests = self.manifest.get("targets", {}).values()
        chosen = Q(recipes__batches=self) | Q(digest__in=list(digests), role=Target.Role.GUIDE)
        return Target.objects.filter(chosen).distinct().order_by("pk")

    @property
    def generators(self) -> set[str]:
        """Return the names of the generators that drew its images."""
        named = {*self.recipes.values_list("generator", flat=True), self.manifest.get("generator", "")}
        return named - {""}

    @property
    def objectives(self) -> set[str]:
        """Return what its recipes ask of the other targets, by the names of the registry."""
        return {*self.recipes.values_list("objective", flat=True), *self.manifest.get("objectives", ())}


class ImageSet(models.Model):
    """Natural images imported from a folder or a zip file, with their norms where there are any."""

    name = models.CharField(max_length=120, unique=True)
    folder = models.CharField(max_length=1000, help_text="Where the images came from.")
    norms_file = models.CharField(max_length=1000, blank=True)
    theme_column = models.CharField(
        "theme",
        max_length=200,
        blank=True,
        help_text="Column of the norms that says what several images share. Without one, every image "
        "counts as a theme of its own.",
    )
    norm_columns = models.JSONField(
        default=list,
        help_text="Columns asked for as norms; empty: those that look like no count or spread.",
    )
    norms = models.JSONField(default=list, help_text="Names of the columns that are norms.")
    imported_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey(
        "jobs.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="image_sets"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class StimulusQuerySet(models.QuerySet["Stimulus"]):
    def bases(self) -> StimulusQuerySet:
        """Filter unguided images: the base image of each scene."""
        return self.filter(direction=0, image_set=None)

    def guided(self) -> StimulusQuerySet:
        return self.exclude(direction=0)

    def natural(self) -> StimulusQuerySet:
        return self.exclude(image_set=None)

    def in_sheet_order(self) -> StimulusQuerySet:
        return self.order_by("base_scene", "intended_target", "-direction", "strength", "id")


class Stimulus(models.Model):
    """One image that can be shown, with everything known about it. Rows are written once.

    ``digest`` is the SHA-256 of its bytes and its address. The same bytes may stand in two rows (a picture
    in two image sets), so look rows up by id and bytes by digest.
    """

    digest = models.CharField(max_length=DIGEST_LENGTH, db_index=True)
    suffix = models.CharField(max_length=4)
    name = models.CharField(max_length=200)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    base_scene = models.CharField(max_length=340, db_index=True)
    stated_theme = models.CharField(
        max_length=340, blank=True, help_text="The theme that the norms of a natural image state."
    )
    prompt = models.CharField(max_length=300, blank=True)
    seed = models.BigIntegerField(null=True, blank=True)
    intended_target = models.CharField(max_length=60, blank=True)
    direction = models.SmallIntegerField(default=0)
    strength = models.FloatField(default=0.0)
    recipe_json = models.JSONField(default=dict)
    recipe_digest = models.CharField(max_length=DIGEST_LENGTH, blank=True)
    scores = models.JSONField(default=dict, help_text="Target's score name -> standardised score.")
    score_digests = models.JSONField(
        default=dict, help_text="Score name -> digest of the target that scored."
    )
    lowlevel = models.JSONField(default=dict)
    measures = models.JSONField(
        default=dict, help_text="Quality, likeness to the base picture, and flaws; measured when matched."
    )
    trace = models.JSONField(default=list)
    norms = models.JSONField(default=dict)
    image_set = models.ForeignKey(
        ImageSet, null=True, blank=True, on_delete=models.PROTECT, related_name="stimuli"
    )
    batches = models.ManyToManyField(Batch, blank=True, related_name="stimuli")
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Stimulus]] = models.Manager.from_queryset(StimulusQuerySet)()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "stimuli"
        constraints = [
            models.UniqueConstraint(
                fields=["recipe_digest"], condition=~Q(recipe_digest=""), name="one_stimulus_per_recipe"
            ),
            models.UniqueConstraint(
                fields=["image_set", "name"],
                condition=Q(image_set__isnull=False),
                name="image_named_once_per_set",
            ),
            models.CheckConstraint(
                condition=(Q(image_set__isnull=True) & ~Q(recipe_digest=""))
                | (Q(image_set__isnull=False) & Q(recipe_digest="")),
                name="stimulus_made_or_brought_in",
            ),
            models.CheckConstraint(
                condition=(Q(direction=0) & Q(intended_target="") & Q(strength=0))
                | (Q(direction__in=[-1, 1]) & ~Q(intended_target="") & Q(strength__gte=0)),
                name="stimulus_pushed_or_base",
            ),
            models.CheckConstraint(condition=Q(width__gt=0, height__gt=0), name="stimulus_has_a_size"),
            models.CheckConstraint(condition=Q(suffix__in=["png", "jpg"]), name="stimulus_is_png_or_jpeg"),
        ]

    def __str__(self) -> str:
        if not self.intended_target:
            return self.name
        return f"{self.base_scene} {self.intended_target} {push_label(self.direction, self.strength)}"

    @property
    def theme(self) -> str:
        """Return what its base scene shares with others of the same content: what the norms state, the prompt
        of a generated image, or the scene alone."""
        return self.stated_theme or theme_named(self.prompt) or self.base_scene

    @property
    def path(self) -> Path:
        return stimulus_path(self.digest, self.suffix)

    @property
    def url(self) -> str:
        """Return the public address of the bytes."""
        return reverse("stimulus_image", args=[self.digest, self.suffix])
