"""Differences between profiles with participants and themes random: against statsmodels, brute force,
nulls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from almond.errors import InputError
from almond.stats.profile_difference import (
    ProfileDifference,
    Trials,
    effective_dimensions,
    profile_difference,
    without_intercepts,
)
from almond.stats.two_way import unit_moments


def trials(
    seed,
    *,
    people=15,
    scenes=8,
    seeds=1,
    classes=4,
    constructs=3,
    effect=0.0,
    person=0.0,
    theme=0.0,
    share=1.0,
):
    """Ratings in which people (``person``) and themes (``theme``) differ in what a class is to them."""
    rng = np.random.default_rng([seed, 3])
    p, s, c = (axis.ravel() for axis in np.indices((people, scenes, classes)))
    themes = s // seeds
    image = rng.normal(size=(scenes, classes, constructs))[s, c]
    values = 0.5 * image + rng.normal(size=(len(p), constructs))
    values += effect * rng.normal(size=(classes, constructs))[c]
    values += person * rng.normal(size=(people, classes, constructs))[p, c]
    values += theme * rng.normal(size=(scenes, classes, constructs))[themes, c]
    kept = rng.random(len(p)) < share
    return Trials(*(array[kept] for array in (values, p, s, themes, c)))


def indicators(labels):
    return (np.asarray(labels)[:, None] == np.unique(labels)).astype(float)


@pytest.mark.parametrize("share", [1.0, 0.7])
def test_two_classes_and_one_rating_are_the_squared_t_of_statsmodels(share):
    data = trials(1, people=12, scenes=9, classes=2, constructs=1, effect=0.5, person=0.5, share=share)
    design = np.column_stack([data.classes, indicators(data.people), indicators(data.scenes)[:, 1:]])
    model = sm.OLS(data.values[:, 0], design)

    def variance(groups):
        kinds = {"groups": np.unique(groups, axis=0, return_inverse=True)[1], "use_correction": False}
        scale = unit_moments(np.bincount(kinds["groups"].reshape(-1)))[0]
        return model.fit(cov_type="cluster", cov_kwds=kinds).cov_params()[0, 0] * scale

    both = np.column_stack([data.people, data.themes])
    one, other, cells = (variance(groups) for groups in (data.people, data.themes, both))
    whole = max(one + other - cells, one, other)
    found = profile_difference(data)
    assert found.f == pytest.approx(model.fit().params[0] ** 2 / whole, rel=1e-8)
    assert found.df1 == 1
    assert found.p == pytest.approx(2 * stats.t.sf(np.sqrt(found.f), found.df2), rel=1e-9)
    assert found.share_people == pytest.approx(one / whole, rel=1e-8)


def test_many_classes_are_the_sum_of_squares_over_its_own_variance():
    """By hand in a whole design: class means within scenes, their squares, their variance over units."""
    data = trials(2, effect=0.4, person=0.6, theme=0.3)
    shape = (15, 8, 4, 3)
    cube = data.values.reshape(shape)
    cube = cube - cube.mean(axis=2, keepdims=True)
    means = cube.mean(axis=(0, 1))
    square = 15 * 8 * (means**2).sum()
    left = cube - means

    def trace(axes, units):
        return (left.sum(axis=axes) ** 2).sum() / (15 * 8) * units / (units - 1)

    one, other, cells = trace(1, 15), trace(0, 8), (left**2).sum() / (15 * 8) * 120 / 119
    found = profile_difference(data)
    assert found.f == pytest.approx(square / max(one + other - cells, one, other), rel=1e-9)
    assert (found.participants, found.themes) == (15, 8)
    assert found.df2 == pytest.approx(7 * found.df1)


def test_the_order_and_the_names_of_everything_are_nothing():
    data = trials(3, effect=0.3, person=0.4, share=0.8)
    order = np.random.default_rng(0).permutation(len(data.people))
    labels = {"p": data.people, "s": data.scenes, "t": data.themes, "c": 3 - np.asarray(data.classes)}
    names = [np.array([f"{word}{code}" for code in codes])[order] for word, codes in labels.items()]
    other = profile_difference(Trials(data.values[order], *names))
    for name, value in vars(profile_difference(data)).items():
        assert getattr(other, name) == pytest.approx(value, rel=1e-9), name


def test_what_people_and_scenes_are_like_is_nothing():
    data = trials(4, effect=0.3, share=0.8)
    rng = np.random.default_rng(1)
    moved = data.values + 5 * rng.normal(size=(15, 3))[data.people] + 9 * rng.normal(size=(8, 3))[data.scenes]
    assert profile_difference(replace(data, values=moved)).f == pytest.approx(profile_difference(data).f)
    columns = np.random.default_rng(2).normal(size=(len(data.people), 2))
    dummies = np.column_stack([indicators(data.people), indicators(data.scenes)])
    oracle = columns - dummies @ np.linalg.lstsq(dummies, columns, rcond=None)[0]
    np.testing.assert_allclose(without_intercepts(columns, data.people, data.scenes), oracle, atol=1e-9)


def test_ratings_that_were_not_asked_are_left_out_one_by_one():
    data = trials(5, effect=0.5)
    values = data.values.copy()
    values[np.asarray(data.people) < 7, 2] = np.nan
    found = profile_difference(replace(data, values=values))
    assert found.f != pytest.approx(profile_difference(data).f)
    rest = np.asarray(data.people) >= 7
    parts = [
        profile_difference(Trials(values[rows][:, columns], *(np.asarray(x)[rows] for x in (
            data.people, data.scenes, data.themes, data.classes
        ))))
        for rows, columns in ((slice(None), [0, 1]), (rest, [2]))
    ]  # fmt: skip
    assert min(part.f for part in parts) < found.f < max(part.f for part in parts)


def test_dimensions_are_those_that_hold_the_variance():
    rng = np.random.default_rng(3)
    spread = np.diag([4.0, 1.0, 1.0, 0.5, 0.5])
    truth = np.trace(spread) ** 2 / (spread**2).sum()
    draws = [stats.wishart.rvs(9, spread / 9, random_state=rng) for _ in range(2000)]
    plain = np.median([np.trace(v) ** 2 / (v**2).sum() for v in draws])
    better = np.median([effective_dimensions(v, 9) for v in draws])
    assert plain < truth - 0.3
    assert abs(better - truth) < 0.45
    assert effective_dimensions(np.zeros((3, 3)), 9) == 1


def test_few_themes_set_the_least_p():
    data = trials(6, scenes=3, classes=2, effect=5.0)
    found = profile_difference(data)
    assert found.limited
    assert found.p == 2.0**-2
    flat = profile_difference(replace(data, values=np.zeros_like(data.values)))
    assert (flat.f, flat.p) == (0.0, 1.0)


def test_designs_that_cannot_be_tested_are_refused():
    data = trials(0)
    with pytest.raises(InputError, match="1 class"):
        profile_difference(replace(data, classes=np.zeros(len(data.people))))
    with pytest.raises(InputError, match="crossed with classes"):
        profile_difference(replace(data, scenes=np.asarray(data.scenes) * 4 + data.classes))
    with pytest.raises(InputError, match="15 participants, 1 themes"):
        profile_difference(replace(data, themes=np.zeros(len(data.people))))
    with pytest.raises(InputError, match="nobody gave one"):
        profile_difference(replace(data, values=data.values * np.array([1, 1, np.nan])))
    with pytest.raises(InputError, match="not finite"):
        profile_difference(replace(data, values=data.values * np.array([1, 1, np.inf])))


NULLS = {
    "people differ": {"people": 12, "scenes": 20, "person": 0.8},
    "themes differ": {"people": 30, "scenes": 12, "seeds": 2, "theme": 0.8},
    "both": {"people": 12, "scenes": 12, "person": 0.6, "theme": 0.6, "share": 0.7},
}


@pytest.mark.parametrize("name", NULLS)
def test_null_studies_are_rejected_at_the_nominal_rate(name):
    studies = 150
    found: list[ProfileDifference] = [
        profile_difference(trials(seed, **NULLS[name])) for seed in range(studies)
    ]
    low, high = stats.binom.ppf([0.0005, 0.9995], studies, 0.05)
    assert low <= sum(test.p <= 0.05 for test in found) <= high
    assert np.mean([test.p <= 0.5 for test in found]) == pytest.approx(0.5, abs=0.15)
