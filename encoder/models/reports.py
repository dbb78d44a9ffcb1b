"""Reports over the subjects of an encoder."""

from __future__ import annotations

from pathlib import Path

from django.db import models

from encoder import choices
from encoder.models.encoders import Encoder


class EncoderReport(models.Model):
    """Statistics over the subjects of an encoder, written into a folder by a job."""

    encoder = models.ForeignKey(Encoder, on_delete=models.PROTECT, related_name="reports")
    kind = models.CharField(max_length=40, choices=choices.report_kinds, default="evaluation")
    name = models.CharField(max_length=120, unique=True)
    config = models.JSONField(default=dict, blank=True, editable=False)
    path = models.CharField(max_length=1000, blank=True, editable=False)
    sources = models.JSONField(default=list, editable=False)
    job = models.ForeignKey(
        "jobs.Job", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="reports"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "report"

    def __str__(self) -> str:
        return self.name

    @property
    def folder(self) -> Path:
        return Path(self.path)
