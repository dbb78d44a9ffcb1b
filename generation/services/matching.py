"""Matched sets: pairs selected in a job, until the set is frozen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from generation.models import Batch, MatchedPair, MatchedSet
from generation.services.checks import check_matching, check_tolerance
from generation.services.row_jobs import start_job


@transaction.atomic
def start_matching(
    *,
    name: str,
    batches: Iterable[Batch],
    by: User | None,
    tolerance: float = 0.1,
    scored_by: str | None = None,
) -> MatchedSet:
    """Select pairs from the images of the batches in a job.

    :param tolerance: largest standardised difference of a low-level feature within a target.
    :param scored_by: role of the targets whose scores select; None is the guides.
    """
    batch_rows = list(batches)
    role = check_matching(batches=batch_rows, tolerance=tolerance, scored_by=scored_by)
    matched = MatchedSet.objects.create(name=name, tolerance=tolerance, scored_by=role)
    matched.batches.set(batch_rows)
    start_job(matched, "generation.match", {"matched_set": matched.pk}, by)
    record(verb="match", subject=matched, by=by, tolerance=tolerance, scored_by=role)
    return matched


@transaction.atomic
def rematch(*, matched_set: MatchedSet, tolerance: float, by: User | None) -> MatchedSet:
    """Select the pairs of a draft again, with another tolerance."""
    _require_draft(matched_set)
    check_tolerance(tolerance)
    matched_set.tolerance = tolerance
    matched_set.save(update_fields=["tolerance"])
    start_job(matched_set, "generation.match", {"matched_set": matched_set.pk}, by)
    record(verb="match", subject=matched_set, by=by, tolerance=tolerance)
    return matched_set


@transaction.atomic
def keep_pairs(
    *,
    matched_set: MatchedSet,
    pairs: Iterable[tuple[str, str, int, int]],
    balance: Sequence[Mapping[str, Any]],
    reached: Mapping[str, float | None],
    kept: Mapping[str, float],
    by: User | None,
) -> MatchedSet:
    """Replace a draft's pairs by those that matching selected.

    :param pairs: (base scene, target, id of the high image, id of the low one) each.
    """
    _require_draft(MatchedSet.objects.select_for_update().get(pk=matched_set.pk))
    matched_set.pairs.all().delete()
    MatchedPair.objects.bulk_create(
        MatchedPair(matched_set=matched_set, base_scene=scene, target=target, high_id=high, low_id=low)
        for scene, target, high, low in pairs
    )
    matched_set.balance = [dict(row) for row in balance]
    matched_set.reached, matched_set.kept = dict(reached), dict(kept)
    matched_set.save(update_fields=["balance", "reached", "kept"])
    record(
        verb="keep_pairs", subject=matched_set, by=by, pairs=matched_set.pairs.count(), reached=dict(reached)
    )
    return matched_set


@transaction.atomic
def freeze_matched_set(*, matched_set: MatchedSet, by: User | None) -> MatchedSet:
    """Freeze the pairs: from here on they cannot change, and a study may show them."""
    if not matched_set.pairs.exists():
        raise InputError(matched_set, "has no pairs", "a set whose matching is done")
    changed = MatchedSet.objects.filter(pk=matched_set.pk, state=MatchedSet.State.DRAFT).update(
        state=MatchedSet.State.FROZEN, frozen_at=timezone.now(), frozen_by=by
    )
    if changed:
        record(verb="freeze", subject=matched_set, by=by, pairs=matched_set.pairs.count())
    matched_set.refresh_from_db()
    return matched_set


def _require_draft(matched_set: MatchedSet) -> None:
    if matched_set.is_frozen:
        raise InputError(matched_set, "is frozen", "a draft; start a new matching instead")
