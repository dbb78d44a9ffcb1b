"""Lists of trials: the balance that was promised, for any design."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almond.design.assignment import make_lists
from almond.design.lists.ordering import Showing, arrange
from almond.design.plan import StudyPlan
from almond.design.trials.base import PlannedTrial
from almond.design.trials.single_image import repeat_distance
from almond.errors import InputError
from tests.almond.design_plans import full_plan, natural_plan, with_themes

COMMON = settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def designs(draw: st.DrawFn) -> tuple[StudyPlan, int]:
    """A plan of 1-7 scenes and 1-5 targets, shown in whole or in part, and a number of lists."""
    scenes, targets = draw(st.integers(1, 7)), draw(st.integers(1, 5))
    ratings = draw(st.integers(1, 2 * scenes * targets))
    plan = full_plan(
        scenes,
        targets,
        ratings=ratings,
        choices=draw(st.integers(1, scenes * targets)),
        repeats=draw(st.integers(0, ratings)),
        seed=draw(st.integers(0, 2**63 - 1)),
    )
    return plan, draw(st.integers(1, 12))


def spread(counts: Counter[str], levels: list[str]) -> int:
    values = [counts[level] for level in levels]
    return max(values) - min(values)


def first_ratings(trials: list[PlannedTrial]) -> list[str]:
    return [str(trial.stimulus) for trial in trials if trial.kind == "rating" and not trial.repeat]


def high_left(plan: StudyPlan, trial: PlannedTrial) -> int:
    return 1 if plan.pair_by_id[str(trial.pair)].high == trial.left else -1


@COMMON
@given(designs())
def test_lists_have_the_planned_trials(design):
    plan, n_lists = design
    lists = make_lists(plan, n_lists)
    assert len(lists) == n_lists
    for trials in lists:
        assert [trial.index for trial in trials] == list(range(plan.trials))
        assert [trial.block for trial in trials] == [b.name for b in plan.blocks for _ in range(b.trials)]
        assert sum(trial.repeat for trial in trials) == plan.blocks[0].repeats
        once = first_ratings(trials)
        pairs = [trial.pair for trial in trials if trial.kind == "choice"]
        assert len(set(once)) == len(once)
        assert len(set(pairs)) == len(pairs)


@COMMON
@given(designs())
def test_every_stimulus_and_pair_is_shown_equally_often_within_one(design):
    plan, n_lists = design
    lists = make_lists(plan, n_lists)
    ratings = Counter(name for trials in lists for name in first_ratings(trials))
    choices = Counter(str(trial.pair) for trials in lists for trial in trials if trial.kind == "choice")
    assert spread(ratings, [stimulus.id for stimulus in plan.stimuli]) <= 1
    assert spread(choices, [pair.id for pair in plan.pairs]) <= 1


@COMMON
@given(designs())
def test_sides_are_balanced_within_lists_targets_and_pairs(design):
    plan, n_lists = design
    by_list, by_pair, by_list_and_target, totals = (Counter[tuple[Any, ...]]() for _ in range(4))
    for number, trials in enumerate(make_lists(plan, n_lists)):
        for trial in trials:
            if trial.kind != "choice":
                continue
            pair = plan.pair_by_id[str(trial.pair)]
            assert {trial.left, trial.right} == {pair.high, pair.low}
            assert trial.question == pair.question
            keys = (("list", number), ("pair", pair.id), ("target", number, pair.target))
            for counter, key in zip((by_list, by_pair, by_list_and_target), keys, strict=True):
                counter[key] += high_left(plan, trial)
                totals[key] += 1
    for counter in (by_list, by_pair, by_list_and_target):
        assert all(abs(lean) == totals[key] % 2 for key, lean in counter.items())


@COMMON
@given(designs())
def test_repeats_come_late_and_once(design):
    plan, n_lists = design
    for trials in make_lists(plan, n_lists):
        first = {
            trial.stimulus: trial.index for trial in trials if trial.kind == "rating" and not trial.repeat
        }
        again = [trial for trial in trials if trial.repeat]
        assert len({trial.stimulus for trial in again}) == len(again)
        for trial in again:
            assert trial.index - first[trial.stimulus] >= max(1, repeat_distance(plan.blocks[0]))


@COMMON
@given(designs())
def test_scenes_do_not_follow_themselves_where_that_can_be_avoided(design):
    plan, n_lists = design
    scene = {stimulus.id: stimulus.base_scene for stimulus in plan.stimuli}
    scenes = len(set(scene.values()))
    for trials in make_lists(plan, n_lists):
        for block in plan.blocks:
            shown = [scene[trial.stimuli[0]] for trial in trials if trial.block == block.name]
            most = max(Counter(shown).values())
            if scenes > 2 and not block.repeats and 2 * most < len(shown):
                assert all(one != other for one, other in pairwise(shown))


@COMMON
@given(designs())
def test_lists_are_a_function_of_the_plan(design):
    plan, n_lists = design
    again = StudyPlan.from_bytes(plan.to_bytes())
    assert make_lists(plan, n_lists) == make_lists(again, n_lists)


def test_another_seed_gives_other_lists_and_lists_differ():
    lists = make_lists(full_plan(seed=1), 4)
    assert lists != make_lists(full_plan(seed=2), 4)
    assert len({tuple(trial.stimulus for trial in trials) for trials in lists}) == 4


@pytest.mark.parametrize(
    ("scenes", "targets", "ratings", "choices"), [(6, 4, 20, 10), (8, 4, 32, 16), (5, 3, 9, 5)]
)
def test_partial_lists_cover_targets_directions_and_scenes_evenly(scenes, targets, ratings, choices):
    plan = full_plan(scenes, targets, ratings=ratings, choices=choices)
    for trials in make_lists(plan, 20):
        shown = [plan.stimulus_by_id[name] for name in first_ratings(trials)]
        pairs = [plan.pair_by_id[str(trial.pair)] for trial in trials if trial.kind == "choice"]
        all_scenes = sorted({stimulus.base_scene for stimulus in plan.stimuli})
        cells = sorted({f"{s.target}{s.direction}" for s in plan.stimuli})
        assert spread(Counter(str(s.target) for s in shown), list(plan.targets)) <= 1
        assert spread(Counter(f"{s.target}{s.direction}" for s in shown), cells) <= 1
        assert spread(Counter(s.base_scene for s in shown), all_scenes) <= 2
        assert spread(Counter(p.target for p in pairs), list(plan.targets)) <= 1
        assert spread(Counter(p.base_scene for p in pairs), all_scenes) <= 2


@pytest.mark.parametrize(
    ("scenes", "per_theme", "ratings", "choices"), [(12, 3, 24, 12), (8, 2, 12, 8), (9, 3, 10, 7)]
)
def test_partial_lists_cover_themes_evenly(scenes, per_theme, ratings, choices):
    """Dealt by scenes alone, one design here has 3 even lists of 20."""
    plan = with_themes(full_plan(scenes, 3, ratings=ratings, choices=choices), per_theme)
    cells = sorted({f"{s.target}{s.direction}" for s in plan.stimuli})
    rated, chosen = Counter[int](), Counter[int]()
    for trials in make_lists(plan, 20):
        shown = [plan.stimulus_by_id[name] for name in first_ratings(trials)]
        pairs = [plan.pair_by_id[str(trial.pair)] for trial in trials if trial.kind == "choice"]
        rated[spread(Counter(str(s.theme) for s in shown), list(plan.themes))] += 1
        chosen[spread(Counter(plan.theme_of_scene[p.base_scene] for p in pairs), list(plan.themes))] += 1
        assert spread(Counter(f"{s.target}{s.direction}" for s in shown), cells) <= 1
        assert spread(Counter(s.base_scene for s in shown), sorted(plan.theme_of_scene)) <= 2
    for even in (rated, chosen):
        assert max(even) <= 2
        assert even[0] + even[1] >= 18


def test_lists_of_a_plan_without_themes_do_not_spread_prompts():
    """All images of this plan have one prompt: its lists are those that were always made of it."""
    plan = full_plan(9, 3, ratings=10, choices=7)
    alone = with_themes(plan, 1)
    assert plan.themes == ("a street",)
    assert len(alone.themes) == 9
    assert make_lists(plan, 6) == make_lists(alone, 6)
    assert make_lists(plan, 6) != make_lists(with_themes(plan, 3), 6)


@COMMON
@given(designs(), st.integers(2, 4))
def test_themes_do_not_follow_themselves_where_that_can_be_avoided(design, per_theme):
    plan, n_lists = design
    plan = with_themes(plan, per_theme)
    theme = {stimulus.id: stimulus.theme for stimulus in plan.stimuli}
    for trials in make_lists(plan, n_lists):
        for block in plan.blocks:
            shown = [theme[trial.stimuli[0]] for trial in trials if trial.block == block.name]
            most = max(Counter(shown).values())
            if len(set(shown)) > 2 and not block.repeats and 2 * most < len(shown):
                assert all(one != other for one, other in pairwise(shown))


def test_where_one_theme_is_too_frequent_its_scenes_still_alternate():
    plan = with_themes(full_plan(3, 4), 3)
    for trials in make_lists(plan, 10):
        scenes = [plan.stimulus_by_id[trial.stimuli[0]].base_scene for trial in trials]
        assert all(one != other for one, other in pairwise(scenes))


def test_many_lists_of_one_theme_are_ordered_as_quickly_as_others():
    """A theme that must follow itself is not tried 40 times over."""
    part = [Showing(item, (f"scene-{item}",), ("theme",), "cell") for item in range(60)]
    placed = Counter[str]()

    class Counting(np.random.Generator):
        def permutation(self, *args, **kwargs):
            placed["drawn"] += 1
            return super().permutation(*args, **kwargs)

    arrange([part], None, 0, Counting(np.random.PCG64(1)))
    assert placed["drawn"] == 1


def test_repeats_are_spread_over_the_stimuli():
    plan = full_plan(4, 3, ratings=24, repeats=6)
    times = Counter(str(t.stimulus) for trials in make_lists(plan, 8) for t in trials if t.repeat)
    assert spread(times, [stimulus.id for stimulus in plan.stimuli]) == 0


def test_blocks_do_not_meet_on_one_scene():
    plan = full_plan(4, 3)
    for trials in make_lists(plan, 30):
        scenes = [plan.stimulus_by_id[trial.stimuli[0]].base_scene for trial in trials]
        assert all(one != other for one, other in pairwise(scenes))


def test_natural_images_are_dealt_in_turn():
    plan = natural_plan(30, 12)
    shown = Counter(name for trials in make_lists(plan, 5) for name in first_ratings(trials))
    assert set(shown.values()) == {2}


def test_a_large_pool_is_dealt_quickly_and_evenly():
    plan = natural_plan(900, 40)
    shown = Counter(name for trials in make_lists(plan, 45) for name in first_ratings(trials))
    assert set(shown.values()) == {2}


def test_positions_do_not_favour_a_target():
    plan = full_plan(6, 4)
    places = Counter[str]()
    for trials in make_lists(plan, 60):
        for trial in trials:
            if trial.kind == "rating":
                places[str(plan.stimulus_by_id[str(trial.stimulus)].target)] += trial.index
    mean = sum(places.values()) / 4
    assert max(abs(total / mean - 1) for total in places.values()) < 0.03


def test_trials_survive_json():
    for trial in make_lists(full_plan(repeats=3), 1)[0]:
        assert PlannedTrial.from_json(trial.to_json()) == trial


def test_no_list_is_refused():
    with pytest.raises(InputError, match="number of lists: is 0"):
        make_lists(full_plan(), 0)
