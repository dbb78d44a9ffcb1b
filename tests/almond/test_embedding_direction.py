"""The direction of a score among embeddings: against solutions by hand, and on a tiny IP-Adapter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from almond.errors import InputError
from almond.guidance.photographs.reference import score_direction, turned
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import generate
from tests.almond.picture_folders import save_photograph
from tests.almond.test_guidance_diffusion import Brightness
from tests.almond.test_guidance_photographs import (
    adapter_picture,
    added_to,
    home,
    opened,
    plain_recipe,
    start_from,
)

__all__ = ["home"]


def test_ridge_is_the_solution_of_its_equations_and_r2_is_of_left_out_photographs() -> None:
    rng = np.random.default_rng(2)
    embeddings = rng.standard_normal((20, 6)) + 3.0
    values = embeddings @ rng.standard_normal(6) + 0.3 * rng.standard_normal(20)
    fit = score_direction(embeddings, values)

    def solved(rows: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, float]:
        centred = rows - rows.mean(0)
        gram = centred.T @ centred + fit.penalty * np.eye(rows.shape[1])
        weights = np.linalg.solve(gram, centred.T @ (targets - targets.mean()))
        return weights, float(targets.mean() - rows.mean(0) @ weights)

    weights, intercept = solved(embeddings, values)
    np.testing.assert_allclose(fit.weights, weights, rtol=1e-6)
    assert fit.intercept == pytest.approx(intercept)
    left_out = []
    for index in range(20):
        others = np.arange(20) != index
        own, constant = solved(embeddings[others], values[others])
        left_out.append(values[index] - embeddings[index] @ own - constant)
    assert fit.r2 == pytest.approx(1 - np.mean(np.square(left_out)) / values.var(), rel=1e-6)
    noise = score_direction(embeddings, rng.standard_normal(20))
    assert noise.r2 < 0.3 < fit.r2
    with pytest.raises(InputError, match="scores are all alike"):
        score_direction(embeddings, np.ones(20))


def test_a_turn_keeps_the_length_and_goes_by_the_angle() -> None:
    rng = np.random.default_rng(3)
    embedding, direction = rng.standard_normal((2, 9))
    before = 0.0
    for angle in (0.0, 20.0, 60.0):
        after = turned(embedding, direction, angle)
        assert np.linalg.norm(after) == pytest.approx(np.linalg.norm(embedding))
        cosine = after @ embedding / (np.linalg.norm(after) * np.linalg.norm(embedding))
        assert np.degrees(np.arccos(min(cosine, 1.0))) == pytest.approx(angle, abs=1e-4)
        assert angle == 0.0 or (after - embedding) @ direction > before
        before = (after - embedding) @ direction
    with pytest.raises(InputError, match="already points along"):
        turned(embedding, 2.0 * embedding, 30.0)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    for seed in range(12):
        save_photograph(folder / f"{seed}.png", seed=seed)
    return folder


def test_an_adapters_picture_is_turned_towards_the_score(home: Path, reference: Path) -> None:
    generator = opened(home, "sdxl", added=added_to(home, "sdxl"))
    folder = generator.pictures.add_folder(reference)
    recipe = plain_recipe(
        generator,
        direction=1,
        strength=0.0,
        objective={"bright": 1.0},
        search="embedding-direction",
        settings={"angle": 40.0},
        adapter=adapter_picture(generator, home, reference_sha256=folder),
        start=start_from(generator, home, strength=0.75),
    )
    assert Recipe.from_json(recipe.to_json()) == recipe
    changed = {"settings": {"angle": 0.0}}, {"direction": -1}
    others = [recipe.model_copy(update=change) for change in changed]
    base = recipe.model_copy(update={"search": "single", "direction": 0, "settings": {}})
    up, still, down, plain = generate([recipe, *others, base], generator=generator, scorer=Brightness())
    np.testing.assert_array_equal(still.image, plain.image)
    assert up.searched["predicted"][1] > up.searched["predicted"][0]
    assert down.searched["predicted"][0] == pytest.approx(-up.searched["predicted"][0])
    assert (up.image != plain.image).any()
    assert (up.image != down.image).any()
    assert up.searched["evaluations"] == len(up.trace) == 3
    assert up.searched["r2"] <= 1.0


def test_what_it_needs_is_said(home: Path, reference: Path) -> None:
    plain = opened(home, "sdxl")
    values = {"direction": 1, "strength": 0.0, "search": "embedding-direction"}
    with pytest.raises(InputError, match="no IP-Adapter"):
        next(generate([plain_recipe(plain, **values)], generator=plain, scorer=Brightness()))
    generator = opened(home, "sdxl", added=added_to(home, "sdxl"))
    without = plain_recipe(generator, **values, adapter=adapter_picture(generator, home))
    with pytest.raises(InputError, match="reference: is missing"):
        next(generate([without], generator=generator, scorer=Brightness()))
    few = adapter_picture(generator, home, reference_sha256=generator.pictures.add_folder(home))
    with pytest.raises(InputError, match="3 different photographs"):
        next(
            generate([without.model_copy(update={"adapter": few})], generator=generator, scorer=Brightness())
        )
