"""The embedded generator and guidance, evaluated by a held-out network: ``python -m benchmarks.generation``.

Prints (with ``--json`` as one JSON object): CPU seconds per image; how often the held-out judge recovers a
prompt's attributes from generated and from rendered scenes; what guidance moves, at what distance from the
scenes that the generator knows, beside guidance done badly and beside best-of-N without gradients. Scores
that guide are linear readouts of the feature network; they never evaluate.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from almond.encoding.features.kinds.world import open_world
from almond.encoding.features.space import FeatureSpace
from almond.guidance.backends.analytic import AnalyticGenerator
from almond.guidance.backends.base import seeded_noise
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated, generate
from almond.rng import derive_seed
from almond.rng import generator as random_generator
from almond.stimuli.images import contact_sheet, write_png
from almond.targets.scorer import Scorer
from almond.targets.target import Target, standardised_target
from almond.world import scenes
from almond.world.brains import TRUTH
from almond.world.lab import CONSTRUCT_OF_TARGET, PROMPTS, TARGETS, contrast_against_others
from almond.world.networks import load_network
from almond.world.prompts import caption, parse_prompt
from almond.world.raters import CONSTRUCTS

REFERENCE = 800
RIDGE = 300.0
NOTICEABLE = 0.5
"""A held-out difference between high and low of half a standard deviation of scenes counts as success."""


def construct_matrix() -> np.ndarray:
    """Latents (16) to the construct of every target (4)."""
    return np.array(
        [[CONSTRUCTS[CONSTRUCT_OF_TARGET[t]].get(name, 0.0) for t in TARGETS] for name in scenes.LATENTS]
    )


class Judge:
    """The held-out network's readout of every target's construct, in standard deviations of rendered
    scenes."""

    def __init__(self, pictures: np.ndarray) -> None:
        self.network, self.matrix = load_network("judge"), construct_matrix()
        found = self.read(pictures)
        self.mean, self.sd = found.mean(0), found.std(0)

    def read(self, pictures: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self.network.read_latents(as_tensor(pictures)).numpy() @ self.matrix

    def __call__(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        return (self.read(pictures) - self.mean) / self.sd


def as_tensor(pictures: Sequence[np.ndarray] | np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(list(pictures))).permute(0, 3, 1, 2).float() / 255.0


def reference_scenes() -> tuple[list[scenes.Scene], np.ndarray]:
    rng = random_generator(1, "benchmark scenes")
    drawn = [scenes.draw_scene(rng) for _ in range(REFERENCE)]
    return drawn, scenes.render_many(drawn)


def truth_targets(space: FeatureSpace, drawn: Sequence[scenes.Scene], pictures: np.ndarray) -> list[Target]:
    """The regions' truth, read linearly (ridge) from the feature network."""
    features = space.extract(list(pictures)).astype(float)
    latents = np.stack([scenes.latents(scene) for scene in drawn])
    centred = features - features.mean(0)
    gram = centred.T @ centred + RIDGE * np.eye(features.shape[1])
    targets = []
    for name in TARGETS:
        truth = latents @ np.array([TRUTH[name].get(latent, 0.0) for latent in scenes.LATENTS])
        weights = np.linalg.solve(gram, centred.T @ (truth - truth.mean()))
        targets.append(
            standardised_target(name, weights, features, feature_space_digest=space.digest, sources=["truth"])
        )
    return targets


@dataclass(frozen=True)
class Setting:
    """One way of guiding; ``best_of`` > 0 chooses among that many unguided images instead."""

    name: str
    strength: float
    window: tuple[float, float]
    rule: str = "through"
    best_of: int = 0


def settings(generator: AnalyticGenerator) -> list[Setting]:
    usual = generator.defaults
    return [
        *(Setting(f"default, strength {value}", value, usual.window) for value in usual.strengths),
        Setting("through the denoiser, late", 0.5, (0.5, 0.95)),
        Setting("whole trajectory, strong", 2.0, (0.0, 1.0)),
        Setting("x0 only, late", 0.5, (0.5, 0.95), "x0"),
        Setting("best of 4", 0.0, (0.0, 0.0), best_of=4),
        Setting("best of 8", 0.0, (0.0, 0.0), best_of=8),
    ]


class Candidate(AnalyticGenerator):
    """The same banks with other noise: what best-of-N chooses from."""

    number = 0

    def initial_latent(self, seed: int) -> torch.Tensor:
        return seeded_noise(derive_seed(seed, "candidate", self.number), self.latent_shape)


FIRST = 4
"""Prompts of the example lab that are drawn: those of the figures in docs/measured.md."""


