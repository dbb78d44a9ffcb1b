"""Searches: resampling and steps by hand, laws and optima that are known, real networks of a small size."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from almond.errors import InputError
from almond.guidance.backends.analytic import AnalyticGenerator, BankRule
from almond.guidance.backends.load import load_generator
from almond.guidance.levels import NoiseLevel, flow_matching, variance_exploding, variance_preserving
from almond.guidance.objectives.references import References
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated, generate
from almond.guidance.schedulers import DDIM
from almond.guidance.searches.context import SearchContext
from almond.guidance.searches.population import Population, ancestral_step
from almond.guidance.searches.smc import ParticleWeights, systematic
from almond.progress import Silent
from benchmarks.rule_referee import ExactDenoiser
from tests.almond.test_guidance_diffusion import Brightness, make_folder
from tests.almond.test_guidance_objectives import Halves


class Gaussian(ExactDenoiser):
    """N(0, I) in 3 x 2 x 2 numbers, so that a finished image is one."""

    latent_shape = (3, 2, 2)
    scheduler = DDIM()


W = torch.linspace(-1.0, 1.0, 12).reshape(3, 2, 2)
W = W / W.norm()


class Along:
    """The score w.x: tilted by t its law is N(t, 1)."""

    names = ("along",)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return (images * W).flatten(1).sum(1, keepdim=True)


def recipe_for(generator: Any, **changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "prompt": "a person standing in a room",
        "seed": 3,
        "generator": generator.name,
        "generator_digest": generator.digest,
        "objective": {"along": 1.0},
        "direction": 1,
        "strength": 0.0,
        "steps": 40,
    }
    return Recipe(**{**values, **changes})


def run(generator: Any, scorer: Any, *recipes: Recipe) -> list[Generated]:
    return list(generate(recipes, generator=generator, scorer=scorer))


@pytest.fixture(scope="module")
def analytic() -> AnalyticGenerator:
    torch.set_num_threads(1)
    return AnalyticGenerator(rule=BankRule(each=4))


def halves(generator: AnalyticGenerator, **changes: Any) -> Recipe:
    values = {"objective": {"red": 1.0, "green": -1.0}, "steps": 6, "window": (0.05, 0.9)}
    return recipe_for(generator, **{**values, **changes})


def value(image: Generated) -> float:
    return image.scores["red"] - image.scores["green"]


def test_systematic_resampling_is_off_by_less_than_one() -> None:
    weights = torch.tensor([0.05, 0.5, 0.0, 0.31, 0.14], dtype=torch.float64)
    for seed in range(20):
        chosen = systematic(weights, torch.Generator().manual_seed(seed))
        counts = Counter(chosen.tolist())
        assert all(abs(counts[index] - 5 * float(weight)) < 1 for index, weight in enumerate(weights))


def test_weights_follow_tilt_and_ratio_and_are_reset_by_resampling() -> None:
    weights = ParticleWeights(2, tilt=2.0, resample=0.75, seed=1)
    step = DDIM().start(4).steps[0]
    assert weights.choose(step, torch.tensor([0.1, 0.0], dtype=torch.float64)) is None
    weights.moved(torch.tensor([0.0, 0.3], dtype=torch.float64))
    expected = math.exp(0.2) / (math.exp(0.2) + math.exp(0.3))
    assert float(weights.weights[0]) == pytest.approx(expected)
    assert weights.effective == pytest.approx(1 / (expected**2 + (1 - expected) ** 2))
    chosen = weights.choose(step, torch.tensor([5.0, 0.0], dtype=torch.float64))
    assert chosen is not None
    assert chosen.tolist() == [0, 0]
    assert weights.weights.tolist() == [0.5, 0.5]
    assert (weights.resamplings, weights.record["resampled"]) == (1, True)


def test_a_stochastic_step_is_the_posterior_of_ddpm() -> None:
    a, b = 0.3, 0.5
    x, x0 = torch.tensor([1.3]), torch.tensor([-0.4])
    mean, deviation = ancestral_step(x, x0, variance_preserving(a), variance_preserving(b), 1.0)
    # Ho et al. 2020, equations 6 and 7, with alpha = a / b
    beta = 1 - a / b
    expected = (math.sqrt(b) * beta * x0 + math.sqrt(a / b) * (1 - b) * x) / (1 - a)
    assert float(mean) == pytest.approx(float(expected), rel=1e-6)
    assert deviation == pytest.approx(math.sqrt((1 - b) / (1 - a) * beta))


@pytest.mark.parametrize("family", [variance_exploding, flow_matching])
def test_other_noise_families_take_the_same_step(family: Any) -> None:
    level, after = family(0.8), family(0.3)

    def preserving(other: NoiseLevel) -> NoiseLevel:
        return NoiseLevel(other.signal / other.scale, other.noise / other.scale)

    x, x0 = torch.tensor([0.7]), torch.tensor([0.2])
    mean, deviation = ancestral_step(x, x0, level, after, 0.7)
    same, spread = ancestral_step(x / level.scale, x0, preserving(level), preserving(after), 0.7)
    assert float(mean) == pytest.approx(float(same) * after.scale, rel=1e-5)
    assert deviation == pytest.approx(spread * after.scale)


class Kept(ParticleWeights):
    """Weights that keep the weighted mean and the variance of the score at the end."""

    mean = variance = float("nan")

    def final(self) -> int:
        self.mean = float((self.weights * self.before).sum())
        self.variance = float(self.before.var())
        return super().final()


def evolved(tilt: float, strength: float) -> Kept:
    generator, scorer = Gaussian(), Along()
    how = {"strength": strength, "strength_unit": "law", "window": (0.02, 1.0), "steps": 30}
    recipe = recipe_for(generator, search="smc", **how)
    context = SearchContext(generator, scorer, References(generator, [scorer]), Silent())
    weights = Kept(1500, tilt=tilt, resample=0.5, seed=4)
    made = Population(recipe, context, 1500, 1.0).evolve(weights)
    assert all(1.0 <= entry["effective"] <= 1500.01 for entry in made.trace)
    return weights


def test_many_particles_have_the_tilted_mean() -> None:
    """N(0, v) tilted by exp(t V) is N(t v, v), v the variance that a stochastic sampler of 30 steps has."""
    free = evolved(0.0, 0.0)
    assert free.resamplings == 0
    assert free.mean == pytest.approx(0.0, abs=0.1)
    for strength in (0.0, 0.5):
        tilted = evolved(1.0, strength)
        assert tilted.mean == pytest.approx(free.variance, abs=0.12)
        assert tilted.resamplings > 0 or strength


def test_particles_of_a_recipe_are_drawn_alike_and_traced(analytic: AnalyticGenerator) -> None:
    recipe = halves(analytic, search="smc", settings={"particles": 6, "tilt": 3.0})
    (one,), (again,) = (run(analytic, Halves(), recipe) for _ in range(2))
    np.testing.assert_array_equal(one.image, again.image)
    assert one.searched["evaluations"] == 6 * 6
    assert one.searched["resamplings"] == sum(entry["resampled"] for entry in one.trace)


def test_the_best_of_several_is_the_best_with_and_without_a_rule(analytic: AnalyticGenerator) -> None:
    plain = halves(analytic, search="best-of", settings={"candidates": 4})
    guided = plain.model_copy(update={"strength": 0.1})
    best, pushed, first = run(analytic, Halves(), plain, guided, halves(analytic))
    values = best.searched["values"]
    assert value(best) == pytest.approx(max(values), abs=1e-4)
    assert value(first) == pytest.approx(values[0], abs=0.05)
    assert len(set(values)) == 4
    assert value(pushed) > value(best)
    assert (best.searched["evaluations"], pushed.searched["evaluations"] > 24) == (24, True)
    down = run(analytic, Halves(), plain.model_copy(update={"direction": -1}))[0]
    assert value(down) == pytest.approx(min(values), abs=1e-4)


def test_a_beam_keeps_the_best(analytic: AnalyticGenerator) -> None:
    recipe = halves(analytic, search="beam", settings={"width": 2, "branches": 2, "every": 2})
    made, again = (run(analytic, Halves(), recipe)[0] for _ in range(2))
    np.testing.assert_array_equal(made.image, again.image)
    assert made.searched["choices"] == sum(entry["chosen"] for entry in made.trace) == 2
    assert value(made) == pytest.approx(max(made.searched["values"]), abs=0.02)
    single = run(analytic, Halves(), recipe.model_copy(update={"settings": {"width": 1, "branches": 1}}))[0]
    assert value(made) > value(single)


def test_a_population_needs_one_evaluation_per_level(analytic: AnalyticGenerator) -> None:
    class Twice(DDIM):
        def start(self, steps: int) -> Any:
            trajectory = super().start(steps)
            trajectory.steps = [trajectory.steps[0], *trajectory.steps]
            return trajectory

    generator = Gaussian()
    generator.scheduler = Twice()
    with pytest.raises(InputError, match="evaluates a noise level twice"):
        run(generator, Along(), recipe_for(generator, search="beam"))


def test_noise_is_turned_towards_the_score_and_keeps_its_length() -> None:
    generator = Gaussian()
    recipe = recipe_for(generator, search="initial-noise", steps=4, settings={"iterations": 40, "rate": 0.3})
    (made,) = run(generator, Along(), recipe)
    values = made.searched["values"]
    # the exact denoiser's steps scale the noise, so that the best start lies along w: V = |x|
    first = generator.initial_latent(3)
    scale = values[0] / float((first * W).sum())
    assert max(values) == pytest.approx(scale * float(first.norm()), rel=0.01)
    assert made.searched["evaluations"] == 4 * (41 * 3 + 1)


def test_evolution_finds_the_best_noise_of_its_length_without_a_gradient() -> None:
    """The same optimum as by gradient: the noise along w, |x| = |z0|; numpy's global numbers stay alone."""
    generator = Gaussian()
    settings = {"candidates": 12, "iterations": 60, "dimensions": 12, "deviation": 0.5}
    recipe = recipe_for(generator, search="cma-es", steps=4, settings=settings)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    (made,) = run(generator, Along(), recipe)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    values = made.searched["values"]
    ascent = recipe_for(generator, search="initial-noise", steps=4, settings={"iterations": 1})
    own = run(generator, Along(), ascent)[0].searched["values"][0]
    first = generator.initial_latent(3)
    scale = own / float((first * W).sum())
    assert values == sorted(values)
    assert values[-1] == pytest.approx(scale * float(first.norm()), rel=0.02)
    assert made.searched["evaluations"] == (60 * 12 + 1) * 4
    (again,) = run(generator, Along(), recipe)
    assert np.array_equal(again.image, made.image)


