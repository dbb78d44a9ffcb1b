"""Designs that a lab keeps, to begin studies with."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class StudyTemplate(models.Model):
    """The design of a study under a name, as it was when it was kept."""

    name = models.CharField(max_length=120, unique=True)
    description = models.CharField(max_length=400, blank=True)
    design = models.JSONField(editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="study_templates",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "template"
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="template_has_a_name")]

    def __str__(self) -> str:
        return self.name
