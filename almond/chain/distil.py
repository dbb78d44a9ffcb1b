"""Distil guidance into a slider: guided steps, training, and the judge's report, from one configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from almond.digest import canonical_json
from almond.encoding.features.open import open_space
from almond.errors import InputError
from almond.files.writing import write_atomically
from almond.guidance.backends.base import Generator
from almond.guidance.backends.diffusion import DiffusionGenerator
from almond.guidance.backends.load import load_generator
from almond.guidance.distillation.config import DistilConfig
from almond.guidance.distillation.guided_steps import GuidedStep, guided_steps
from almond.guidance.distillation.report import Referee, slider_report
from almond.guidance.distillation.slider import SliderGenerator, save_slider
from almond.guidance.distillation.train import fit_slider
from almond.guidance.distillation.world_judge import WorldJudge
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import DifferentiableScorer
from almond.guidance.schedule import Window
from almond.progress import Part, Progress
from almond.targets.scorer import Scorer
from almond.targets.target import load_target

REPORT = "report.json"


def distil(config: DistilConfig, progress: Progress) -> dict[str, Any]:
    """Distil, write the slider and ``report.json`` into the output folder, and return the report.

    :raises InputError: a generator without a denoiser to adapt, or settings that do not fit it.
    """
    generator = load_denoiser(config.generator)
    space = open_space(config.features)
    targets = [load_target(path) for path in config.targets]
    scorer = Scorer(space, targets)
    judge = load_judge(config, scorer.names)
    strength = config.strength or generator.defaults.strengths[-1]
    window = Window(*(config.window or generator.defaults.window))
    objectives = objectives_of(scorer.names, contrast=config.contrast)
    common = {"steps": config.steps or generator.defaults.steps, "rule": config.rule}
    items = collect_guided_steps(
        config,
        generator,
        scorer,
        objectives,
        {**common, "strength": strength, "window": _pair(window)},
        progress=Part(progress, 0.0, 0.4),
    )
    slider = SliderGenerator(generator, scorer.names, rank=config.rank, layers=config.layers, window=window)
    fitting = fit_slider(
        slider,
        items,
        updates=config.updates,
        rate=config.rate,
        seed=config.seed,
        progress=Part(progress, 0.4, 0.7),
    )
    facts = {"strength": strength, "targets": scorer.digests, **dataclasses.asdict(fitting)}
    save_slider(config.output, slider, facts=facts)
    scenes = [(prompt, seed) for prompt in config.test.prompts for seed in config.test.numbers]
    referee = Referee(scenes, common, scorer=scorer, judge=judge)
    report = {**slider_report(slider, referee, objectives, strength=strength), "fitting": vars(fitting)}
    write_atomically(config.output / REPORT, canonical_json(report))
    progress.report(1.0, "done")
    return report


def load_denoiser(name: str) -> DiffusionGenerator:
    """Load a generator that has a denoiser with weights.

    :raises InputError: it has none, as the analytic one.
    """
    generator: Generator = load_generator(name)
    if not isinstance(generator, DiffusionGenerator):
        raise InputError("generator", f"{name} has no weights to adapt", "a learned model, as small-unet")
    return generator


def load_judge(config: DistilConfig, names: Sequence[str]) -> DifferentiableScorer:
    """Load the judge under the targets' names."""
    if config.judge == "world":
        return WorldJudge(names)
    judges = [
        dataclasses.replace(load_target(path), name=name)
        for path, name in zip(config.judge, names, strict=True)
    ]
    return Scorer(open_space(config.features), judges)


def objectives_of(names: Sequence[str], *, contrast: bool) -> dict[str, dict[str, float]]:
    """Return what each dial's guidance climbs: the target, alone or against the mean of the others."""
    others = -1.0 / (len(names) - 1) if contrast and len(names) > 1 else 0.0
    return {name: {other: 1.0 if other == name else others for other in names} for name in names}


def collect_guided_steps(
    config: DistilConfig,
    generator: DiffusionGenerator,
    scorer: Scorer,
    objectives: Mapping[str, Mapping[str, float]],
    common: Mapping[str, Any],
    *,
    progress: Progress,
) -> list[GuidedStep]:
    """Sample the guided trajectories of every training prompt, target and direction, up and down."""
    cells = [
        (prompt, target, direction)
        for prompt in config.train.prompts
        for target in objectives
        for direction in (-1, 1)
    ]
    items: list[GuidedStep] = []
    for done, (prompt, target, direction) in enumerate(cells):
        recipes = [
            Recipe(
                **common,
                prompt=prompt,
                seed=seed,
                generator=generator.name,
                generator_digest=generator.digest,
                objective=dict(objectives[target]),
                direction=direction,
            )
            for seed in config.train.numbers
        ]
        items += guided_steps(
            recipes, target=target, dial=float(direction), generator=generator, scorer=scorer
        )
        progress.report((done + 1) / len(cells), f"{done + 1} of {len(cells)} guided sets")
    return items


def _pair(window: Window) -> tuple[float, float]:
    return window.low, window.high
