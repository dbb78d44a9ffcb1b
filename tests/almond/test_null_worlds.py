"""Null worlds: nothing depends on what images were made for, while people and prompts may differ."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from almond.errors import InputError
from almond.rng import generator
from almond.world.null_forms import null_world
from almond.world.null_worlds import (
    PERSON_SD,
    PERSON_VIVID,
    THEME_SD,
    THEME_VIVID,
    MadeFor,
    StructuredPercepts,
    percepts_of_null,
    seen_by,
    structured_percepts,
)
from almond.world.raters import NULL_SD, null_percepts
from almond.world.scenes import LATENTS

THEMES, SEEDS, TARGETS = 150, 2, ("A", "B", "C")
DIRECTIONS = (1, -1)


def stimuli() -> dict[str, MadeFor]:
    """Two seeds of every theme, each high and low for every target."""
    return {
        f"t{theme}-{seed}-{target}-{direction}": MadeFor(f"t{theme}-{seed}", f"t{theme}", target, direction)
        for theme, seed, target, direction in product(range(THEMES), range(SEEDS), TARGETS, DIRECTIONS)
    }


@pytest.fixture(scope="module")
def percepts() -> StructuredPercepts:
    made = stimuli()
    bases = {row.base_scene: np.full(len(LATENTS), 0.5) for row in made.values()}
    return structured_percepts(bases, made, generator(1, "structured"))


def as_array(values: dict) -> np.ndarray:
    """Percepts (themes, seeds, targets, directions, 16)."""
    return np.array(list(values.values())).reshape(THEMES, SEEDS, len(TARGETS), len(DIRECTIONS), -1)


def test_prompts_differ_alike_for_every_target_and_direction(percepts):
    """Means over themes are nothing; the variances are the stated ones in every condition."""
    common = as_array(percepts.common) - 0.5
    for condition in np.moveaxis(common.mean(axis=1), 0, 2).reshape(-1, THEMES, len(LATENTS)):
        assert abs(condition.mean()) < 4 * np.sqrt(THEME_VIVID**2 + THEME_SD**2 / 16) / np.sqrt(THEMES)
        assert condition.std() == pytest.approx(
            np.sqrt(THEME_VIVID**2 + THEME_SD**2 + NULL_SD**2 / 2), rel=0.1
        )


def test_seeds_of_one_prompt_share_what_the_prompt_adds(percepts):
    common = as_array(percepts.common) - 0.5
    between = (common[:, 0] * common[:, 1]).mean()
    assert between == pytest.approx(THEME_VIVID**2 + THEME_SD**2, rel=0.1)
    assert (common[:, 0] - common[:, 1]).std() == pytest.approx(NULL_SD * np.sqrt(2), rel=0.05)


def test_targets_of_a_prompt_share_its_vividness_and_directions_share_nothing(percepts):
    common = as_array(percepts.common).mean(axis=1) - 0.5
    vivid = common.mean(axis=3)
    assert (vivid[:, 0] * vivid[:, 1]).mean() == pytest.approx(THEME_VIVID**2, rel=0.35)
    assert abs(np.corrcoef(vivid[:, 0, 0], vivid[:, 0, 1])[0, 1]) < 0.3


def own_of(percepts: StructuredPercepts, number: int) -> np.ndarray:
    """What a participant adds to every percept."""
    seen = percepts.seen_by(number)
    return as_array({name: seen[name] - percept for name, percept in percepts.common.items()})


def test_people_see_every_theme_alike_and_each_their_own_way(percepts):
    own = np.array([own_of(percepts, number) for number in range(60)])
    np.testing.assert_allclose(own, np.broadcast_to(own[:, :1, :1], own.shape), atol=1e-12)
    conditions = own[:, 0, 0]
    assert conditions.std() == pytest.approx(np.sqrt(PERSON_VIVID**2 + PERSON_SD**2), rel=0.1)
    assert (
        np.abs(conditions.mean(axis=(0, 3))).max()
        < 4 * np.sqrt(PERSON_VIVID**2 + PERSON_SD**2 / 16) / 60**0.5
    )


def test_every_person_has_a_stream_of_its_own(percepts):
    again = structured_percepts(
        {row.base_scene: np.full(len(LATENTS), 0.5) for row in stimuli().values()},
        stimuli(),
        generator(1, "structured"),
    )
    name = next(iter(percepts.common))
    assert name in percepts
    assert np.array_equal(again.seen_by(5)[name], percepts.seen_by(5)[name])
    assert not np.array_equal(percepts.seen_by(4)[name], percepts.seen_by(5)[name])


def test_the_independent_null_is_seen_alike_by_everybody():
    made = stimuli()
    bases = {row.base_scene: np.full(len(LATENTS), 0.5) for row in made.values()}
    shared = percepts_of_null("independent", bases, made, generator(2))
    scenes = {name: row.base_scene for name, row in made.items()}
    expected = null_percepts(bases, scenes, generator(2))
    assert all(np.array_equal(seen_by(shared, 3)[name], expected[name]) for name in made)


def test_a_scene_without_its_unguided_image_is_refused():
    for null in ("independent", "structured"):
        with pytest.raises(InputError, match=r"'t0-0'.*unguided"):
            percepts_of_null(null, {}, {"x": MadeFor("t0-0", "t0", "A", 1)}, generator(1))


def test_names_of_null_worlds_and_what_they_were_before():
    assert [null_world(value) for value in (None, False, True, "none", "independent", "structured")] == [
        "none",
        "none",
        "independent",
        "none",
        "independent",
        "structured",
    ]
    for value in ("quiet", 1, ""):
        with pytest.raises(InputError, match="expected none, independent, structured"):
            null_world(value)
    with pytest.raises(InputError, match="expected independent or structured"):
        percepts_of_null("none", {}, {}, generator(1))
