"""Screening: a person looks at every image of a draft, without its target and direction, and says why not."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.digest import digest_json
from almond.errors import InputError
from generation.models import MatchedSet, Screening, Stimulus


@transaction.atomic
def screen_images(
    *, matched_set: MatchedSet, verdicts: Mapping[int, str], by: User | None
) -> list[Screening]:
    """Write a person's word on images of a draft, each once.

    :param verdicts: id of the image -> reason for rejecting it; empty accepts it.
    :raises InputError: a locked set, an image that the set does not show, or one screened before.
    """
    current = MatchedSet.objects.select_for_update().get(pk=matched_set.pk)
    if current.is_frozen:
        raise InputError(matched_set, "is locked", "a draft")
    waiting = set(current.unscreened().values_list("pk", flat=True))
    unknown = sorted(set(verdicts) - waiting)
    if unknown:
        raise InputError(
            matched_set, f"image {unknown[0]} is not waiting to be screened", "images of its pairs, each once"
        )
    rows = [
        Screening(
            matched_set=current, stimulus_id=pk, accepted=not reason.strip(), reason=reason.strip(), by=by
        )
        for pk, reason in sorted(verdicts.items())
    ]
    Screening.objects.bulk_create(rows)
    rejected = [row.stimulus_id for row in rows if not row.accepted]
    record(verb="screen", subject=current, by=by, images=len(rows), rejected=rejected)
    return rows


def to_screen(matched_set: MatchedSet) -> list[Stimulus]:
    """List the images that wait, in an order that follows from digests: not by scene, target or direction."""
    images = matched_set.unscreened().only("pk", "digest", "suffix", "measures")
    return sorted(images, key=lambda image: digest_json([matched_set.pk, image.digest, image.pk]))
