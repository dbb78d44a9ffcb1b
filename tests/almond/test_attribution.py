"""Attribution: each method against scores whose attribution is known, and against scenes whose things are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from almond.attribution.explained import (
    Explained,
    absent,
    explained_target,
    network_of,
    with_shuffled_weights,
)
from almond.attribution.maps import agreement, mass_by_scale, mass_within
from almond.attribution.methods import METHODS
from almond.attribution.methods.shapley import superpixels
from almond.attribution.output import write_attribution
from almond.attribution.places import place_of
from almond.attribution.steps import predictions_at
from almond.attribution.through_steps import attribute_recipe, steps_to_show
from almond.encoding.features.networks.world import NetworkFeatures
from almond.errors import InputError
from almond.guidance.backends.analytic import AnalyticGenerator, BankRule
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import generate
from almond.rng import generator as random_generator
from almond.targets.scorer import Scorer
from almond.targets.target import standardised_target
from almond.world.brains import region_weights
from almond.world.networks import load_network
from almond.world.scenes import draw_scene, latents, render_many

SIDE = 32


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand((2, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(1))


def explained(score: Callable[[torch.Tensor], torch.Tensor], network: nn.Module | None = None) -> Explained:
    return Explained("red", score, network or nn.Identity())


def linear(weights: torch.Tensor) -> Explained:
    return explained(lambda images: (images * weights).sum(dim=(1, 2, 3)))


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    """Targets that read the world's truth: ridge from features of 160 scenes to two regions' responses."""
    space = NetworkFeatures("world", load_network("features"), image_size=96)
    rng = random_generator(11, "attribution scenes")
    drawn = [draw_scene(rng) for _ in range(160)]
    features = space.extract(list(render_many(drawn))).astype(np.float64)
    centred = features - features.mean(axis=0)
    gram = centred.T @ centred + 10 * np.eye(features.shape[1])
    truth = np.stack([latents(scene) for scene in drawn])
    targets = []
    for region in ("LB", "AStr"):
        response = truth @ region_weights(region)
        weights = np.linalg.solve(gram, centred.T @ (response - response.mean()))
        targets.append(
            standardised_target(region, weights, features, feature_space_digest=space.digest, sources=())
        )
    return Scorer(space, targets)


def test_integrated_gradients_of_a_linear_score_are_weight_times_difference(images: torch.Tensor) -> None:
    weights = torch.randn((3, SIDE, SIDE), generator=torch.Generator().manual_seed(2))
    made = METHODS.load("integrated_gradients")(linear(weights), images)
    expected = (weights * (images - absent(images))).sum(dim=1)
    assert torch.allclose(made.maps, expected, atol=1e-5)
    assert made.incomplete is not None
    assert float(made.incomplete.max()) < 1e-4


def test_integrated_gradients_take_more_points_until_the_map_sums_to_the_difference(
    images: torch.Tensor,
) -> None:
    """A steep sigmoid on the path: 32 points miss it."""
    baseline = absent(images)
    middle = (images.mean(dim=(1, 2, 3)) + baseline.mean(dim=(1, 2, 3))) / 2 + 0.0

    def score(pictures: torch.Tensor) -> torch.Tensor:
        return torch.tanh(4000 * (pictures.mean(dim=(1, 2, 3)) - middle[0])) + pictures[:, 0].square().sum(
            (1, 2)
        )

    made = METHODS.load("integrated_gradients")(explained(score), images[:1])
    difference = float(score(images[:1]) - score(baseline[:1]))
    assert float(made.maps.sum()) == pytest.approx(difference, rel=0.05)


def test_occlusion_leaves_what_the_score_ignores_at_zero(images: torch.Tensor) -> None:
    made = METHODS.load("occlusion")(
        explained(lambda pictures: pictures[:, :, :8, :8].sum(dim=(1, 2, 3))), images
    )
    assert float(made.maps[:, 12:, 12:].abs().max()) == 0.0
    assert float(made.maps[:, :8, :8].abs().max()) > 0.0


def test_shapley_values_of_an_additive_score_are_the_parts_own(images: torch.Tensor) -> None:
    weights = torch.randn((3, SIDE, SIDE), generator=torch.Generator().manual_seed(3))
    made = METHODS.load("shapley")(linear(weights), images[:1], seed=4)
    own = (weights * (images[:1] - absent(images[:1])))[0].sum(dim=0)
    parts = superpixels(images[0].permute(1, 2, 0).double().numpy(), 24)
    for label in range(parts.max() + 1):
        inside = torch.from_numpy(parts == label)
        assert float(made.maps[0][inside].sum()) == pytest.approx(float(own[inside].sum()), abs=1e-3)


def test_shapley_values_share_what_two_parts_do_together_and_repeat(images: torch.Tensor) -> None:
    def score(pictures: torch.Tensor) -> torch.Tensor:
        return pictures[:, 0].mean((1, 2)) * pictures[:, 1, : SIDE // 2].mean((1, 2)) * 100

    method = METHODS.load("shapley")
    first, again = (method(explained(score), images[:1], seed=5).maps for _ in range(2))
    assert torch.equal(first, again)
    difference = float(score(images[:1]) - score(absent(images[:1])))
    assert float(first.sum()) == pytest.approx(difference, abs=1e-3)


def test_superpixels_cover_the_picture_without_gaps(images: torch.Tensor) -> None:
    parts = superpixels(images[0].permute(1, 2, 0).double().numpy(), 24)
    assert parts.shape == (SIDE, SIDE)
    assert set(np.unique(parts)) == set(range(parts.max() + 1))
    assert 12 <= parts.max() + 1 <= 24


class TwoLayers(nn.Module):
    """A convolution whose maps are flattened into a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3, stride=4, padding=1)
        self.linear = nn.Linear(4 * 8 * 8, 1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        score: torch.Tensor = self.linear(torch.relu(self.convolution(pictures)).flatten(1))[:, 0]
        return score


def test_cams_are_activation_times_gradient_averaged_or_not(images: torch.Tensor) -> None:
    torch.manual_seed(6)
    network = TwoLayers().eval().requires_grad_(False)
    activation = network.convolution(images)
    slope = (activation > 0).float() * network.linear.weight.reshape(1, 4, 8, 8)
    places = (activation * slope).sum(dim=1, keepdim=True)
    averaged = (activation * slope.mean(dim=(2, 3), keepdim=True)).sum(dim=1, keepdim=True)
    for name, cells in (("hires_cam", places), ("grad_cam", averaged)):
        expected = nn.functional.interpolate(cells, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        made = METHODS.load(name)(explained(network, network), images)
        assert torch.allclose(made.maps, expected[:, 0], atol=1e-5), name


def test_a_network_without_convolution_has_no_cam(images: torch.Tensor) -> None:
    with pytest.raises(InputError, match="no convolution"):
        METHODS.load("grad_cam")(linear(torch.ones(3, SIDE, SIDE)), images)


def test_the_mass_of_a_wave_lies_in_its_octave() -> None:
    rows = torch.arange(64) / 64
    wave = torch.sin(2 * torch.pi * 6 * rows)[:, None].expand(64, 64)
    shares = mass_by_scale(wave)
    assert shares["4-8"] == pytest.approx(1.0)
    assert sum(shares.values()) == pytest.approx(1.0)


def test_mass_within_is_a_share_and_a_blank_map_is_refused() -> None:
    maps = torch.zeros(1, 4, 4)
    maps[0, 0, 0], maps[0, 3, 3] = -3.0, 1.0
    place = torch.zeros(1, 4, 4, dtype=torch.bool)
    place[0, 0, 0] = True
    assert float(mass_within(maps, place)) == 0.75
    with pytest.raises(InputError, match="0 everywhere"):
        mass_within(torch.zeros(1, 4, 4), place)


def test_maps_agree_with_themselves_and_not_with_their_negatives(images: torch.Tensor) -> None:
    maps = images[:, 0]
    assert agreement(maps, maps) == pytest.approx(1.0)
    assert agreement(maps, -maps) == pytest.approx(-1.0)


def test_the_place_of_a_thing_is_what_it_changes() -> None:
    rng = random_generator(12, "places")
    scene = draw_scene(rng, {"object": "snake", "presence": "nobody"})
    place = place_of(scene, "object")
    assert 0.01 < place.mean() < 0.4
    with pytest.raises(InputError, match="nobody already"):
        place_of(scene, "presence")
    with pytest.raises(InputError, match="has no place"):
        place_of(scene, "tint")


@pytest.mark.parametrize("name", ["integrated_gradients", "hires_cam"])
def test_maps_lie_on_the_thing_that_drives_the_region_and_shuffled_weights_do_not(
    scorer: Scorer, name: str
) -> None:
    rng = random_generator(13, "driven")
    drawn = [draw_scene(rng, {"object": "snake"}) for _ in range(4)]
    pictures = torch.from_numpy(render_many(drawn)).permute(0, 3, 1, 2).float() / 255
    place = torch.from_numpy(np.stack([place_of(scene, "object") for scene in drawn]))
    chance = float(place.float().mean())
    method = METHODS.load(name)
    true = method(explained_target(scorer, "LB"), pictures)
    shuffled = method(explained_target(with_shuffled_weights(scorer, 1), "LB"), pictures)
    assert float(mass_within(true.maps, place).mean()) > 2 * chance
    assert float(mass_within(shuffled.maps, place).mean()) < 1.8 * chance
    assert float(np.abs(agreement(true.maps, shuffled.maps)).mean()) < 0.4


def test_shuffling_keeps_every_weight_and_leaves_the_network_alone(scorer: Scorer) -> None:
    before = [values.clone() for values in network_of(scorer.feature_space).parameters()]
    shuffled = network_of(with_shuffled_weights(scorer, 2).feature_space)
    for own, now, other in zip(
        before, network_of(scorer.feature_space).parameters(), shuffled.parameters(), strict=True
    ):
        assert torch.equal(own, now)
        assert torch.equal(own.flatten().sort().values, other.flatten().sort().values)
    assert any(not torch.equal(own, other) for own, other in zip(before, shuffled.parameters(), strict=True))


def test_a_target_that_the_scorer_lacks_is_named(scorer: Scorer) -> None:
    with pytest.raises(InputError, match="'CM' is not known"):
        explained_target(scorer, "CM")


def test_the_last_prediction_of_a_recipe_is_its_picture(scorer: Scorer) -> None:
    generator = AnalyticGenerator(rule=BankRule(each=6))
    recipe = Recipe(
        prompt="a person standing in a room",
        seed=5,
        generator="analytic",
        generator_digest=generator.digest,
        objective={"LB": 1.0},
        direction=1,
        strength=0.1,
        window=(0.1, 0.5),
        steps=6,
    )
    (made,) = generate([recipe], generator=generator, scorer=scorer)
    seen = predictions_at(recipe, generator, scorer, [0, 3, 5])
    last = (seen[2] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    assert np.array_equal(last, made.image)
    assert float((seen[0] - seen[2]).abs().mean()) > float((seen[1] - seen[2]).abs().mean())
    with pytest.raises(InputError, match="numbers from 0 to 5"):
        predictions_at(recipe, generator, scorer, [6])


def test_a_recipe_is_attributed_over_its_steps_and_reported(scorer: Scorer, tmp_path: Path) -> None:
    generator = AnalyticGenerator(rule=BankRule(each=6))
    recipe = Recipe(
        prompt="a person standing in a room",
        seed=6,
        generator="analytic",
        generator_digest=generator.digest,
        objective={"AStr": 1.0},
        direction=1,
        strength=0.1,
        window=(0.1, 0.5),
        steps=6,
    )
    methods = ("hires_cam", "grad_cam")
    at = steps_to_show(recipe.steps, 3)
    made = attribute_recipe(recipe, generator, scorer, target="AStr", methods=methods, at=at)
    assert at == (1, 3, 5)
    assert len(made.table) == 3 * 3
    with torch.no_grad():
        scores = scorer(made.pictures)[:, scorer.names.index("AStr")]
    own = made.table[made.table["method"] == "hires_cam"]
    assert own["score"].tolist() == pytest.approx(scores.tolist())
    assert own["agreement_hires_cam"].isna().all()
    result = write_attribution(made, methods, tmp_path / "out")
    assert result["steps"] == [2, 4, 6]
    for name in ("report.html", "steps.csv", "maps.npz", "result.json", "figures/overlays.png"):
        assert (tmp_path / "out" / name).is_file(), name
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        write_attribution(made, methods, tmp_path / "other")
    with pytest.raises(InputError, match="one or more of integrated_gradients"):
        attribute_recipe(recipe, generator, scorer, target="AStr", methods=(), at=at)


def test_shown_steps_end_with_the_last() -> None:
    assert steps_to_show(25, 5) == (4, 9, 14, 19, 24)
    assert steps_to_show(3, 9) == (0, 1, 2)
    with pytest.raises(InputError, match="one or more"):
        steps_to_show(25, 0)
