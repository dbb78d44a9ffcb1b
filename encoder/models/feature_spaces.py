"""Feature spaces: networks, tables and event predictors."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from encoder import choices
from encoder.models.datasets import DIGEST_LENGTH


class FeatureSpace(models.Model):
    """Where images become numbers: a network, or a table of features computed elsewhere.

    ``spec`` holds what the kind needs beside ``path``, as ``almond.encoding.config.features`` reads it.
    ``digest`` and ``dimension`` are noted when it is first used, ``file_digests`` too: bytes of the table,
    weights or film by path. A change of any of them is refused from then on.
    """

    name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=40, choices=choices.feature_kinds, default="world")
    path = models.CharField("table file", max_length=1000, blank=True, help_text="Only for a table.")
    spec = models.JSONField(default=dict, blank=True, editable=False)
    digest = models.CharField(max_length=DIGEST_LENGTH, blank=True, editable=False)
    file_digests = models.JSONField(default=dict, blank=True, editable=False)
    dimension = models.PositiveIntegerField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=(Q(kind="table") & ~Q(path="")) | (~Q(kind="table") & Q(path="")),
                name="only_a_table_has_a_file",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def value(self) -> dict[str, Any]:
        """Return what a configuration says of it."""
        spec: dict[str, Any] = {"kind": self.kind, **self.spec}
        return {**spec, "path": self.path} if self.path else spec

    @property
    def is_network(self) -> bool:
        """Whether it computes features of new images."""
        return choices.is_network(self.kind)

    @property
    def is_table(self) -> bool:
        """Whether its features were computed elsewhere and are read from a file."""
        return self.kind == "table"