def test_evolution_refuses_more_directions_than_the_noise_has() -> None:
    generator = Gaussian()
    recipe = recipe_for(generator, search="cma-es", steps=2, settings={"dimensions": 13})
    with pytest.raises(InputError, match="at most 12"):
        run(generator, Along(), recipe)


def test_searches_on_what_an_image_starts_from_refuse_a_guided_recipe(analytic: AnalyticGenerator) -> None:
    for changes, problem in (
        ({"search": "initial-noise", "strength": 0.1}, "strength 0"),
        ({"search": "initial-noise", "direction": 0}, "direction 1 or -1"),
        ({"search": "cma-es", "strength": 0.1}, "strength 0"),
        ({"search": "prompt-embedding"}, "analytic has no embedded prompt"),
    ):
        with pytest.raises(InputError, match=problem):
            run(analytic, Halves(), halves(analytic, **changes))


def test_an_embedded_prompt_climbs_within_its_radius(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = load_generator(str(make_folder(tmp_path / "model")))
    recipe = recipe_for(
        generator,
        prompt="a room",
        objective={"red": 1.0},
        steps=2,
        search="prompt-embedding",
        settings={"iterations": 4, "rate": 0.2, "radius": 0.5},
    )
    (made,) = run(generator, Brightness(), recipe)
    values = made.searched["values"]
    assert max(values) > values[0]
    (plain,) = run(generator, Brightness(), recipe.model_copy(update={"search": "single", "settings": {}}))
    assert made.scores["red"] > plain.scores["red"]
    held = recipe.model_copy(update={"settings": {"iterations": 2, "radius": 0.0}})
    (same,) = run(generator, Brightness(), held)
    np.testing.assert_array_equal(same.image, plain.image)


def test_text_guidance_is_lowered_late(tmp_path: Path) -> None:
    generator = load_generator(str(make_folder(tmp_path / "model")))
    recipe = recipe_for(generator, prompt="a room", objective={}, direction=0, steps=3)
    step = generator.scheduler.start(3).steps[1]
    condition, x = generator.encode_prompt("a room", [1]), generator.initial_latent(1)[None]
    full = generator.predict(x, step, condition)
    half = generator.predict(x, step, replace(condition, text_share=0.5))
    none = generator.predict(x, step, replace(condition, text_share=0.0))
    torch.testing.assert_close(half.x0, (full.x0 + none.x0) / 2, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(half.unit, full.unit)
    late = recipe.model_copy(update={"text_release": recipe.text_release.model_copy(update={"share": 0.0})})
    never = late.model_copy(update={"text_release": late.text_release.model_copy(update={"alpha_bar": 1.0})})
    plain, lowered, above = run(generator, Brightness(), recipe, late, never)
    np.testing.assert_array_equal(plain.image, above.image)
    assert lowered.scores != plain.scores
