"""Pairs of photographs: how they are made, dealt, simulated and tested."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from almond.design.assignment import make_lists
from almond.design.lists.pair_limit import within_scene_limit
from almond.design.parts import AnalysisPlan, Construct, PlannedPair, PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.readiness import theme_warnings
from almond.design.trials.choice import ChoiceBlock
from almond.digest import digest_bytes
from almond.errors import InputError
from almond.power.designs import design_at
from almond.power.layout import make_layout
from almond.power.studies import analysed, p_value, primary_questions, simulate
from almond.progress import Silent
from almond.rng import generator
from almond.stats.clustered.dyads import dyadic_mean
from almond.stats.two_way import two_way_mean
from almond.stimuli.photograph_pairs import NormedPhotograph, most_pairs, pair_photographs
from almond.world.rater_model import RaterModel


def photograph_plan(*, by: str | None = "valence", pairs: int = 6, trials: int | None = None) -> StudyPlan:
    """So many pairs of photographs, each of a theme of its own."""
    photographs = [
        PlannedStimulus(
            id=f"s{number}",
            sha256=digest_bytes(b"%d" % number),
            base_scene=f"photo {number}",
            width=8,
            height=8,
        )
        for number in range(2 * pairs)
    ]
    planned = [
        PlannedPair(
            id=f"p{number}",
            base_scene=f"photo {number}",
            other_scene=f"photo {number + pairs}",
            by=by,
            construct="pleasant",
            question="Which is more pleasant?",
            high=f"s{number}",
            low=f"s{number + pairs}",
        )
        for number in range(pairs)
    ]
    shown = ChoiceBlock(kind="choice", name="choices", trials=trials or pairs, constructs=("pleasant",))
    return StudyPlan(
        title="Photographs",
        seed=1,
        participants=12,
        constructs=(Construct(name="pleasant", question="How pleasant?", low="not", high="very"),),
        blocks=(shown,),
        stimuli=tuple(photographs),
        pairs=tuple(planned),
        analysis=AnalysisPlan(permutations=99, primary=("photograph_choices",)),
    )


# -- making pairs


def normed(count: int = 40) -> list[NormedPhotograph]:
    values = generator(3, "norms").normal(size=(count, 2))
    return [
        NormedPhotograph(f"I{place}.jpg", {"valence": v, "arousal": a}) for place, (v, a) in enumerate(values)
    ]


def block(**fields: object) -> ChoiceBlock:
    return ChoiceBlock.model_validate({"kind": "choice", "name": "choices", "trials": 1, **fields})


def test_pairs_by_difference_keep_their_distances():
    photographs = normed()
    sd = {name: np.std([row.norms[name] for row in photographs], ddof=1) for name in ("valence", "arousal")}
    asked = block(photograph_pairs="difference", norm="valence", least_difference=1.0, alike=["arousal"])
    pairs = pair_photographs(photographs, asked, generator(1, "pairs"))
    assert len(pairs) >= 15
    for pair in pairs:
        high, low = photographs[pair.high].norms, photographs[pair.low].norms
        assert high["valence"] - low["valence"] >= sd["valence"] - 1e-9
        assert abs(high["arousal"] - low["arousal"]) <= 0.5 * sd["arousal"] + 1e-9
    assert pairs == pair_photographs(photographs, asked, generator(1, "pairs"))
    assert pairs != pair_photographs(photographs, asked, generator(2, "pairs"))


@settings(max_examples=30, deadline=None)
@given(count=st.integers(2, 25), most=st.integers(1, 4), seed=st.integers(0, 1000), share=st.floats(0.1, 1.0))
def test_no_photograph_is_paired_too_often(count: int, most: int, seed: int, share: float):
    rng = generator(seed, "fits")
    fits = rng.random((count, count)) < share
    fits = (fits | fits.T) & ~np.eye(count, dtype=bool)
    pairs = most_pairs(fits, most, rng)
    times = Counter(photograph for pair in pairs for photograph in pair)
    assert max(times.values(), default=0) <= most
    assert len(set(pairs)) == len(pairs)
    assert all(fits[pair] for pair in pairs)


def test_all_photographs_are_paired_at_random_where_all_fit():
    pairs = pair_photographs(normed(41), block(photograph_pairs="random"), generator(1, "pairs"))
    assert len(pairs) == 20
    assert all(pair.by is None for pair in pairs)


def test_a_norm_is_known_by_its_usual_name():
    photographs = [NormedPhotograph(f"I{place}", {"Valence_mean": float(place)}) for place in range(4)]
    pairs = pair_photographs(
        photographs, block(photograph_pairs="random", norm="valence"), generator(1, "pairs")
    )
    assert {pair.by for pair in pairs} == {"Valence_mean"}
    assert all(pair.high > pair.low for pair in pairs)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"norm": "valence"}, "has no meaning for pairs"),
        ({"photograph_pairs": "difference", "norm": "valence"}, "pairs by a difference need it"),
        ({"photograph_pairs": "listed"}, "upload a CSV"),
        (
            {"photograph_pairs": "difference", "norm": "a", "least_difference": 1.0, "alike": ["a"]},
            "in which the photographs are to differ",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(fields: dict[str, object], problem: str):
    with pytest.raises(ValidationError) as caught:
        block(**fields)
    assert problem in str(caught.value)


# -- lists


@settings(max_examples=20, deadline=None)
@given(n_lists=st.integers(1, 7), trials=st.integers(1, 8), seed=st.integers(0, 100))
def test_lists_of_pairs_of_photographs_are_balanced(n_lists: int, trials: int, seed: int):
    plan = photograph_plan(pairs=8, trials=trials).model_copy(update={"seed": seed})
    lists = make_lists(plan, n_lists)
    shown = Counter(trial.pair for own in lists for trial in own)
    times = [shown[pair.id] for pair in plan.pairs]
    assert max(times) - min(times) <= 1
    for own in lists:
        left = sum(trial.left == plan.pair_by_id[str(trial.pair)].high for trial in own)
        assert abs(2 * left - len(own)) <= 1
    for pair in plan.pairs:
        left = [trial.left == pair.high for own in lists for trial in own if trial.pair == pair.id]
        assert abs(2 * sum(left) - len(left)) <= 1


def test_a_limit_holds_where_photographs_are_in_several_pairs():
    scenes = [(f"a{first}", f"a{second}") for first in range(6) for second in range(first)]
    lists = [list(range(place, place + 3)) for place in range(0, 15, 3)]
    mended = within_scene_limit(lists, scenes, 1, generator(1, "limit"))
    for own in mended:
        assert max(Counter(scene for pair in own for scene in scenes[pair]).values()) == 1
    assert sorted(pair for own in mended for pair in own) == list(range(15))


def test_a_limit_that_cannot_hold_is_refused():
    with pytest.raises(InputError, match="at most 1 of one photograph"):
        within_scene_limit([[0, 1]], [("a", "b"), ("a", "c")], 1, generator(1, "limit"))


def test_pairs_of_a_target_name_no_norm():
    pair = photograph_plan().pairs[0].model_dump()
    values = photograph_plan().to_json()
    values["pairs"][0] = {
        **{name: value for name, value in pair.items() if value is not None},
        "target": "LB",
    }
    with pytest.raises(InputError, match="is of pairs of photographs"):
        StudyPlan.from_json(values)


def test_too_few_pairs_without_a_common_photograph_are_warned_of():
    assert theme_warnings(photograph_plan(pairs=6)) == []
    (said,) = theme_warnings(photograph_plan(pairs=4))
    assert "has 4 pairs without a common theme, and needs 6" in said
    values = photograph_plan(pairs=6).to_json()
    for pair in values["pairs"]:
        pair["theme"] = "all alike"
    assert "has 1 pair without" in theme_warnings(StudyPlan.from_json(values))[0]


# -- simulated studies


def test_pairs_of_photographs_are_simulated_and_tested():
    layout = make_layout(photograph_plan(pairs=8), 2)
    data = simulate(layout, RaterModel(), people=12, effect=3.0, rng=generator(1, "photographs"))
    (question,) = primary_questions(layout)
    p = p_value(question, analysed(data, 1))
    assert p is not None
    assert p < 0.05
    result = question.run(analysed(data, 1), Silent())
    (row,) = (row for row in result["tests"] if row["family"] == "paired")
    assert (row["pairs"], row["participants"], row["p"]) == (8, 12, p)
    assert question.retest is not None
    assert question.retest(analysed(data, 1)).p == p


def test_pairs_without_a_higher_photograph_are_tested_by_what_is_predicted():
    layout = make_layout(photograph_plan(by=None), 2)
    data = simulate(layout, RaterModel(), people=12, effect=3.0, rng=generator(1, "photographs"))
    assert data.choices["aligned"].isna().all()
    assert set(data.choices["chosen"]) == {"left", "right"}
    result = primary_questions(layout)[0].run(analysed(data, 1), Silent())
    assert {row["family"] for row in result["tests"]} == {"scores"}


def test_other_numbers_of_themes_keep_whole_pairs():
    plan = photograph_plan()
    more = design_at(plan, people=12, themes=24, seed=1)
    assert (len(more.stimuli), len(more.pairs), more.blocks[0].trials) == (24, 12, 12)
    fewer = design_at(plan, people=12, themes=8, seed=1)
    assert (len(fewer.stimuli), len(fewer.pairs)) == (8, 4)


# -- the test


def test_without_anything_in_common_it_is_the_two_way_test():
    rng = generator(1, "choices")
    person, pair = rng.integers(0, 12, 400), rng.integers(0, 9, 400)
    values = (rng.random(400) < 0.6).astype(float)
    own = dyadic_mean(values, person, [(f"a{place}", f"b{place}") for place in pair], null=0.5)
    other = two_way_mean(values, person, pair, null=0.5)
    for name in ("estimate", "se", "df", "p", "low", "high", "se_people", "se_themes"):
        assert getattr(own, name) == pytest.approx(getattr(other, name)), name


def test_the_variance_is_that_of_sums_written_out():
    """Every product of two residuals counts whose trials share a person or a unit, once."""
    rng = generator(2, "choices")
    person = np.repeat(np.arange(10), 12)
    pairs = [("a", "b"), ("b", "c"), ("d", "e"), ("f", "g"), ("h", "i"), ("j", "k")] * 2
    units = pairs * 10
    values = (rng.random(120) < rng.random(6)[np.tile(np.arange(6), 20)]).astype(float)
    test = dyadic_mean(values, person, units, null=0.5)
    residuals = (values - values.mean()) / 120
    same = np.array([[bool(set(one) & set(two)) for two in units] for one in units])
    people = np.equal.outer(person, person)
    # The working model by brute force, trial by trial: own part of a pair, and signed parts of its images.
    signs = np.array(
        [[(own[0] == name) - (own[1] == name) for name in "abcdefghijk"] for own in pairs[:6]], float
    )
    covariance = np.eye(6) + signs @ signs.T / 2
    shared = np.array([[bool(set(one) & set(two)) for two in pairs[:6]] for one in pairs[:6]], float)
    centre = np.eye(6) - np.full((6, 6), 1 / 6)
    form = centre @ (shared / 36) @ centre @ covariance
    factor = covariance.mean() / np.trace(form)
    of_pairs = residuals @ same @ residuals * factor
    of_people = residuals @ people @ residuals * 10 / 9
    both = of_people + of_pairs - residuals @ (same & people) @ residuals
    assert test.se == pytest.approx(np.sqrt(max(both, of_people, of_pairs)))
    assert test.df == pytest.approx(min(9, np.trace(form) ** 2 / np.trace(form @ form)))


def test_few_pairs_without_a_common_photograph_limit_p():
    pairs = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "f")]
    units = pairs * 20
    test = dyadic_mean(np.ones(100), np.arange(100) // 5, units, null=0.5)
    assert test.limited
    assert test.p == 2.0**-2  # three of them have nothing in common


def test_pairs_that_all_share_a_photograph_are_refused():
    units = [("a", f"b{place % 5}") for place in range(50)]
    with pytest.raises(InputError, match="share a photograph or a theme"):
        dyadic_mean(np.ones(50), np.arange(50) % 10, units, null=0.5)
