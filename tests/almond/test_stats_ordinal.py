"""Cumulative-logit mixed models against R's ordinal::clmm, the binomial model, and direct integration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize
from scipy.special import expit

from almond.errors import InputError
from almond.stats.mixed import RandomTerm, fit_binomial, fit_ordinal, likelihood_ratio
from almond.stats.mixed.crossed_system import CrossedSystem
from almond.stats.mixed.ordinal import Cumulative
from almond.stats.mixed.penalised_systems import DenseSystem, Rows
from almond.stats.mixed.random_effects import RandomDesign

# Bitterness of wine, Randall (1989), as in the tutorial of the R package ordinal, table 1: per judge bottles
# 1 to 8; 1, 2, 5 and 6 without contact, 1 to 4 cold.
WINE = "23344455 12132354 23325544 32323253 23433333 32322454 11222323 22233334 12323244"

# 15 people x 10 scenes x 2 (x = -.5, .5): people and scenes differ, and so do people's slopes.
CROSSED = (
    "215133315121121215343355432424115453445524555524352544554555341332122315152425451235325135114454413515251424"
    "331112111345315314131314141151441153421322125112315533111251125143314154235435244414553435554143121144224511"
    "132541555323411545323344141255322212232113133124541112124112345411221121112122113235"
)


def wine():
    rating = np.array([int(cell) for cell in WINE.replace(" ", "")], dtype=float)
    warm = np.tile([0, 0, 0, 0, 1, 1, 1, 1], 9).astype(float)
    contact = np.tile([0, 0, 1, 1, 0, 0, 1, 1], 9).astype(float)
    return rating, warm, contact, np.repeat(np.arange(9), 8), np.tile(np.arange(8), 9)


def crossed():
    rating = np.array([int(cell) for cell in CROSSED], dtype=float)
    return (
        rating,
        np.tile([-0.5, 0.5], 150),
        np.repeat(np.arange(15), 20),
        np.tile(np.repeat(np.arange(10), 2), 15),
    )


def with_slope(x):
    return np.column_stack([np.ones_like(x), x])


def test_wine_gives_the_numbers_of_clmm():
    # R: clmm(rating ~ temp + contact + (1 | judge), data = wine), ordinal 2022.11.16
    rating, warm, contact, judge, _ = wine()
    term = RandomTerm("judge", judge)
    fit = fit_ordinal(rating, np.column_stack([warm, contact]), [term], names=["warm", "contact"])
    np.testing.assert_allclose(fit.estimates, [3.062997, 1.834885], atol=5e-5)
    np.testing.assert_allclose(fit.se, [0.5953788, 0.5125303], atol=5e-5)
    np.testing.assert_allclose(fit.thresholds, [-1.623667, 1.513365, 4.228527, 6.088773], atol=5e-5)
    np.testing.assert_allclose(fit.threshold_se, [0.6824428, 0.6037566, 0.8089713, 0.9724599], atol=5e-5)
    assert fit.variances[0].sd[0] == pytest.approx(1.131133, abs=5e-5)
    assert fit.log_likelihood == pytest.approx(-81.56541, abs=1e-5)
    assert (fit.categories, fit.unused) == ((1, 2, 3, 4, 5), ())
    assert (fit.singular, fit.separated, fit.on_bound) == (False, False, False)
    # R: anova(clmm(rating ~ temp + (1 | judge)), clmm(rating ~ temp + contact + (1 | judge)))
    ratio = likelihood_ratio(fit, fit_ordinal(rating, warm[:, None], [term]))
    assert (ratio.statistic, ratio.df) == (pytest.approx(14.34681, abs=2e-4), 1)
    assert ratio.p == pytest.approx(0.00015204, rel=1e-3)


def test_a_variance_of_zero_is_reported():
    # R: clmm(rating ~ temp + contact + (1 | judge) + (1 | bottle)): sd of bottles 4e-6
    rating, warm, contact, judge, bottle = wine()
    terms = [RandomTerm("judge", judge), RandomTerm("bottle", bottle)]
    fit = fit_ordinal(rating, np.column_stack([warm, contact]), terms)
    assert fit.singular
    assert [term.sd[0] for term in fit.variances] == pytest.approx([1.131145, 0.0], abs=5e-5)
    assert fit.log_likelihood == pytest.approx(-81.56541278, abs=1e-5)
    np.testing.assert_allclose(fit.se, [0.5953916, 0.5125587], atol=5e-5)


def test_crossed_people_and_scenes_with_a_slope_give_the_numbers_of_clmm():
    # R: clmm(y ~ x + (1 | person) + (0 + x | person) + (1 | scene))
    rating, x, person, scene = crossed()
    terms = [
        RandomTerm("person", person, with_slope(x), ("intercept", "x")),
        RandomTerm("scene", scene),
    ]
    fit = fit_ordinal(rating, x[:, None], terms, names=["x"])
    assert (fit.estimates[0], fit.se[0]) == pytest.approx((0.3998484, 0.3076114), abs=5e-5)
    np.testing.assert_allclose(fit.thresholds, [-1.2598994, -0.2660065, 0.6781501, 1.8525200], atol=5e-5)
    np.testing.assert_allclose(fit.threshold_se, [0.3924376, 0.3857710, 0.3878595, 0.4031922], atol=5e-5)
    sds = [sd for term in fit.variances for sd in term.sd]
    assert sds == pytest.approx([0.8482118, 0.8484184, 0.9119810], abs=1e-4)
    assert fit.log_likelihood == pytest.approx(-442.698790337, abs=1e-5)
    # R: clmm(y ~ 1 + (1 | person) + (0 + x | person) + (1 | scene)): logLik -443.500573032
    reduced = fit_ordinal(rating, np.zeros((300, 0)), terms)
    assert reduced.log_likelihood == pytest.approx(-443.500573032, abs=1e-5)
    assert fit.wald("x").df == 9


def test_correlated_slopes_give_the_numbers_of_clmm():
    # R: clmm(y ~ x + (1 + x | person) + (1 | scene))
    rating, x, person, scene = crossed()
    slope = RandomTerm("person", person, with_slope(x), ("intercept", "x"), correlated=True)
    fit = fit_ordinal(rating, x[:, None], [slope, RandomTerm("scene", scene)])
    assert (fit.estimates[0], fit.se[0]) == pytest.approx((0.3964032, 0.3073506), abs=5e-5)
    expected = [[0.7248399, 0.3332258], [0.3332258, 0.7174962]]
    np.testing.assert_allclose(fit.variances[0].covariance, expected, atol=1e-4)
    assert fit.log_likelihood == pytest.approx(-442.02548598, abs=1e-5)


def test_gradient_equals_finite_differences():
    rating, x, person, scene = crossed()
    slope = RandomTerm("person", person, with_slope(x), ("intercept", "x"), correlated=True)
    design = RandomDesign([slope, RandomTerm("scene", scene)], 300)
    likelihood = Cumulative((rating - 1).astype(np.intp), x[:, None], design)
    at = np.array([0.4, -1.2, 0.1, -0.2, 0.3, 0.8, 0.2, 0.6, 0.5])
    numeric = optimize.approx_fprime(at, lambda parameters: likelihood(parameters)[0], 1e-6)
    np.testing.assert_allclose(likelihood(at)[1], numeric, rtol=1e-4, atol=1e-4)


def test_two_categories_are_the_binomial_model():
    rating, x, person, scene = crossed()
    high = (rating > 3).astype(float)
    terms = [RandomTerm("person", person), RandomTerm("scene", scene)]
    ordinal = fit_ordinal(high, x[:, None], terms)
    binomial = fit_binomial(high, with_slope(x), terms)
    assert ordinal.log_likelihood == pytest.approx(binomial.log_likelihood, abs=1e-6)
    assert ordinal.estimates[0] == pytest.approx(binomial.estimates[1], abs=1e-4)
    assert ordinal.thresholds[0] == pytest.approx(-binomial.estimates[0], abs=1e-4)
    assert ordinal.se[0] == pytest.approx(binomial.se[1], rel=1e-3)
    assert ordinal.threshold_se[0] == pytest.approx(binomial.se[0], rel=1e-3)


def test_scale_turned_round_and_columns_moved_change_nothing_else():
    rating, x, person, scene = crossed()
    terms = [RandomTerm("person", person), RandomTerm("scene", scene)]
    fit = fit_ordinal(rating, x[:, None], terms)
    turned = fit_ordinal(10 * (6 - rating), 100 * (x[:, None] + 7), terms)
    assert turned.estimates[0] == pytest.approx(-fit.estimates[0] / 100, rel=1e-3)
    assert turned.wald("x0").p == pytest.approx(fit.wald("x0").p, rel=1e-3)
    assert turned.categories == (10, 20, 30, 40, 50)
    whole = -fit.thresholds[::-1] + 700 * turned.estimates[0]
    np.testing.assert_allclose(turned.thresholds, whole, atol=2e-3)


def test_likelihood_close_to_direct_integration():
    """One factor with many trials per level: Laplace is nearly exact, so quadrature must agree."""
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(10), 60)
    cuts = np.array([-1.0, 0.2, 1.1])
    predictor = rng.normal(0, 0.6, 10)[group] + rng.logistic(size=600)
    rating = np.digitize(predictor, cuts)
    fit = fit_ordinal(rating.astype(float), np.zeros((600, 0)), [RandomTerm("group", group)])
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    counts = np.array([np.bincount(rating[group == unit], minlength=4) for unit in range(10)])

    def marginal(parameters):
        ends = np.concatenate([[-np.inf], np.sort(parameters[:3]), [np.inf]])
        shares = np.diff(expit(ends[:, None] - parameters[3] * nodes), axis=0)
        joint = np.exp(counts @ np.log(shares)) @ weights / np.sqrt(2 * np.pi)
        return -np.log(joint).sum()

    oracle = optimize.minimize(marginal, [*cuts, 0.6], method="Nelder-Mead", options={"xatol": 1e-4})
    assert fit.log_likelihood == pytest.approx(-oracle.fun, abs=0.05)
    np.testing.assert_allclose(fit.thresholds, oracle.x[:3], atol=0.005)
    assert fit.variances[0].sd[0] == pytest.approx(abs(oracle.x[3]), abs=0.01)


def test_categories_that_never_occur_are_reported():
    rating, x, person, scene = crossed()
    terms = [RandomTerm("person", person), RandomTerm("scene", scene)]
    fit = fit_ordinal(rating, x[:, None], terms)
    # Nobody used 3 of a scale from 0 to 7: the model is that of the categories in use.
    wider = fit_ordinal(np.where(rating >= 3, rating + 1, rating), x[:, None], terms, categories=range(8))
    assert wider.unused == (0, 3, 7)
    assert wider.categories == (1, 2, 4, 5, 6)
    assert wider.log_likelihood == fit.log_likelihood
    np.testing.assert_array_equal(wider.estimates, fit.estimates)


def test_categories_parted_by_an_effect_are_separated():
    rng = np.random.default_rng(1)
    group, x = np.repeat(np.arange(8), 10), np.tile([0.0, 1.0], 40)
    parted = np.where(x > 0, 4.0, 1.0) + rng.integers(0, 2, 80)
    assert fit_ordinal(parted, x[:, None], [RandomTerm("group", group)]).separated
    own = np.repeat([1.0, 5.0, 2.0, 4.0, 1.0, 5.0, 3.0, 2.0], 10)  # everybody has one answer
    assert fit_ordinal(own, rng.normal(size=(80, 1)), [RandomTerm("group", group)]).separated


@pytest.mark.parametrize(
    ("values", "fixed", "options", "problem"),
    [
        (np.full(12, 3.0), np.zeros((12, 0)), {}, "all 12 ratings are 3"),
        (np.arange(12.0) % 4, np.zeros((12, 0)), {"categories": [1, 2, 3]}, "rating 0 is no category"),
        (np.arange(12.0) % 4, np.full((12, 1), 0.1), {"names": ["x"]}, "fixed effect x: is a combination"),
        (np.append(np.arange(11.0) % 4, np.nan), np.zeros((12, 0)), {}, "ratings"),
        (np.zeros(0), np.zeros((0, 0)), {}, "at least one"),
        (np.arange(12.0) % 4, np.zeros((11, 1)), {}, "fixed effects: have shape"),
    ],
)
def test_bad_ratings_and_designs_are_named(values, fixed, options, problem):
    with pytest.raises(InputError, match=problem):
        fit_ordinal(values, fixed, [RandomTerm("g", np.repeat(np.arange(3), 4))], **options)


@pytest.mark.parametrize("correlated", [True, False])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_elimination_of_the_largest_factor_changes_no_number(correlated, first):
    """Against H as one matrix, the largest factor being any of three, or the only one."""
    rng = np.random.default_rng(8)
    x, rows = rng.normal(size=240), rng.uniform(0.1, 0.3, 240)
    sizes = np.roll([12, 5, 4], first)
    terms = [
        RandomTerm("a", rng.integers(0, sizes[0], 240), with_slope(x), ("intercept", "x"), correlated),
        RandomTerm("b", rng.integers(0, sizes[1], 240)),
        RandomTerm("c", rng.integers(0, sizes[2], 240), with_slope(x), ("intercept", "x"), correlated),
    ]
    for design in (RandomDesign(terms, 240), RandomDesign(terms[:1], 240)):
        theta, effects = rng.uniform(0.3, 1.5, design.parameters), rng.normal(size=design.effects)
        derivatives = Rows(rng.normal(size=240), rows, rng.normal(size=240))
        dense, crossed = DenseSystem(design, "model"), CrossedSystem(design, "model")
        for system in (dense, crossed):
            system.place(theta)
        factors = dense.factor(rows), crossed.factor(rows)
        assert factors[1].half_log_determinant == pytest.approx(factors[0].half_log_determinant, rel=1e-12)
        right = rng.normal(size=design.effects)
        pairs = [
            (dense.times(effects), crossed.times(effects)),
            (dense.transposed(x), crossed.transposed(x)),
            (factors[0].solve(right), factors[1].solve(right)),
        ]
        changes = [
            system.change(f, derivatives, effects)
            for system, f in zip((dense, crossed), factors, strict=True)
        ]
        pairs += [(getattr(changes[0], name), getattr(changes[1], name)) for name in vars(changes[0])]
        for one, other in pairs:
            np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-11)


def test_a_search_from_a_larger_model_ends_where_one_from_nothing_does():
    rating, x, person, scene = crossed()
    other = np.random.default_rng(2).normal(size=300)
    terms = [RandomTerm("person", person, with_slope(x), ("intercept", "x")), RandomTerm("scene", scene)]
    larger = fit_ordinal(rating, np.column_stack([x, other]), terms)
    near, alone = (fit_ordinal(rating, other[:, None], terms, near=start) for start in (larger, None))
    assert near.evaluations < alone.evaluations / 2
    assert near.log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-8)
    np.testing.assert_allclose(near.estimates, alone.estimates, atol=1e-4)
    np.testing.assert_allclose(near.thresholds, alone.thresholds, atol=1e-4)
    np.testing.assert_allclose(near.theta, alone.theta, atol=1e-4)
    np.testing.assert_allclose(near.se, alone.se, atol=1e-4)
