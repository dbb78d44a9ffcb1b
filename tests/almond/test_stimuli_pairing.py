"""Both yardsticks, scenes left out, what binds, what would help, and pools that are drawn until it holds."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from almond.errors import InputError
from almond.progress import Progress, Silent
from almond.stimuli.matching import MatchedPairs, checked_pool, choose_pairs, matching_task
from almond.stimuli.pairing.binding import binding_constraints
from almond.stimuli.pairing.feasibility import (
    FURTHEST,
    CurvePoint,
    FeasibilityCurve,
    feasibility_curves,
    times_needed,
)
from almond.stimuli.pairing.growing import grow_pool
from almond.stimuli.pairing.programme import PairProgramme
from almond.stimuli.pairing.readings import missed_by_readers, readers_advice
from almond.stimuli.pairing.tightening import paired_dz
from almond.stimuli.pairing.yardsticks import Yardsticks, check_groups, held_columns
from tests.almond.test_stimuli_matching import FEATURES, TARGETS, make_pool


def differences(pool: pd.DataFrame, pairs: pd.DataFrame, feature: str) -> np.ndarray:
    """High minus low of every pair, straight from the table."""
    values = pool.set_index("stimulus_id")[feature]
    return values.loc[pairs["high"]].to_numpy() - values.loc[pairs["low"]].to_numpy()


def test_d_z_is_the_t_of_a_paired_test_over_the_root_of_n() -> None:
    values = np.random.default_rng(0).normal(0.2, 1.0, (9, 3))
    expected = stats.ttest_1samp(values, 0.0).statistic / np.sqrt(9)
    np.testing.assert_allclose(paired_dz(values), expected)
    assert paired_dz(np.zeros((4, 1)))[0] == 0.0
    assert paired_dz(np.full((4, 1), 2.0))[0] == np.inf
    assert np.isnan(paired_dz(np.ones((1, 1)))[0])


def test_both_yardsticks_hold_on_the_pictures_that_were_chosen() -> None:
    """Measured from the table, not from what the programme says of itself; one alone leaves a large d_z."""
    pool = make_pool(11, scenes=14, each=6)
    both = choose_pairs(pool, scenes=10, features=FEATURES)
    one = choose_pairs(pool, scenes=10, paired=np.inf, features=FEATURES)
    assert both.is_matched
    effects = {"both": [], "one": []}
    for name, found in (("both", both), ("one", one)):
        for target, feature in itertools.product(TARGETS, FEATURES):
            gap = differences(pool, found.pairs[found.pairs["intended_target"] == target], feature)
            assert len(gap) == 10
            assert abs(gap.mean()) / pool[feature].std(ddof=0) <= 0.1 + 1e-6
            effects[name].append(abs(gap.mean()) / gap.std(ddof=1))
            row = found.balance.set_index(["intended_target", "feature"]).loc[(target, feature)]
            assert row["d_z"] == pytest.approx(gap.mean() / gap.std(ddof=1))
            assert row["after"] == pytest.approx(gap.mean() / pool[feature].std(ddof=0))
    assert max(effects["both"]) <= 0.3 + 1e-6
    assert min(both.contrast_shares.values()) > 0.6
    assert both.pairs["contrast"].sum() <= one.pairs["contrast"].sum() + 1e-9


def test_scenes_drop_out_as_brute_force_drops_them() -> None:
    """Two of three scenes, every choice of pictures looked at."""
    pool = make_pool(12, scenes=3, each=2)
    found = choose_pairs(pool, tolerance=0.4, paired=np.inf, features=FEATURES, scenes=2)
    spread = pool[list(FEATURES)].std(ddof=0)
    for target, other in zip(TARGETS, TARGETS[::-1], strict=True):
        part = pool[pool["intended_target"] == target]
        best = -np.inf
        for scenes in itertools.combinations(sorted(part["base_scene"].unique()), 2):
            cells = [
                part[(part["base_scene"] == scene) & (part["direction"] == direction)]
                for scene in scenes
                for direction in (1, -1)
            ]
            for picks in itertools.product(*(range(len(cell)) for cell in cells)):
                rows = pd.concat([cell.iloc[[pick]] for cell, pick in zip(cells, picks, strict=True)])
                signed = rows[list(FEATURES)].mul(rows["direction"], axis=0).sum() / 2 / spread
                if signed.abs().max() <= found.reached[target]:
                    gain = (rows["direction"] * (rows[f"score_{target}"] - rows[f"score_{other}"])).sum()
                    best = max(best, float(gain))
        chosen = found.pairs[found.pairs["intended_target"] == target]
        assert chosen["base_scene"].nunique() == len(chosen) == 2
        assert chosen["contrast"].sum() == pytest.approx(best, rel=1e-3)


def test_both_pictures_of_a_pair_are_of_one_kind_as_brute_force_chooses_them() -> None:
    """Every choice of two scenes and of pictures of one kind in each; without the rule more is gained."""
    pool = make_pool(21, scenes=3, each=3)
    words = np.random.default_rng(3).choice(["nobody", "one", "group"], len(pool))
    pool["people"] = np.where(pool["direction"] == 0, "one", words)
    settings = {"tolerance": 0.4, "paired": np.inf, "features": FEATURES, "scenes": 2}
    found = choose_pairs(pool, same=("people",), **settings)
    people = pool.set_index("stimulus_id")["people"]
    assert (people.loc[found.pairs["high"]].to_numpy() == people.loc[found.pairs["low"]].to_numpy()).all()
    spread = pool.loc[pool["direction"] != 0, list(FEATURES)].std(ddof=0)
    for target, other in zip(TARGETS, TARGETS[::-1], strict=True):
        part = pool[(pool["intended_target"] == target) & (pool["direction"] != 0)]
        alike = [
            (scene, high, low)
            for scene, rows in part.groupby("base_scene")
            for high in rows.index[rows["direction"] > 0]
            for low in rows.index[rows["direction"] < 0]
            if rows.loc[high, "people"] == rows.loc[low, "people"]
        ]
        assert found.alike_shares[target] == pytest.approx(len(alike) / (3 * 3 * 3))
        gain = part[f"score_{target}"] - part[f"score_{other}"]
        best = -np.inf
        for one, two in itertools.combinations(alike, 2):
            difference = sum(
                (part.loc[high, list(FEATURES)] - part.loc[low, list(FEATURES)]).astype(float)
                for _, high, low in (one, two)
            )
            if one[0] != two[0] and (difference / 2 / spread).abs().max() <= found.reached[target]:
                best = max(best, sum(float(gain[high] - gain[low]) for _, high, low in (one, two)))
        chosen = found.pairs[found.pairs["intended_target"] == target]
        assert chosen["contrast"].sum() == pytest.approx(best, rel=1e-3)


def test_scenes_without_a_pair_of_one_kind_drop_out_and_a_pool_of_them_is_refused() -> None:
    pool = make_pool(22, scenes=4)
    pool["people"] = "one"
    changed = (pool["base_scene"] == "scene 1") & (pool["direction"] < 0)
    pool.loc[changed & (pool["intended_target"] == "LB"), "people"] = "group"
    found = choose_pairs(pool, same=("people",), tolerance=5.0, paired=np.inf, features=FEATURES)
    scenes = found.pairs.groupby("intended_target")["base_scene"].agg(set)
    assert "scene 1" not in scenes["LB"]
    assert (len(scenes["LB"]), len(scenes["CM"])) == (3, 4)
    pool["people"] = np.where(pool["direction"] > 0, "one", "nobody")
    with pytest.raises(InputError, match="0 base scenes with a high and a low image of one kind"):
        choose_pairs(pool, same=("people",), features=FEATURES)


def test_scores_that_are_held_are_not_gained_from() -> None:
    """With the others held the target's own score is what pairs differ in, and as much as by it alone."""
    pool = make_pool(23, scenes=7, each=4)
    held = choose_pairs(pool, features=FEATURES, off_target=True, scenes=5)
    own = {name: {name: 1.0} for name in TARGETS}
    pd.testing.assert_frame_equal(
        held.pairs, choose_pairs(pool, features=FEATURES, off_target=True, scenes=5, contrasts=own).pairs
    )
    gaps = differences(pool, held.pairs[held.pairs["intended_target"] == "LB"], "score_LB")
    chosen = held.pairs[held.pairs["intended_target"] == "LB"]
    np.testing.assert_allclose(chosen["contrast"], gaps)


