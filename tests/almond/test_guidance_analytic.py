"""The embedded generator and the loop around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from almond.errors import Cancelled, DigestMismatch, InputError
from almond.guidance.backends import analytic
from almond.guidance.backends.analytic import AnalyticGenerator, BankRule, draw_bank
from almond.guidance.backends.posterior import Locality
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated, generate, recipe_batches
from almond.stimuli.images import png_bytes
from almond.world.prompts import parse_prompt
from almond.world.scenes import ATTRIBUTES, NUISANCE, render

PROMPT = "a person standing in a room"


class Colours:
    """Scores that anyone can compute: red and blue of the whole image."""

    names = ("red", "blue")
    digests = {"red": "1" * 64, "blue": "2" * 64}

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, (0, 2)].mean(dim=(2, 3)) * 10.0


class Recorder:
    """Keeps what it was told; asks to stop after so many reports."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.reports: list[tuple[float, str]] = []
        self.stop_after = stop_after

    def report(self, fraction: float, message: str = "") -> None:
        self.reports.append((fraction, message))
        if self.stop_after is not None and len(self.reports) > self.stop_after:
            raise Cancelled("stop")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def generator() -> AnalyticGenerator:
    return AnalyticGenerator(rule=BankRule(each=6))


def recipe_for(generator: AnalyticGenerator, **changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "prompt": PROMPT,
        "seed": 3,
        "generator": "analytic",
        "generator_digest": generator.digest,
        "objective": {"red": 1.0, "blue": -1.0},
        "target_digests": Colours.digests,
        "direction": 1,
        "strength": 1.0,
        "window": (0.1, 0.7),
        "steps": 8,
    }
    return Recipe(**{**values, **changes})


def run(generator: AnalyticGenerator, recipes: Sequence[Recipe], **options: Any) -> list[Generated]:
    return list(generate(recipes, generator=generator, scorer=Colours(), **options))


def test_the_same_recipe_gives_the_same_bytes(generator: AnalyticGenerator) -> None:
    recipe = recipe_for(generator)
    (first,) = run(generator, [recipe])
    (again,) = run(AnalyticGenerator(rule=BankRule(each=6)), [recipe])
    assert png_bytes(first.image) == png_bytes(again.image)
    assert first.image.shape == (96, 96, 3)
    assert first.trace == again.trace


def scene_recipes(generator: AnalyticGenerator) -> list[Recipe]:
    """Recipes of two scenes that differ in all that may differ within a batch; several batches."""
    versions: list[dict[str, Any]] = [
        {"direction": 0},
        {"direction": 1},
        {"direction": -1},
        {"strength": 0.3},
        {"strength": 2.5},
        {"window": (0.02, 0.3)},
        {"window": (0.3, 0.9), "ramp": 0.2},
        {"objective": {"blue": 1.0}},
        {"objective": {"red": 0.5, "blue": 2.0}, "direction": -1},
        {"rule": "x0"},
    ]
    return [recipe_for(generator, seed=seed, **version) for seed in (3, 4) for version in versions]


def bytes_and_traces(made: Sequence[Generated]) -> dict[str, tuple[bytes, Any, Any]]:
    return {image.recipe.digest: (png_bytes(image.image), image.trace, image.scores) for image in made}


def test_an_image_does_not_depend_on_its_company_or_order(generator: AnalyticGenerator) -> None:
    recipes = scene_recipes(generator)
    together = bytes_and_traces(run(generator, recipes))
    assert len({png for png, _, _ in together.values()}) == len(recipes)
    shuffled = [recipes[index] for index in np.random.default_rng(1).permutation(len(recipes))]
    assert bytes_and_traces(run(generator, shuffled)) == together
    alone = {}
    for recipe in recipes[:10:3]:
        alone.update(bytes_and_traces(run(generator, [recipe])))
    assert alone.items() <= together.items()


