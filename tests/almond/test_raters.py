"""Simulated raters: they judge percepts, differ from each other, and in the null see no manipulation."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from almond.design.assignment import make_lists
from almond.design.plan import Construct, StudyPlan
from almond.errors import Cancelled, InputError
from almond.evidence.export import read_export
from almond.evidence.simulated import simulate_study
from almond.evidence.verify import first_broken, verify
from almond.rng import generator
from almond.world.lab import CONSTRUCT_OF_TARGET
from almond.world.lab import CONSTRUCTS as LAB_CONSTRUCTS
from almond.world.networks import read_percepts
from almond.world.raters import (
    CONSTRUCTS,
    Latents,
    Rater,
    Style,
    construct_weights,
    null_percepts,
    simulate_rater,
    style_of,
)
from almond.world.scenes import LATENTS, draw_scene, latents, render
from tests.almond.design_plans import full_plan
from tests.almond.small_export import SmallStudy

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
NAMES = tuple(construct.name for construct in LAB_CONSTRUCTS)


def percept(**values: float) -> Latents:
    return np.array([values.get(name, 0.0) for name in LATENTS])


def population(count: int, style: Style = "attentive") -> list[Rater]:
    return [simulate_rater(generator(5, "rater", style, number), style) for number in range(count)]


def test_the_lab_asks_only_what_raters_can_judge():
    assert set(NAMES) <= set(CONSTRUCTS)
    assert set(CONSTRUCT_OF_TARGET.values()) <= set(CONSTRUCTS)
    for weights in CONSTRUCTS.values():
        assert set(weights) <= set(LATENTS)


@pytest.mark.parametrize(
    ("construct", "more"),
    [
        ("threat", {"threat": 1.0}),
        ("urgency", {"arms_raised": 1.0}),
        ("social", {"presence": 1.0}),
        ("pleasantness", {"flowers": 1.0}),
    ],
)
def test_what_a_construct_means_raises_its_rating_alone(construct: str, more: dict[str, float]):
    place = NAMES.index(construct)
    change = np.mean(
        [
            np.array(rater.rate(percept(**more), NAMES).values)
            - np.array(rater.rate(percept(), NAMES).values)
            for rater in population(200)
        ],
        axis=0,
    )
    assert change[place] > 35
    assert np.all(np.delete(change, place) < 10)


def test_ratings_are_whole_numbers_of_a_slider_and_times_are_human():
    raters = population(50)
    ratings = [rater.rate(percept(threat=1, darkness=1), NAMES) for rater in raters for _ in range(4)]
    values = np.array([rating.values for rating in ratings])
    times = np.array([rating.rt_ms for rating in ratings])
    assert values.min() >= 0
    assert values.max() <= 100
    assert np.array_equal(values, np.round(values))
    assert times.min() >= 150
    assert 3000 < np.median(times) < 9000


def test_raters_are_as_noisy_as_people():
    """One rater's ratings of one scene spread by about 15-20 of 100, and raters by about 10."""
    means, spreads = [], []
    for rater in population(150):
        rater.fatigue = rater.lapse = 0.0
        values = [rater.rate(percept(threat=0.5), ["threat"]).values[0] for _ in range(20)]
        means.append(np.mean(values))
        spreads.append(np.std(values, ddof=1))
    assert 13 < np.mean(spreads) < 20
    assert 6 < np.std(means) < 20


def test_choices_follow_the_percepts_and_not_the_side():
    raters = population(400)
    much, little = percept(threat=0.6), percept(threat=0.3)
    left = np.mean([rater.choose(much, little, "threat").side == "left" for rater in raters])
    right = np.mean([rater.choose(little, much, "threat").side == "right" for rater in raters])
    same = np.mean([rater.choose(much, much, "threat").side == "right" for rater in raters])
    assert 0.65 < left < 0.85
    assert abs(left - right) < 0.08
    assert 0.42 < same < 0.58


