"""Encoding models and the artifacts that were fitted with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import models
from django.db.models import Q

from encoder import choices
from encoder.folders import picture_root
from encoder.models.datasets import DIGEST_LENGTH, Dataset, Region
from encoder.models.feature_spaces import FeatureSpace


class Encoder(models.Model):
    """How voxels are predicted from features: the settings of one encoding model."""

    name = models.CharField(max_length=120, unique=True)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="encoders")
    feature_space = models.ForeignKey(FeatureSpace, on_delete=models.PROTECT, related_name="encoders")
    more_spaces = models.ManyToManyField(
        FeatureSpace,
        blank=True,
        related_name="banded_encoders",
        help_text="In addition to the first one, for banded ridge regression.",
    )
    model = models.CharField(max_length=40, choices=choices.encoder_models, default="pls")
    regions = models.ManyToManyField(Region, related_name="encoders")
    config = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def subjects(self) -> list[str]:
        """List the subjects of the dataset, without the ``sub-`` prefix."""
        return list(self.dataset.subjects)

    @property
    def of_all_subjects(self) -> bool:
        """Whether one job fits all subjects together."""
        return choices.fits_all_subjects(self.model)

    @property
    def is_imported(self) -> bool:
        """Whether its weights were fitted elsewhere."""
        return self.model == choices.IMPORTED

    @property
    def gives_weights(self) -> bool:
        """Whether its artifacts hold a weight for each feature."""
        return choices.gives_weights(self.model)


class EncoderVersion(models.Model):
    """One fitted artifact: the weights of one region of one subject, in a folder named by its digest."""

    encoder = models.ForeignKey(Encoder, on_delete=models.PROTECT, related_name="versions")
    subject = models.CharField(max_length=60)
    region = models.ForeignKey(Region, on_delete=models.PROTECT, related_name="versions")
    model = models.CharField(max_length=40, choices=choices.encoder_models)
    digest = models.CharField(max_length=DIGEST_LENGTH, db_index=True)
    path = models.CharField(max_length=1000)
    metrics = models.JSONField(default=dict)
    job = models.ForeignKey(
        "jobs.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="encoder_versions"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["encoder__name", "region__name", "subject", "-id"]
        verbose_name = "fitted region"
        constraints = [
            # Two encoders with the same settings rightly give the same artifact: unique per encoder.
            # All regions of a group model lie in one folder: unique per subject and region too.
            models.UniqueConstraint(
                fields=["encoder", "digest", "subject", "region"], name="artifact_once_per_encoder"
            ),
            models.CheckConstraint(condition=~Q(digest=""), name="version_has_a_digest"),
        ]

    def __str__(self) -> str:
        return f"{self.region.name} of sub-{self.subject} ({self.digest[:8]})"

    @property
    def heldout_r(self) -> float | None:
        """Return the mean over voxels of the held-out correlation, in [-1, 1]."""
        return read_heldout(self.metrics)

    @property
    def pictures(self) -> Path:
        """Return the folder of its maps. Encoders that share an artifact share its maps."""
        return picture_root() / f"{self.digest}-{self.subject}-{self.region_id}"


def read_heldout(metrics: dict[str, Any]) -> float | None:
    """Return the mean held-out correlation in an artifact's metrics, or None where none was recorded."""
    for name in ("heldout_r_mean", "heldout_r"):
        r = metrics.get(name)
        if isinstance(r, dict):
            r = r.get("mean")
        if isinstance(r, int | float):
            return float(r)
    return None