def test_what_is_missing_is_made_as_if_nothing_had_been_there(generator: AnalyticGenerator) -> None:
    recipes = scene_recipes(generator)[:10]
    whole = bytes_and_traces(run(generator, recipes))
    stopped = generate(recipes, generator=generator, scorer=Colours())
    before = bytes_and_traces([next(stopped) for _ in range(3)])
    del stopped
    rest = [recipe for recipe in recipes if recipe.digest not in before]
    after = bytes_and_traces(run(AnalyticGenerator(rule=BankRule(each=6)), rest))
    assert before | after == whole


def test_every_row_of_a_batch_is_computed_alike(generator: AnalyticGenerator) -> None:
    size = generator.defaults.batch
    step = generator.scheduler.start(8).steps[4]
    condition = generator.encode_prompt(PROMPT, [3] * size)
    rows = torch.stack([generator.initial_latent(seed) for seed in range(size)]).requires_grad_()
    turned = rows.detach().flip(0).requires_grad_()
    found = []
    for latents in (rows, turned):
        x0 = generator.predict(latents, step, condition).x0
        (gradient,) = torch.autograd.grad(Colours()(generator.decode(x0)).sum(), latents)
        found.append((x0.detach(), gradient))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other.flip(0))


def test_batches_of_another_shape_agree_up_to_rounding_where_nothing_amplifies_it(
    generator: AnalyticGenerator,
) -> None:
    recipes = [recipe_for(generator, seed=seed, direction=0) for seed in (3, 4, 5)]
    for one, other in zip(run(generator, recipes, batch=3), run(generator, recipes), strict=True):
        assert np.abs(one.image.astype(int) - other.image.astype(int)).max() <= 2


