"""Equivalence tests, the classifier on nuisance quantities, and selected photographs."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from almond.balance.equivalence import balance_tests
from almond.balance.nuisance_classifier import nuisance_accuracy
from almond.balance.photographs import (
    guided_rows,
    photograph_rows,
    rank_test,
    select_photographs,
)
from almond.errors import InputError
from almond.stimuli.matching import choose_pairs
from almond.stimuli.pairing.yardsticks import Yardsticks
from tests.almond.test_stimuli_matching import FEATURES, TARGETS, make_pool

WIDE = Yardsticks(0.1, np.inf)


def test_equivalence_is_two_one_sided_t_tests() -> None:
    values = np.random.default_rng(0).normal(0.02, 0.3, 40)
    row = {
        "intended_target": "LB",
        "feature": "luminance",
        "after": values.mean(),
        "spread": values.std(ddof=1),
        "pairs": 40,
    }
    test = balance_tests([row], Yardsticks(0.1, 0.5))[0]
    assert test.bound == pytest.approx(0.5 * values.std(ddof=1))
    above = stats.ttest_1samp(values, -test.bound, alternative="greater").pvalue
    below = stats.ttest_1samp(values, test.bound, alternative="less").pvalue
    assert test.p == pytest.approx(max(above, below))
    assert test.equivalent == (test.p <= 0.05)
    flat = balance_tests([{**row, "spread": 0.0, "after": 0.0}], Yardsticks())[0]
    assert (flat.p, flat.equivalent) == (None, True)
    assert balance_tests([{**row, "spread": None}], Yardsticks()) == []


def test_the_classifier_is_at_chance_without_and_right_with_a_difference() -> None:
    rng = np.random.default_rng(3)
    themes = [f"theme {number // 2}" for number in range(24)]
    low, high = rng.normal(size=(24, 4)), rng.normal(size=(24, 4))
    nothing = nuisance_accuracy(high, low, themes, seed=1, permutations=199)
    assert nothing.at_chance
    assert nothing.p > 0.05
    told = nuisance_accuracy(high + np.array([3.0, 0, 0, 0]), low, themes, seed=1, permutations=199)
    assert told.accuracy > 0.9
    assert not told.at_chance
    assert told.p == pytest.approx(1 / 200)
    again = nuisance_accuracy(high, low, themes, seed=1, permutations=199)
    assert again == nothing
    with pytest.raises(InputError, match="themes"):
        nuisance_accuracy(high[:4], low[:4], themes[:4], seed=1)


def test_the_classifier_keeps_its_error_rate_over_sets_without_a_difference() -> None:
    rng = np.random.default_rng(4)
    themes = [f"theme {number}" for number in range(12)]
    below = sum(
        nuisance_accuracy(
            rng.normal(size=(12, 3)), rng.normal(size=(12, 3)), themes, seed=1, permutations=99
        ).p
        <= 0.1
        for _ in range(60)
    )
    assert below <= 60 * 0.1 + 3 * np.sqrt(60 * 0.1 * 0.9)


def test_a_difference_that_is_the_theme_alone_tells_nothing_of_other_themes() -> None:
    """Each theme has its own direction: training on it would be right, holding it out is not."""
    rng = np.random.default_rng(5)
    themes = np.repeat(np.arange(8), 4)
    own = rng.normal(size=(8, 12)) * 3
    low = rng.normal(size=(32, 12))
    found = nuisance_accuracy(low + own[themes], low, [str(t) for t in themes], seed=1, permutations=99)
    assert found.accuracy < 0.75


def photographs(seed: int, count: int = 9) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    score = rng.normal(size=count)
    return pd.DataFrame(
        {
            "score_LB": score,
            "score_CM": rng.normal(size=count),
            "luminance": 0.5 * score + rng.normal(size=count),
            "contrast": rng.normal(size=count),
        }
    )


def test_photographs_are_selected_as_brute_force_selects_them() -> None:
    table = photographs(6)
    yardsticks = Yardsticks(0.3, np.inf)
    found = select_photographs(table, targets=TARGETS, pairs=2, features=FEATURES, yardsticks=yardsticks)
    values = table[list(FEATURES)].to_numpy()
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    for target, other in zip(TARGETS, TARGETS[::-1], strict=True):
        score = (table[f"score_{target}"] - table[f"score_{other}"]).to_numpy()
        high, low, factor = found[target]
        best = -np.inf
        for up in itertools.combinations(range(len(table)), 2):
            for down in itertools.combinations(sorted(set(range(len(table))) - set(up)), 2):
                gap = scaled[list(up)].mean(axis=0) - scaled[list(down)].mean(axis=0)
                if np.abs(gap).max() <= 0.3 * factor + 1e-9:
                    best = max(best, score[list(up)].sum() - score[list(down)].sum())
        assert not set(high) & set(low)
        assert score[high].sum() - score[low].sum() == pytest.approx(best, rel=2e-3)


def test_the_table_of_both_ways_reads_the_judge_and_measures_balance() -> None:
    table = photographs(7, 60)
    for name in TARGETS:
        table[f"score_{name}_judge"] = 0.5 * table[f"score_{name}"]
    selection = select_photographs(
        table, targets=TARGETS, pairs=6, features=FEATURES, yardsticks=Yardsticks()
    )
    rows = photograph_rows(table, selection, features=FEATURES, yardsticks=Yardsticks())
    for row in rows:
        assert row.margin == pytest.approx(0.5 * row.own)
        assert (row.n, row.scenes_constant, row.way) == (12, False, "photographs")
        assert row.within
        assert row.difference <= 0.1 + 1e-6
        assert row.effect <= 0.3 + 1e-6
    pool = make_pool(11, scenes=14, each=6)
    matched = choose_pairs(pool, scenes=10, features=FEATURES)
    guided = guided_rows(pool, matched.pairs, matched.balance, yardsticks=Yardsticks())
    for row in guided:
        chosen = matched.pairs[matched.pairs["intended_target"] == row.target]
        assert row.own == pytest.approx(chosen["contrast"].mean())
        assert (row.margin, row.n, row.within, row.scenes_constant) == (None, 20, True, True)
    with pytest.raises(InputError, match="20 or more"):
        select_photographs(table[:9], targets=TARGETS, pairs=10, features=FEATURES, yardsticks=WIDE)
    with pytest.raises(InputError, match="score_SF"):
        select_photographs(table, targets=("SF",), pairs=2, features=FEATURES, yardsticks=WIDE)


def test_a_column_from_outside_ranks_photographs_with_their_score_or_does_not() -> None:
    rng = np.random.default_rng(8)
    score = rng.normal(size=60)
    themes = [f"theme {number // 3}" for number in range(60)]
    related = rank_test(
        score, score + rng.normal(size=60), themes, target="LB", column="bold", seed=1, draws=300
    )
    assert related.rho == pytest.approx(
        stats.spearmanr(score, score + np.random.default_rng(8).normal(size=120)[60:]).statistic
    )
    assert related.p < 0.05
    assert related.low > 0
    below = [
        rank_test(score, rng.normal(size=60), themes, target="LB", column="bold", seed=1, draws=49).p <= 0.1
        for _ in range(30)
    ]
    assert np.mean(below) <= 0.1 + 3 * np.sqrt(0.09 / 30)
    with pytest.raises(InputError, match="themes"):
        rank_test(score[:4], score[:4], ["a", "a", "b", "b"], target="LB", column="x", seed=1)
    with pytest.raises(InputError, match="vary"):
        rank_test(score, np.ones(60), themes, target="LB", column="x", seed=1)
