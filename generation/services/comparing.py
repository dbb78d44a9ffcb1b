"""Photographs beside a matched set: selected by the same scores under the same matching, in a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from generation.models import ImageSet, MatchedSet, PhotographComparison
from jobs.services import enqueue


@transaction.atomic
def start_comparison(
    *, matched_set: MatchedSet, image_set: ImageSet, by: User | None, column: str = ""
) -> PhotographComparison:
    """Select photographs as a matched set was selected, and test whether scores rank a column from outside.

    :param column: a norm of the image set, such as a measured response; empty tests nothing.
    :raises InputError: a set without pairs, photographs without scores by its targets, an unknown column.
    """
    if not matched_set.pairs.exists():
        raise InputError(matched_set, "has no pairs", "a set whose matching is done")
    if column and column not in image_set.norms:
        raise InputError(
            "column", f"{column!r} is no norm of {image_set}", ", ".join(image_set.norms) or "none"
        )
    targets = sorted(set(matched_set.pairs.values_list("target", flat=True)))
    first = image_set.stimuli.first()
    lacking = [name for name in targets if first is None or name not in first.scores]
    if lacking:
        raise InputError(
            image_set, f"is not scored by {', '.join(lacking)}", "photographs scored by the guides"
        )
    row = PhotographComparison.objects.create(matched_set=matched_set, image_set=image_set, column=column)
    row.job = enqueue(
        kind="generation.compare",
        arguments={"comparison": row.pk},
        by=by,
        key=f"generation.compare:{row.pk}",
    )
    row.save(update_fields=["job"])
    record(verb="compare", subject=matched_set, by=by, image_set=image_set.pk, column=column)
    return row


@transaction.atomic
def keep_comparison(
    *,
    comparison: PhotographComparison,
    rows: Sequence[Mapping[str, Any]],
    ranks: Sequence[Mapping[str, Any]],
    by: User | None,
) -> None:
    """Write what was compared."""
    comparison.rows, comparison.ranks = [dict(row) for row in rows], [dict(row) for row in ranks]
    comparison.save(update_fields=["rows", "ranks"])
    record(verb="keep_comparison", subject=comparison.matched_set, by=by, image_set=comparison.image_set_id)
