"""Matched sets: pairs selected in a job, until the set is locked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from almond.stimuli.pairing.yardsticks import HELD, PAIRED, PEOPLE, TOLERANCE
from generation.models import Batch, MatchedPair, MatchedSet, Stimulus
from generation.services.checks import check_matching, check_people, check_yardsticks, of_the_world
from generation.services.row_jobs import start_job


@transaction.atomic
def start_matching(
    *,
    name: str,
    batches: Iterable[Batch],
    by: User | None,
    tolerance: float = TOLERANCE,
    paired: float = PAIRED,
    held: Sequence[str] | None = None,
    scenes: int | None = None,
    budget: int | None = None,
    scored_by: str | None = None,
) -> MatchedSet:
    """Select pairs from the images of the batches in a job.

    :param tolerance: largest mean difference of what is held, in standard deviations of the pool.
    :param paired: largest paired d_z of what is held.
    :param held: groups of ``almond.stimuli.pairing.yardsticks.GROUPS``; None is :func:`usual_groups`.
    :param scenes: base scenes kept for each target; None is all.
    :param budget: further seeds are drawn until the pool has so many images; None draws nothing.
    :param scored_by: role of the targets whose scores select; None is the guides.
    :raises InputError: names the field that is wrong.
    """
    batch_rows = list(batches)
    role = check_matching(batches=batch_rows, tolerance=tolerance, scored_by=scored_by)
    groups = check_yardsticks(tolerance=tolerance, paired=paired, held=held or usual_groups(batch_rows))
    check_people(groups, batch_rows)
    matched = MatchedSet.objects.create(
        name=name,
        tolerance=tolerance,
        paired=paired,
        held=list(groups),
        scenes=scenes,
        budget=budget,
        scored_by=role,
    )
    matched.batches.set(batch_rows)
    start_job(matched, "generation.match", {"matched_set": matched.pk}, by)
    record(
        verb="match", subject=matched, by=by, tolerance=tolerance, paired=paired, held=groups, scored_by=role
    )
    return matched


MOVES_OTHERS = ("contrast", "partial")
"""Objectives that are meant to move the other targets' scores."""


def usual_groups(batches: Sequence[Batch]) -> tuple[str, ...]:
    """Return what a set is held to unless it says otherwise.

    Recipes that push a target rather than the others are meant to move the others' scores, so that these
    cannot be held; in any other set they are. People are the same in both pictures where something reads
    them: in scenes of the simulated world.
    """
    rather = any(batch.objectives & set(MOVES_OTHERS) for batch in batches)
    held = tuple(name for name in HELD if not (rather and name == "off_target"))
    return (*held, PEOPLE) if of_the_world(batches) else held


@transaction.atomic
def rematch(
    *, matched_set: MatchedSet, tolerance: float, by: User | None, paired: float | None = None
) -> MatchedSet:
    """Select the pairs of a draft again: by other bounds, or without the images that were rejected."""
    _require_draft(matched_set)
    wanted = matched_set.paired if paired is None else paired
    check_yardsticks(tolerance=tolerance, paired=wanted, held=matched_set.held)
    matched_set.tolerance, matched_set.paired = tolerance, wanted
    matched_set.save(update_fields=["tolerance", "paired"])
    start_job(matched_set, "generation.match", {"matched_set": matched_set.pk}, by)
    record(verb="match", subject=matched_set, by=by, tolerance=tolerance, paired=wanted)
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
    matched: bool = False,
    checks: Mapping[str, Any] | None = None,
) -> MatchedSet:
    """Replace a draft's pairs by those that matching selected.

    :param pairs: (base scene, target, id of the high image, id of the low one) each.
    :param matched: whether every quantity held keeps both yardsticks.
    """
    _require_draft(MatchedSet.objects.select_for_update().get(pk=matched_set.pk))
    matched_set.pairs.all().delete()
    MatchedPair.objects.bulk_create(
        MatchedPair(matched_set=matched_set, base_scene=scene, target=target, high_id=high, low_id=low)
        for scene, target, high, low in pairs
    )
    matched_set.balance = [dict(row) for row in balance]
    matched_set.reached, matched_set.kept = dict(reached), dict(kept)
    matched_set.matched, matched_set.checks = matched, dict(checks or {})
    matched_set.save(update_fields=["balance", "reached", "kept", "matched", "checks"])
    record(
        verb="keep_pairs",
        subject=matched_set,
        by=by,
        pairs=matched_set.pairs.count(),
        matched=matched,
        reached=dict(reached),
    )
    return matched_set


@transaction.atomic
def keep_measures(*, stimulus: Stimulus, measures: Mapping[str, Any]) -> None:
    """Write quality, likeness and flaws of an image beside its other values."""
    Stimulus.objects.filter(pk=stimulus.pk).update(measures={**stimulus.measures, **measures})


@transaction.atomic
def freeze_matched_set(
    *, matched_set: MatchedSet, by: User | None, unscreened_reason: str = ""
) -> MatchedSet:
    """Lock the pairs: from here on they cannot change, and a study may show them.

    :param unscreened_reason: why nobody has looked at every image; needed where somebody has not.
    :raises InputError: no pairs, an image that was rejected, or one that nobody has looked at, no reason.
    """
    current = MatchedSet.objects.select_for_update().get(pk=matched_set.pk)
    if not current.is_frozen:
        _check_lockable(current, unscreened_reason.strip())
    changed = MatchedSet.objects.filter(pk=matched_set.pk, state=MatchedSet.State.DRAFT).update(
        state=MatchedSet.State.FROZEN,
        frozen_at=timezone.now(),
        frozen_by=by,
        unscreened_reason=unscreened_reason.strip() if current.unscreened().exists() else "",
    )
    matched_set.refresh_from_db()
    if changed:
        record(
            verb="freeze",
            subject=matched_set,
            by=by,
            pairs=matched_set.pairs.count(),
            matched=bool(matched_set.matched),
            unscreened=matched_set.unscreened_reason,
        )
    return matched_set


def _check_lockable(matched_set: MatchedSet, reason: str) -> None:
    if not matched_set.pairs.exists():
        raise InputError(matched_set, "has no pairs", "a set whose matching is done")
    rejected = matched_set.stimuli().filter(screenings__matched_set=matched_set, screenings__accepted=False)
    if rejected.exists():
        raise InputError(
            matched_set, f"shows {rejected.count()} rejected images", "a matching without them: match again"
        )
    missing = matched_set.unscreened().count()
    if missing and not reason:
        raise InputError(
            matched_set,
            f"{missing} of its images were not screened",
            "a person who looks at every image, or a reason why nobody does",
        )


def _require_draft(matched_set: MatchedSet) -> None:
    if matched_set.is_frozen:
        raise InputError(matched_set, "is frozen", "a draft; start a new matching instead")