def test_scenes_without_both_directions_are_never_kept_and_too_few_are_an_error() -> None:
    pool = make_pool(13, scenes=4)
    gone = (pool["base_scene"] == "scene 1") & (pool["direction"] < 0)
    found = choose_pairs(pool[~gone], scenes=3, tolerance=5.0, paired=np.inf, features=FEATURES)
    assert "scene 1" not in set(found.pairs["base_scene"])
    with pytest.raises(InputError, match="3 base scenes with a high and a low image, 4 are wanted"):
        choose_pairs(pool[~gone], scenes=4, features=FEATURES)


def test_judges_are_measured_but_take_no_part_in_the_choice() -> None:
    """Off-target scores by guides are bounded; those by judges may be anything and change no pair."""
    pool = make_pool(14, scenes=7, each=4)
    rng = np.random.default_rng(5)
    for name in TARGETS:
        pool[f"score_{name}_judge"] = pool["direction"] * 2.0 + rng.normal(size=len(pool))
    held = choose_pairs(pool, features=FEATURES, off_target=True, scenes=5)
    plain = choose_pairs(
        pool.drop(columns=[f"score_{name}_judge" for name in TARGETS]),
        features=FEATURES,
        off_target=True,
        scenes=5,
    )
    pd.testing.assert_frame_equal(held.pairs, plain.pairs)
    judged = held.balance[held.balance["group"] == "off_target_judged"]
    assert set(judged["feature"]) == {"score_LB_judge", "score_CM_judge"}
    assert not judged["within"].any()
    assert not held.is_matched
    assert plain.is_matched
    # Only judges read it otherwise: the advice names what they read, and no larger pool.
    assert missed_by_readers(held.balance, held.missed) == ("CM", "LB")
    assert missed_by_readers(plain.balance, plain.missed) == ()
    lines = readers_advice(held.balance, held.missed)
    assert [line[:2] for line in lines] == ["CM", "LB"]
    assert "judges read a difference in LB by" in lines[0]
    none = held.balance.assign(within=False)
    assert readers_advice(none, held.missed) == ()
    guided = plain.balance[plain.balance["group"] == "off_target"]
    assert guided["after"].abs().max() <= 0.1 + 1e-6


