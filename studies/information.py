"""What participants are told of a study before they begin, and on which devices it can be taken."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q


class Information(models.Model):
    """The facts of the information sheet, in the words that participants read; empty ones are left out."""

    part_of_design: ClassVar[str] = "information"

    class Devices(models.TextChoices):
        ANY = "any", "any device"
        COMPUTER = "computer", "computers only"

    study = models.OneToOneField("studies.Study", on_delete=models.CASCADE, related_name="information")
    researchers = models.CharField(
        "who runs the study", max_length=200, blank=True, help_text="Names and institution."
    )
    contact = models.CharField(
        max_length=200,
        blank=True,
        help_text="Whom participants may ask: an e-mail address or a telephone number.",
    )
    ethics = models.CharField(
        "ethics approval", max_length=200, blank=True, help_text="Committee and number of its vote."
    )
    payment = models.CharField(max_length=200, blank=True, help_text="In words: 3 pounds, by Prolific.")
    minutes = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="How long it takes. Empty: as the plan estimates.",
    )
    devices = models.CharField(
        max_length=8,
        choices=Devices.choices,
        default=Devices.ANY,
        help_text="Who comes with another is told so before consent.",
    )
    least_width = models.PositiveIntegerField(
        "least width",
        null=True,
        blank=True,
        validators=[MinValueValidator(320), MaxValueValidator(4000)],
        help_text="Of the window, in CSS pixels. Empty: any from 320.",
    )
    least_height = models.PositiveIntegerField(
        "least height",
        null=True,
        blank=True,
        validators=[MinValueValidator(240), MaxValueValidator(3000)],
        help_text="Of the window, in CSS pixels. Empty: any.",
    )

    class Meta:
        verbose_name_plural = "information"
        constraints = [
            models.CheckConstraint(condition=Q(devices__in=["any", "computer"]), name="devices_are_known"),
        ]

    def __str__(self) -> str:
        return f"information about {self.study}"

    @property
    def rules_out_devices(self) -> bool:
        """Tell whether some devices or windows are not let in."""
        return self.devices != self.Devices.ANY or bool(self.least_width or self.least_height)
