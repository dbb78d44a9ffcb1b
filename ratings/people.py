"""Who people are and where they come from, kept apart from what they answered; and leave to erase."""

from __future__ import annotations

from django.db import models

from encoder.models import DIGEST_LENGTH


class Recruitment(models.Model):
    """Where a participant came from. Kept apart from the data: exports never read this table.

    The id itself is never stored, only its digest under a key of its own: whoever knows an id can find its
    participant, nobody can read ids from the table.
    """

    study = models.ForeignKey("studies.Study", on_delete=models.PROTECT, related_name="recruitments")
    participant = models.OneToOneField(
        "ratings.Participant", on_delete=models.CASCADE, related_name="recruitment"
    )
    source = models.CharField(max_length=40)
    id_digest = models.CharField(max_length=DIGEST_LENGTH)
    details = models.JSONField(default=dict, help_text="Of the link, nothing that names a person.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "id_digest"], name="recruited_once_per_study"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.id_digest[:12]}…"


class Arrival(models.Model):
    """Somebody who wanted to join: how many come from one internet address, and who was refused and why.

    The address itself is never stored, only its keyed digest. Rows without a refusal are kept for a minute.
    Without a study: somebody who entered a withdrawal code.
    """

    study = models.ForeignKey("studies.Study", null=True, on_delete=models.CASCADE, related_name="arrivals")
    address_digest = models.CharField(max_length=DIGEST_LENGTH)
    at = models.DateTimeField()
    refusal = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=["study", "address_digest", "at"], name="arrivals_of_an_address")]

    def __str__(self) -> str:
        return f"{self.study_id} {self.at:%H:%M:%S}"


class Permit(models.Model):
    """While a row is here, rows that are written once may be changed and deleted (see the migrations).

    Only the erasing service inserts one, and deletes it in the same transaction: no other sees it.
    """

    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S}"