def test_the_shape_of_a_batch_is_in_the_digest(
    generator: AnalyticGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = generator.defaults
    assert usual.one_scene
    monkeypatch.setattr(analytic, "defaults_of", lambda name: replace(usual, batch=usual.batch + 1))
    assert AnalyticGenerator(rule=BankRule(each=6)).digest != generator.digest


@pytest.mark.parametrize(
    "changes", [{"window": (0.4, 0.4)}, {"strength": 0.0}, {"direction": 0}, {"window": (0.9999, 1.0)}]
)
def test_without_guidance_it_is_the_unguided_image(
    generator: AnalyticGenerator, changes: dict[str, Any]
) -> None:
    (base,) = run(generator, [recipe_for(generator, direction=0, objective={})])
    (closed,) = run(generator, [recipe_for(generator, **changes)])
    np.testing.assert_array_equal(closed.image, base.image)
    assert all(entry["strength"] == 0 and "scores" not in entry for entry in closed.trace)


@pytest.mark.parametrize("rule", ["through", "x0"])
def test_guidance_moves_the_score_both_ways(generator: AnalyticGenerator, rule: str) -> None:
    low, base, high = run(
        generator, [recipe_for(generator, rule=rule, direction=d, window=(0.05, 0.9)) for d in (-1, 0, 1)]
    )
    value = [image.scores["red"] - image.scores["blue"] for image in (low, base, high)]
    assert value[0] < value[2]
    assert value[0] <= value[1] + 0.05
    assert value[1] <= value[2] + 0.05


def test_the_trace_tells_what_was_done(generator: AnalyticGenerator) -> None:
    (found,) = run(generator, [recipe_for(generator, ramp=0.5)])
    assert [entry["step"] for entry in found.trace] == list(range(8))
    bars = [entry["alpha_bar"] for entry in found.trace]
    assert bars == sorted(bars)
    inside = [entry for entry in found.trace if entry["strength"] > 0]
    assert 0 < len(inside) < 8
    for entry in inside:
        assert set(entry["scores"]) == {"red", "blue"}
        level = entry["alpha_bar"]
        # lambda * unit * noise^2 / signal, the unit (RMS of the predicted noise) near 1.
        assert entry["shift"] / (entry["strength"] * (1 - level) / level**0.5) == pytest.approx(1.0, abs=0.35)


def test_scores_and_features_are_those_of_the_bytes_shown(generator: AnalyticGenerator) -> None:
    (found,) = run(generator, [recipe_for(generator)])
    assert found.scores["red"] == pytest.approx(found.image[..., 0].mean() / 25.5, abs=1e-4)
    assert found.lowlevel["median_red"] == np.median(found.image[..., 0]) / 255


def test_gradients_through_the_denoiser_are_exact() -> None:
    generator = AnalyticGenerator(
        rule=BankRule(each=2), locality=Locality(((0.3, 0), (1.0, 5)), 2.0, 3.0), dtype=torch.float64
    )
    condition = generator.encode_prompt(PROMPT, [1])
    for index in (3, 5):
        step = generator.scheduler.start(8).steps[index]

        def score(x: torch.Tensor, step: Any = step) -> torch.Tensor:
            return Colours()(generator.decode(generator.predict(x, step, condition).x0))[0, 0]

        bank = condition.payload[0].latents()[:1]
        x = step.level.signal * bank + step.level.noise * generator.initial_latent(1)[None]
        x.requires_grad_()
        (gradient,) = torch.autograd.grad(score(x), x)
        direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        with torch.no_grad():
            numeric = (score(x + 1e-5 * direction) - score(x - 1e-5 * direction)) / 2e-5
        assert float((gradient * direction).sum()) == pytest.approx(float(numeric), rel=1e-4, abs=1e-9)


def test_an_unguided_image_is_put_together_from_rendered_scenes() -> None:
    generator = AnalyticGenerator()
    seeds = [1, 2, 3, 4]
    images = run(generator, [recipe_for(generator, seed=seed, direction=0, steps=12) for seed in seeds])
    distances = []
    for seed, image in zip(seeds, images, strict=True):
        bank = draw_bank(parse_prompt(PROMPT).fixed, seed, generator.rule)
        pictures = np.stack([render(scene) for scene in bank.scenes]).astype(float)
        distances.append(np.sqrt(((pictures - image.image) ** 2).mean(axis=(1, 2, 3))).min() / 255)
    # The codec alone costs about .02; a body without a head or a speckled floor costs more than .12.
    assert np.median(distances) < 0.05
    assert max(distances) < 0.12


def test_a_bank_is_one_scene_in_all_its_variants() -> None:
    rule = BankRule(each=24)
    fixed = {"place": "room", "presence": "one", "posture": "standing", "object": "dog"}
    bank = draw_bank(fixed, 5, rule)
    assert len({scene.layout_seed for scene in bank.scenes}) == 1
    for name in (*NUISANCE, "place", "light", "distance"):
        assert len({getattr(scene, name) for scene in bank.scenes}) == 1
    for name in ("expression", "gaze", "posture"):
        assert {getattr(scene, name) for scene in bank.scenes} == set(ATTRIBUTES[name])
    assert np.mean([scene.object == "dog" for scene in bank.scenes]) == pytest.approx(1 - 0.15, abs=0.03)
    assert "nobody" not in {scene.presence for scene in bank.scenes}
    assert draw_bank(fixed, 5, rule) == bank
    assert draw_bank(fixed, 6, rule).scenes[0].layout_seed != bank.scenes[0].layout_seed
    assert draw_bank({"place": "park"}, 5, rule).scenes[0].layout_seed != bank.scenes[0].layout_seed


def test_groups_agree_on_what_spans_the_picture_and_are_as_likely_as_the_prompt_says() -> None:
    rule = BankRule(each=6)
    for fixed in ({"presence": "one", "posture": "standing"}, {"place": "street"}, {"presence": "nobody"}):
        bank = draw_bank(fixed, 1, rule)
        groups = [bank.scenes[start : start + 6] for start in range(0, len(bank.scenes), 6)]
        assert len(groups) == len(bank.prior)
        named = 0.0
        for group, prior in zip(groups, bank.prior, strict=True):
            assert len({(scene.presence, scene.posture) for scene in group}) == 1
            if all(getattr(group[0], name) == value for name, value in fixed.items() if name != "place"):
                named += prior / sum(bank.prior)
        assert named >= (1 - rule.departures) ** 2 - 1e-9


def test_words_are_understood_reported_or_refused(generator: AnalyticGenerator) -> None:
    condition = generator.encode_prompt("a purple person standing in a room", [1])
    assert "purple" in condition.ignored
    assert condition.understood
    with pytest.raises(InputError):
        generator.encode_prompt("xyzzy", [1])


def test_the_digest_follows_everything_that_pictures_depend_on(generator: AnalyticGenerator) -> None:
    assert AnalyticGenerator(rule=BankRule(each=6)).digest == generator.digest
    assert AnalyticGenerator(rule=BankRule(each=7)).digest != generator.digest
    other = AnalyticGenerator(rule=BankRule(each=6), locality=Locality(((1.0, 0),), 1.0, 1.0))
    assert other.digest != generator.digest


def test_recipes_for_other_versions_are_refused_before_any_work(generator: AnalyticGenerator) -> None:
    good = recipe_for(generator)
    with pytest.raises(DigestMismatch, match="generator"):
        run(generator, [good, recipe_for(generator, generator_digest="0" * 64)])
    with pytest.raises(DigestMismatch, match="target red"):
        run(generator, [recipe_for(generator, target_digests={"red": "9" * 64})])
    with pytest.raises(InputError, match="green"):
        run(generator, [recipe_for(generator, objective={"green": 1.0})])


def test_results_come_in_the_order_of_the_recipes(generator: AnalyticGenerator) -> None:
    recipes = [
        recipe_for(generator, prompt=prompt, seed=seed, direction=direction, steps=3)
        for seed, prompt, direction in [(1, PROMPT, 1), (1, "a street", 0), (2, PROMPT, 0), (2, PROMPT, -1)]
    ]
    recorder = Recorder()
    found = run(generator, recipes, progress=recorder, batch=2)
    assert [image.recipe for image in found] == recipes
    fractions = [fraction for fraction, _ in recorder.reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    assert recorder.reports[-1][1] == "4 of 4 images"


def test_batches_hold_what_may_run_together(generator: AnalyticGenerator) -> None:
    recipes = [
        recipe_for(generator, direction=0),
        recipe_for(generator),
        recipe_for(generator, direction=-1),
        recipe_for(generator, window=(0.2, 0.5)),
        recipe_for(generator, rule="x0"),
        recipe_for(generator, strength=2.0, seed=9),
        recipe_for(generator, direction=0, seed=9),
        recipe_for(generator, steps=9),
        recipe_for(generator, direction=0, seed=10),
    ]
    one_scene = [[1, 2], [3], [4, 0], [5, 6], [7], [8]]
    assert list(recipe_batches(recipes, 2, one_scene=True)) == one_scene
    scenes_mixed = [[1, 2, 3, 5], [4, 0, 6, 8], [7]]
    assert list(recipe_batches(recipes, 4, one_scene=False)) == scenes_mixed


def test_work_stops_when_asked(generator: AnalyticGenerator) -> None:
    recorder = Recorder(stop_after=4)
    with pytest.raises(Cancelled):
        run(generator, [recipe_for(generator)], progress=recorder)
    assert len(recorder.reports) == 5


def test_a_score_without_a_gradient_moves_nothing(generator: AnalyticGenerator) -> None:
    class Flat(Colours):
        def __call__(self, images: torch.Tensor) -> torch.Tensor:
            return super().__call__(images) * 0.0

    (base,) = run(generator, [recipe_for(generator, direction=0)])
    (flat,) = generate([recipe_for(generator)], generator=generator, scorer=Flat())
    np.testing.assert_array_equal(flat.image, base.image)
