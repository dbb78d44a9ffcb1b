"""How often the held-out judge recovers what a prompt asked for: ``python -m training.recognisable``.

``--generator NAME`` measures pictures of a generator of ``almond.guidance`` (``analytic``, ``small-unet``, or
a folder); without it, rendered scenes, which are the ceiling.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from almond.guidance.generators import known_generators
from almond.rng import derive_seed, generator
from almond.world.networks import load_network
from almond.world.prompts import caption, parse_prompt
from almond.world.scenes import ALL_ATTRIBUTES, draw_scene, render_many

Draw = Callable[[str, Sequence[int]], NDArray[np.uint8]]
"""Prompt and seeds to pictures (n, 96, 96, 3)."""


def rendered(prompt: str, seeds: Sequence[int]) -> NDArray[np.uint8]:
    """Scenes of a prompt, drawn by the renderer itself."""
    fixed = parse_prompt(prompt).fixed
    return render_many(draw_scene(generator(seed, "recognisable"), fixed) for seed in seeds)


class NoTargets:
    """A scorer without targets: what the loop asks for when nothing is guided."""

    names: tuple[str, ...] = ()

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images.new_zeros(len(images), 0)


def generated(name: str) -> Draw:
    """Unguided pictures of a generator: the loop without any objective."""
    from almond.guidance.backends.load import load_generator
    from almond.guidance.recipe import Recipe
    from almond.guidance.sampler import generate

    source = load_generator(name)

    def draw(prompt: str, seeds: Sequence[int]) -> NDArray[np.uint8]:
        recipes = [
            Recipe(
                prompt=prompt,
                seed=seed,
                generator=name,
                generator_digest=source.digest,
                steps=source.defaults.steps,
            )
            for seed in seeds
        ]
        found = generate(recipes, generator=source, scorer=NoTargets())
        return np.stack([each.image for each in found])

    return draw


def prompts_of_world(count: int, seed: int) -> list[str]:
    """Captions of random scenes that name about half of their attributes."""
    rng = generator(seed, "recognisable-prompts")
    return [caption(draw_scene(rng), rng, keep=0.5) for _ in range(count)]


@torch.no_grad()
def recovered(draw: Draw, prompts: Sequence[str], per_prompt: int, seed: int) -> dict[str, tuple[float, int]]:
    """For each attribute: the share of pictures in which the judge sees what was asked, and of how many."""
    judge = load_network("judge")
    hits: dict[str, list[bool]] = {name: [] for name in ALL_ATTRIBUTES}
    for prompt in prompts:
        seeds = [derive_seed(seed, prompt, number) % 2**31 for number in range(per_prompt)]
        images = torch.from_numpy(draw(prompt, seeds)).permute(0, 3, 1, 2).float() / 255.0
        seen = {name: values.argmax(1).tolist() for name, values in judge(images).items()}
        for name, value in parse_prompt(prompt).fixed.items():
            hits[name] += [ALL_ATTRIBUTES[name][index] == value for index in seen[name]]
    return {name: (float(np.mean(found)), len(found)) for name, found in hits.items() if found}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--generator", help=f"{known_generators('a folder')}; rendered scenes if left out")
    arguments.add_argument("--prompts", type=int, default=60)
    arguments.add_argument("--per-prompt", type=int, default=4)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--threads", type=int, default=1)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    draw = generated(options.generator) if options.generator else rendered
    found = recovered(draw, prompts_of_world(options.prompts, options.seed), options.per_prompt, options.seed)
    for name, (share, count) in found.items():
        chance = 1.0 / len(ALL_ATTRIBUTES[name])
        print(f"{name:12} {100 * share:5.1f} %   (chance {100 * chance:.0f} %, {count} pictures)")
    print(f"{'all':12} {100 * float(np.mean([share for share, _ in found.values()])):5.1f} %")


if __name__ == "__main__":
    main()
