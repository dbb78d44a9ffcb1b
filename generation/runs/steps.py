"""One picture over its steps, made again from its stored recipe."""

from __future__ import annotations

from typing import Any

from almond.attribution.viewer import StepsWanted, keep_steps
from almond.guidance.backends.load import load_generator
from almond.guidance.recipe import Recipe as ImageRecipe
from almond.pictures.reading import read_image
from almond.progress import Part
from encoder.runs.features import load_scorer
from generation import services
from generation.services.steps import targets_of
from generation.step_views import StepView
from jobs.services.execution import RunningJob


def view_steps(job: RunningJob) -> dict[str, Any]:
    """Write the files of a step view; those of an attempt that was stopped are not written again."""
    row = StepView.objects.select_related("stimulus").get(pk=job.arguments["step_view"])
    if row.is_ready:
        return {"same": row.result["same"]}
    stimulus = row.stimulus
    recipe = ImageRecipe.from_json(stimulus.recipe_json)
    job.report(0.0, "loading the generator and the targets")
    scorer = load_scorer(targets_of(stimulus))
    wanted = StepsWanted(recipe, read_image(stimulus.path, name=str(stimulus)), row.target, row.method)
    shown = keep_steps(wanted, load_generator(recipe.generator), scorer, row.path, Part(job, 0.05, 1.0))
    services.finish_step_view(step_view=row, result=shown, by=job.job.requested_by)
    job.log(
        "the picture came out with the stored bytes' pixels"
        if shown["same"]
        else f"the picture differs from the stored one in {shown['changed_pixels']} pixels"
    )
    return {"same": shown["same"]}
