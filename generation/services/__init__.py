"""Every change to recipes, stimuli and matched sets: who did it is written down, work is handed to jobs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.digest import digest_bytes, digest_json
from almond.errors import InputError
from almond.files import write_atomically
from almond.guidance.defaults import defaults_of
from encoder.models import Target
from generation.models import (
    Batch,
    ImageSet,
    MatchedPair,
    MatchedSet,
    Recipe,
    Stimulus,
    base_scene_name,
    stimulus_path,
)
from generation.services.checks import check_matching, check_norms, check_recipe, check_source
from jobs.models import Job
from jobs.services import enqueue


@transaction.atomic
def create_recipe(
    *,
    name: str,
    prompt: str,
    seeds: Sequence[int],
    targets: Iterable[Target],
    by: User | None,
    strengths: Sequence[float] | None = None,
    window: tuple[float, float] | None = None,
    ramp: float | None = None,
    contrast: bool = True,
    both_signs: bool = True,
    rule: str = Recipe.Rule.THROUGH,
    steps: int | None = None,
    generator: str = "analytic",
) -> Recipe:
    """Describe what to draw; ``InputError`` names the field that is wrong.

    Strengths, window, ramp and steps default to those with which the generator was calibrated.
    """
    usual = defaults_of(generator)
    strengths = usual.strengths if strengths is None else strengths
    window = usual.window if window is None else window
    ramp = usual.ramp if ramp is None else ramp
    steps = usual.steps if steps is None else steps
    chosen = list(targets)
    check_recipe(
        prompt=prompt,
        generator=generator,
        seeds=seeds,
        targets=chosen,
        strengths=strengths,
        window=window,
        ramp=ramp,
        steps=steps,
    )
    content = {
        "prompt": prompt,
        "seeds": list(seeds),
        "strengths": [float(value) for value in strengths],
        "window_low": float(window[0]),
        "window_high": float(window[1]),
        "ramp": float(ramp),
        "contrast": contrast,
        "both_signs": both_signs,
        "rule": str(rule),
        "steps": steps,
        "generator": generator,
    }
    digest = digest_json({**content, "targets": sorted(target.digest for target in chosen)})
    recipe = Recipe.objects.create(name=name, digest=digest, **content)
    recipe.targets.set(chosen)
    record(verb="create", subject=recipe, by=by, digest=digest)
    return recipe


@transaction.atomic
def start_batch(
    *, recipes: Iterable[Recipe], by: User | None, name: str = "", judges: Iterable[Target] | None = None
) -> Batch:
    """Draw every image of the recipes in a job; ``judges`` defaults to those of the guides' encoders.

    A judge of one guide alone may hold subjects that guided others, so that it reads only batches of its own.
    """
    chosen = list(recipes)
    if not chosen:
        raise InputError("recipes", "none were chosen", "one or more")
    guides = Target.objects.filter(recipes__in=chosen).distinct()
    encoders = {target.encoder_id for target in guides}
    fair = Target.objects.judges().filter(Q(of_guide=None) | Q(of_guide__in=guides))
    reading = list(fair.filter(encoder__in=encoders) if judges is None else judges)
    strangers = [judge for judge in reading if judge.of_guide is not None and judge.of_guide not in guides]
    if strangers:
        raise InputError("judges", f"{strangers[0]} judges another guide alone", "judges of these guides")
    batch = Batch.objects.create(
        name=name or _free_name(Batch, chosen[0].name), planned=sum(recipe.images for recipe in chosen)
    )
    batch.recipes.set(chosen)
    batch.judges.set(reading)
    _start(batch, "generation.generate", {"batch": batch.pk}, by)
    record(verb="generate", subject=batch, by=by, planned=batch.planned)
    return batch


@transaction.atomic
def resume_batch(*, batch: Batch, by: User | None) -> Batch:
    """Ask for the images that are still missing, after a failed or cancelled job."""
    _start(batch, "generation.generate", {"batch": batch.pk}, by)
    record(verb="resume", subject=batch, by=by)
    return batch


def _start(row: Batch | MatchedSet | ImageSet, kind: str, arguments: dict[str, Any], by: User | None) -> None:
    row.job = enqueue(kind=kind, arguments=arguments, by=by, key=f"{kind}:{row.pk}")
    row.save(update_fields=["job"])


def _free_name(model: type[Batch], wanted: str) -> str:
    """``wanted``, or ``wanted 2``, ``wanted 3``, ..., whichever is not taken."""
    taken = set(model.objects.values_list("name", flat=True))
    names = (wanted if number == 1 else f"{wanted} {number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


@transaction.atomic
def keep_generated(
    *,
    batch: Batch,
    png: bytes,
    size: tuple[int, int],
    recipe_json: Mapping[str, Any],
    recipe_digest: str,
    target: str,
    scores: Mapping[str, float],
    score_digests: Mapping[str, str],
    lowlevel: Mapping[str, float],
    trace: Sequence[Mapping[str, Any]],
    by: User | None,
) -> Stimulus:
    """Write an image, then its row: a row never names bytes that are not there.

    The same recipe is kept once; scores by targets that had not scored it yet are added to its row.
    """
    digest = keep_bytes(png, "png")
    width, height = size
    scene = base_scene_name(recipe_json["prompt"], recipe_json["seed"])
    stimulus, new = Stimulus.objects.get_or_create(
        recipe_digest=recipe_digest,
        defaults={
            "digest": digest,
            "suffix": "png",
            "name": scene if not target else f"{scene}-{target}",
            "width": width,
            "height": height,
            "base_scene": scene,
            "prompt": recipe_json["prompt"],
            "seed": recipe_json["seed"],
            "intended_target": target,
            "direction": recipe_json["direction"],
            "strength": recipe_json["strength"] if target else 0.0,
            "recipe_json": dict(recipe_json),
            "scores": dict(scores),
            "score_digests": dict(score_digests),
            "lowlevel": dict(lowlevel),
            "trace": [dict(step) for step in trace],
        },
    )
    batch.stimuli.add(stimulus)
    if new:
        record(verb="generate", subject=stimulus, by=by, digest=digest, recipe=recipe_digest)
        return stimulus
    return keep_scores(stimulus=stimulus, scores=scores, digests=score_digests)


def keep_bytes(data: bytes, suffix: str) -> str:
    """Write bytes under their digest, once; returns the digest."""
    digest = digest_bytes(data)
    path = stimulus_path(digest, suffix)
    if not path.is_file():
        write_atomically(path, data)
    return digest


@transaction.atomic
def start_matching(
    *,
    name: str,
    batches: Iterable[Batch],
    by: User | None,
    tolerance: float = 0.1,
    scored_by: str | None = None,
) -> MatchedSet:
    """Choose pairs from the images of the batches in a job, by the guides' scores unless told."""
    chosen = list(batches)
    role = check_matching(batches=chosen, tolerance=tolerance, scored_by=scored_by)
    matched = MatchedSet.objects.create(name=name, tolerance=tolerance, scored_by=role)
    matched.batches.set(chosen)
    _start(matched, "generation.match", {"matched_set": matched.pk}, by)
    record(verb="match", subject=matched, by=by, tolerance=tolerance, scored_by=role)
    return matched


