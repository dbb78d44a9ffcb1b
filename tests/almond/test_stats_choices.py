"""Forced choice: the test keeps its level when participants and themes vary; counting trials does not."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit

from almond.analysis.questions.choices import alignment
from almond.errors import InputError
from almond.stats.two_way import two_way_mean


def choices(
    seed,
    *,
    people=20,
    scenes=8,
    effect=0.0,
    person_sd=0.4,
    scene_sd=0.7,
    targets=("LB",),
    pair_sd=0.0,
    seeds=1,
):
    """Choices whose scenes are ``seeds`` seeds of one prompt, alike because the prompt is."""
    rng = np.random.default_rng([seed, 5])
    person, scene, target = (
        axis.ravel()
        for axis in np.meshgrid(np.arange(people), np.arange(scenes), np.arange(len(targets)), indexing="ij")
    )
    pair = scene * len(targets) + target
    logit = (
        effect + rng.normal(0, person_sd, people)[person] + rng.normal(0, scene_sd, scenes)[scene // seeds]
    )
    logit = logit + rng.normal(0, pair_sd, scenes * len(targets))[pair]
    aligned = (rng.random(person.size) < expit(logit)).astype(int)
    left = rng.integers(2, size=person.size)
    return pd.DataFrame(
        {
            "participant_id": [f"P{index}" for index in person],
            "theme": [f"theme-{index // seeds}" for index in scene],
            "base_scene": [f"scene-{index}" for index in scene],
            "pair_id": [f"pair-{index}" for index in pair],
            "intended_target": [targets[index] for index in target],
            "chosen": np.where(left == aligned, "left", "right"),
            "aligned": aligned,
        }
    )


def answered(aligned):
    """Choices of ``aligned`` (people, scenes), 1 for the image that was pushed up."""
    person, scene = (axis.ravel() for axis in np.indices(np.shape(aligned)))
    return pd.DataFrame(
        {
            "participant_id": [f"P{index:02}" for index in person],
            "theme": [f"t{index:02}" for index in scene],
            "base_scene": [f"s{index:02}" for index in scene],
            "pair_id": [f"p{index:02}" for index in scene],
            "intended_target": "LB",
            "chosen": "left",
            "aligned": np.asarray(aligned).ravel().astype(int),
        }
    )


def test_an_effect_is_found_in_every_way():
    found = alignment(choices(1, effect=1.0, people=30, scenes=12))
    assert found.p < 0.01
    assert found.df == pytest.approx(11)
    assert found.low <= found.share <= found.high
    assert found.low > 0.5
    assert found.p_wald < 0.01
    assert found.p_likelihood < 0.01
    assert 0.5 < found.probability_low < found.probability < found.probability_high
    assert found.trials == 360
    assert sum(share.trials for share in found.by_scene) == 360
    assert len(found.by_participant) == 30


def test_prompts_are_random_where_they_have_several_seeds():
    rows = choices(3, effect=0.6, scenes=12, seeds=3)
    found = alignment(rows)
    assert (found.themes, found.scenes) == (4, 12)
    assert found.df == pytest.approx(3)
    assert found.model_df == 3
    assert set(found.sd) == {"participant", "theme", "base scene"}
    alone = alignment(rows.drop(columns="theme"))
    assert (alone.themes, alone.df) == (12, pytest.approx(11))
    assert alone.p < found.p


def test_pairs_are_random_too_when_a_scene_has_several():
    rows = choices(2, effect=0.8, targets=("LB", "CM"), pair_sd=0.6)
    assert set(alignment(rows).sd) == {"participant", "theme", "pair"}
    only = alignment(rows, target="CM")
    assert set(only.sd) == {"participant", "theme"}
    assert only.trials == len(rows) // 2


def test_unanimous_choices_say_as_much_as_their_themes():
    found = alignment(choices(0).assign(aligned=1))
    assert found.separated
    assert found.p_wald is None
    assert found.estimate_se is None
    assert found.p == 2 / 2**8
    assert found.chi2 == pytest.approx(2 * 8 * np.log(2))
    assert found.p_likelihood == pytest.approx(stats.chi2.sf(2 * 8 * np.log(2), 1))
    assert found.low <= found.share == found.high == 1


@pytest.mark.parametrize("order", ["by person", "by theme", "in turn"])
def test_more_aligned_choices_never_raise_p(order):
    """Twelve people, six scenes; two people are never aligned, until trial after trial of theirs is."""
    aligned = np.ones((12, 6))
    aligned[:2] = 0
    cells = {
        "by person": list(product((0, 1), range(6))),
        "by theme": [(person, theme) for theme in range(6) for person in (0, 1)],
        "in turn": [(theme % 2, theme) for theme in range(6)],
    }[order]
    people, themes = (axis.ravel() for axis in np.indices(aligned.shape))
    p = [alignment(answered(aligned)).p]
    assert p[0] >= 0.01
    for cell in cells:
        aligned[cell] = 1
        p.append(two_way_mean(aligned.ravel(), people, themes, null=0.5).p)
    assert p[-1] == alignment(answered(aligned)).p
    assert p == sorted(p, reverse=True)


def test_whichever_choice_becomes_aligned_next_p_never_rises():
    """All ways to align up to seven choices of two people who are never aligned, up to their order.

    People and scenes are exchangeable, so a state is how many scenes both aligned, the first, the second.
    """
    people, themes = (axis.ravel() for axis in np.indices((12, 6)))

    def p_of(both, first, second):
        aligned = np.ones((12, 6))
        aligned[:2] = 0
        aligned[:2, :both] = 1
        aligned[0, both : both + first] = 1
        aligned[1, both + first : both + first + second] = 1
        return two_way_mean(aligned.ravel(), people, themes, null=0.5).p

    states = [
        state
        for state in product(range(7), repeat=3)
        if sum(state) <= 6 and 2 * state[0] + sum(state[1:]) <= 7
    ]
    p = {state: p_of(*state) for state in states}
    assert p[0, 0, 0] >= 0.01
    for both, first, second in states:
        for after in (
            (both, first + 1, second),
            (both, first, second + 1),
            *([(both + 1, first - 1, second)] if first else []),
            *([(both + 1, first, second - 1)] if second else []),
        ):
            if after in p:
                assert p[after] <= p[both, first, second] * (1 + 1e-12), (both, first, second, after)


def test_power_rises_with_the_effect():
    """A Wald test on the logit loses power on the way to unanimity: here p falls for one sample after
    another."""
    samples = range(5)
    median = [
        np.median([alignment(choices(seed, effect=effect, scenes=6)).p for seed in samples])
        for effect in (0.0, 0.7, 1.5, 3.0)
    ]
    assert median == sorted(median, reverse=True)
    assert median[-1] == 2 / 2**6


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    people=st.integers(3, 12),
    scenes=st.integers(3, 9),
    effect=st.sampled_from([0.0, 0.5, 2.0]),
    spread=st.sampled_from([0.0, 0.5, 3.0, 30.0]),
)
def test_swapping_up_and_down_leaves_every_p(seed, people, scenes, effect, spread):
    rows = choices(seed, people=people, scenes=scenes, effect=effect, scene_sd=spread, person_sd=spread)
    one, other = alignment(rows), alignment(rows.assign(aligned=1 - rows["aligned"]))
    assert other.p == pytest.approx(one.p, rel=1e-9)
    assert other.p_likelihood == pytest.approx(one.p_likelihood, rel=1e-3, abs=1e-9)
    assert (one.p_wald is None) == (other.p_wald is None)
    if one.p_wald is not None:
        assert other.p_wald == pytest.approx(one.p_wald, rel=1e-3, abs=1e-9)
    assert other.estimate == pytest.approx(-one.estimate, rel=1e-3, abs=1e-3)


def test_where_units_do_not_differ_the_standard_error_is_that_of_independent_choices():
    """The likelihood is flat about a variance of zero: what the search leaves there must not count."""
    rows = choices(1, people=12, scenes=3, effect=2.0, scene_sd=0.0, person_sd=0.0)
    result = alignment(rows)
    share = rows["aligned"].mean()
    assert result.sd == {"participant": 0.0, "theme": 0.0}
    assert result.estimate == pytest.approx(np.log(share / (1 - share)), rel=1e-6)
    assert result.estimate_se == pytest.approx((len(rows) * share * (1 - share)) ** -0.5, rel=1e-3)


def test_too_few_units_are_refused():
    with pytest.raises(InputError, match="2 themes"):
        alignment(choices(0, scenes=2))
    with pytest.raises(InputError, match="20 participants, 2 themes"):
        alignment(choices(0, scenes=8, seeds=4))
    with pytest.raises(InputError, match="choices of LB: 1 participants"):
        alignment(choices(0, people=1), target="LB")


def test_null_studies_are_rejected_at_the_nominal_rate_while_the_pooled_binomial_is_not():
    studies = 120
    rejected = naive = scenes = 0
    for seed in range(studies):
        rows = choices(seed, scenes=16, seeds=2)
        people = rows["participant_id"].to_numpy()
        aligned = rows["aligned"].to_numpy(dtype=float)
        rejected += two_way_mean(aligned, people, rows["theme"].to_numpy(), null=0.5).p <= 0.05
        scenes += two_way_mean(aligned, people, rows["base_scene"].to_numpy(), null=0.5).p <= 0.05
        pooled = stats.binomtest(int(rows["aligned"].sum()), len(rows), 0.5)
        naive += pooled.pvalue <= 0.05
    high = stats.binom.ppf(0.999, studies, 0.05)
    assert rejected <= high
    assert scenes > high
    assert naive > 2 * high
