"""Making the images of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from almond.guidance.backends.base import Generator
from almond.guidance.backends.device import read_device
from almond.guidance.backends.load import load_generator
from almond.guidance.recipe import Recipe as ImageRecipe
from almond.guidance.sampler import Generated
from almond.guidance.sampler import generate as generate_images
from almond.progress import Part, Progress
from almond.stimuli.images import png_bytes
from almond.targets.scorer import Scorer
from encoder.runs.features import load_scorer
from generation import services
from generation.models import Batch, Recipe, Stimulus
from generation.services.recipes import image_recipes
from jobs.services.execution import RunningJob


def generate(job: RunningJob) -> dict[str, Any]:
    """Make every image of a batch that does not exist yet; each is stored as soon as it is made."""
    batch = Batch.objects.get(pk=job.arguments["batch"])
    return {"made": make_missing(job, batch, job), "images": batch.stimuli.count()}


def make_missing(job: RunningJob, batch: Batch, progress: Progress) -> int:
    """Make the images of a batch that do not exist yet, within any job; returns how many were made."""
    recipes = list(batch.recipes.order_by("pk"))
    made = 0
    for number, recipe in enumerate(recipes):
        part = Part(progress, number / len(recipes), (number + 1) / len(recipes))
        made += _generate_recipe(job, batch, recipe, part)
    return made


def _generate_recipe(job: RunningJob, batch: Batch, recipe: Recipe, part: Part) -> int:
    part.report(0.0, f"{recipe.name}: loading")
    generator = load_generator(recipe.generator)
    wanted = list(image_recipes(recipe, generator_digest=generator.digest))
    targets = [*recipe.targets.all(), *batch.judges.all()]
    missing = _missing(batch, wanted, {target.score_name: target.digest for target in targets})
    if missing:
        scorer = load_scorer(targets).to(read_device())
        _make(job, batch, missing, generator=generator, scorer=scorer, part=part)
    job.log(f"{recipe.name}: {len(missing)} made, {len(wanted) - len(missing)} were there")
    return len(missing)


def _missing(
    batch: Batch, wanted: Sequence[tuple[str, ImageRecipe]], scored_by: Mapping[str, str]
) -> list[tuple[str, ImageRecipe]]:
    """Return the recipes without an image; one of another batch, scored by the same targets, is added."""
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
    *,
    generator: Generator,
    scorer: Scorer,
    part: Part,
) -> None:
    recipes = [recipe for _, recipe in wanted]
    images = generate_images(recipes, generator=generator, scorer=scorer, progress=part)
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
