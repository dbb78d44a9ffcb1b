"""Who people are and where they come from, kept apart from what they answered; and leave to erase."""

from __future__ import annotations

import base64
import json

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models

from almond.errors import InputError
from encoder.models import DIGEST_LENGTH


def cipher() -> Fernet:
    """Return what seals and opens recruitment ids, under the key that is theirs alone."""
    derived = HKDF(SHA256(), 32, salt=None, info=b"almond recruitment ids").derive(
        settings.RECRUITMENT_KEY.encode()
    )
    return Fernet(base64.urlsafe_b64encode(derived))


def seal(text: str) -> str:
    """Seal a text under the key of recruitment ids."""
    return cipher().encrypt(text.encode()).decode()


def unseal(sealed: str, what: object) -> str:
    """Open a sealed text.

    :param what: whose it is, for the error.
    :raises InputError: it was sealed under another key.
    """
    try:
        return cipher().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        expected = "the key under which people were recruited"
        raise InputError("ALMOND_RECRUITMENT_KEY", f"does not open {what}", expected) from error


class Recruitment(models.Model):
    """Where a participant came from. Kept apart from the data: exports never read this table.

    The id is stored sealed, and as a digest by which a known one is found, both under a key of its own:
    nobody can read ids from a copy of the database.
    """

    study = models.ForeignKey("studies.Study", on_delete=models.PROTECT, related_name="recruitments")
    participant = models.OneToOneField(
        "ratings.Participant", on_delete=models.CASCADE, related_name="recruitment"
    )
    source = models.CharField(max_length=40)
    id_digest = models.CharField(max_length=DIGEST_LENGTH)
    sealed_id = models.TextField(editable=False)
    details = models.JSONField(default=dict, help_text="Of the link, nothing that names a person.")
    sealed_details = models.TextField(
        blank=True, editable=False, help_text="Further ids of the link, sealed together as JSON."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["study", "id_digest"], name="recruited_once_per_study"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.id_digest[:12]}…"

    @property
    def external_id(self) -> str:
        """Open the id, for people with the right to see it.

        :raises InputError: it was sealed under another key.
        """
        return unseal(self.sealed_id, self)

    @property
    def personal(self) -> dict[str, str]:
        """Open the further ids of the link, for people with the right to see them.

        :raises InputError: they were sealed under another key.
        """
        opened: dict[str, str] = json.loads(unseal(self.sealed_details, self)) if self.sealed_details else {}
        return opened


class Arrival(models.Model):
    """Somebody who wanted to join: how many come from one internet address, and who was refused and why.

    The address itself is never stored, only its keyed digest. Rows without a refusal go a minute or two
    later. Without a study: somebody who entered a withdrawal code.
    """

    study = models.ForeignKey("studies.Study", null=True, on_delete=models.CASCADE, related_name="arrivals")
    address_digest = models.CharField(max_length=DIGEST_LENGTH)
    at = models.DateTimeField()
    refusal = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=12, blank=True, help_text="Which refusal it was, in one word.")

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
