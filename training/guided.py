"""How far guidance of the small model moves its own score and the judge: ``python -m training.guided``.

Every scene is drawn unguided, and pushed up and down for each target of the example lab at the generator's
default strength. A push counts along its direction, against the unguided picture, in standard deviations of
rendered scenes: by the guiding score (linear in the feature network) and by the held-out judge.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from almond.encoding.features.kinds.world import open_world
from almond.guidance.backends.base import Generator
from almond.guidance.backends.load import load_generator
from almond.guidance.distillation.world_judge import WorldJudge
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated, generate
from almond.stimuli.images import contact_sheet, write_png
from almond.targets.scorer import Scorer
from almond.world.lab import PROMPTS, TARGETS, contrast_against_others
from benchmarks.generation import reference_scenes, truth_targets

DIRECTIONS = (1, -1)


def recipes_of_scene(generator: Generator, prompt: str, seed: int, strength: float) -> list[Recipe]:
    """The unguided picture, then each target up and down."""
    common: dict[str, Any] = {
        "prompt": prompt,
        "seed": seed,
        "generator": generator.name,
        "generator_digest": generator.digest,
        "steps": generator.defaults.steps,
    }
    pushes = [
        Recipe(
            **common,
            objective=contrast_against_others(target),
            direction=direction,
            strength=strength,
            window=generator.defaults.window,
        )
        for target in TARGETS
        for direction in DIRECTIONS
    ]
    return [Recipe(**common), *pushes]


def objective_of(scores: Mapping[str, float], target: str) -> float:
    return sum(weight * scores[name] for name, weight in contrast_against_others(target).items())


def pushes_of(scene: Sequence[Generated], judged: Sequence[Mapping[str, float]]) -> np.ndarray[Any, Any]:
    """Signed shifts (targets, directions, own and judge) of one scene's pictures, the unguided one first."""
    shifts = np.empty((len(TARGETS), len(DIRECTIONS), 2))
    readings = ([made.scores for made in scene], judged)
    for reader, scores in enumerate(readings):
        for index, target in enumerate(TARGETS):
            for side, direction in enumerate(DIRECTIONS):
                pushed = scores[1 + index * len(DIRECTIONS) + side]
                shift = objective_of(pushed, target) - objective_of(scores[0], target)
                shifts[index, side, reader] = direction * shift
    return shifts


def measure_pushes(
    generator: Generator, scenes: Sequence[tuple[str, int]], strength: float, sheet: Path | None
) -> dict[str, Any]:
    """Draw, judge and average over scenes."""
    drawn, pictures = reference_scenes()
    space = open_world()
    scorer, judge = Scorer(space, truth_targets(space, drawn, pictures)), WorldJudge(TARGETS)
    found, images = [], []
    for prompt, seed in scenes:
        recipes = recipes_of_scene(generator, prompt, seed, strength)
        scene = list(generate(recipes, generator=generator, scorer=scorer, batch=len(recipes)))
        images += [made.image for made in scene]
        stacked = torch.from_numpy(np.stack([made.image for made in scene]))
        read = judge(stacked.permute(0, 3, 1, 2).float() / 255.0)
        found.append(pushes_of(scene, [dict(zip(TARGETS, row, strict=True)) for row in read.tolist()]))
    if sheet:
        write_png(sheet, contact_sheet(images, 1 + len(TARGETS) * len(DIRECTIONS)))
    shifts = np.stack(found)
    own, judged = shifts.mean((0, 1, 2))
    by_target = shifts.mean((0, 2))
    return {
        "scenes": len(scenes),
        "strength": strength,
        "own": round(float(own), 3),
        "judge": round(float(judged), 3),
        "own_judge_ratio": round(float(own / judged), 2),
        "by_target": {
            name: [round(float(value), 2) for value in row]
            for name, row in zip(TARGETS, by_target, strict=True)
        },
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--generator", default="small-unet")
    arguments.add_argument("--prompts", type=int, default=4, help="of the example lab, from the first")
    arguments.add_argument("--seeds", type=int, default=1)
    arguments.add_argument("--strength", type=float, help="the generator's smallest if left out")
    arguments.add_argument("--sheet", type=Path, help="write the pictures as one sheet")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    generator = load_generator(options.generator)
    scenes = [
        (prompt, 70001 + seed) for prompt in PROMPTS[: options.prompts] for seed in range(options.seeds)
    ]
    strength = options.strength or generator.defaults.strengths[0]
    print(json.dumps(measure_pushes(generator, scenes, strength, options.sheet), indent=2))


if __name__ == "__main__":
    main()