def test_careless_raters_do_not_look():
    raters = population(300, "careless")
    high = [rater.rate(percept(threat=1), ["threat"]).values[0] for rater in raters]
    low = [rater.rate(percept(), ["threat"]).values[0] for rater in raters]
    chosen = [rater.choose(percept(threat=1), percept(), "threat").side == "left" for rater in raters]
    assert abs(np.mean(high) - np.mean(low)) < 6
    assert 0.42 < np.mean(chosen) < 0.58
    times = [rater.rate(percept(), ["threat"]).rt_ms for rater in raters]
    assert np.median(times) < 1000


def test_fatigue_adds_noise_and_quickens():
    rater = simulate_rater(generator(1, "one"))
    rater.fatigue, rater.lapse = 0.5, 0.0
    early = [rater.rate(percept(threat=0.5), ["threat"]) for _ in range(100)]
    late = [rater.rate(percept(threat=0.5), ["threat"]) for _ in range(300)][-100:]
    assert np.std([r.values[0] for r in late]) > 1.3 * np.std([r.values[0] for r in early])
    assert np.median([r.rt_ms for r in late]) < np.median([r.rt_ms for r in early])


def test_a_rater_is_its_seed():
    first, second = (simulate_rater(generator(4, "rater", 1)) for _ in range(2))
    for _ in range(5):
        assert first.rate(percept(smile=1), NAMES) == second.rate(percept(smile=1), NAMES)
        assert first.choose(percept(), percept(dog=1), "social") == second.choose(
            percept(), percept(dog=1), "social"
        )


def test_unknown_constructs_and_styles_are_refused():
    with pytest.raises(InputError, match=r"'boredom'.*threat"):
        construct_weights("boredom")
    with pytest.raises(InputError, match="attentive or careless"):
        simulate_rater(generator(1), "bored")  # type: ignore[arg-type]


def test_the_share_of_careless_raters():
    rng = generator(2, "styles")
    share = np.mean([style_of(rng, 0.2) == "careless" for _ in range(2000)])
    assert abs(share - 0.2) < 0.03


def test_the_null_world_knows_the_scene_but_no_target_and_no_direction():
    plan = full_plan(30, 4)
    scenes = {stimulus.id: stimulus.base_scene for stimulus in plan.stimuli}
    rng = generator(3, "bases")
    bases = {scene: rng.uniform(0.3, 0.7, len(LATENTS)) for scene in sorted(set(scenes.values()))}
    percepts = null_percepts(bases, scenes, generator(3, "null"))
    assert set(percepts) == set(scenes)
    difference = np.array([percepts[pair.high] - percepts[pair.low] for pair in plan.pairs])
    z = difference.mean(axis=0) / (difference.std(axis=0) / np.sqrt(len(difference)))
    assert np.abs(z).max() < 3.5
    assert np.all(difference.std(axis=0) > 0.05)
    for name, scene in scenes.items():
        assert np.abs(percepts[name] - bases[scene]).max() < 0.5
    again = null_percepts(bases, dict(reversed(scenes.items())), generator(3, "null"))
    assert all(np.array_equal(percepts[name], again[name]) for name in percepts)


def test_the_null_world_needs_the_unguided_image_of_every_scene():
    with pytest.raises(InputError, match=r"'b'.*unguided"):
        null_percepts({"a": percept()}, {"x": "a", "y": "b"}, generator(1))


def lab_plan() -> StudyPlan:
    plan = full_plan(4, 2)
    words = {
        c.name: Construct(name=c.name, question=c.question, low=c.low, high=c.high) for c in LAB_CONSTRUCTS
    }
    return plan.model_copy(update={"constructs": (words["threat"], words["social"])})


def moved_percepts(plan: StudyPlan) -> dict[str, Latents]:
    """High images are perceived as more threatening than low ones."""
    return {s.id: percept(threat=0.4 + 0.3 * s.direction) for s in plan.stimuli}


