"""Objectives, penalties and views: numbers by hand, what recipes say, what guidance then does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from almond.errors import InputError
from almond.guidance.backends.analytic import AnalyticGenerator, BankRule
from almond.guidance.methods import declared
from almond.guidance.objectives import OBJECTIVES
from almond.guidance.objectives.base import Terms
from almond.guidance.objectives.ensemble import Ensemble
from almond.guidance.objectives.objective import Objective
from almond.guidance.objectives.views import blurred, shifted_copy, viewed
from almond.guidance.penalties import PENALTIES
from almond.guidance.penalties.base import SMOOTH_NAMES, smooth_features
from almond.guidance.recipe import Recipe, TextRelease, View
from almond.guidance.rules import RULES
from almond.guidance.sampler import Generated, generate
from almond.guidance.searches import SEARCHES
from almond.rng import generator as random_generator
from almond.stimuli.lowlevel import measure
from almond.world.scenes import draw_scene, render

OLD = Path(__file__).parent.parent / "contracts" / "golden" / "old" / "recipe.json"
PROMPT = "a person standing in a room"


class Colours:
    names = ("red", "green", "blue")

    def __init__(self, factor: float = 10.0) -> None:
        self.factor = factor

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3)) * self.factor


@pytest.fixture(scope="module")
def generator() -> AnalyticGenerator:
    torch.set_num_threads(1)
    return AnalyticGenerator(rule=BankRule(each=4))


def recipe_for(generator: AnalyticGenerator, **changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "prompt": PROMPT,
        "seed": 3,
        "generator": "analytic",
        "generator_digest": generator.digest,
        "objective": {"red": 1.0},
        "direction": 1,
        "strength": 1.0,
        "window": (0.05, 0.9),
        "steps": 6,
    }
    return Recipe(**{**values, **changes})


def run(generator: AnalyticGenerator, *recipes: Recipe, scorer: Any = None) -> list[Generated]:
    return list(generate(recipes, generator=generator, scorer=scorer or Colours()))


@pytest.mark.parametrize("registry", [RULES, OBJECTIVES, PENALTIES, SEARCHES], ids=lambda one: one.noun)
def test_every_method_is_declared_and_read_without_an_import(registry: Any) -> None:
    for name in registry:
        method = declared(registry, name)
        registry.load(name)
        module = __import__(registry.path(name).partition(":")[0], fromlist=["METHOD"])
        assert method == module.METHOD
        for text in (method.summary, method.formula, method.reference, method.cost, method.fails):
            assert len(text) > 10
        assert all(item.low <= item.default <= item.high for item in method.settings.values())


def terms(**changes: Any) -> Terms:
    values: dict[str, Any] = {
        "weights": torch.tensor([[-1.0, 0.0, 0.0]]),
        "direction": torch.tensor([-1.0]),
        "held": torch.tensor([[0.0, 1.0, 1.0]]),
        "base": torch.tensor([[9.0, 1.0, 2.0]]),
        "settings": {
            name: torch.tensor([value]) for name, value in (("hold", 3.0), ("level", 1.0), ("width", 2.0))
        },
    }
    return Terms(**{**values, **changes})


def test_heights_by_hand() -> None:
    scores = torch.tensor([[0.5, 1.5, 1.0]])
    clamp = OBJECTIVES.load("clamp").climb(scores, terms())
    assert float(clamp.value) == pytest.approx(-0.5 - 3.0 * (0.5**2 + 1.0**2))
    # wanted -1, at .5: a distance of 1.5; the largest change of a held score is 1
    level = OBJECTIVES.load("level").climb(scores, terms())
    assert float(level.value) == pytest.approx(-(1.5**2) / 2 - (0.5**2 + 1.0**2) / 2)
    assert float(level.share) == pytest.approx(1.5 / 2.0)
    there = OBJECTIVES.load("level").climb(torch.tensor([[-1.0, 1.0, 2.0]]), terms())
    assert (float(there.value), float(there.share)) == (0.0, 0.0)
    for name in ("alone", "contrast", "partial", "axis"):
        assert float(OBJECTIVES.load(name).climb(scores, terms()).value) == pytest.approx(-0.5)


def test_objectives_write_their_fields() -> None:
    coefficients = {"b": 0.5, "c": -0.2}
    fields = {name: OBJECTIVES.load(name).fields("a", ["b", "c"], coefficients) for name in OBJECTIVES}
    assert fields["alone"] == {"objective": {"a": 1.0}}
    assert fields["contrast"] == {"objective": {"a": 1.0, "b": -0.5, "c": -0.5}}
    assert fields["partial"] == {"objective": {"a": 1.0, "b": -0.5, "c": 0.2}}
    assert fields["clamp"] == {"objective": {"a": 1.0}, "objective_kind": "clamp", "others": ("b", "c")}
    assert fields["level"] == {"objective": {"a": 1.0}, "objective_kind": "level"}


def test_an_old_recipe_keeps_its_meaning_and_digest(generator: AnalyticGenerator) -> None:
    stored = json.loads(OLD.read_bytes())
    recipe = Recipe.from_json(stored)
    assert recipe.to_json() == stored
    assert (recipe.objective_kind, recipe.others, recipe.search) == ("axis", (), "single")
    new = recipe_for(generator, objective_kind="clamp", others=("blue",), view=View(blur=0.01))
    assert Recipe.from_json(json.loads(json.dumps(new.to_json()))) == new
    assert {"objective_kind", "others", "view"} <= set(new.to_json())
    assert new.digest != recipe_for(generator).digest


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"settings": {"hold": 1.0}}, "settings.hold: is taken by none of the chosen methods"),
        ({"objective_kind": "clamp", "settings": {"hold": -1.0}}, "not a number from 0 to 1000"),
        ({"search": "best-of", "settings": {"candidates": 2.5}}, "not a whole number"),
        ({"others": ("blue",)}, "held by the objectives clamp and level only"),
        ({"objective_kind": "clamp", "others": ("red",)}, "are guided, too: red"),
        ({"objective_kind": "alone", "objective": {"red": 1.0, "blue": 1.0}}, "this objective guides one"),
        ({"objective_kind": "contrast", "objective": {"red": 1.0, "blue": 1.0}}, "of a contrast sum to 0"),
        ({"objective_kind": "both"}, "not one of clamp"),
        ({"penalties": {"ugly": 1.0}}, "not one of low-level"),
        ({"rule": "damped", "settings": {"curvature": 1e9}}, "not a number from 0 to 10000"),
    ],
)
def test_recipes_that_contradict_themselves_are_refused(
    generator: AnalyticGenerator, changes: dict[str, Any], problem: str
) -> None:
    values = {**recipe_for(generator).to_json(), **json.loads(json.dumps(changes))}
    with pytest.raises(InputError, match=problem):
        Recipe.from_json(values)


def test_a_held_target_without_a_reader_is_refused(generator: AnalyticGenerator) -> None:
    with pytest.raises(InputError, match="names violet"):
        run(generator, recipe_for(generator, objective_kind="clamp", others=("violet",)))
    with pytest.raises(InputError, match="no text guidance"):
        run(generator, recipe_for(generator, text_release=TextRelease(share=0.5)))


class Halves:
    """How bright the left and the right half are."""

    names = ("red", "green")

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return torch.stack([images[..., :48].mean((1, 2, 3)), images[..., 48:].mean((1, 2, 3))], dim=1) * 10


def test_clamping_holds_the_others_in_any_company() -> None:
    generator = AnalyticGenerator(rule=BankRule(each=6))
    moved = {"on": [0.0, 0.0], "off": [0.0, 0.0]}
    for seed in range(3, 9):
        free = recipe_for(generator, seed=seed, strength=1.0, steps=10)
        held = {"objective_kind": "clamp", "others": ("green",), "settings": {"hold": 5.0}}
        clamp = free.model_copy(update=held)
        base, *both = run(generator, free.model_copy(update={"direction": 0}), free, clamp, scorer=Halves())
        for index, image in enumerate(both):
            moved["on"][index] += image.scores["red"] - base.scores["red"]
            moved["off"][index] += abs(image.scores["green"] - base.scores["green"])
    (alone,) = run(generator, clamp, scorer=Halves())
    np.testing.assert_array_equal(alone.image, both[1].image)
    assert moved["on"][1] > 0.9 * moved["on"][0]
    assert moved["off"][1] < 0.5 * moved["off"][0]


def test_a_push_to_a_level_dies_at_it(generator: AnalyticGenerator) -> None:
    (base,) = run(generator, recipe_for(generator, direction=0))
    there = base.scores["red"]
    recipe = recipe_for(generator, objective_kind="level", settings={"level": there, "width": 0.5})
    far = recipe_for(generator, objective_kind="level", settings={"level": there + 5.0, "width": 0.5})
    near_image, far_image = run(generator, recipe, far)
    last = [entry for entry in near_image.trace if entry["strength"]][-1]
    reference = [entry for entry in far_image.trace if entry["strength"]][-1]
    assert last["shift"] < 0.5 * reference["shift"]
    assert abs(near_image.scores["red"] - there) < abs(far_image.scores["red"] - there)


def test_several_readers_as_mean_or_worst(generator: AnalyticGenerator) -> None:
    both = Ensemble([Colours(10.0), Colours(4.0)])
    images = torch.rand((1, 3, 96, 96), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(both(images), Colours(7.0)(images))
    mean, worst = (
        Objective([recipe_for(generator, readers=how)], generator, both).at(0)(images)
        for how in ("mean", "worst")
    )
    assert float(mean.value) == pytest.approx(float(Colours(7.0)(images)[0, 0]))
    assert float(worst.value) == pytest.approx(float(Colours(4.0)(images)[0, 0]))
    down = Objective([recipe_for(generator, direction=-1, readers="worst")], generator, both).at(0)(images)
    assert float(down.value) == pytest.approx(-float(Colours(10.0)(images)[0, 0]))
    with pytest.raises(InputError, match="the same targets"):
        Ensemble([Colours(), type("Other", (), {"names": ("x",)})()])


def scene() -> Any:
    return render(draw_scene(random_generator(1, "a scene")))


def as_images(picture: Any) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None].double() / 255.0


def test_smooth_features_are_those_of_the_tables_where_no_median_is_taken() -> None:
    picture = scene()
    found = dict(zip(SMOOTH_NAMES, smooth_features(as_images(picture))[0].tolist(), strict=True))
    exact = measure(picture)
    for ours, theirs, tolerance in (
        ("contrast", "contrast", 1e-5),
        ("power_low", "power_low", 1e-3),
        ("power_high", "power_high", 0.2),
        ("edges", "edge_energy", 0.1 * exact["edge_energy"]),
    ):
        assert found[ours] == pytest.approx(exact[theirs], abs=tolerance)
    assert found["red"] == pytest.approx(picture[..., 0].mean() / 255)


@pytest.mark.parametrize("name", PENALTIES.names())
def test_penalties_are_zero_at_the_base_and_grow_with_the_change(name: str) -> None:
    penalise, base = PENALTIES.load(name), as_images(scene())
    noise = torch.randn(base.shape, generator=torch.Generator().manual_seed(1), dtype=base.dtype)
    little, much = (base + size * noise + size for size in (0.02, 0.1))

    def features(images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, ::7]

    values = [float(penalise(images, base, features)) for images in (base, little, much)]
    assert values[0] == pytest.approx(0.0, abs=1e-12)
    assert 0 < values[1] < values[2]
    if name == "perceptual":
        with pytest.raises(InputError, match="no feature network"):
            penalise(base, base, None)


def test_views_keep_constants_and_follow_from_the_recipe() -> None:
    flat = torch.full((1, 3, 20, 24), 0.25)
    torch.testing.assert_close(viewed(flat, View(blur=0.1, downsample=4)), flat)
    impulse = torch.zeros((1, 1, 31, 31), dtype=torch.float64)
    impulse[0, 0, 15, 15] = 1.0
    spread = blurred(impulse, 2.0)[0, 0]
    offsets = torch.arange(31, dtype=torch.float64) - 15
    assert float((spread.sum(1) * offsets.square()).sum().sqrt()) == pytest.approx(2.0, abs=0.05)
    torch.testing.assert_close(spread, spread.T)
    images = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(shifted_copy(images, 0, 4), images)
    torch.testing.assert_close(shifted_copy(images, 3, 4), shifted_copy(images, 3, 4))
    assert not torch.equal(shifted_copy(images, 1, 4), shifted_copy(images, 2, 4))


def test_penalties_and_copies_drive_an_image(generator: AnalyticGenerator) -> None:
    distances = [0.0, 0.0]
    for seed in (3, 4):
        free = recipe_for(generator, seed=seed, strength=0.3, steps=10)
        base, plain, held = run(
            generator,
            free.model_copy(update={"direction": 0}),
            free,
            free.model_copy(update={"penalties": {"pixel": 100.0}}),
            scorer=Halves(),
        )
        for index, image in enumerate((plain, held)):
            distances[index] += float(np.abs(image.image.astype(float) - base.image).mean())
    assert distances[1] < 0.8 * distances[0]
    (seen,) = run(generator, free.model_copy(update={"view": View(blur=0.05, copies=3)}), scorer=Halves())
    assert not np.array_equal(seen.image, plain.image)


def test_the_page_of_guidance_names_every_method_and_its_settings() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "guidance.md").read_text(encoding="utf-8")
    for registry in (RULES, OBJECTIVES, PENALTIES, SEARCHES):
        for name in registry:
            assert f"| `{name}`" in page, name
            for setting in declared(registry, name).settings:
                assert setting in page, f"{name}: {setting}"
