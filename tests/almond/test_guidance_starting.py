"""Starting from a scene of the simulated world; photographs are refused."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch

from almond.errors import InputError
from almond.guidance.backends.analytic import AnalyticGenerator, BankRule
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import generate
from almond.guidance.starting import StartPicture
from almond.rng import generator as random_generator
from almond.shapes import ShapeError
from almond.world.scenes import draw_scene, render

SCENE = draw_scene(
    random_generator(4),
    {
        "place": "room",
        "light": "bright",
        "presence": "one",
        "posture": "standing",
        "object": "dog",
        "texture": "plain",
    },
)
PROMPT = "a person in a room"


class Brightness:
    names = ("light",)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(1, 2, 3))[:, None] * 10.0


@pytest.fixture(scope="module")
def generator() -> AnalyticGenerator:
    torch.set_num_threads(1)
    return AnalyticGenerator(rule=BankRule(each=6))


def recipe_from(generator: AnalyticGenerator, alpha_bar: float | None, **changes: Any) -> Recipe:
    start = None if alpha_bar is None else StartPicture(alpha_bar=alpha_bar, scene=asdict(SCENE))
    values: dict[str, Any] = {
        "prompt": PROMPT,
        "seed": 3,
        "generator": "analytic",
        "generator_digest": generator.digest,
        "steps": 12,
        "start": start,
    }
    return Recipe(**{**values, **changes})


def distance(image: np.ndarray[Any, Any]) -> float:
    return float(np.sqrt(((image.astype(float) - render(SCENE)) ** 2).mean()) / 255)


def test_the_less_noise_the_more_of_the_scene_is_left(generator: AnalyticGenerator) -> None:
    levels = (0.9, 0.4, None)
    recipes = [recipe_from(generator, level, seed=seed) for seed in (3, 4, 5) for level in levels]
    found = [distance(made.image) for made in generate(recipes, generator=generator, scorer=Brightness())]
    near, middle, noise = (np.mean(found[index :: len(levels)]) for index in range(len(levels)))
    # The codec alone costs about .02.
    assert near < 0.03
    assert near <= middle < 0.5 * noise


def test_only_the_steps_after_the_start_are_made_and_guided(generator: AnalyticGenerator) -> None:
    recipe = recipe_from(
        generator, 0.3, objective={"light": 1.0}, direction=1, strength=0.5, window=(0.0, 0.8)
    )
    down = recipe.model_copy(update={"direction": -1})
    up, low = generate([recipe, down], generator=generator, scorer=Brightness())
    assert min(step["alpha_bar"] for step in up.trace) >= 0.3
    assert up.scores["light"] > low.scores["light"]
    (alone,) = generate([recipe], generator=generator, scorer=Brightness())
    np.testing.assert_array_equal(alone.image, up.image)


def test_photographs_are_refused_before_anything_is_made(generator: AnalyticGenerator) -> None:
    photograph = StartPicture(alpha_bar=0.3, image_sha256="a" * 64)
    with pytest.raises(InputError, match="needs a learned model"):
        next(
            generate(
                [recipe_from(generator, None, start=photograph)], generator=generator, scorer=Brightness()
            )
        )


@pytest.mark.parametrize(
    ("level", "changes", "problem"),
    [(0.3, {"prompt": "a street"}, "says place street"), (0.99999, {}, "at most 0.")],
)
def test_a_start_that_cannot_be_worked_from_is_named(
    generator: AnalyticGenerator, level: float, changes: dict[str, str], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        next(generate([recipe_from(generator, level, **changes)], generator=generator, scorer=Brightness()))


@pytest.mark.parametrize(
    "values", [{}, {"scene": {"place": "room"}}, {"scene": {**asdict(SCENE), "place": "moon"}}]
)
def test_a_scene_is_given_by_all_of_its_attributes(values: dict[str, Any]) -> None:
    recipe = recipe_from(AnalyticGenerator(rule=BankRule(each=2)), None).to_json()
    with pytest.raises(ShapeError, match="start"):
        Recipe.from_json({**recipe, "start": {"alpha_bar": 0.3, **values}})


def test_a_recipe_from_noise_keeps_its_digest_and_one_from_a_scene_is_read_back(
    generator: AnalyticGenerator,
) -> None:
    assert "start" not in recipe_from(generator, None).to_json()
    recipe = recipe_from(generator, 0.3)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert recipe.digest != recipe_from(generator, None).digest