def test_the_quantity_that_binds_is_named_by_its_yardstick() -> None:
    pool = make_pool(15, scenes=8, each=4)
    pool["contrast"] = np.where(pool["direction"] > 0, 0.5, 0.1) + 0.01 * pool["contrast"]
    task = matching_task(checked_pool(pool, FEATURES, every_scene=True), "LB", FEATURES, scenes=None)
    binding = binding_constraints(task.programme, target="LB", names=FEATURES, yardsticks=Yardsticks())
    assert [row.feature for row in binding] == ["contrast"]
    assert binding[0].yardstick == "mean difference"
    # Every pair differs by about two standard deviations: the excess over .1 SD is known beforehand.
    assert binding[0].excess == pytest.approx(2.0 / 0.1 - 1, rel=0.05)
    assert "contrast binds" in binding[0].words()
    easy = matching_task(
        checked_pool(make_pool(11, scenes=14, each=6), FEATURES, every_scene=False), "LB", FEATURES, scenes=8
    )
    assert not binding_constraints(easy.programme, target="LB", names=FEATURES, yardsticks=Yardsticks())


def test_a_larger_pool_reaches_a_smaller_tolerance_and_the_advice_counts_seeds() -> None:
    pool = make_pool(16, scenes=12, each=2)
    settings = {"yardsticks": Yardsticks(0.05, 0.15), "features": FEATURES, "scenes": 9, "shares": (0.34, 1)}
    curves = feasibility_curves(pool, **settings)
    assert [curve.target for curve in curves] == sorted(TARGETS)
    for curve in curves:
        assert [point.scenes for point in curve.points] == [4, 12]
        small, large = (point.factor for point in curve.points)
        assert small >= large > 1
        assert curve.binding
        if curve.times is None:
            assert "no gain in this pool" in curve.advice()
        elif curve.times > FURTHEST:
            assert "too little gain to say how many would do" in curve.advice()
        else:
            assert f"About {curve.times:.1f} times as many" in curve.advice()
    assert any(curve.times is not None and curve.times > 1 for curve in curves)
    again = feasibility_curves(pool.sample(frac=1, random_state=1), **settings)
    assert [curve.to_json() for curve in again] == [curve.to_json() for curve in curves]


def test_the_line_through_the_sizes_meets_one_where_the_law_says() -> None:
    """Factors that fall as 1 over the number of scenes: four times as many divide by four."""
    points = [CurvePoint(size, 10 * size, 48.0 / size) for size in (3, 6, 12)]
    assert times_needed(points) == pytest.approx(4.0)
    assert times_needed([CurvePoint(3, 30, 4.0), CurvePoint(6, 60, 4.0)]) is None
    assert times_needed([CurvePoint(6, 60, 4.0)]) is None
    assert times_needed([CurvePoint(3, 30, 4.0), CurvePoint(6, 60, np.inf)]) is None


