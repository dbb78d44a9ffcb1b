"""Forced choice: the test keeps its level when participants and scenes vary; counting trials does not."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit

from almond.analysis.questions.choices import alignment
from almond.errors import InputError
from almond.stats.sign_flip import sign_flip


def choices(
    seed, *, people=20, scenes=8, effect=0.0, person_sd=0.4, scene_sd=0.7, targets=("LB",), pair_sd=0.0
):
    rng = np.random.default_rng([seed, 5])
    person, scene, target = (
        axis.ravel()
        for axis in np.meshgrid(np.arange(people), np.arange(scenes), np.arange(len(targets)), indexing="ij")
    )
    pair = scene * len(targets) + target
    logit = effect + rng.normal(0, person_sd, people)[person] + rng.normal(0, scene_sd, scenes)[scene]
    logit = logit + rng.normal(0, pair_sd, scenes * len(targets))[pair]
    aligned = (rng.random(person.size) < expit(logit)).astype(int)
    left = rng.integers(2, size=person.size)
    return pd.DataFrame(
        {
            "participant_id": [f"P{index}" for index in person],
            "base_scene": [f"scene-{index}" for index in scene],
            "pair_id": [f"pair-{index}" for index in pair],
            "intended_target": [targets[index] for index in target],
            "chosen": np.where(left == aligned, "left", "right"),
            "aligned": aligned,
        }
    )


def run(rows, target=None, flips=2000):
    return alignment(rows, rng=np.random.default_rng(0), seed=0, flips=flips, target=target)


def test_an_effect_is_found_in_every_way():
    found = run(choices(1, effect=1.0, people=30, scenes=12))
    assert found.p < 0.01
    assert found.p == found.p_wald
    assert found.df == 11
    assert found.p_likelihood < 0.01
    assert found.sign_flip.p < 0.01
    assert 0.5 < found.probability_low < found.probability < found.probability_high
    assert found.trials == 360
    assert sum(share.trials for share in found.by_scene) == 360
    assert len(found.by_participant) == 30


def test_pairs_are_random_too_when_a_scene_has_several():
    rows = choices(2, effect=0.8, targets=("LB", "CM"), pair_sd=0.6)
    assert set(run(rows).sd) == {"participant", "base scene", "pair"}
    only = run(rows, target="CM")
    assert set(only.sd) == {"participant", "base scene"}
    assert only.trials == len(rows) // 2


def test_unanimous_choices_fall_back_on_the_likelihood_ratio():
    rows = choices(0).assign(aligned=1)
    found = run(rows)
    assert found.separated
    assert found.p_wald is None
    assert found.se is None
    assert found.p == found.p_likelihood < 0.001
    assert found.sign_flip.p == pytest.approx(2 / 2**8)


def test_sign_flips_list_every_pattern_up_to_fourteen_scenes():
    differences = np.array([0.2, 0.1, -0.05, 0.3, 0.15])
    every = [abs(np.mean(np.array(signs) * differences)) for signs in product((1, -1), repeat=5)]
    expected = np.mean(np.array(every) >= abs(differences.mean()) - 1e-12)
    found = sign_flip(differences, np.random.default_rng(0), 0, 100)
    assert found.exact
    assert found.flips == 32
    assert found.p == pytest.approx(expected)
    many = np.random.default_rng(1).normal(0.1, 0.3, 20)
    drawn = sign_flip(many, np.random.default_rng(2), 2, 5000)
    oracle = stats.permutation_test(
        (many,), np.mean, permutation_type="samples", n_resamples=20_000, rng=np.random.default_rng(3)
    )
    assert not drawn.exact
    assert drawn.p == pytest.approx(oracle.pvalue, abs=0.03)


def test_too_few_units_are_refused():
    with pytest.raises(InputError, match="2 base scenes"):
        run(choices(0, scenes=2))
    with pytest.raises(InputError, match="choices of LB: 1 participants"):
        run(choices(0, people=1), target="LB")


def test_null_studies_are_rejected_at_the_nominal_rate_while_the_pooled_binomial_is_not():
    studies = 120
    rejected = flipped = naive = 0
    for seed in range(studies):
        rows = choices(seed)
        found = run(rows)
        rejected += found.p <= 0.05
        flipped += found.sign_flip.p <= 0.05
        pooled = stats.binomtest(int(rows["aligned"].sum()), len(rows), 0.5)
        naive += pooled.pvalue <= 0.05
    high = stats.binom.ppf(0.999, studies, 0.05)
    assert rejected <= high
    assert flipped <= high
    assert naive > 2 * high
