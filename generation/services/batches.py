"""Batches: the images of recipes, made in a job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from encoder.models import Target
from generation.models import Batch, Recipe, Stimulus, base_scene_name
from generation.services.files import keep_bytes
from generation.services.row_jobs import start_job
from generation.services.scoring import keep_scores


@transaction.atomic
def start_batch(
    *, recipes: Iterable[Recipe], by: User | None, name: str = "", judges: Iterable[Target] | None = None
) -> Batch:
    """Draw every image of the recipes in a job.

    :param name: empty is the first recipe's name, with a number where that is taken.
    :param judges: held-out targets that score the images; None is those of the guides' encoders. The judge of
        one guide alone may hold subjects that guided others, so that it scores only batches of its own guide.
    :raises InputError: no recipe, or a judge of a guide that is not in these recipes.
    """
    recipe_rows = list(recipes)
    if not recipe_rows:
        raise InputError("recipes", "none were chosen", "one or more")
    guides = Target.objects.filter(recipes__in=recipe_rows).distinct()
    encoders = {target.encoder_id for target in guides}
    fair = Target.objects.judges().filter(Q(of_guide=None) | Q(of_guide__in=guides))
    scoring = list(fair.filter(encoder__in=encoders) if judges is None else judges)
    unrelated = [judge for judge in scoring if judge.of_guide is not None and judge.of_guide not in guides]
    if unrelated:
        raise InputError("judges", f"{unrelated[0]} judges another guide alone", "judges of these guides")
    batch = Batch.objects.create(
        name=name or _free_name(recipe_rows[0].name), planned=sum(recipe.images for recipe in recipe_rows)
    )
    batch.recipes.set(recipe_rows)
    batch.judges.set(scoring)
    start_job(batch, "generation.generate", {"batch": batch.pk}, by)
    record(verb="generate", subject=batch, by=by, planned=batch.planned)
    return batch


@transaction.atomic
def resume_batch(*, batch: Batch, by: User | None) -> Batch:
    """Make the images that are still missing, after a failed or cancelled job."""
    start_job(batch, "generation.generate", {"batch": batch.pk}, by)
    record(verb="resume", subject=batch, by=by)
    return batch


def _free_name(wanted: str) -> str:
    """Return ``wanted``, or ``wanted 2``, ``wanted 3``, ..., whichever is not taken."""
    taken = set(Batch.objects.values_list("name", flat=True))
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

    A recipe has one row; scores by targets that had not scored its image yet are added to it.
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
