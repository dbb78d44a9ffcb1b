"""Trends along strength: against lmerTest and scipy, invariances, nulls, and from an export."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from almond.analysis.analyse import rounded
from almond.analysis.questions import trend
from almond.analysis.questions.base import Aim, NotApplicable, Settings, make_context
from almond.analysis.study_data import read_study
from almond.errors import InputError
from almond.progress import Silent
from almond.stats.clustered.trend import (
    Trajectories,
    isotonic_means,
    joint_trend,
    mixed_slope,
    page_test,
    trend_slope,
)
from benchmarks.covariates import TRENDS, rejections, trend_study
from tests.almond.export_maker import CONSTRUCTS, TARGETS, make_export

QUESTION = trend.QUESTION
SETTINGS = Settings(permutations=99, seed=7, alpha=0.05)


def rated(seed, people=8, themes=6):
    """One rating at five strengths, rounded to four decimals as it was handed to R."""
    rng = np.random.default_rng(seed)
    x = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    p, t, level = (axis.ravel() for axis in np.indices((people, themes, 5)))
    own, theme, image = rng.normal(size=people), rng.normal(size=themes), rng.normal(size=(themes, 5))
    base = rng.normal(size=themes)
    z = (0.5 + 0.4 * own[p] + 0.4 * theme[t]) * x[level] + 0.3 * base[t] + 0.4 * image[t, level]
    z = (z + 0.7 * rng.normal(size=len(p))).round(4)
    return Trajectories(z[:, None], x[level], p, t, t, t * 5 + level, np.zeros(len(p)))


def test_mixed_model_is_that_of_lmer():
    """R 4 with lmerTest, on ``rated(3)`` as a CSV:

    m <- lmer(z ~ x + (0+x|person) + (1|theme) + (0+x|theme) + (1|stim), d)
    summary(m)$coefficients   # x: 0.528682083333 SE 0.3210015963205 df 8.591 t 1.64697649293
    as.data.frame(VarCorr(m)) # stim 0.4329691915 person 0.4894442908 theme.x 0.5814249462 theme 0 (singular)

    Its Satterthwaite df are 8.6; ours are those of the factor with the fewest units.
    """
    found = mixed_slope(rated(3))
    assert found.estimate == pytest.approx(0.528682083333, rel=1e-9)
    assert found.se == pytest.approx(0.3210015963205, rel=1e-5)
    assert found.t == pytest.approx(1.64697649293, rel=1e-5)
    assert found.df == 5
    assert found.singular
    expected = {
        "stimulus, intercept": 0.4329691915,
        "participant, slope": 0.4894442908,
        "theme, slope": 0.5814249462,
        "theme, intercept": 0.0,
    }
    assert found.sd == pytest.approx(expected, abs=1e-4)
    # In a balanced design the slope within participants and scenes is the same estimate.
    assert trend_slope(rated(3)).estimate == pytest.approx(found.estimate, rel=1e-9)


def test_order_constants_and_names_of_units_are_nothing_and_the_other_way_round_is_the_sign():
    data = rated(4)
    order = np.random.default_rng(0).permutation(len(data.people))
    mixed = Trajectories(*(np.asarray(value)[order] for value in vars(data).values()))
    moved = replace(mixed, values=mixed.values + 3.0, people=[f"p{code}" for code in mixed.people])
    turned = replace(data, strength=-data.strength)
    for test in (trend_slope, mixed_slope):
        own, again, other = test(data), test(moved), test(turned)
        assert again.estimate == pytest.approx(own.estimate, rel=1e-6)
        assert again.p == pytest.approx(own.p, rel=1e-4)
        assert other.estimate == pytest.approx(-own.estimate, rel=1e-6)
        assert other.p == pytest.approx(own.p, rel=1e-4)
    assert joint_trend(turned).p == pytest.approx(joint_trend(data).p, rel=1e-9)


def test_joint_trend_of_one_series_is_the_squared_t():
    own, joint = trend_slope(rated(5)), joint_trend(rated(5))
    assert joint.f == pytest.approx(own.t**2, rel=1e-9)
    assert joint.p == pytest.approx(own.p, rel=1e-9)


def test_page_is_that_of_scipy_both_ways():
    means = np.random.default_rng(6).normal(size=(7, 4)) + np.arange(4)
    found = page_test(means)
    oracle = stats.page_trend_test(means, method="exact")
    assert (found.statistic, found.p_rise, found.method) == (oracle.statistic, oracle.pvalue, "exact")
    assert found.p == pytest.approx(2 * oracle.pvalue)
    turned = page_test(means[:, ::-1])
    assert (turned.p, turned.p_fall) == (found.p, found.p_rise)
    assert page_test(np.random.default_rng(7).normal(size=(30, 4))).method == "asymptotic"
    with pytest.raises(InputError, match="2 levels, 7 themes"):
        page_test(means[:, :2])


def test_isotonic_means_never_turn():
    means = np.array([0.0, 0.5, 0.3, 1.0])
    np.testing.assert_allclose(isotonic_means(means, np.ones(4), rising=True), [0, 0.4, 0.4, 1])
    np.testing.assert_allclose(
        isotonic_means(means, np.array([1, 1, 3, 1.0]), rising=True), [0, 0.35, 0.35, 1]
    )
    np.testing.assert_allclose(isotonic_means(-means, np.ones(4), rising=False), [0, -0.4, -0.4, -1])


def test_null_studies_are_rejected_no_more_than_at_the_nominal_rate_and_participants_alone_too_often():
    studies = 25
    most = stats.binom.ppf(0.9995, studies, 0.05)
    rates = {
        row["test"]: row["false_positive"] * studies
        for row in rejections(trend_study, TRENDS[3], studies, 9000)
    }
    assert rates["slope"] <= most
    assert rates["mixed model"] <= most
    assert rates["t of participants' slopes"] > most


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "export"
    make_export(folder, participants=8, scenes=6, effect=2.0, strengths=(0.5, 1.0), unguided=True)
    return make_context(read_study(folder), SETTINGS)


@pytest.fixture(scope="module")
def result(context):
    found = rounded(QUESTION.run(context, Silent()))
    json.dumps(found, allow_nan=False)
    return found


def test_ratings_on_own_constructs_rise(result):
    overall = result["overall"]
    assert result["levels"]["LB"] == [-1.0, -0.5, 0.0, 0.5, 1.0]
    assert result["own_constructs"] == {t: [c] for t, c in sorted(zip(TARGETS, CONSTRUCTS, strict=True))}
    assert overall["estimate"] > 0.5
    assert overall["p"] == QUESTION.p(result) == 2.0**-5
    assert overall["limited"]
    assert overall["change"] == pytest.approx(2 * overall["estimate"])
    assert (overall["page"]["blocks"], overall["page"]["levels"]) == (6, 5)
    assert overall["page"]["p"] < 0.001
    fit = [level["isotonic"] for level in overall["levels"]]
    assert fit == sorted(fit)
    own = {(row["target"], row["construct"]) for row in result["cells"] if row["own"]}
    for row in result["cells"]:
        assert (row["estimate"] > 0.4) == ((row["target"], row["construct"]) in own), row
    assert [row["target"] for row in result["targets"]] == sorted(TARGETS)
    assert QUESTION.headline(result, 0.05).startswith(
        "Ratings on the targets’ own constructs rose with the signed strength of the manipulation: +"
    )
    section = QUESTION.section(QUESTION.title, result)
    assert "Signed strengths: -1, -0.5, 0, 0.5, 1." in section.paragraphs[0]
    assert set(QUESTION.figures(result)) == {"trend"}
    assert QUESTION.key_number(result).value.startswith("+")


def test_hypotheses_may_be_about_a_target_or_a_construct_of_it(result):
    whole, target = QUESTION.estimate(result, Aim()), QUESTION.estimate(result, Aim("LB"))
    cell = QUESTION.estimate(result, Aim("LB", "social"))
    assert whole.value == result["overall"]["estimate"]
    assert target.value == next(row["estimate"] for row in result["targets"] if row["target"] == "LB")
    assert abs(cell.value) < target.value
    assert QUESTION.estimate(result, Aim(None, "social")) is None
    assert QUESTION.estimate(result, Aim("LB", "unasked")) is None


def test_swapping_up_and_down_leaves_every_p(context, result):
    data = context.data
    turned = {
        "ratings": data.ratings.assign(direction=-data.ratings["direction"]),
        "stimuli": data.stimuli.assign(direction=-data.stimuli["direction"]),
    }
    other = rounded(QUESTION.run(make_context(replace(data, **turned), SETTINGS), Silent()))
    assert other["overall"]["estimate"] == pytest.approx(-result["overall"]["estimate"], rel=1e-8)
    for name in ("p", "se"):
        assert other["overall"][name] == pytest.approx(result["overall"][name], rel=1e-6)
    assert other["overall"]["page"]["p"] == pytest.approx(result["overall"]["page"]["p"])
    assert other["joint"]["p"] == pytest.approx(result["joint"]["p"], rel=1e-6)
    assert "fell" in QUESTION.headline(other, 0.05)
    fit = [level["isotonic"] for level in other["overall"]["levels"]]
    assert fit == sorted(fit, reverse=True)


def test_without_pairs_all_slopes_are_tested_jointly(context):
    data = context.data
    plan = data.plan.model_copy(update={"pairs": ()})
    found = rounded(QUESTION.run(make_context(replace(data, plan=plan), SETTINGS), Silent()))
    assert found["overall"] is None
    assert QUESTION.p(found) == found["joint"]["p"] < 0.05
    assert QUESTION.estimate(found, Aim()) is None
    assert QUESTION.estimate(found, Aim("LB", "threat")).value > 0.4
    assert QUESTION.headline(found, 0.05).startswith("Ratings changed with the signed strength")
    assert set(QUESTION.figures(found)) == {"trend"}
    assert QUESTION.section("", found).tables
    assert QUESTION.key_number(found) is None


def test_fewer_than_three_levels_are_told(context):
    data = context.data
    two = data.ratings[(data.ratings["strength"] == 1.0)]
    with pytest.raises(NotApplicable, match=r"three or more levels of signed strength \(AStr 2 levels"):
        QUESTION.run(make_context(replace(data, ratings=two), SETTINGS), Silent())
    unguided = data.ratings[data.ratings["direction"] == 0]
    with pytest.raises(NotApplicable, match="no image was manipulated"):
        QUESTION.run(make_context(replace(data, ratings=unguided), SETTINGS), Silent())
