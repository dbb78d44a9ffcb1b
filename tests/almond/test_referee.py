"""A small part of the referee's grid: confirmatory tests hold their level, the classic mistakes do not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from scipy import stats

from benchmarks.referee import referee
from benchmarks.referee_grid import GRID, QUICK, Cell
from benchmarks.referee_kinds import KINDS, TESTS
from benchmarks.referee_rows import rises, rows_of, summary
from benchmarks.referee_tests import choices_of, ratings_of
from benchmarks.referee_worlds import Design, draw_ratings, log_odds, looking_share, marginal_share

STUDIES = 60


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return referee(STUDIES, grid=QUICK, accuracies=False, first=5000)


def test_confirmatory_tests_hold_their_level(rows):
    confirmatory = [row for row in rows if row["confirmatory"]]
    assert {row["test"].split(":")[0] for row in confirmatory} == set(QUICK)
    assert set(QUICK) | {"ordinal_conditions"} == set(TESTS) == set(GRID) == set(KINDS)
    for row in confirmatory:
        most = stats.binom.ppf(0.9995, row["studies"], 0.05)
        assert row["false_positive"] * row["studies"] <= most, row
        assert row["low"] <= row["false_positive"] <= row["high"]
        if row["coverage"] is not None:
            assert row["coverage"] >= stats.binom.ppf(0.0005, row["studies"], 0.95) / row["studies"]


def test_power_rises_with_the_effect(rows):
    confirmatory = [row for row in rows if row["confirmatory"]]
    for row in confirmatory:
        assert len(row["power"]) == 3
        assert rises(row)
        assert max(row["power"].values()) > 0.4


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
        "lowlevel: targets without their features",
        "lowlevel_choices: least squares over trials",
        "trend: Page's L over themes, participants fixed",
    ):
        assert worst[name] > 0.05, name
    assert worst["profiles: analysis of variance over trials"] > 0.5


def test_the_summary_counts_what_a_reader_is_to_see(rows):
    found = summary(rows)
    assert found["confirmatory_rows"] == 11
    assert (found["above_05"], found["above_07"], found["monotone"]) == (0, 0, True)
    assert found["reference_power"] is None
    assert found["seconds"] == pytest.approx(sum(row["seconds"] for row in rows), abs=0.1)
    worse = [{**row, "low": 0.06 + 0.02 * (number == 0)} for number, row in enumerate(rows)]
    assert (summary(worse)["above_05"], summary(worse)["above_07"]) == (11, 1)
    falling = [{**row, "power": {"0.6": 0.5, "0.7": 0.4}} for row in rows]
    assert not summary(falling)["monotone"]


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path):
    grid = {"choices": QUICK["choices"]}
    out = tmp_path / "rows.jsonl"
    whole = referee(20, grid=grid, accuracies=False, out=out)
    lines = out.read_text().splitlines(keepends=True)
    assert [json.loads(line) for line in lines] == whole
    # Stopped while the last row was written: the design it belongs to is run again.
    out.write_text("".join(lines[:-1]) + lines[-1][:30])
    again = referee(20, grid=grid, accuracies=False, out=out)
    without_time = [{key: value for key, value in row.items() if key != "seconds"} for row in again]
    assert without_time == [{key: value for key, value in row.items() if key != "seconds"} for row in whole]
    assert again[:6] == whole[:6]


@pytest.mark.parametrize(
    ("kind", "design"),
    [
        ("choices", Design(people=12, scenes=6, targets=4, person_slope=0.5)),
        ("choices", Design(people=12, scenes=12, seeds=3, variants=2, unequal=True)),
        ("profiles", Design(people=12, scenes=6, theme_slope=0.5)),
        ("profiles", Design(people=12, scenes=12, seeds=2, unequal=True, careless=0.3)),
    ],
)
def test_many_studies_at_once_are_what_each_is_alone(kind, design):
    """Complete studies of one design share their regression here: the p must be the product's own."""
    test, spec = TESTS[kind][0], KINDS[kind]
    assert test.confirmatory
    sample, truth = spec.draw(design, 13, 7)(spec.effects[0]), spec.truth(design, spec.effects[0])
    together = sample.outcomes(test, truth, 13)
    rng = np.random.default_rng(0)
    alone = [test.run(sample.study(number), truth, rng) for number in range(13)]
    assert [held for _, held in together] == [held for _, held in alone]
    np.testing.assert_allclose([p for p, _ in together], [p for p, _ in alone], rtol=1e-8)


