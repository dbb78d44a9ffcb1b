"""What a participant agreed to: the text as it was shown, stored once, and who agreed to which."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from encoder.models import DIGEST_LENGTH


class ConsentForm(models.Model):
    """A text that participants agreed to, named by the SHA-256 of its UTF-8 bytes."""

    study = models.ForeignKey("studies.Study", on_delete=models.PROTECT, related_name="consent_forms")
    digest = models.CharField(max_length=DIGEST_LENGTH)
    language = models.CharField(max_length=20)
    text = models.TextField()
    first_agreed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["study", "digest"], name="consent_form_stored_once"),
            models.CheckConstraint(condition=~Q(digest="") & ~Q(text=""), name="consent_form_has_a_text"),
        ]

    def __str__(self) -> str:
        return f"consent form {self.digest[:12]}… ({self.language})"


class Consent(models.Model):
    """That a participant agreed to a form; when is written in the participant's row."""

    participant = models.OneToOneField(
        "ratings.Participant", on_delete=models.CASCADE, related_name="consent"
    )
    form = models.ForeignKey(ConsentForm, on_delete=models.PROTECT, related_name="consents")

    def __str__(self) -> str:
        return f"{self.participant}: {self.form}"
