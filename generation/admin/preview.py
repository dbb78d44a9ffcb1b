"""What the settings in a recipe's form would make: words, cost and schedule, before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.http import QueryDict

from almond.errors import InputError
from almond.generating.cost import Cost, cost_of, schedule_curve
from almond.generating.expand import UP_AND_DOWN, GuidanceGrid
from almond.guidance.added.store import defaults_for
from almond.guidance.generators import GENERATORS, beyond_saturation
from almond.guidance.objectives import DEFAULT_OBJECTIVE, OBJECTIVES
from almond.guidance.recipe import View
from almond.guidance.searches import DEFAULT_SEARCH
from almond.shapes import read
from almond.world.prompts import parse_prompt
from encoder.models import Target
from generation.admin.guidance_form import read_seeds
from generation.admin.methods import read_around, read_value
from generation.models import Batch, Recipe
from generation.services.checks import check_around, check_methods
from generation.services.diagnoses import saturation_warnings
from generation.services.recipes import grid_of
from jobs.models import State
from lab.typed_values import read_numbers

MOST_STEPS_DRAWN = 1000


def words_of_prompt(generator: str, prompt: str) -> dict[str, Any]:
    """Return the words of a prompt that a generator knows and those that it ignores.

    ``all`` is true for a pipeline: its text encoder takes any word.
    """
    if generator not in GENERATORS.names():
        return {"all": True, "understood": [], "ignored": [], "problem": ""}
    try:
        parsed = parse_prompt(prompt)
    except InputError as error:
        problem = f"{error.problem}; try {error.expected}" if prompt.strip() else ""
        return {"all": False, "understood": [], "ignored": [], "problem": problem}
    return {
        "all": False,
        "understood": list(parsed.understood),
        "ignored": list(parsed.ignored),
        "problem": "",
    }


def preview_of(form: QueryDict) -> dict[str, Any]:
    """Return words, cost and curve of a form's values; ``problem`` says what cannot be read yet."""
    generator = form.get("generator", "")
    words = words_of_prompt(generator, form.get("prompt", ""))
    try:
        grid, scenes = _grid_in(form), len(read_seeds(form.get("seeds", "")))
        targets = form.getlist("targets")
        cost = cost_of(grid, scenes=scenes, targets=len(targets))
        curve = [asdict(step) for step in schedule_curve(grid.steps, grid.window, grid.ramp)]
    except InputError as error:
        return {"words": words, "problem": str(error)}
    return {
        "words": words,
        "cost": cost_in_words(cost, generator),
        "curve": curve,
        "window": grid.window,
        "strengths": grid.pushes,
        "warnings": strength_warnings(
            {
                "generator": generator,
                "rule": grid.rules[0],
                "objective": grid.objectives[0],
                "strengths": grid.pushes,
            },
            targets=list(Target.objects.filter(pk__in=[pk for pk in targets if pk.isdecimal()])),
        ),
        "problem": "",
    }


def strength_warnings(guided: Mapping[str, Any], *, targets: Sequence[Target]) -> list[str]:
    """Warn of strengths that were seen to gain nothing: when the generator was calibrated, or by a diagnosis.

    ``guided`` holds generator, rule, objective and strengths.
    """
    known = beyond_saturation(guided["generator"], guided["strengths"])
    asked = {name: guided[name] for name in ("generator", "rule", "objective", "strengths")}
    return [*([known] if known else []), *saturation_warnings(targets=targets, **asked)]


def _grid_in(form: QueryDict) -> GuidanceGrid:
    usual = defaults_for(form.get("generator", ""))
    search = form.get("search") or DEFAULT_SEARCH
    values = {**form.dict(), "search": search}
    searched, penalties, view = read_around(values)
    objective = OBJECTIVES.check(form.get("objective") or DEFAULT_OBJECTIVE)
    check_methods(rule=form.get("rule", ""), objective=objective, settings=searched, search=search)
    check_around(generator=form.get("generator", ""), search=search, penalties=penalties, view=view)
    steps = int(_number(form, "steps", usual.steps))
    if not 1 <= steps <= MOST_STEPS_DRAWN:
        raise InputError("steps", f"is {steps}", f"1 to {MOST_STEPS_DRAWN}")
    low, high = (_number(form, name, usual.window[i]) for i, name in enumerate(("window_low", "window_high")))
    return GuidanceGrid(
        steps=steps,
        strengths=tuple(read_numbers(form.get("strengths", ""), "strengths")) or usual.strengths,
        window=(low, high),
        ramp=_number(form, "ramp", usual.ramp),
        directions=UP_AND_DOWN if form.get("both_signs") else UP_AND_DOWN[:1],
        rules=(form.get("rule", ""),),
        objectives=(objective,),
        settings=searched,
        search=search,
        penalties=penalties,
        view=read(View, view, source="view"),
    )


def _number(form: Mapping[str, Any], name: str, usual: float) -> float:
    value = read_value(form, name)
    return usual if value is None else value


def cost_of_recipe(recipe: Recipe) -> str:
    """Say what the images of a recipe cost."""
    return cost_in_words(cost_of_row(recipe), recipe.generator)


def cost_of_row(recipe: Recipe) -> Cost:
    """Count images and passes of a recipe's row."""
    return cost_of(grid_of(recipe), scenes=len(recipe.seeds), targets=recipe.targets.count())


def cost_in_words(cost: Cost, generator: str) -> str:
    """Say images, denoiser passes, and about how long as many images took here the last time."""
    passes = "" if cost.passes is None else f", {cost.passes} denoiser passes"
    seconds = seconds_of(cost, generator)
    if seconds is None:
        return f"{cost.images} images{passes}; how long is known after the first batch of this generator"
    return f"{cost.images} images{passes}; about {duration(seconds)}, at the pace of the last batch here"


def seconds_of(cost: Cost, generator: str) -> float | None:
    """Estimate seconds by the newest finished batch of a generator; None without one.

    By denoiser passes where they are known for both, else by images.
    """
    batches = (
        Batch.objects.filter(recipes__generator=generator, job__state=State.DONE)
        .select_related("job")
        .order_by("-job__finished_at")
    )
    for batch in batches[:5]:
        job = batch.job
        made = (job.result or {}).get("made", 0) if job else 0
        if job and made and job.started_at and job.finished_at:
            per_image = (job.finished_at - job.started_at).total_seconds() / made
            before = [cost_of_row(recipe) for recipe in batch.recipes.all()]
            passes = [row.passes for row in before if row.passes is not None]
            if cost.passes is None or len(passes) < len(before):
                return cost.images * per_image
            return cost.passes * per_image * sum(row.images for row in before) / sum(passes)
    return None


def duration(seconds: float) -> str:
    """Write a duration in the unit that suits it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
