"""Quotas by an answer: how many people each group has, and who is in which."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

QUOTA_IS_FULL = "a quota is full"
"""For what somebody is screened out who found no place; it does not say in which group they were."""


class QuotaCount(models.Model):
    """One group of answers of a frozen study, and how many of its places are taken."""

    study = models.ForeignKey("studies.Study", on_delete=models.PROTECT, related_name="quota_counts")
    block = models.CharField(max_length=40)
    field = models.CharField(max_length=40)
    name = models.CharField(max_length=100)
    most = models.PositiveIntegerField()
    taken = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["study", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["study", "block", "field", "name"], name="quota_group_once"),
            models.CheckConstraint(condition=Q(taken__lte=F("most")), name="quota_never_exceeded"),
        ]

    def __str__(self) -> str:
        return f"{self.field}: {self.name}"


class QuotaPlace(models.Model):
    """That somebody's answer is in a group. Whoever holds a slot holds this place as well, but for those who
    found none: their visit is over."""

    participant = models.ForeignKey(
        "ratings.Participant", on_delete=models.CASCADE, related_name="quota_places", db_index=False
    )  # the constraint's index begins with it
    quota = models.ForeignKey(QuotaCount, on_delete=models.PROTECT, related_name="places")
    full = models.BooleanField(default=False, help_text="No place was left.")

    class Meta:
        ordering = ["participant", "quota"]
        constraints = [models.UniqueConstraint(fields=["participant", "quota"], name="quota_place_once")]

    def __str__(self) -> str:
        return str(self.quota)
