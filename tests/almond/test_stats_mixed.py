"""Mixed models against lme4, statsmodels and direct integration."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats
from scipy.special import expit

from almond.errors import InputError
from almond.stats.mixed import RandomTerm, fit_binomial, fit_linear, likelihood_ratio
from almond.stats.mixed.binomial import Laplace
from almond.stats.mixed.linear import Profile
from almond.stats.mixed.random_effects import RandomDesign

ORACLES = Path(os.environ.get("ALMOND_REAL_DATA", "/nonexistent")) / "oracles"
real = pytest.mark.skipif(not ORACLES.is_dir(), reason="set ALMOND_REAL_DATA to the folder with oracles/")


def crossed(seed=0, people=12, scenes=8, repeats=2, person_sd=0.7, scene_sd=0.5):
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), scenes * repeats)
    scene = np.tile(np.repeat(np.arange(scenes), repeats), people)
    x = rng.normal(size=person.size)
    linear = 0.4 + 0.6 * x + rng.normal(0, person_sd, people)[person] + rng.normal(0, scene_sd, scenes)[scene]
    return rng, person, scene, x, linear


def test_linear_model_equals_statsmodels_on_crossed_data():
    import statsmodels.formula.api as smf

    rng, person, scene, x, linear = crossed()
    y = linear + rng.normal(size=x.size)
    fit = fit_linear(
        y,
        np.column_stack([np.ones_like(x), x]),
        [RandomTerm("person", person), RandomTerm("scene", scene)],
        names=["one", "x"],
    )
    frame = pd.DataFrame({"y": y, "x": x, "p": person, "s": scene, "all": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = smf.mixedlm(
            "y ~ x", frame, groups="all", re_formula="0", vc_formula={"p": "0 + C(p)", "s": "0 + C(s)"}
        ).fit()
    np.testing.assert_allclose(fit.estimates, oracle.fe_params, rtol=1e-4)
    # statsmodels inverts the Hessian of all parameters, we that of the fixed effects: close, not equal.
    np.testing.assert_allclose(fit.se, oracle.bse_fe, rtol=5e-3)
    variances = [float(term.covariance[0, 0]) for term in fit.variances]
    np.testing.assert_allclose(variances, oracle.vcomp, rtol=5e-3)
    assert fit.residual_variance == pytest.approx(oracle.scale, rel=1e-3)
    assert fit.log_likelihood == pytest.approx(oracle.llf, abs=1e-3)


def test_linear_model_equals_the_density_it_maximises():
    rng, person, scene, x, linear = crossed(seed=3, people=6, scenes=4)
    y = 500 + 40 * (linear + rng.normal(size=x.size))
    both = np.column_stack([np.ones_like(x), x])
    terms = [RandomTerm("person", person, both, ("one", "x"), correlated=True), RandomTerm("scene", scene)]
    fit = fit_linear(y, both, terms, reml=False)
    z_person = np.zeros((x.size, 12))
    for column in range(2):
        z_person[np.arange(x.size), 2 * person + column] = both[:, column]
    z_scene = np.eye(4)[scene]
    assert fit.residual_variance is not None
    cov = fit.residual_variance * np.eye(x.size)
    cov += z_person @ np.kron(np.eye(6), fit.variances[0].covariance) @ z_person.T
    cov += z_scene @ z_scene.T * fit.variances[1].covariance[0, 0]
    density = stats.multivariate_normal(both @ fit.estimates, cov).logpdf(y)
    assert fit.log_likelihood == pytest.approx(density, rel=1e-8)
    precision = np.linalg.inv(cov)
    np.testing.assert_allclose(fit.covariance, np.linalg.inv(both.T @ precision @ both), rtol=1e-6)


@pytest.mark.parametrize("reml", [True, False])
def test_linear_gradient_equals_finite_differences(reml):
    rng, person, scene, x, linear = crossed(seed=8)
    both = np.column_stack([np.ones_like(x), x])
    terms = [RandomTerm("person", person, both, ("one", "x"), correlated=True), RandomTerm("scene", scene)]
    profile = Profile(linear + rng.normal(size=x.size), both, RandomDesign(terms, x.size), reml)
    at = np.array([0.7, 0.2, 0.4, 0.9])
    numeric = optimize.approx_fprime(at, lambda theta: profile(theta)[0], 1e-6)
    np.testing.assert_allclose(profile(at)[1], numeric, rtol=1e-4, atol=1e-4)


def test_binomial_gradient_equals_finite_differences():
    rng, person, scene, x, linear = crossed(seed=1)
    y = (rng.random(x.size) < expit(linear)).astype(float)
    both = np.column_stack([np.ones_like(x), x])
    design = RandomDesign(
        [RandomTerm("person", person, both, ("one", "x"), correlated=True), RandomTerm("scene", scene)],
        x.size,
    )
    likelihood = Laplace(y, np.ones_like(y), both, design)
    at = np.array([0.3, 0.5, 0.8, -0.3, 0.4, 0.6])
    numeric = optimize.approx_fprime(at, lambda b: likelihood(b)[0], 1e-6)
    np.testing.assert_allclose(likelihood(at)[1], numeric, rtol=1e-4, atol=1e-4)


def test_binomial_likelihood_close_to_direct_integration():
    """One factor with many trials per level: Laplace is nearly exact, so quadrature must agree."""
    rng = np.random.default_rng(5)
    group = np.arange(10)
    trials = np.full(10, 60.0)
    counts = rng.binomial(60, expit(0.5 + rng.normal(0, 0.6, 10))).astype(float)
    fit = fit_binomial(counts, np.ones((10, 1)), [RandomTerm("group", group)], trials=trials)

    nodes, weights = np.polynomial.hermite_e.hermegauss(60)

    def marginal(parameters):
        chances = expit(parameters[0] + parameters[1] * nodes)
        density = stats.binom.pmf(counts[:, None], 60, chances) @ weights / np.sqrt(2 * np.pi)
        return -np.log(density).sum()

    oracle = optimize.minimize(marginal, [0.4, 0.5], method="Nelder-Mead", options={"xatol": 1e-4})
    assert fit.log_likelihood == pytest.approx(-oracle.fun, abs=0.05)
    assert fit.estimates[0] == pytest.approx(oracle.x[0], abs=0.005)
    assert fit.variances[0].sd[0] == pytest.approx(abs(oracle.x[1]), abs=0.01)


def test_pooling_rows_changes_nothing():
    rng, person, scene, _, linear = crossed(seed=2, repeats=4)
    y = (rng.random(linear.size) < expit(linear)).astype(float)
    one = np.ones((y.size, 1))
    terms = [RandomTerm("person", person), RandomTerm("scene", scene)]
    design = RandomDesign(terms, y.size)
    single = Laplace(y, np.ones_like(y), one, design)
    fit = fit_binomial(y, one, terms)
    # The modes of both are found to about 1e-8: Newton's steps end where the loss no longer falls in floats.
    assert -single(np.concatenate([fit.estimates, fit.theta]))[0] == pytest.approx(
        fit.log_likelihood, abs=1e-6
    )


def test_a_variance_of_zero_is_reported_not_hidden():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(10), 10)
    y = rng.normal(size=100)
    y -= np.repeat(y.reshape(10, 10).mean(axis=1), 10)
    fit = fit_linear(y, np.ones((100, 1)), [RandomTerm("group", group)])
    assert fit.singular
    assert fit.variances[0].sd[0] == pytest.approx(0.0, abs=1e-3)
    balanced = np.tile([0.0, 1.0], 50)
    logistic = fit_binomial(balanced, np.ones((100, 1)), [RandomTerm("group", group)])
    assert logistic.singular
    assert logistic.estimates[0] == pytest.approx(0.0, abs=1e-6)
    assert logistic.se[0] == pytest.approx(0.2, rel=1e-3)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_outcomes_are_separated(value):
    group = np.repeat(np.arange(5), 8)
    fit = fit_binomial(np.full(40, value), np.ones((40, 1)), [RandomTerm("group", group)])
    assert fit.separated
    assert np.isfinite(fit.log_likelihood)


def test_likelihood_ratio_needs_no_fixed_effects_in_the_smaller_model():
    rng, person, scene, _, linear = crossed(seed=4)
    y = (rng.random(linear.size) < expit(linear)).astype(float)
    terms = [RandomTerm("person", person), RandomTerm("scene", scene)]
    full = fit_binomial(y, np.ones((y.size, 1)), terms)
    ratio = likelihood_ratio(full, fit_binomial(y, np.zeros((y.size, 0)), terms))
    assert ratio.df == 1
    assert ratio.statistic == pytest.approx((full.estimates[0] / full.se[0]) ** 2, rel=0.35)


def test_bad_designs_are_named():
    y, group = np.arange(12.0), np.repeat(np.arange(3), 4)
    two = np.column_stack([np.ones(12), np.arange(12.0), 2 * np.arange(12.0)])
    with pytest.raises(InputError, match=r"fixed effect c.*combination"):
        fit_linear(y + np.sin(y), two, [RandomTerm("g", group)], names=["a", "b", "c"])
    with pytest.raises(InputError, match="random term g: has 1 level"):
        fit_linear(y, np.ones((12, 1)), [RandomTerm("g", np.zeros(12))])
    with pytest.raises(InputError, match="does not vary"):
        fit_linear(np.ones(12), np.ones((12, 1)), [RandomTerm("g", group)])
    with pytest.raises(InputError, match="out of range"):
        fit_binomial(np.full(12, 2.0), np.ones((12, 1)), [RandomTerm("g", group)])
    with pytest.raises(InputError, match="labels"):
        fit_linear(y, np.ones((12, 1)), [RandomTerm("g", group[:5])])


@real
def test_sleepstudy_equals_lme4():
    data = pd.read_csv(ORACLES / "sleepstudy" / "sleepstudy.csv")
    both = np.column_stack([np.ones(len(data)), data["Days"]])
    for correlated, criterion, se in (
        (True, 1743.628, (6.824597, 1.545790)),
        (False, 1743.669, (6.885381, 1.559569)),
    ):
        term = RandomTerm("Subject", data["Subject"].to_numpy(), both, ("one", "days"), correlated)
        fit = fit_linear(data["Reaction"].to_numpy(), both, [term])
        assert fit.criterion == pytest.approx(criterion, abs=1e-3)
        np.testing.assert_allclose(fit.estimates, [251.4051, 10.46729], rtol=1e-6)
        np.testing.assert_allclose(fit.se, se, rtol=1e-5)
    np.testing.assert_allclose(np.diag(fit.variances[0].covariance), [627.56905, 35.85838], rtol=1e-4)


@real
def test_penicillin_equals_lme4_and_mixedmodels():
    data = pd.read_csv(ORACLES / "Penicillin" / "Penicillin.csv")
    terms = [
        RandomTerm("plate", data["plate"].to_numpy()),
        RandomTerm("sample", data["sample"].to_numpy()),
    ]
    y, one = data["diameter"].to_numpy(), np.ones((len(data), 1))
    fit = fit_linear(y, one, terms)
    assert fit.criterion == pytest.approx(330.8606, abs=1e-4)
    assert fit.se[0] == pytest.approx(0.8085954, rel=1e-4)
    fit = fit_linear(y, one, terms, reml=False)
    assert fit.criterion == pytest.approx(332.1883486700085, abs=1e-7)
    sds = [term.sd[0] for term in fit.variances]
    np.testing.assert_allclose(sds, [0.845571948, 1.770666461], rtol=1e-4)


@real
def test_cbpp_equals_mixedmodels():
    data = pd.read_csv(ORACLES / "cbpp" / "cbpp.csv")
    period = data["period"].to_numpy()
    fixed = np.column_stack([np.ones(len(data)), *(period == level for level in (2, 3, 4))]).astype(float)
    fit = fit_binomial(
        data["incidence"].to_numpy(),
        fixed,
        [RandomTerm("herd", data["herd"].to_numpy())],
        trials=data["size"].to_numpy(),
    )
    assert fit.log_likelihood == pytest.approx(-92.02628187247377, abs=1e-6)
    np.testing.assert_allclose(fit.estimates, [-1.398343, -0.991925, -1.128216, -1.579745], atol=7e-4)
    np.testing.assert_allclose(fit.se, [0.231214, 0.3031506, 0.3228302, 0.4220492], rtol=0.015)
    assert fit.variances[0].sd[0] == pytest.approx(0.6420699, abs=5e-4)


@real
def test_verbal_aggression_equals_lme4():
    data = pd.read_csv(ORACLES / "VerbAgg" / "VerbAgg.csv")
    fixed = np.column_stack(
        [
            np.ones(len(data)),
            data["Anger"],
            data["Gender"] == "M",
            data["btype"] == "scold",
            data["btype"] == "shout",
            data["situ"] == "self",
        ]
    ).astype(float)
    terms = [RandomTerm("id", data["id"].to_numpy()), RandomTerm("item", data["item"].to_numpy())]
    fit = fit_binomial((data["r2"] == "Y").to_numpy().astype(np.float64), fixed, terms)
    assert fit.log_likelihood == pytest.approx(-4075.70, abs=2e-3)
    expected = [0.1993, 0.05741, 0.32061, -1.05865, -2.10507, -1.05527]
    np.testing.assert_allclose(fit.estimates, expected, atol=4e-4)
    np.testing.assert_allclose(fit.se[1:], [0.0168, 0.19158, 0.25707, 0.25905, 0.21053], rtol=4e-3)
    np.testing.assert_allclose([term.sd[0] for term in fit.variances], [1.3395, 0.4952], atol=5e-4)