@transaction.atomic
def rematch(*, matched_set: MatchedSet, tolerance: float, by: User | None) -> MatchedSet:
    """Choose the pairs of a draft again, with another tolerance."""
    _require_draft(matched_set)
    if not (math.isfinite(tolerance) and tolerance > 0):
        raise InputError("tolerance", f"{tolerance}", "a number above 0, in standard deviations")
    matched_set.tolerance = tolerance
    matched_set.save(update_fields=["tolerance"])
    _start(matched_set, "generation.match", {"matched_set": matched_set.pk}, by)
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
    """Replace a draft's pairs by what matching chose: (base scene, target, id of high, id of low) each."""
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
    """From here on the pairs cannot change: a study may show them."""
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


def keep_upload(*, data: bytes, suffix: str) -> Path:
    """Write an uploaded file under its digest in the lab's folder; returns where."""
    path = Path(settings.ALMOND_HOME) / "uploads" / f"{digest_bytes(data)}.{suffix}"
    if not path.is_file():
        write_atomically(path, data)
    return path


@transaction.atomic
def import_image_set(
    *,
    name: str,
    folder: Path | str,
    by: User | None,
    norms: Path | str = "",
) -> ImageSet:
    """Bring in the PNG and JPEG images of a folder or zip file, with a CSV of norms, in a job.

    Both must lie under one of the server's data folders (``ALMOND_DATA_ROOTS``).
    """
    source = check_source(Path(folder), "folder")
    table = str(check_norms(Path(norms))) if norms else ""
    image_set = ImageSet.objects.create(name=name, folder=str(source), norms_file=table)
    _start(image_set, "generation.import_images", {"image_set": image_set.pk}, by)
    record(verb="import", subject=image_set, by=by, folder=str(source), norms=table)
    return image_set


