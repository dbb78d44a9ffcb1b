"""The demonstration's null worlds over a few seeds: the tests of a study hold, and the structured null can be
failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from almond.chain.draw import recipes_of
from almond.chain.settings import DemoSettings
from almond.world import lab
from benchmarks import nulls
from benchmarks.nulls import (
    bare_plan,
    count_rejections,
    most_expected,
    null_study,
    raised_cube,
    unguided_pool,
)

SEEDS = range(1, 6)
STEPS = 5
"""Of the unguided images: raters of a null world see pictures that differ, however well they are drawn."""
SMALL = DemoSettings(participants=24, prompts=lab.PROMPTS[:8])


@pytest.fixture(scope="module", autouse=True)
def drawn_quickly() -> Iterator[None]:
    def recipes(*arguments):
        return [recipe.model_copy(update={"steps": STEPS}) for recipe in recipes_of(*arguments)]

    with mock.patch.object(nulls, "recipes_of", recipes):
        yield


@pytest.fixture(scope="module")
def structured() -> dict[str, dict]:
    return {row["test"]: row for row in count_rejections(SEEDS, ["structured"], SMALL)}


def test_the_confirmatory_tests_hold_where_people_and_prompts_differ(structured):
    for name in ("choices", "profiles"):
        assert structured[name]["confirmatory"]
        assert structured[name]["rejected"] <= most_expected(len(SEEDS))


def test_tests_that_ignore_people_or_prompts_are_found_out(structured):
    mistakes = [row["rejected"] for row in structured.values() if not row["confirmatory"]]
    assert sum(mistakes) > 3 * len(SEEDS) * 0.05 * len(mistakes)
    assert structured["analysis of variance over trials"]["rejected"] > most_expected(len(SEEDS))


def test_a_seed_has_the_design_of_the_demonstration():
    settings = DemoSettings(seed=3, participants=8, null="independent")
    plan = bare_plan(settings)
    assert len({row.theme for row in plan.stimuli}) == 12
    assert (len(plan.stimuli), len(plan.pairs)) == (96, 48)
    assert [block.trials for block in plan.blocks] == [32, 24]
    pool = unguided_pool(settings)
    study = null_study(settings, pool)
    assert len(study.sample.choices) == 8 * 24
    cube = raised_cube(study)
    assert set(cube.profiles.targets) == set(lab.TARGETS)
    assert set(cube.profiles.directions) == {1}
    other = null_study(replace(settings, null="structured"), pool)
    assert not np.array_equal(study.ratings["value"], other.ratings["value"])
