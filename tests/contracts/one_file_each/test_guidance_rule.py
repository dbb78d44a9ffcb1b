"""A guidance rule is one module and one entry of the registry: a rule that only this file defines is known.

The rule shifts along a random direction of the gradient rule's length: a control for what guidance does
whatever its direction. A small generator is registered in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from django.urls import reverse

from almond.errors import InputError
from almond.guidance.backends.analytic import AnalyticGenerator, BankRule
from almond.guidance.backends.base import Condition, Generator
from almond.guidance.generators import GENERATORS
from almond.guidance.recipe import Recipe as ImageRecipe
from almond.guidance.rules import RULES
from almond.guidance.rules.base import Guided, Score, shifted
from almond.guidance.sampler import Generated, generate
from almond.guidance.schedulers import Step
from almond.rng import derive_seed
from generation.models import Recipe
from generation.services import create_recipe, start_batch
from jobs.services import run_now
from tests.site.encoder_rows import bare_encoder
from tests.site.generation_rows import add_recipe, guides, real_target

NAME, LABEL = "random-direction", "random direction, as long as the gradient"


def guide(
    generator: Generator,
    condition: Condition,
    x: torch.Tensor,
    step: Step,
    *,
    score: Score,
    weights: torch.Tensor,
    strength: torch.Tensor,
) -> Guided:
    """Shift along noise drawn for the step."""
    with torch.no_grad():
        prediction = generator.predict(x, step, condition)
        scores = score(generator.decode(prediction.x0))
    source = torch.Generator().manual_seed(derive_seed(step.index, "random direction"))
    noise = torch.randn(x.shape[1:], generator=source).expand(x.shape)  # alike in every row of a batch
    return shifted(prediction.x0, scores, noise, unit=prediction.unit, strength=strength, step=step)


def small_generator() -> AnalyticGenerator:
    return AnalyticGenerator(rule=BankRule(each=6))


class Brightness:
    names = ("brightness",)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return 10.0 * images.mean(dim=(1, 2, 3))[:, None]


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    with (
        RULES.registered(NAME, f"{__name__}:guide", LABEL),
        GENERATORS.registered("small", f"{__name__}:small_generator"),
    ):
        yield


def image(**changes: Any) -> Generated:
    generator = small_generator()
    values = {
        "prompt": "a room",
        "seed": 3,
        "generator": "small",
        "generator_digest": generator.digest,
        "objective": {"brightness": 1.0},
        "direction": 1,
        "strength": 1.0,
        "window": (0.1, 0.7),
        "rule": NAME,
        "steps": 4,
    }
    (made,) = generate([ImageRecipe(**{**values, **changes})], generator=generator, scorer=Brightness())
    return made


def test_it_drives_an_image_in_the_sampler() -> None:
    guided, again = image(), image()
    base, through = image(direction=0, objective={}), image(rule="through")
    np.testing.assert_array_equal(guided.image, again.image)
    assert not np.array_equal(guided.image, base.image)
    assert not np.array_equal(guided.image, through.image)
    assert guided.recipe.to_json()["rule"] == NAME
    # the first guided step starts from the same latent, and a strength fixes the length of the shift
    first, reference = (next(e for e in made.trace if e["strength"]) for made in (guided, through))
    assert first["scores"] == pytest.approx(reference["scores"], abs=1e-4)
    assert first["shift"] == pytest.approx(reference["shift"], rel=1e-4)


def test_a_stored_recipe_is_read_back_and_another_rule_is_refused() -> None:
    stored = image().recipe.to_json()
    assert ImageRecipe.from_json(stored).rule == NAME
    with pytest.raises(InputError, match=f"not one of through, x0, {NAME}"):
        ImageRecipe.from_json({**stored, "rule": "random"})


@pytest.mark.django_db
def test_the_service_stores_it_and_lists_it_among_the_known() -> None:
    targets = guides()
    recipe = add_recipe(targets, rule=NAME, generator="small")
    recipe.full_clean()
    assert (recipe.rule, recipe.get_rule_display()) == (NAME, LABEL)
    with pytest.raises(InputError, match=f"'random' is not known .expected one of through, x0, {NAME}"):
        create_recipe(name="other", prompt="a room", seeds=[1], targets=targets, rule="random", by=None)


@pytest.mark.django_db
def test_the_form_of_recipes_offers_it(staff_client: Any) -> None:
    targets = guides()
    address = reverse("admin:generation_recipe_add")
    text = staff_client.get(address).content.decode()
    assert f'<option value="{NAME}">{LABEL}</option>' in text
    assert "analytic, small-unet, small, or the folder of a diffusers pipeline." in text
    form = {"name": "rooms", "prompt": "a room", "seeds": "1", "targets": [target.pk for target in targets]}
    response = staff_client.post(address, {**form, "rule": NAME, "generator": "small"})
    assert response.status_code == 302, response.context["errors"]
    recipe = Recipe.objects.get()
    assert (recipe.rule, recipe.generator) == (NAME, "small")
    assert LABEL in staff_client.get(response.url).content.decode()


@pytest.mark.django_db
def test_a_batch_draws_its_images(tmp_path: Path, settings: Any) -> None:
    settings.ALMOND_HOME = tmp_path
    target = real_target(bare_encoder(), "LB", "guide", 1)
    recipe = add_recipe([target], seeds=[3], strengths=[1.0], steps=4, rule=NAME, generator="small")
    batch = start_batch(recipes=[recipe], by=None)
    assert batch.job is not None
    job = run_now(batch.job)
    assert job.state == "done", job.error
    made = {stimulus.direction: stimulus for stimulus in batch.stimuli.all()}
    assert sorted(made) == [-1, 0, 1]
    assert made[1].recipe_json["rule"] == NAME
    # the rule ignores the target: both directions give one image, another than the base
    assert made[1].digest == made[-1].digest != made[0].digest
