"""The mixed model of subregions against the analysis of variance, statsmodels and known numbers."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as formula
from scipy import stats
from statsmodels.stats.anova import AnovaRM
from statsmodels.stats.libqsturng import psturng
from statsmodels.stats.multitest import multipletests

from almond.errors import InputError
from almond.group.contrasts import PUBLISHED_CONTRASTS
from almond.group.performance import PerformanceTable
from almond.group.subregions import subregion_model
from almond.rng import generator
from almond.stats.multiple import holm

REGIONS = ("LB", "CM", "SF", "AStr")


def drawn(seed, subjects=20, effects=(0.06, 0.0, 0.0, -0.03), sd_subject=0.05, sd=0.03):
    rng = generator(seed, "performance")
    values = rng.normal(0, sd_subject, (subjects, 1)) + rng.normal(0.2, sd, (subjects, 4)) + effects
    return PerformanceTable(tuple(f"{number:02d}" for number in range(subjects)), REGIONS, values)


def long(table):
    frame = pd.DataFrame(table.values, columns=table.regions)
    frame["subject"] = table.subjects
    melted = frame.melt("subject", var_name="region", value_name="z")
    return melted.dropna()


def test_complete_data_give_the_repeated_measures_analysis_of_variance():
    table = drawn(1)
    found = subregion_model(table, PUBLISHED_CONTRASTS)
    anova = AnovaRM(long(table), "z", "subject", within=["region"]).fit().anova_table.iloc[0]
    assert found.f == pytest.approx(anova["F Value"], rel=1e-6)
    assert found.f_df == pytest.approx((anova["Num DF"], anova["Den DF"]), rel=1e-6)
    assert found.f_p == pytest.approx(anova["Pr > F"], rel=1e-4)


def test_contrasts_of_complete_data_by_hand():
    table = drawn(2)
    found = {one.name: one for one in subregion_model(table, PUBLISHED_CONTRASTS).contrasts}
    values = table.values
    centred = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    error = (centred**2).sum() / (19 * 3)
    for name, weights in PUBLISHED_CONTRASTS.items():
        w = np.array([weights.get(region, 0.0) for region in REGIONS])
        estimate = w @ values.mean(axis=0)
        t = estimate / np.sqrt(error * (w @ w) / 20)
        one = found[name]
        assert one.estimate == pytest.approx(estimate, rel=1e-9)
        assert one.t == pytest.approx(t, rel=1e-6)
        assert one.df == pytest.approx(57, rel=1e-6)
        assert one.p == pytest.approx(2 * stats.t.sf(abs(t), 57), rel=1e-5)
        # ML shrinks the variance by 19/20, nlme gives back 80/76: the same t for 20 subjects and 4 regions.
        assert one.t_ml == pytest.approx(t * np.sqrt(20 / 19 * 76 / 80), rel=1e-6)
        assert one.df_ml == 57


@pytest.mark.filterwarnings("ignore:.*singular")
def test_likelihood_ratio_and_variances_equal_statsmodels_with_cells_missing():
    table = drawn(3)
    holes = table.values.copy()
    holes[[0, 3, 7, 7], [1, 2, 0, 3]] = np.nan
    # In tenths: statsmodels takes a variance below .01 for zero.
    table = PerformanceTable(table.subjects, table.regions, 10 * holes)
    found = subregion_model(table, {})
    frame = long(table)
    models = {
        name: formula.mixedlm(f"z ~ {name}", frame, groups=frame["subject"]).fit(reml=False)
        for name in ("C(region)", "1")
    }
    statistic = 2 * (models["C(region)"].llf - models["1"].llf)
    assert found.likelihood_ratio.statistic == pytest.approx(statistic, rel=1e-5)
    assert found.likelihood_ratio.df == 3
    reml = formula.mixedlm("z ~ 0 + C(region)", frame, groups=frame["subject"]).fit()
    assert found.sd_residual == pytest.approx(np.sqrt(reml.scale), rel=1e-4)
    assert found.sd_subject == pytest.approx(np.sqrt(reml.cov_re.iloc[0, 0]), rel=1e-3)
    for one in found.means:
        assert one.estimate == pytest.approx(reml.fe_params[f"C(region)[{one.name}]"], rel=1e-5)
        assert one.se == pytest.approx(reml.bse_fe[f"C(region)[{one.name}]"], rel=1e-4)


def test_satterthwaite_of_a_mean_is_that_of_the_split_plot():
    """A region's mean mixes both strata: degrees of freedom after Satterthwaite (1946) from mean squares."""
    table = drawn(4)
    found = subregion_model(table, {})
    values = table.values
    between = 4 * values.mean(axis=1).var(ddof=1)
    centred = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    within = (centred**2).sum() / 57
    variance = (between + 3 * within) ** 2 / (between**2 / 19 + (3 * within) ** 2 / 57)
    assert found.means[0].df == pytest.approx(variance, rel=1e-5)


