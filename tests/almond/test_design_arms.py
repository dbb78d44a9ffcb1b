"""Arms, orders of blocks and limits per base scene: exact over random designs."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from almond.design.arms import Arm, arms_of_lists, williams_square
from almond.design.assignment import make_lists, trials_by_arm
from almond.design.lists.scene_limit import deal_by_scene
from almond.design.plan import StudyPlan
from almond.errors import InputError
from tests.almond.design_plans import full_plan

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def plan_with(**changes) -> StudyPlan:
    """A plan of a block of ratings and one of choices, with changes of its blocks by name."""
    values = full_plan(6, 2).to_json()
    values["blocks"] = [block | changes.pop(block["name"], {}) for block in values["blocks"]]
    return StudyPlan.from_json(values | changes)


@QUICK
@given(st.lists(st.integers(1, 6), min_size=2, max_size=5), st.integers(1, 12))
def test_every_arm_has_its_share_of_the_lists(weights, times):
    arms = [Arm(name=f"arm {number}", weight=weight) for number, weight in enumerate(weights)]
    taken = Counter(arms_of_lists(arms, times * sum(weights)))
    assert [taken[arm.name] for arm in arms] == [times * weight for weight in weights]


@QUICK
@given(st.lists(st.integers(1, 50), min_size=2, max_size=5), st.integers(2, 40))
def test_with_any_number_of_lists_every_arm_is_within_one_of_its_share(weights, n_lists):
    assume(n_lists >= len(weights))
    arms = [Arm(name=f"arm {number}", weight=weight) for number, weight in enumerate(weights)]
    taken = Counter(arms_of_lists(arms, n_lists))
    assert min(taken[arm.name] for arm in arms) >= 1
    assert sum(taken.values()) == n_lists
    for arm in arms:
        share = n_lists * arm.weight / sum(weights)
        assert taken[arm.name] >= int(share) or share > n_lists - len(arms)


@pytest.mark.parametrize("size", range(1, 9))
def test_orders_are_balanced_for_places_and_for_what_comes_before(size):
    rows = williams_square(size)
    places = Counter((place, item) for row in rows for place, item in enumerate(row))
    follows = Counter(pair for row in rows for pair in pairwise(row))
    assert len(set(places.values())) == 1
    assert len(places) == size**2
    assert len(follows) == size * (size - 1)
    assert len(set(follows.values())) <= 1


def test_participants_of_an_arm_see_its_blocks_alone():
    plan = plan_with(
        arms=[{"name": "rate", "weight": 2}, {"name": "choose"}],
        ratings={"arms": ["rate"]},
        choices={"arms": ["choose"]},
    )
    lists = make_lists(plan, 6)
    kinds = [{trial.kind for trial in trials} for trials in lists]
    assert kinds.count({"rating"}) == 4
    assert kinds.count({"choice"}) == 2
    assert trials_by_arm(plan) == {"rate": 24, "choose": 12}
    assert plan.trials == 24
    assert all([trial.index for trial in trials] == list(range(len(trials))) for trials in lists)
    with pytest.raises(InputError, match="at least 2"):
        make_lists(plan, 1)


WRONG = [
    ({"arms": [{"name": "a"}, {"name": "a"}]}, "stands more than once"),
    ({"arms": [{"name": "a"}]}, "one alone is no comparison"),
    ({"ratings": {"arms": ["b"]}}, "'b' is no arm of the plan"),
    (
        {"arms": [{"name": "a"}, {"name": "b"}], "ratings": {"arms": ["a"]}, "choices": {"arms": ["a"]}},
        "goes through no block",
    ),
    ({"ratings": {"most_of_scene": 1}}, "of at most 1 of one base scene there are 6"),
]


@pytest.mark.parametrize(("changes", "said"), WRONG)
def test_arms_and_limits_that_cannot_be_are_refused(changes, said):
    with pytest.raises(InputError, match=said):
        plan_with(**changes)


def test_blocks_take_turns_and_nothing_else_changes():
    plain, turned = full_plan(6, 2), plan_with(block_order="latin_square")
    before, after = make_lists(plain, 4), make_lists(turned, 4)
    first = [trials[0].block for trials in after]
    assert Counter(first) == {"ratings": 2, "choices": 2}
    for one, other in zip(before, after, strict=True):
        content = [{(trial.block, trial.stimuli) for trial in trials} for trials in (one, other)]
        assert content[0] == content[1]
        assert [trial.index for trial in other] == list(range(len(other)))
        scenes = [{turned.stimulus_by_id[name].base_scene for name in trial.stimuli} for trial in other]
        assert not any(left & right for left, right in pairwise(scenes))


def test_plans_without_arms_keep_their_digest():
    values = full_plan().to_json()
    assert "arms" not in values
    assert "block_order" not in values
    assert all("most_of_scene" not in block and "arms" not in block for block in values["blocks"])


@QUICK
@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=8),
    limit=st.integers(1, 4),
    n_lists=st.integers(1, 12),
    share=st.floats(0.1, 1.0),
    seed=st.integers(0, 2**32),
)
def test_no_list_has_more_of_a_scene_and_exposure_is_equal_within_one(sizes, limit, n_lists, share, seed):
    scenes = [f"s{number}" for number, size in enumerate(sizes) for _ in range(size)]
    size = max(1, int(share * sum(min(own, limit) for own in sizes)))
    total, most = n_lists * size, max(1, -(-n_lists * size // len(scenes)))
    feasible = all(own * (total // len(scenes)) <= n_lists * min(limit, own) for own in sizes) and (
        sum(min(n_lists * min(limit, own), own * most) for own in sizes) >= total
    )
    rng = np.random.default_rng(seed)
    if not feasible:
        with pytest.raises(InputError):
            deal_by_scene(scenes, scenes, (n_lists, size), limit, rng)
        return
    lists = deal_by_scene(scenes, scenes, (n_lists, size), limit, rng)
    exposure = Counter(item for items in lists for item in items)
    times = [exposure[item] for item in range(len(scenes))]
    assert max(times) - min(times) <= 1
    for items in lists:
        assert len(items) == len(set(items)) == size
        assert max(Counter(scenes[item] for item in items).values()) <= limit


def test_never_two_variants_of_one_scene():
    plan = plan_with(ratings={"most_of_scene": 1, "trials": 6})
    for trials in make_lists(plan, 8):
        own = [plan.stimulus_by_id[str(trial.stimulus)] for trial in trials if trial.block == "ratings"]
        assert len({row.base_scene for row in own}) == len(own) == 6
        assert len({(row.target, row.direction) for row in own}) >= 3