def test_incomplete_studies_are_taken_one_by_one():
    for kind in ("choices", "profiles"):
        sample = KINDS[kind].draw(Design(missing=0.3), 2, 0)(KINDS[kind].null)
        assert sample.outcomes(TESTS[kind][0], 0.5, 2) is None


def designs() -> Iterator[Design]:
    for grid in GRID.values():
        yield from (cell.design for cell in grid if isinstance(cell.design, Design))


def test_the_grid_spans_what_studies_are_like():
    for grid in GRID.values():
        assert len({cell.design for cell in grid}) == len(grid)
    every = list(designs())
    sizes = {(design.people, design.scenes, design.seeds) for design in every}
    assert sizes >= set(product((12, 20, 40, 100, 200), (6, 12, 20, 40), (1, 2, 3, 4)))
    spread = [design.person_sd for design in every]
    assert (min(spread), max(spread)) == (0.4, 8.0)
    spread = [design.scene_sd for design in every]
    assert (min(spread), max(spread)) == (0.3, 4.0)
    for field in ("person_slope", "theme_slope", "person_theme", "careless", "missing", "leaving", "unequal"):
        assert any(getattr(design, field) for design in every), field
    assert any(design.variants > 1 for design in every)


@pytest.mark.parametrize(
    "kind", ["lowlevel", "lowlevel_choices", "trend", "trend_jointly", "ordinal", "ordinal_conditions"]
)
def test_grids_of_later_questions_reach_their_corners(kind):
    worlds = [cell.design for cell in GRID[kind]]
    assert min(world.people for world in worlds) == 12
    assert min(world.themes for world in worlds) <= 8
    assert max(world.themes for world in worlds) >= 12
    if kind != "ordinal_conditions":
        assert any(world.seeds > 1 and world.answered < 1 for world in worlds)
    sample = KINDS[kind].draw(worlds[0], 2, 0)
    same = [vars(sample(effect).study(0))["person"] for effect in KINDS[kind].effects]
    assert all(np.array_equal(one, same[0]) for one in same)


def test_every_confirmatory_row_has_the_null_and_three_effects():
    cell = Cell(Design(people=12, scenes=6))
    row = rows_of("profiles", cell, studies=50)[0]
    assert list(row["power"]) == ["0.2", "0.35", "0.5"]
    assert {"test", "design", "false_positive", "low", "high", "power", "coverage"} <= set(row)


def test_worlds_are_what_they_say():
    design = Design(people=400, scenes=60, seeds=3, person_sd=1.0, scene_sd=0.5, careless=0.25)
    sample = choices_of(design, 20, 0)(0.7)
    studies = [sample.study(number) for number in range(20)]
    assert len(studies[0].aligned) == 400 * 60
    assert studies[0].theme.max() == 19
    found = np.mean([study.aligned.mean() for study in studies])
    assert found == pytest.approx(marginal_share(design, log_odds(design, 0.7)), abs=0.015)
    assert looking_share(design, log_odds(design, 0.7)) == pytest.approx(0.7)
    assert log_odds(design, 0.5) == 0.0
    ratings = draw_ratings(
        Design(people=30, scenes=6, missing=0.4, leaving=0.3), np.zeros((4, 4)), np.random.default_rng(0)
    )
    assert np.isnan(ratings.values).any()
    rated = np.isfinite(ratings.values[..., 0]).sum(axis=1)
    assert (rated >= 1).all()
    means = np.nanmean(ratings.values, axis=1)
    np.testing.assert_allclose(means, 0, atol=1e-9)


def test_slopes_make_people_and_themes_agree_with_themselves():
    """A person's answers about one target, and a theme's, go together; the mean stays where it is."""
    for slope, axes in (("person_slope", (1, 4)), ("theme_slope", (2, 4))):
        design = Design(people=30, scenes=12, targets=2, variants=3, person_sd=0, scene_sd=0, **{slope: 2.0})
        aligned = choices_of(design, 60, 0)(0.5).aligned.reshape(60, 30, 12, 2, 3)
        others = tuple(axis for axis in (1, 2, 4) if axis not in axes)
        units = aligned.mean(axis=(*others, 4))
        assert units.std() > 0.25
        assert aligned.mean() == pytest.approx(0.5, abs=0.03)


def test_no_two_designs_share_their_luck():
    one, other = (ratings_of(Design(people=people), 1, 0)(0.0).study(0).values for people in (12, 13))
    assert not np.allclose(one, other[:12])
