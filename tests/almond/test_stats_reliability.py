"""Reliability and natural images against direct computations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from almond.analysis.questions.natural import associations
from almond.analysis.questions.reliability import (
    repeat_agreement,
    spearman_brown,
    split_correlations,
    split_half,
)
from almond.analysis.rating_profiles import standardise, stimulus_profiles
from almond.errors import InputError


def ratings(seed=0, people=20, stimuli=15, noise=1.0, missing=0.0, repeated=4):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=stimuli)
    rows = []
    for person in range(people):
        shown = [(which, 0) for which in range(stimuli)] + [(which, 1) for which in range(repeated)]
        for which, again in shown:
            if rng.random() >= missing:
                value = 50 + 10 * (truth[which] + rng.normal(0, noise)) + 3 * person
                rows.append((f"P{person:02d}", f"s{which:02d}", again, "threat", value))
    frame = pd.DataFrame(rows, columns=["participant_id", "stimulus_id", "repeat", "construct", "value"])
    scenes = frame["stimulus_id"]
    return frame.assign(base_scene=scenes, theme=scenes, intended_target="", direction=0)


def test_standardised_ratings_have_mean_zero_and_sd_one_in_every_participant():
    z = standardise(ratings())
    cells = z.groupby("participant_id")["z"]
    np.testing.assert_allclose(cells.mean(), 0, atol=1e-12)
    np.testing.assert_allclose(cells.std(), 1, atol=1e-12)
    flat = ratings(people=2).assign(value=50.0)
    assert (standardise(flat)["z"] == 0).all()


def test_profiles_drop_stimuli_without_every_construct():
    rows = ratings(people=3)
    other = rows[rows["stimulus_id"] != "s03"].assign(construct="social")
    found = stimulus_profiles(standardise(pd.concat([rows, other])), ["threat", "social"])
    assert found.dropped == ("s03",)
    assert found.values.shape == (14, 2)
    assert found.ratings == 3


def test_split_correlations_equal_direct_ones_with_missing_ratings():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(10, 8)) + rng.normal(size=8)
    values[rng.random(values.shape) < 0.2] = np.nan
    half = rng.permuted(np.tile(np.arange(10) < 5, (30, 1)), axis=1)
    found = split_correlations(values, half)
    for row, chosen in zip(found, half, strict=True):
        one, two = pd.DataFrame(values[chosen]).mean(), pd.DataFrame(values[~chosen]).mean()
        assert row == pytest.approx(one.corr(two), abs=1e-12)


def test_split_half_reaches_the_reliability_of_the_design():
    people, noise = 20, 2.0
    found = [
        split_half(
            standardise(ratings(seed, people, stimuli=60, noise=noise, repeated=0)),
            ["threat"],
            rng=np.random.default_rng(seed),
            seed=seed,
            splits=200,
        )[0].reliability
        for seed in range(5)
    ]
    assert np.mean(found) == pytest.approx(1 / (1 + noise**2 / people), abs=0.05)
    assert spearman_brown(np.array([0.5]))[0] == pytest.approx(2 / 3)


def test_split_half_is_seeded_and_needs_four_participants():
    rows = standardise(ratings())
    one, two = (split_half(rows, ["threat"], rng=np.random.default_rng(1), seed=1) for _ in range(2))
    assert one == two
    few = standardise(ratings(people=3))
    assert split_half(few, ["threat"], rng=np.random.default_rng(1), seed=1) == []


def test_repeats_are_correlated_pair_by_pair():
    rows = standardise(ratings(people=12, noise=0.5))
    found = repeat_agreement(rows, ["threat", "absent"])
    assert [row.construct for row in found] == ["threat"]
    keys = ["participant_id", "stimulus_id"]
    wide = rows[rows["stimulus_id"] < "s04"].pivot(index=keys, columns="repeat", values="z")
    assert found[0].pairs == len(wide) == 48
    assert found[0].r == pytest.approx(stats.pearsonr(wide[0], wide[1]).statistic)


def natural_data(seed=0, count=40):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=count)
    values = np.column_stack([0.6 * score + rng.normal(size=count), rng.normal(size=count)])
    return values, {"score_LB": score, "score_CM": rng.normal(size=count)}


def run(values, predictors, permutations=2000, themes=None):
    return associations(
        values,
        ["threat", "social"],
        predictors,
        themes=themes or [f"photo-{index:03}" for index in range(len(values))],
        permutations=permutations,
        rng=np.random.default_rng(1),
        seed=1,
    )


def test_associations_equal_pearson_with_permutation_p():
    values, predictors = natural_data()
    found = run(values, predictors)
    assert len(found.associations) == 4
    for row in found.associations:
        column = values[:, ["threat", "social"].index(row.construct)]
        oracle = stats.pearsonr(column, predictors[row.predictor])
        assert row.r == pytest.approx(oracle.statistic, abs=1e-12)
        assert row.p == pytest.approx(oracle.pvalue, abs=0.04)
        assert row.p <= row.p_max
        assert row.low < row.r < row.high
        low, high = oracle.confidence_interval()
        assert (row.low, row.high) == pytest.approx((low, high), abs=0.2)


def test_unusable_predictors_are_skipped_with_the_reason():
    values, predictors = natural_data()
    absent = np.full(40, np.nan)
    absent[:3] = 1.0
    found = run(values, {**predictors, "norm_absent": absent, "norm_flat": np.ones(40)}, permutations=50)
    assert set(found.skipped) == {"norm_absent", "norm_flat"}
    some = predictors["score_CM"].copy()
    some[:5] = np.nan
    assert run(values, {"score_CM": some}, permutations=50).stimuli == 35


def test_too_few_or_constant_stimuli_are_refused():
    values, predictors = natural_data(count=4)
    with pytest.raises(InputError, match="at least 5 themes"):
        run(values, predictors)
    with pytest.raises(InputError, match="nothing varies"):
        run(np.zeros((10, 2)), {"score_LB": np.arange(10.0)})


def test_sixty_pictures_of_fifteen_themes_are_fifteen():
    """Ratings and predictors each follow the theme, and not each other: single pictures shuffled reject."""
    studies, rejected, single = 60, 0, 0
    for seed in range(studies):
        rng = np.random.default_rng([seed, 1])
        themes = np.repeat(np.arange(15), 4)
        content = rng.normal(size=(2, 15, 2))[:, themes] + 0.5 * rng.normal(size=(2, 60, 2))
        predictors = {"score_LB": content[1, :, 0], "score_CM": content[1, :, 1]}
        pairs = run(content[0], predictors, 99, [f"theme-{theme}" for theme in themes]).associations
        rejected += min(pair.p_max for pair in pairs) <= 0.05
        single += min(pair.p_max for pair in run(content[0], predictors, 99).associations) <= 0.05
    high = stats.binom.ppf(0.999, studies, 0.05)
    assert rejected <= high
    assert single > 2 * high


def test_intervals_resample_whole_themes():
    values, predictors = natural_data(count=40)
    twice = np.repeat(values, 2, axis=0)
    doubled = {name: np.repeat(column, 2) for name, column in predictors.items()}
    themes = [f"theme-{index // 2:03}" for index in range(80)]
    one = run(values, predictors, 20).associations[0]
    other = run(twice, doubled, 20, themes).associations[0]
    assert (other.r, other.low, other.high) == pytest.approx((one.r, one.low, one.high), abs=0.04)
    narrow = run(twice, doubled, 20).associations[0]
    assert narrow.high - narrow.low < 0.85 * (one.high - one.low)
