"""Matched pairs against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from almond.errors import InputError
from almond.stimuli.matching import choose_pairs

FEATURES = ("luminance", "contrast")
TARGETS = ("LB", "CM")


def make_pool(seed: int, scenes: int = 3, each: int = 3) -> pd.DataFrame:
    """Images whose luminance goes along with their score, so that balance costs contrast."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for target, scene, direction in itertools.product(TARGETS, range(scenes), (1, -1)):
        for _ in range(each):
            push = rng.uniform(0.2, 2.0) * direction
            rows.append(
                {
                    "stimulus_id": f"s{len(rows):03d}",
                    "base_scene": f"scene {scene}",
                    "intended_target": target,
                    "direction": direction,
                    "score_LB": push * (target == "LB") + rng.normal(0, 0.1),
                    "score_CM": push * (target == "CM") + rng.normal(0, 0.1),
                    "luminance": 0.5 + 0.1 * push + rng.normal(0, 0.1),
                    "contrast": rng.normal(0.2, 0.05),
                }
            )
    return pd.DataFrame(rows)


def brute_force(pool: pd.DataFrame, target: str, tolerance: float) -> tuple[float, frozenset[str]] | None:
    """The best choice found by looking at every one."""
    part = pool[pool["intended_target"] == target]
    other = "CM" if target == "LB" else "LB"
    spread = pool[list(FEATURES)].std(ddof=0)
    cells = [group for _, group in part.groupby(["base_scene", "direction"])]
    best = None
    for picks in itertools.product(*(range(len(cell)) for cell in cells)):
        rows = pd.DataFrame([cell.iloc[pick] for cell, pick in zip(cells, picks, strict=True)])
        high, low = rows[rows["direction"] > 0], rows[rows["direction"] < 0]
        gaps = [(high[f].mean() - low[f].mean()) / spread[f] for f in FEATURES]
        if max(abs(gap) for gap in gaps) > tolerance:
            continue
        value = float((rows["direction"] * (rows[f"score_{target}"] - rows[f"score_{other}"])).sum())
        if best is None or value > best[0]:
            best = (value, frozenset(rows["stimulus_id"]))
    return best


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("tolerance", [0.4, 5.0])
def test_the_choice_is_the_one_brute_force_finds(seed: int, tolerance: float) -> None:
    pool = make_pool(seed, scenes=2)
    found = choose_pairs(pool, tolerance=tolerance, paired=np.inf, features=FEATURES)
    for target in TARGETS:
        wanted = brute_force(pool, target, found.reached[target])
        assert wanted is not None
        rows = found.pairs[found.pairs["intended_target"] == target]
        assert rows["contrast"].sum() == pytest.approx(wanted[0], rel=1e-3)
        if found.reached[target] > tolerance:
            assert brute_force(pool, target, tolerance) is None
        after = found.balance.loc[found.balance["intended_target"] == target, "after"]
        assert after.abs().max() <= found.reached[target] + 1e-6


def test_every_cell_has_one_high_and_one_low_and_the_order_of_the_pool_does_not_matter() -> None:
    pool = make_pool(3, scenes=4)
    found = choose_pairs(pool, tolerance=0.5, paired=np.inf, features=FEATURES)
    assert len(found.pairs) == 8
    by_id = {row["stimulus_id"]: row for row in pool.to_dict(orient="records")}
    for pair in found.pairs.itertuples():
        for side, direction in ((pair.high, 1), (pair.low, -1)):
            row = by_id[str(side)]
            assert (row["base_scene"], row["intended_target"]) == (pair.base_scene, pair.intended_target)
            assert row["direction"] == direction
    shuffled = choose_pairs(
        pool.sample(frac=1, random_state=1), tolerance=0.5, paired=np.inf, features=FEATURES
    )
    pd.testing.assert_frame_equal(found.pairs, shuffled.pairs)


def test_an_unreachable_tolerance_is_widened_and_reported() -> None:
    found = choose_pairs(make_pool(5), tolerance=1e-4, paired=np.inf, features=FEATURES)
    assert found.relaxed
    assert all(value > 1e-4 for name, value in found.reached.items() if name in found.relaxed)
    assert set(found.to_json()["relaxed"]) == set(found.relaxed)


