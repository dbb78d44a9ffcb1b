"""A small part of the referee's grid: confirmatory tests hold their level, the classic mistakes do not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats

from benchmarks.referee import TESTS, referee
from benchmarks.referee_grid import CHOICES, PHOTOGRAPHS, PROFILES
from benchmarks.referee_worlds import Design, draw_choices, draw_ratings, marginal_share

STUDIES = 60


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return referee(STUDIES, quick=True, first=5000)


def test_confirmatory_tests_hold_their_level(rows):
    confirmatory = [row for row in rows if row["confirmatory"]]
    assert {row["test"].split(":")[0] for row in confirmatory} == set(TESTS)
    most = stats.binom.ppf(0.9995, STUDIES, 0.05)
    for row in confirmatory:
        assert row["false_positive"] * STUDIES <= most, row
        assert row["low"] <= row["false_positive"] <= row["high"]
        if row["coverage"] is not None:
            assert row["coverage"] >= stats.binom.ppf(0.0005, STUDIES, 0.95) / STUDIES


def test_power_rises_with_the_effect(rows):
    powers = [list(row["power"].values()) for row in rows if row["power"]]
    assert powers
    for power in powers:
        assert power == sorted(power)
        assert power[-1] > 0.6


def test_the_classic_mistakes_are_seen(rows):
    """The referee can fail a test: what counts trials, or ignores people or prompts, is found out."""
    worst = {}
    for row in rows:
        if not row["confirmatory"]:
            worst[row["test"]] = max(worst.get(row["test"], 0.0), row["low"])
    for name in (
        "choices: binomial test over trials",
        "choices: t over scenes",
        "photographs: images permuted",
    ):
        assert worst[name] > 0.05, name
    assert worst["profiles: analysis of variance over trials"] > 0.5


def designs() -> Iterator[Design]:
    for grid in (CHOICES, PROFILES, PHOTOGRAPHS):
        yield from (design for design, _ in grid)


def test_the_grid_spans_what_studies_are_like():
    every = list(designs())
    assert {12, 20, 40, 100, 200} <= {design.people for design in every}
    assert {6, 12, 20, 40} <= {design.scenes for design in every}
    assert {1, 2, 3, 4} <= {design.seeds for design in every}
    spread = [design.person_sd for design in every]
    assert (min(spread), max(spread)) == (0.4, 8.0)
    for field in ("person_slope", "theme_slope", "careless", "missing", "leaving", "unequal"):
        assert any(getattr(design, field) for design in every), field
    assert any(design.variants > 1 for design in every)


def test_worlds_are_what_they_say():
    design = Design(people=400, scenes=60, seeds=3, person_sd=1.0, scene_sd=0.5, careless=0.25)
    rng = np.random.default_rng(0)
    study = draw_choices(design, 0.8, rng)
    assert len(study.aligned) == 400 * 60
    assert study.theme.max() == 19
    assert study.aligned.mean() == pytest.approx(marginal_share(design, 0.8, rng), abs=0.05)
    profiles = np.zeros((4, 4))
    ratings = draw_ratings(Design(people=30, scenes=6, missing=0.4, leaving=0.3), profiles, rng)
    assert np.isnan(ratings.values).any()
    rated = np.isfinite(ratings.values[..., 0]).sum(axis=1)
    assert (rated >= 1).all()
    means = np.nanmean(ratings.values, axis=1)
    np.testing.assert_allclose(means, 0, atol=1e-9)