def test_a_simulated_study_has_every_planned_trial_once():
    plan = lab_plan()
    lists = make_lists(plan, 3)
    tables = simulate_study(plan, lists, moved_percepts(plan), n_participants=7, seed=1, start=START)
    assert list(tables["participants"]["list"]) == [0, 1, 2, 0, 1, 2, 0]
    assert len(tables["ratings"]) == 7 * 16 * 2
    assert len(tables["choices"]) == 7 * 8
    for who, rows in tables["choices"].groupby("participant_id"):
        number = int(str(who).removeprefix("sim-")) - 1
        planned = [(t.index, t.left, t.right) for t in lists[number % 3] if t.kind == "choice"]
        columns = (rows["trial_index"], rows["left_stimulus"], rows["right_stimulus"])
        assert list(zip(*columns, strict=True)) == planned
        times = [datetime.fromisoformat(text) for text in rows["received_at"]]
        assert all(one < other for one, other in pairwise(times))
    assert tables["choices"]["aligned"].mean() > 0.7


def test_more_participants_leave_the_first_ones_as_they_were():
    plan = lab_plan()
    lists, percepts = make_lists(plan, 2), moved_percepts(plan)
    few = simulate_study(plan, lists, percepts, n_participants=3, seed=9, start=START)
    many = simulate_study(plan, lists, percepts, n_participants=6, seed=9, start=START)
    other = simulate_study(plan, lists, percepts, n_participants=3, seed=10, start=START)
    assert few["ratings"].equals(many["ratings"].iloc[: len(few["ratings"])])
    assert not few["ratings"]["value"].equals(other["ratings"]["value"])


def test_a_stimulus_without_a_percept_is_refused():
    plan = lab_plan()
    with pytest.raises(InputError, match="has no percept"):
        simulate_study(plan, make_lists(plan, 1), {}, n_participants=1, seed=1, start=START)


def test_a_simulated_study_exports_and_verifies(tmp_path: Path):
    study = SmallStudy(tmp_path)
    percepts = moved_percepts(study.plan)
    tables = simulate_study(study.plan, study.lists, percepts, n_participants=5, seed=2, start=START)
    answers: dict[str, Any] = {**tables}
    folder = study.write(**answers)
    assert first_broken(verify(folder, bold=study.bold)) is None
    assert len(read_export(folder).tables["participants"]) == 5


def drawn(count: int) -> tuple[dict[str, Any], dict[str, Latents]]:
    """Rendered scenes and their true latents, by id."""
    rng = generator(6, "drawn")
    scenes = {f"scene-{number}": draw_scene(rng) for number in range(count)}
    pictures = {name: render(scene) for name, scene in scenes.items()}
    return pictures, {name: latents(scene) for name, scene in scenes.items()}


def test_percepts_come_from_pixels_and_are_close_to_the_truth():
    pictures, truth = drawn(150)
    percepts = read_percepts(pictures)
    assert set(percepts) == set(pictures)
    for construct in NAMES:
        weights = construct_weights(construct)
        seen = [weights @ percepts[name] for name in pictures]
        true = [weights @ truth[name] for name in pictures]
        assert np.corrcoef(seen, true)[0, 1] > 0.6, construct
    assert all(((found >= 0) & (found <= 1)).all() for found in percepts.values())


def test_a_percept_does_not_depend_on_the_other_images_nor_on_their_size():
    pictures, _ = drawn(40)
    large = {name: image.repeat(2, 0).repeat(2, 1) for name, image in pictures.items()}
    mixed = {**{f"{name} large": image for name, image in large.items()}, **pictures}
    together, alone = read_percepts(mixed), read_percepts({"scene-7": pictures["scene-7"]})
    assert np.allclose(together["scene-7"], alone["scene-7"], atol=1e-5)
    assert np.mean([np.abs(together[f"{name} large"] - together[name]).mean() for name in pictures]) < 0.03


def test_raters_rate_pictures_by_what_is_in_them():
    pictures, truth = drawn(150)
    percepts = read_percepts(pictures)
    raters = population(30)
    means = {
        name: np.mean([rater.rate(percepts[name], ["threat"]).values[0] for rater in raters])
        for name in pictures
    }
    threatening = [means[name] for name in pictures if truth[name][LATENTS.index("threat")] == 1]
    harmless = [means[name] for name in pictures if truth[name][LATENTS.index("threat")] == 0]
    assert np.mean(threatening) - np.mean(harmless) > 25


def test_reading_can_be_stopped():
    class Stop:
        def report(self, fraction: float, message: str = "") -> None:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        read_percepts(drawn(2)[0], progress=Stop())