def choose(pool: pd.DataFrame, progress: Progress) -> MatchedPairs:
    return choose_pairs(pool, scenes=6, features=FEATURES, progress=progress)


def renamed(pool: pd.DataFrame, number: int) -> pd.DataFrame:
    return pool.assign(
        stimulus_id=[f"r{number}-{name}" for name in pool["stimulus_id"]],
        base_scene=[f"r{number}-{name}" for name in pool["base_scene"]],
    )


def test_a_pool_grows_until_it_is_matched_and_no_further() -> None:
    drawn: list[int] = []

    def draw(number: int, progress: Progress) -> pd.DataFrame:
        drawn.append(number)
        return renamed(make_pool(30 + number, scenes=6, each=4), number)

    start = make_pool(17, scenes=6, each=1)
    size = len(make_pool(30, scenes=6, each=4))
    grown = grow_pool(
        start, draw, choose=choose, budget=1000, round_pictures=lambda number: size, progress=Silent()
    )
    assert grown.ended == "matched"
    assert grown.pairs.is_matched
    assert grown.rounds[0].missed
    assert drawn == list(range(1, len(drawn) + 1)) == [row.number for row in grown.rounds[1:]]
    assert len(grown.pool) == len(start) + len(drawn) * size
    at_once = choose(grown.pool, Silent())
    pd.testing.assert_frame_equal(at_once.pairs, grown.pairs.pairs)


def test_a_pool_stops_before_its_budget_and_where_nothing_is_left() -> None:
    start = make_pool(17, scenes=6, each=1)

    def nothing(number: int, progress: Progress) -> pd.DataFrame:
        return start.iloc[:0]

    def forbidden(number: int, progress: Progress) -> pd.DataFrame:
        raise AssertionError("the budget was over")

    rounds = {"choose": choose, "progress": Silent()}
    empty = grow_pool(start, nothing, budget=1000, round_pictures=lambda n: 10, **rounds)
    assert (empty.ended, len(empty.rounds)) == ("exhausted", 1)
    short = grow_pool(start, forbidden, budget=len(start) + 9, round_pictures=lambda n: 10, **rounds)
    assert short.ended == "budget"
    assert "not matched for" in short.rounds[0].words()
    with pytest.raises(InputError, match="was drawn again"):
        grow_pool(start, lambda n, p: start, budget=1000, round_pictures=lambda n: 10, **rounds)


def test_wrong_bounds_and_groups_are_refused() -> None:
    for bounds in ((0.0, 0.3), (np.nan, 0.3), (np.inf, 0.3), (0.1, 0.0), (0.1, np.nan)):
        with pytest.raises(InputError):
            Yardsticks(*bounds)
    with pytest.raises(InputError, match="'size' is not known"):
        check_groups(["lowlevel", "size"])
    with pytest.raises(InputError, match="no group"):
        check_groups([])
    assert held_columns(["likeness", "quality"])[:2] == ("sharpness", "saturation")
    assert not Yardsticks().holds(0.05, None)
    assert Yardsticks(0.1, np.inf).holds(0.05, None)


def test_a_line_is_not_drawn_to_pools_that_nobody_could_draw() -> None:
    points = (CurvePoint(6, 150, 3.0), CurvePoint(12, 300, 2.9))
    near, far = (FeasibilityCurve("LB", points, (), times) for times in (3.1, 379.2))
    assert "About 3.1 times as many seeds would do (38 base scenes" in near.advice()
    assert "too little gain to say how many would do" in far.advice()
    assert "379" not in far.advice()


def test_no_pair_is_the_wrong_way_round_where_scenes_may_be_dropped() -> None:
    """Three scenes, two kept. Balance alone would take the second, whose only pair is reversed."""
    gain = np.array([1.0, 1.0, -0.5, -0.5, 0.2, 0.2])
    nuisance = np.array([[1.0], [0.0], [-1.0], [0.0], [1.0], [0.0]])
    programme = PairProgramme(
        scenes=np.repeat(["a", "b", "c"], 2),
        pictures=np.array([f"p{number}" for number in range(6)]),
        signs=np.tile([1.0, -1.0], 3),
        gain=gain,
        nuisance=nuisance,
        pairs=2,
    )
    assert programme.upright
    chosen = programme.solve(None)
    assert chosen is not None
    assert set(programme.scenes[chosen]) == {"a", "c"}
    # Within .1 of balance only a and b would do, and that is refused rather than reversed.
    assert programme.solve(np.array([0.1])) is None
    whole = replace(programme, pairs=3)
    assert not whole.upright
    assert whole.solve(None) is not None
