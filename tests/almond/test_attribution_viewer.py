"""A picture over its steps: the replay of every search ends in the picture, and what is kept goes on."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from almond.attribution import viewer
from almond.attribution.figures import LOWERS, RAISES
from almond.attribution.steps import replay
from almond.attribution.viewer import STEPS, StepsWanted, keep_steps, overlay_png
from almond.encoding.features.kinds.world import open_world
from almond.errors import Cancelled, DigestMismatch, InputError
from almond.guidance.backends.analytic import AnalyticGenerator, BankRule
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated, generate
from almond.pictures.reading import read_image
from almond.progress import Silent
from almond.rng import generator as random_generator
from almond.targets.scorer import Scorer
from almond.targets.target import standardised_target

LAST = 3


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def generator() -> AnalyticGenerator:
    return AnalyticGenerator(rule=BankRule(each=2))


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    space = open_world()
    reference = space.extract([np.full((96, 96, 3), value, np.uint8) for value in (0, 90, 180, 255)])
    targets = [
        standardised_target(
            name,
            random_generator(seed, "weights").normal(size=space.dimension),
            reference,
            feature_space_digest=space.digest,
            sources=(),
        )
        for seed, name in enumerate(("LB", "CM"))
    ]
    return Scorer(space, targets)


@pytest.fixture(scope="module")
def recipe(generator: AnalyticGenerator) -> Recipe:
    return Recipe(
        prompt="a room",
        seed=5,
        generator="analytic",
        generator_digest=generator.digest,
        objective={"LB": 1.0},
        objective_kind="clamp",
        others=("CM",),
        direction=1,
        strength=0.2,
        window=(0.05, 0.6),
        steps=LAST + 1,
    )


@pytest.fixture(scope="module")
def made(recipe: Recipe, generator: AnalyticGenerator, scorer: Scorer) -> Generated:
    (image,) = generate([recipe], generator=generator, scorer=scorer)
    return image


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"search": "best-of", "settings": {"candidates": 3.0}},
        {"search": "initial-noise", "settings": {"iterations": 1.0}, "strength": 0.0},
        {
            "search": "cma-es",
            "settings": {"candidates": 4.0, "iterations": 1.0, "dimensions": 3.0},
            "strength": 0.0,
        },
        {"direction": 0, "strength": 0.0},
    ],
    ids=lambda changes: str(changes.get("search", "unguided" if changes else "single")),
)
def test_the_last_prediction_of_a_replay_is_the_picture(
    recipe: Recipe, generator: AnalyticGenerator, scorer: Scorer, changes: dict[str, object]
) -> None:
    changed = recipe.model_copy(update=changes)
    (image,) = generate([changed], generator=generator, scorer=scorer)
    again = replay(changed, generator, scorer, range(LAST + 1))
    assert np.array_equal(again.made.image, image.image)
    assert sorted(again.latents) == list(range(LAST + 1))
    last = (generator.decode(again.latents[LAST]) * 255).round().to(torch.uint8)[0].permute(1, 2, 0)
    assert np.array_equal(last.numpy(), image.image)


@pytest.mark.parametrize("search", ["beam", "smc"])
def test_candidates_that_replace_each_other_have_no_way(
    recipe: Recipe, generator: AnalyticGenerator, scorer: Scorer, search: str
) -> None:
    with pytest.raises(InputError, match=f"search {search}.*replace each other"):
        replay(recipe.model_copy(update={"search": search}), generator, scorer, [0])


class Impatient:
    """Stops when so many steps are there."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.folder, self.steps = folder, steps

    def report(self, fraction: float, message: str = "") -> None:
        if len(list(self.folder.glob("step-*.json"))) >= self.steps:
            raise Cancelled("stop")


def test_stopped_work_goes_on_at_the_first_missing_step(
    made: Generated, generator: AnalyticGenerator, scorer: Scorer, tmp_path: Path
) -> None:
    wanted = StepsWanted(made.recipe, made.image, "LB", "hires_cam")
    with pytest.raises(Cancelled):
        keep_steps(wanted, generator, scorer, tmp_path, Impatient(tmp_path, 2))
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert "picture-002.png" in before
    assert STEPS not in before
    shown = keep_steps(wanted, generator, scorer, tmp_path, Silent())
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert all(after[name] == time for name, time in before.items() if name != "latents.npz")
    assert set(after) == {"replay.json", STEPS} | {
        f"{kind}-{step:03d}.{suffix}"
        for kind, suffix in (("picture", "png"), ("map", "npz"), ("step", "json"), ("overlay", "png"))
        for step in range(1, LAST + 2)
    }
    assert json.loads((tmp_path / STEPS).read_bytes()) == shown
    assert (shown["same"], shown["changed_pixels"]) == (True, 0)
    assert np.array_equal(read_image(tmp_path / f"picture-{LAST + 1:03d}.png"), made.image)
    assert shown["steps"][-1]["scores"] == pytest.approx(made.scores, abs=1e-4)
    inside = [step["step"] for step in shown["steps"] if step["strength"]]
    assert inside == [entry["step"] + 1 for entry in made.trace if entry["strength"]]


def test_another_picture_than_the_stored_one_is_said(
    made: Generated, generator: AnalyticGenerator, scorer: Scorer, tmp_path: Path
) -> None:
    other = made.image.copy()
    other[3, 4, 1] ^= 7
    shown = keep_steps(
        StepsWanted(made.recipe, other, "LB", "hires_cam"), generator, scorer, tmp_path, Silent()
    )
    assert (shown["same"], shown["changed_pixels"], shown["largest_change"]) == (
        False,
        1,
        abs(int(other[3, 4, 1]) - int(made.image[3, 4, 1])),
    )


def test_another_generator_is_refused_and_nothing_is_kept(
    made: Generated, generator: AnalyticGenerator, scorer: Scorer, tmp_path: Path
) -> None:
    foreign = replace(made, recipe=made.recipe.model_copy(update={"generator_digest": "0" * 64}))
    wanted = StepsWanted(foreign.recipe, made.image, "LB", "hires_cam")
    with pytest.raises(DigestMismatch):
        keep_steps(wanted, generator, scorer, tmp_path, Silent())
    with pytest.raises(InputError, match="V1"):
        keep_steps(replace(wanted, target="V1"), generator, scorer, tmp_path, Silent())
    assert not list(tmp_path.iterdir())


def test_large_pictures_are_kept_small(
    made: Generated,
    generator: AnalyticGenerator,
    scorer: Scorer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(viewer, "SIDE", 24)
    wanted = StepsWanted(made.recipe, made.image, "LB", "hires_cam")
    keep_steps(wanted, generator, scorer, tmp_path, Silent())
    small = read_image(tmp_path / f"picture-{LAST + 1:03d}.png")
    assert small.shape == (24, 24, 3)
    blocks = made.image.reshape(24, 4, 24, 4, 3).mean(axis=(1, 3))
    assert np.abs(small - blocks).max() <= 0.5
    assert read_image(tmp_path / "overlay-001.png").shape[:2] == (24, 24)


def test_an_overlay_is_red_where_the_map_raises_and_clear_where_it_is_0() -> None:
    values = np.array([[2.0, 0.0], [-1.0, 9.0]])
    pixels = np.asarray(Image.open(io.BytesIO(overlay_png(values, 2.0))))
    assert pixels.shape == (2, 2, 4)
    assert pixels[..., 3].tolist() == [[255, 0], [128, 255]]
    assert pixels[0, 0, :3] == pytest.approx(255 * RAISES, abs=1)
    assert pixels[1, 0, :3] == pytest.approx(255 * LOWERS, abs=1)
