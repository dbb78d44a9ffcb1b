"""Targets: directions in feature space, made of fitted weights."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from encoder.models.datasets import DIGEST_LENGTH
from encoder.models.encoders import Encoder


class TargetQuerySet(models.QuerySet["Target"]):
    def ready(self) -> TargetQuerySet:
        """Select the targets whose weights have been computed."""
        return self.exclude(digest="")

    def guides(self) -> TargetQuerySet:
        return self.ready().filter(role=Target.Role.GUIDE)

    def judges(self) -> TargetQuerySet:
        return self.ready().filter(role=Target.Role.JUDGE)


class Target(models.Model):
    """A direction in feature space, along which images are guided or by which they are scored.

    A *guide* steers generation. A *judge* is made of other subjects and only scores the images: scoring them
    with the weights that guided them would be circular.
    """

    class Kind(models.TextChoices):
        REGION = "region", "predicted response of a region"
        CONTRAST = "contrast", "weighted difference of regions"
        AXIS = "axis", "axis: a direction estimated from scores or images"

    class Role(models.TextChoices):
        GUIDE = "guide", "guide: steers generation"
        JUDGE = "judge", "judge: held out, only reads"

    name = models.CharField(max_length=60, help_text="For example the region's name.")
    encoder = models.ForeignKey(Encoder, on_delete=models.PROTECT, related_name="targets")
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.REGION)
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.GUIDE)
    subjects = models.JSONField(default=list, blank=True, help_text="Whose weights are averaged.")
    coefficients = models.JSONField(default=dict, help_text="Region name -> weight; one region has weight 1.")
    axis = models.JSONField(default=dict, blank=True, editable=False, help_text="How an axis is estimated.")
    of_guide = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="own_judges",
        help_text="The only guide whose images this judge scores.",
    )
    reference = models.JSONField(default=dict, blank=True, editable=False)
    digest = models.CharField(max_length=DIGEST_LENGTH, blank=True, editable=False)
    path = models.CharField(max_length=1000, blank=True, editable=False)
    sources = models.JSONField(default=list, editable=False)
    job = models.ForeignKey(
        "jobs.Job", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="targets"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Target]] = models.Manager.from_queryset(TargetQuerySet)()

    class Meta:
        ordering = ["encoder__name", "role", "id"]
        constraints = [
            models.UniqueConstraint(fields=["encoder", "name", "role"], name="target_named_once_per_role"),
            models.CheckConstraint(
                condition=(Q(digest="") & Q(path="")) | (~Q(digest="") & ~Q(path="")),
                name="target_is_made_or_not",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"

    @property
    def score_name(self) -> str:
        """Return the name under which scores of this target are stored; a judge never shares a guide's."""
        return self.name if self.role == self.Role.GUIDE else f"{self.name}_judge"