class Bench:
    """Networks, targets and scenes that all parts share."""

    def __init__(self, scenes_per_prompt: int) -> None:
        drawn, pictures = reference_scenes()
        space = open_world()
        self.scorer = Scorer(space, truth_targets(space, drawn, pictures))
        self.judge = Judge(pictures)
        self.generator = Candidate()
        self.cells = [(prompt, seed) for prompt in PROMPTS[:FIRST] for seed in range(scenes_per_prompt)]
        self.sheets: dict[str, np.ndarray] = {}

    def recipe(self, prompt: str, seed: int, target: str, direction: int, setting: Setting) -> Recipe:
        return Recipe(
            prompt=prompt,
            seed=seed,
            generator=self.generator.name,
            generator_digest=self.generator.digest,
            objective=contrast_against_others(target),
            direction=direction,
            strength=setting.strength,
            window=setting.window,
            rule=setting.rule,
            steps=self.generator.defaults.steps,
        )

    def make(self, recipes: Sequence[Recipe]) -> list[Generated]:
        return list(generate(recipes, generator=self.generator, scorer=self.scorer))

    def images_of(self, setting: Setting) -> tuple[list[Generated], float]:
        """High and low of every target of every scene, in that order, and the CPU seconds per image."""
        jobs = [
            self.recipe(prompt, seed, target, direction, setting)
            for prompt, seed in self.cells
            for target in TARGETS
            for direction in (1, -1)
        ]
        for prompt, seed in self.cells:
            self.generator.bank(parse_prompt(prompt).fixed, seed)
        began = time.process_time()
        found = self.best_of(jobs, setting) if setting.best_of else self.make(jobs)
        return found, (time.process_time() - began) / len(found)

    def best_of(self, jobs: Sequence[Recipe], setting: Setting) -> list[Generated]:
        """For every job the candidate with the best own score."""
        best: list[Generated] = []
        for number in range(setting.best_of):
            self.generator.number = number + 1
            for index, image in enumerate(self.make(jobs)):
                if number == 0:
                    best.append(image)
                elif gain(image) > gain(best[index]):
                    best[index] = image
        self.generator.number = 0
        return best

    def row(self, setting: Setting) -> dict[str, Any]:
        found, seconds = self.images_of(setting)
        judged = self.judge([image.image for image in found]).reshape(len(self.cells), 4, 2, 4)
        difference = judged[:, :, 0] - judged[:, :, 1]
        own = np.array([gain(image) for image in found]).reshape(len(self.cells), 4, 2).sum(2)
        on_target = difference[:, range(4), range(4)]
        self.sheets[setting.name] = contact_sheet([image.image for image in found], 8)
        return {
            "setting": setting.name,
            "own_shift": round(float(own.mean()), 2),
            "judged_shift": {t: round(float(on_target[:, i].mean()), 2) for i, t in enumerate(TARGETS)},
            "judged_off_target": round(float(difference[:, ~np.eye(4, dtype=bool)].mean()), 2),
            "judged_success": round(float((on_target > NOTICEABLE).mean()), 3),
            "distance_to_prior": round(float(np.mean([self.distance(image) for image in found])), 4),
            "diversity": round(diversity([image.image for image in found[::8]]), 3),
            "cpu_seconds_per_image": round(seconds, 3),
        }

    def distance(self, image: Generated) -> float:
        """Smallest RMS difference (of 1) between an image and the scenes that the generator knows for it."""
        fixed = parse_prompt(image.recipe.prompt).fixed
        known = self.generator.decode(self.generator.bank(fixed, image.recipe.seed).latents())
        return float((known - as_tensor([image.image])).square().mean((1, 2, 3)).sqrt().min())


def gain(image: Generated) -> float:
    """The signed objective that an image reached."""
    recipe = image.recipe
    return recipe.direction * sum(weight * image.scores[name] for name, weight in recipe.objective.items())


def diversity(pictures: Sequence[np.ndarray]) -> float:
    """Mean RMS difference (of 1) between the pictures of different scenes."""
    values = torch.pdist(as_tensor(pictures).flatten(1))
    return float(values.mean()) / math.sqrt(pictures[0].size)


def recognisability(bench: Bench, count: int) -> dict[str, dict[str, float]]:
    """Return the judge's accuracy per attribute of a full caption, in generated and rendered scenes."""
    rng = random_generator(2, "benchmark prompts")
    drawn = [scenes.draw_scene(rng) for _ in range(count)]
    wanted = [parse_prompt(caption(scene)).fixed for scene in drawn]
    unguided = Setting("none", 0.0, (0.0, 0.0))
    recipes = [bench.recipe(caption(scene), index, "LB", 0, unguided) for index, scene in enumerate(drawn)]
    sets = {
        "generated": np.stack([image.image for image in bench.make(recipes)]),
        "rendered": scenes.render_many(drawn),
    }
    bench.sheets["prompted"] = contact_sheet(list(sets["generated"][:48]), 8)
    found: dict[str, dict[str, float]] = {}
    for kind, pictures in sets.items():
        with torch.no_grad():
            read = bench.judge.network.probabilities(as_tensor(pictures))
        for name, values in scenes.ATTRIBUTES.items():
            answers = read[name].argmax(1).tolist()
            right = [
                values[a] == fixed[name] for a, fixed in zip(answers, wanted, strict=True) if name in fixed
            ]
            found.setdefault(name, {})[kind] = round(float(np.mean(right)), 3)
    return found


def speed(bench: Bench) -> dict[str, float]:
    """CPU seconds on one core (so that a busy machine does not count): per bank, unguided and guided
    image."""
    usual = bench.generator.defaults
    guided = Setting("guided", usual.strengths[0], usual.window)
    began = time.process_time()
    for seed in range(100, 104):
        bench.generator.bank(parse_prompt(PROMPTS[0]).fixed, seed)
    bank = (time.process_time() - began) / 4
    found = {"bank": round(bank, 3)}
    for name, direction in (("unguided", 0), ("guided", 1)):
        recipes = [
            bench.recipe(PROMPTS[0], seed, target, direction, guided)
            for seed in range(100, 104)
            for target in TARGETS
        ]
        began = time.process_time()
        bench.make(recipes)
        found[name] = round((time.process_time() - began) / len(recipes), 3)
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments.add_argument("--scenes", type=int, default=3, help="scenes for each of the four prompts")
    arguments.add_argument("--prompts", type=int, default=96, help="prompts for recognisability")
    arguments.add_argument("--sheets", type=Path, help="write contact sheets into this folder")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    bench = Bench(options.scenes)
    result = {
        "speed": speed(bench),
        "recognisability": recognisability(bench, options.prompts),
        "guidance": [bench.row(setting) for setting in settings(bench.generator)],
    }
    if options.sheets:
        for name, sheet in bench.sheets.items():
            write_png(options.sheets / f"{name.replace(' ', '-').replace(',', '')}.png", sheet)
    print(json.dumps(result, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