@transaction.atomic
def retry_import(*, image_set: ImageSet, by: User | None) -> ImageSet:
    """Ask again for an import that failed, after its files were mended."""
    if image_set.imported_at is not None:
        raise InputError(image_set, "is already imported", "a set whose import failed")
    _start(image_set, "generation.import_images", {"image_set": image_set.pk}, by)
    record(verb="import", subject=image_set, by=by, folder=image_set.folder)
    return image_set


@transaction.atomic
def keep_images(
    *, image_set: ImageSet, rows: Iterable[Stimulus], norms: Sequence[str], by: User | None
) -> ImageSet:
    """The rows of an imported set, all of them or none; an import that already happened is left alone."""
    current = ImageSet.objects.select_for_update().get(pk=image_set.pk)
    if current.imported_at is None:
        made = Stimulus.objects.bulk_create(rows)
        current.imported_at, current.norms = timezone.now(), list(norms)
        current.save(update_fields=["imported_at", "norms"])
        record(verb="keep_images", subject=current, by=by, images=len(made), norms=list(norms))
    return current


@transaction.atomic
def start_scoring(*, image_set: ImageSet, targets: Iterable[Target], by: User | None) -> Job:
    """Score the images of a set by targets, in a job."""
    chosen = list(targets)
    if not chosen or not all(target.digest for target in chosen):
        raise InputError(
            "targets", "none, or one not yet made", "one or more targets whose weights have been made"
        )
    names = sorted(target.score_name for target in chosen)
    if len(set(names)) != len(names):
        raise InputError(
            "targets", f"two are called the same ({', '.join(names)})", "targets of different names"
        )
    ids = sorted(target.pk for target in chosen)
    job = enqueue(
        kind="generation.score",
        arguments={"image_set": image_set.pk, "targets": ids},
        by=by,
        key=f"generation.score:{image_set.pk}:{'-'.join(map(str, ids))}",
    )
    record(verb="score", subject=image_set, by=by, targets=names)
    return job


def scoring_job(*, image_set: ImageSet) -> Job | None:
    """The newest scoring of a set."""
    return (
        Job.objects.filter(kind="generation.score", arguments__image_set=image_set.pk).order_by("pk").last()
    )


@transaction.atomic
def keep_scores(*, stimulus: Stimulus, scores: Mapping[str, float], digests: Mapping[str, str]) -> Stimulus:
    """Add scores to an image's row, with the digests of the targets that gave them; other scores stay.

    ``InputError`` when another target of the same name has scored it: which one counts must not depend on the
    order of work.
    """
    current = Stimulus.objects.select_for_update().get(pk=stimulus.pk)
    for name, digest in digests.items():
        if current.score_digests.get(name, digest) != digest:
            raise InputError(
                current, f"was scored by another target called {name}", "targets of different names"
            )
    current.scores = {**current.scores, **scores}
    current.score_digests = {**current.score_digests, **digests}
    current.save(update_fields=["scores", "score_digests"])
    return current
