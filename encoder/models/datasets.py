"""Brain data: folders of BOLD runs, and the regions of interest in them."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from encoder import choices

DIGEST_LENGTH = 64
"""Hexadecimal digits of a SHA-256 digest."""


class Dataset(models.Model):
    """A folder of BOLD runs in BIDS layout, or of weights that somebody else fitted."""

    class Kind(models.TextChoices):
        MEASURED = "measured", "measured"
        SIMULATED = "simulated", "simulated, with known truth"
        WEIGHTS = "weights", "weights alone, fitted elsewhere"

    name = models.CharField(max_length=120, unique=True)
    root = models.CharField(
        "folder", max_length=1000, help_text="Absolute path of a BIDS folder on the server."
    )
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.MEASURED)
    description = models.TextField(blank=True)
    anatomy = models.CharField(
        "anatomical image",
        max_length=1000,
        blank=True,
        help_text="NIfTI file beneath the maps, in the space of the runs. Empty: each subject's mean BOLD.",
    )
    subjects = models.JSONField(default=list, editable=False)
    runs = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(root=""), name="dataset_has_a_folder"),
        ]

    def __str__(self) -> str:
        return self.name


class Region(models.Model):
    """A region of interest of a dataset: a mask, or what a specification makes of atlases, maps and masks.

    ``spec`` is what ``almond.encoding.config.regions`` reads, without names of other regions: those were
    written out when the region was added, so that it changes with no other. ``{}``: the mask alone.
    ``mask_digest`` is of the mask's bytes, or of the specification with the bytes of its files.
    """

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="regions")
    name = models.CharField(max_length=60)
    kind = models.CharField(max_length=40, choices=choices.stored_region_kinds, default="mask")
    mask_path = models.CharField(
        "mask file", max_length=1000, blank=True, help_text="Absolute path of a NIfTI mask."
    )
    spec = models.JSONField(default=dict, blank=True, editable=False)
    parts = models.JSONField(default=list, blank=True, editable=False)
    mask_digest = models.CharField("digest", max_length=DIGEST_LENGTH, blank=True, editable=False)

    class Meta:
        ordering = ["dataset__name", "name"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "name"], name="region_named_once_per_dataset"),
            models.CheckConstraint(
                condition=(Q(kind="mask") & ~Q(mask_path="")) | (~Q(kind="mask") & Q(mask_path="")),
                name="only_a_mask_has_a_mask_file",
            ),
            models.CheckConstraint(
                condition=Q(kind="weights") | ~Q(mask_digest=""), name="region_has_a_digest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.dataset})"

    @property
    def value(self) -> Any:
        """Return what a configuration says of it: a path, or a specification."""
        return self.spec or self.mask_path

    @property
    def shown_mask(self) -> str:
        """Return the mask's path, relative to the dataset's folder where it lies in it."""
        return self.mask_path.removeprefix(f"{self.dataset.root}/")