def test_when_nothing_can_be_balanced_the_best_contrast_is_chosen_and_said_so() -> None:
    pool = make_pool(6)
    pool["luminance"] = np.where(pool["direction"] > 0, 1.0, 0.0)
    found = choose_pairs(pool, tolerance=1e-4, paired=np.inf, features=FEATURES)
    assert set(found.reached.values()) == {np.inf}
    assert found.contrast_shares == pytest.approx(dict.fromkeys(TARGETS, 1.0))
    assert found.to_json()["reached"] == dict.fromkeys(TARGETS, None)


def test_matching_keeps_contrast_and_removes_the_difference_in_luminance() -> None:
    found = choose_pairs(make_pool(7, scenes=6, each=5), tolerance=0.1, paired=np.inf, features=FEATURES)
    table = found.balance[found.balance["feature"] == "luminance"]
    assert (table["before"] > 0.8).all()
    assert table["after"].abs().max() <= max(found.reached.values()) + 1e-9
    assert all(0.3 < share <= 1.0 for share in found.contrast_shares.values())


def test_own_contrasts_decide_what_is_large() -> None:
    pool = make_pool(8)
    contrasts = {"LB": {"LB": 1.0}, "CM": {"CM": 1.0}}
    found = choose_pairs(pool, tolerance=50.0, paired=np.inf, features=FEATURES, contrasts=contrasts)
    part = pool[(pool["intended_target"] == "LB") & (pool["direction"] > 0)]
    best = part.loc[part.groupby("base_scene")["score_LB"].idxmax(), "stimulus_id"]
    assert set(best) == set(found.pairs.loc[found.pairs["intended_target"] == "LB", "high"])


def test_a_missing_cell_is_named() -> None:
    pool = make_pool(9)
    gone = (pool["base_scene"] == "scene 1") & (pool["intended_target"] == "CM") & (pool["direction"] < 0)
    with pytest.raises(InputError, match=r"scene 1.*low image of target 'CM'"):
        choose_pairs(pool[~gone], features=FEATURES)


def test_bad_pools_are_refused() -> None:
    pool = make_pool(10)
    with pytest.raises(InputError, match="luminance"):
        choose_pairs(pool.drop(columns="luminance"), features=FEATURES)
    with pytest.raises(InputError, match="score_CM"):
        choose_pairs(pool.drop(columns="score_CM"), features=FEATURES)
    with pytest.raises(InputError, match="no guided"):
        choose_pairs(pool[pool["direction"] == 0], features=FEATURES)
    with pytest.raises(InputError, match="more than once"):
        choose_pairs(pd.concat([pool, pool.iloc[:1]]), features=FEATURES)
    pool.loc[4, "contrast"] = np.nan
    with pytest.raises(InputError, match="contrast of stimulus s004"):
        choose_pairs(pool, features=FEATURES)


def test_a_picture_is_shared_by_targets_only_where_nothing_else_is_left() -> None:
    pool = make_pool(4).assign(image_sha256=lambda rows: rows["stimulus_id"])
    free = choose_pairs(pool, tolerance=5.0, paired=np.inf, features=FEATURES).pairs.set_index(
        ["base_scene", "intended_target"]
    )
    # The best low image of LB is, to the byte, the best low image of CM.
    shared = [free.loc[("scene 0", target), "low"] for target in TARGETS]
    pool.loc[pool["stimulus_id"].isin(shared), "image_sha256"] = "one picture"
    found = choose_pairs(pool, tolerance=5.0, paired=np.inf, features=FEATURES).pairs
    taken = {*found["high"], *found["low"]}
    assert len(taken & set(shared)) == 1
    only = pool["stimulus_id"].isin(shared) | (pool["base_scene"] != "scene 0") | (pool["direction"] == 1)
    left = choose_pairs(pool[only], tolerance=5.0, paired=np.inf, features=FEATURES).pairs
    assert set(shared) <= {*left["high"], *left["low"]}


def test_a_pair_never_shows_one_picture_twice() -> None:
    pool = make_pool(5).assign(image_sha256=lambda rows: rows["stimulus_id"])
    pairs = choose_pairs(pool, tolerance=5.0, paired=np.inf, features=FEATURES).pairs
    first = pairs[(pairs["base_scene"] == "scene 1") & (pairs["intended_target"] == "LB")].iloc[0]
    pool.loc[pool["stimulus_id"].isin([first["high"], first["low"]]), "image_sha256"] = "one picture"
    again = choose_pairs(pool, tolerance=5.0, paired=np.inf, features=FEATURES).pairs
    chosen = again[(again["base_scene"] == "scene 1") & (again["intended_target"] == "LB")].iloc[0]
    assert {chosen["high"], chosen["low"]} != {first["high"], first["low"]}