def test_pairs_after_tukey_and_holm():
    table = drawn(5)
    tukey = subregion_model(table, {}, "tukey").pairs
    by_holm = subregion_model(table, {}, "holm").pairs
    assert len(tukey) == 6
    for one in tukey:
        assert one.p_adjusted == pytest.approx(psturng(abs(one.t) * np.sqrt(2), 4, 57), rel=0.05, abs=2e-3)
        assert one.p_adjusted >= one.p
        assert (one.low > 0 or one.high < 0) == (one.p_adjusted < 0.05)
    expected = multipletests([one.p for one in by_holm], method="holm")[1]
    assert [one.p_adjusted for one in by_holm] == pytest.approx(expected)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_two_subregions_are_a_paired_t_test():
    rng = generator(6, "pairs")
    values = rng.normal(0, 1, (18, 1)) + rng.normal([0.5, 0.0], 0.4, (18, 2))
    table = PerformanceTable(tuple(map(str, range(18))), ("a", "b"), values)
    found = subregion_model(table, {"a vs b": {"a": 1.0, "b": -1.0}}).contrasts[0]
    paired = stats.ttest_rel(values[:, 0], values[:, 1])
    assert (found.t, found.df, found.p) == pytest.approx((paired.statistic, 17, paired.pvalue), rel=1e-5)


def test_subjects_with_one_subregion_are_named_and_left_out():
    table = drawn(7, subjects=6)
    values = table.values.copy()
    values[2, 1:] = np.nan
    found = subregion_model(PerformanceTable(table.subjects, REGIONS, values), {})
    assert found.left_out == ("02",)
    assert (found.subjects, found.rows) == (5, 20)


def test_too_little_to_compare_is_refused():
    table = drawn(8, subjects=2)
    with pytest.raises(InputError, match="2 subjects"):
        subregion_model(table, {})
    three = drawn(8, subjects=4)
    values = three.values.copy()
    values[:, 2] = np.nan
    with pytest.raises(InputError, match="nobody has SF"):
        subregion_model(PerformanceTable(three.subjects, REGIONS, values), {})


def test_without_variance_between_subjects_the_fit_is_singular_and_says_so():
    for seed in range(11, 40):
        table = drawn(seed, sd_subject=0.0, effects=(0.0,) * 4)
        found = subregion_model(table, PUBLISHED_CONTRASTS, "holm")
        if found.singular:
            break
    assert found.singular
    assert found.contrasts[0].df == pytest.approx(76)


@pytest.mark.parametrize("subjects", [8])
def test_false_positives_are_at_the_nominal_rate(subjects):
    """200 data sets without differences: a contrast, any pair after Holm, the likelihood ratio."""
    rejected = np.zeros(3)
    for seed in range(200):
        table = drawn(1000 + seed, subjects=subjects, effects=(0.0,) * 4)
        found = subregion_model(table, PUBLISHED_CONTRASTS, "holm")
        any_pair = min(one.p_adjusted for one in found.pairs)
        rejected += np.array([found.contrasts[0].p, any_pair, found.likelihood_ratio.p]) < 0.05
    rates = rejected / 200
    # Binomial 99.9 % bounds for 200 runs; Holm is conservative, the likelihood ratio liberal in small groups.
    assert 0.01 < rates[0] < 0.11
    assert rates[1] < 0.1
    assert rates[2] < 0.16
