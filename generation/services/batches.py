"""Batches: the images of recipes, made in a job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from almond.generating.folder import ImageRecord, Manifest, generated_folders
from encoder.models import Target
from generation.models import Batch, Recipe, Stimulus, base_scene_name
from generation.services.checks import check_source
from generation.services.files import keep_bytes
from generation.services.row_jobs import start_job
from generation.services.scoring import keep_scores

IMPORT = "generation.import_generated"


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
def import_batch(*, name: str, folder: Path | str, by: User | None) -> Batch:
    """Take in, in a job, what ``python -m almond generate`` made: a folder, or one that holds its shards.

    :param folder: under one of the server's data folders (``ALMOND_DATA_ROOTS``).
    :raises InputError: nothing of ``generate`` is there, or a target that this lab does not have.
    :raises DigestMismatch: shards of another generator or target.
    """
    source = check_source(Path(folder), "folder")
    manifest, shards = generated_folders(source)
    judges = known_targets(manifest)
    batch = Batch.objects.create(
        name=name, folder=str(source), manifest=manifest.to_json(), planned=manifest.images
    )
    batch.judges.set(judges)
    start_job(batch, IMPORT, {"batch": batch.pk}, by)
    record(verb="import", subject=batch, by=by, folder=str(source), shards=len(shards))
    return batch


def known_targets(manifest: Manifest) -> list[Target]:
    """Return the judges of a folder, once every target in it is one of this lab's, digest by digest.

    :raises InputError: names the target that is not, and what this lab has under its name.
    """
    judges = []
    for role, digests in ((Target.Role.GUIDE, manifest.targets), (Target.Role.JUDGE, manifest.judges)):
        for name, digest in digests.items():
            ready = Target.objects.ready().filter(role=role)
            same = next((row for row in ready.filter(digest=digest) if row.score_name == name), None)
            if same is None:
                others = sorted({row.digest[:12] for row in ready if row.score_name == name})
                here = (
                    f"of that name there is {', '.join(others)}" if others else "there is none of that name"
                )
                raise InputError(
                    "folder",
                    f"was made with {role} {name}, digest {digest[:12]}, which is not of this lab",
                    f"targets whose weights were made here ({here})",
                )
            if role == Target.Role.JUDGE:
                judges.append(same)
    return judges


@transaction.atomic
def keep_imported(*, batch: Batch, images: Sequence[tuple[ImageRecord, str]], by: User | None) -> Batch:
    """Write the rows of images whose bytes are kept already: all of them or none.

    :param images: each with its record and the digest of its bytes.
    :raises InputError: an image that this lab made otherwise of the same recipe, or scores by other targets.
    """
    current = Batch.objects.select_for_update().get(pk=batch.pk)
    names = [image.name for image, _ in images]
    there = dict(Stimulus.objects.filter(recipe_digest__in=names).values_list("recipe_digest", "digest"))
    for image, digest in images:
        if there.get(image.name, digest) != digest:
            raise InputError(
                f"image of recipe {image.name}",
                f"has other bytes ({digest[:12]}) than the one of this lab ({there[image.name][:12]})",
                "the same bytes of the same recipe: one machine computes otherwise than the other",
            )
        keep_row(
            batch=current,
            digest=digest,
            size=(image.width, image.height),
            recipe_json=image.recipe.to_json(),
            recipe_digest=image.name,
            target=image.intended_target,
            scores=image.scores,
            score_digests=image.score_digests,
            lowlevel=image.lowlevel,
            trace=image.trace,
            by=by,
        )
    objectives = {image.objective for image, _ in images if image.objective}
    current.manifest = {**current.manifest, "objectives": sorted(objectives)}
    current.save(update_fields=["manifest"])
    record(verb="keep_imported", subject=current, by=by, images=len(images))
    return current


@transaction.atomic
def resume_batch(*, batch: Batch, by: User | None) -> Batch:
    """Make or take in the images that are still missing, after a failed or cancelled job."""
    start_job(batch, IMPORT if batch.folder else "generation.generate", {"batch": batch.pk}, by)
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
    """Write an image, then its row: a row never names bytes that are not there."""
    return keep_row(
        batch=batch,
        digest=keep_bytes(png, "png"),
        size=size,
        recipe_json=recipe_json,
        recipe_digest=recipe_digest,
        target=target,
        scores=scores,
        score_digests=score_digests,
        lowlevel=lowlevel,
        trace=trace,
        by=by,
    )


@transaction.atomic
def keep_row(
    *,
    batch: Batch,
    digest: str,
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
    """Write the row of an image whose bytes lie under ``digest``.

    A recipe has one row; scores by targets that had not scored its image yet are added to it.
    """
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
