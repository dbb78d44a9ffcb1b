"""What workers do for the generation pages. The only module here that loads torch, and only when asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from almond.errors import InputError
from almond.guidance.backends.base import Generator
from almond.guidance.backends.load import load_generator
from almond.guidance.recipe import Recipe as ImageRecipe
from almond.guidance.sampler import Generated
from almond.guidance.sampler import generate as run_sampler
from almond.progress import Part
from almond.stimuli.images import png_bytes, read_image
from almond.stimuli.lowlevel import NAMES
from almond.stimuli.matching import choose_pairs
from almond.targets.scorer import Scorer
from encoder.models import Target
from encoder.runs.features import load_scorer
from generation import services
from generation.models import Batch, ImageSet, MatchedSet, Recipe, Stimulus
from generation.runs.importing import read_source
from generation.services.expand import image_recipes
from jobs.services.execution import RunningJob

TOGETHER = 8


def generate(job: RunningJob) -> dict[str, Any]:
    """Make every image of a batch that does not exist yet; each is kept as soon as it is there."""
    batch = Batch.objects.get(pk=job.arguments["batch"])
    recipes = list(batch.recipes.order_by("pk"))
    made = 0
    for number, recipe in enumerate(recipes):
        part = Part(job, number / len(recipes), (number + 1) / len(recipes))
        made += _generate_recipe(job, batch, recipe, part)
    return {"made": made, "images": batch.stimuli.count()}


def _generate_recipe(job: RunningJob, batch: Batch, recipe: Recipe, part: Part) -> int:
    part.report(0.0, f"{recipe.name}: loading")
    generator = load_generator(recipe.generator)
    wanted = list(image_recipes(recipe, generator_digest=generator.digest))
    targets = [*recipe.targets.all(), *batch.judges.all()]
    missing = _missing(batch, wanted, {target.score_name: target.digest for target in targets})
    if missing:
        scorer = load_scorer(targets)
        _make(job, batch, missing, generator, scorer, part)
    job.log(f"{recipe.name}: {len(missing)} made, {len(wanted) - len(missing)} were there")
    return len(missing)


def _missing(
    batch: Batch, wanted: Sequence[tuple[str, ImageRecipe]], scored_by: Mapping[str, str]
) -> list[tuple[str, ImageRecipe]]:
    """The recipes without an image; one made by another batch and scored by the same targets is taken."""
    missing = {recipe.digest: (target, recipe) for target, recipe in wanted}
    for stimulus in Stimulus.objects.filter(recipe_digest__in=list(missing)):
        if scored_by.items() <= stimulus.score_digests.items():
            batch.stimuli.add(stimulus)
            del missing[stimulus.recipe_digest]
    return list(missing.values())


def _make(
    job: RunningJob,
    batch: Batch,
    wanted: Sequence[tuple[str, ImageRecipe]],
    generator: Generator,
    scorer: Scorer,
    part: Part,
) -> None:
    recipes = [recipe for _, recipe in wanted]
    images = run_sampler(recipes, generator=generator, scorer=scorer, progress=part)
    for (target, _), image in zip(wanted, images, strict=True):
        _keep(job, batch, target, image, scorer.digests)


def _keep(job: RunningJob, batch: Batch, target: str, made: Generated, digests: Mapping[str, str]) -> None:
    height, width = made.image.shape[:2]
    services.keep_generated(
        batch=batch,
        png=png_bytes(made.image),
        size=(width, height),
        recipe_json=made.recipe.to_json(),
        recipe_digest=made.recipe.digest,
        target=target,
        scores=made.scores,
        score_digests=digests,
        lowlevel=made.lowlevel,
        trace=made.trace,
        by=job.job.requested_by,
    )


def match(job: RunningJob) -> dict[str, Any]:
    """Choose the pairs of a matched set from all images of its batches."""
    matched = MatchedSet.objects.get(pk=job.arguments["matched_set"])
    job.report(0.0, "reading the pool")
    images = Stimulus.objects.filter(batches__in=matched.batches.all()).distinct().order_by("pk")
    pool = pool_of(images, judged=matched.scored_by == Target.Role.JUDGE)
    found = choose_pairs(pool, tolerance=matched.tolerance, progress=job)
    plain = found.to_json()
    services.keep_pairs(
        matched_set=matched,
        pairs=[
            (row["base_scene"], row["intended_target"], int(row["high"]), int(row["low"]))
            for row in plain["pairs"]
        ],
        balance=plain["balance"],
        reached=plain["reached"],
        kept=plain["kept"],
        by=job.job.requested_by,
    )
    return {"pairs": len(plain["pairs"]), "reached": plain["reached"]}


def pool_of(images: Iterable[Stimulus], *, judged: bool) -> pd.DataFrame:
    """The table that matching chooses from: one row per image, ``score_<target>`` by judges or by guides."""
    rows = []
    for one in images:
        scores = {
            f"score_{name.removesuffix('_judge')}": value
            for name, value in one.scores.items()
            if name.endswith("_judge") == judged
        }
        features = {name: one.lowlevel[name] for name in NAMES}
        rows.append(
            {
                "stimulus_id": one.pk,
                "image_sha256": one.digest,
                "base_scene": one.base_scene,
                "intended_target": one.intended_target,
                "direction": one.direction,
                "strength": one.strength,
                **scores,
                **features,
            }
        )
    if not rows:
        raise InputError("stimulus pool", "is empty", "batches whose images have been made")
    return pd.DataFrame(rows)


def import_images(job: RunningJob) -> dict[str, Any]:
    """Bring in a folder or zip file: everything is read and checked before the first byte is written."""
    image_set = ImageSet.objects.get(pk=job.arguments["image_set"])
    if image_set.imported_at is not None:
        return {"images": image_set.stimuli.count()}
    norms_file = Path(image_set.norms_file) if image_set.norms_file else None
    found = read_source(Path(image_set.folder), norms_file, progress=Part(job, 0.0, 0.8))
    writing = Part(job, 0.8, 1.0)
    rows = []
    for number, image in enumerate(found.images):
        writing.report(number / len(found.images), f"writing {image.name}")
        digest = services.keep_bytes(image.read(), image.suffix)
        rows.append(
            Stimulus(
                digest=digest,
                suffix=image.suffix,
                name=image.name,
                width=image.width,
                height=image.height,
                base_scene=image.name,
                lowlevel=image.lowlevel,
                norms=image.norms,
                image_set=image_set,
            )
        )
    services.keep_images(image_set=image_set, rows=rows, norms=found.norm_names, by=job.job.requested_by)
    for line in found.remarks:
        job.log(line)
    return {"images": len(rows), "norms": list(found.norm_names)}


def score(job: RunningJob) -> dict[str, Any]:
    """Score the images of a set by targets, eight at a time."""
    image_set = ImageSet.objects.get(pk=job.arguments["image_set"])
    targets = list(Target.objects.filter(pk__in=job.arguments["targets"]).order_by("pk"))
    job.report(0.0, "loading the targets")
    scorer = load_scorer(targets)
    images = list(image_set.stimuli.order_by("pk"))
    for start in range(0, len(images), TOGETHER):
        some = images[start : start + TOGETHER]
        job.report(start / len(images), f"image {start + 1} of {len(images)}")
        table = scorer.score_images([read_image(one.path) for one in some])
        for stimulus, values in zip(some, table, strict=True):
            scores = {name: float(v) for name, v in zip(scorer.names, values, strict=True)}
            services.keep_scores(stimulus=stimulus, scores=scores, digests=scorer.digests)
    return {"images": len(images), "targets": list(scorer.names)}
