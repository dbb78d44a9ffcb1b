"""Ratings and choices beside low-level features, from an export: what is tested, said and invariant."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from almond.analysis.analyse import rounded
from almond.analysis.lowlevel.features import feature_table, within_scenes
from almond.analysis.questions import lowlevel, lowlevel_choices
from almond.analysis.questions.base import Aim, Context, NotApplicable, Settings, make_context
from almond.analysis.study_data import read_study
from almond.errors import InputError
from almond.exchange.schema import LOWLEVEL
from almond.progress import Silent
from tests.almond.export_maker import TARGETS, make_export

RATINGS, CHOICES = lowlevel.QUESTION, lowlevel_choices.QUESTION
SETTINGS = Settings(permutations=99, seed=7, alpha=0.05)


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Context:
    folder = tmp_path_factory.mktemp("study") / "export"
    make_export(folder, participants=10, scenes=8, effect=2.0, lowlevel=True)
    return make_context(read_study(folder), SETTINGS)


def answer(question, context):
    result = rounded(question.run(context, Silent()))
    json.dumps(result, allow_nan=False)
    return result


@pytest.fixture(scope="module")
def ratings(context):
    return answer(RATINGS, context)


@pytest.fixture(scope="module")
def choices(context):
    return answer(CHOICES, context)


def with_tables(context, **changes):
    return make_context(replace(context.data, **changes), SETTINGS)


def test_profiles_that_features_do_not_make_remain(ratings):
    tests, accuracy = ratings["tests"], ratings["accuracy"]
    assert ratings["components"] == 2
    assert set(ratings["features"]) == set(LOWLEVEL)
    assert tests["targets_beside"]["p"] < 0.001
    assert tests["features_beside"]["p"] > 0.05
    assert 0.7 < tests["retained"] < 1.1
    assert accuracy["features"]["accuracy"] < 0.5 < accuracy["adjusted"]["accuracy"]
    for row in (accuracy[name] for name in ("ratings", "features", "adjusted")):
        assert row["low"] <= row["accuracy"] <= row["high"]
    estimate = RATINGS.estimate(ratings, Aim())
    assert (estimate.value, estimate.null) == (accuracy["adjusted"]["accuracy"], 0.25)
    assert estimate.p == RATINGS.p(ratings) == tests["targets_beside"]["p"]
    assert RATINGS.estimate(ratings, Aim("LB")) is None
    assert RATINGS.headline(ratings, 0.05).startswith("The targets’ rating profiles differed beyond ")
    assert " not shown to differ " in RATINGS.headline(ratings, 0.0)


def test_profiles_that_features_make_are_gone_beside_them(context):
    """Features that are the very ratings: nothing is left for the targets, and the features tell them."""
    means = context.rated_profiles()
    values = pd.DataFrame(means.values, index=list(means.stimuli)).reindex(
        context.data.stimuli["stimulus_id"]
    )
    only = context.data.stimuli.drop(columns=list(LOWLEVEL))
    stimuli = only.assign(luminance=values[0].to_numpy(), contrast=values[1].to_numpy())
    ratings = context.data.ratings[context.data.ratings["construct"].isin(["threat", "urgency"])]
    result = answer(RATINGS, with_tables(context, stimuli=stimuli, ratings=ratings))
    assert result["components"] == 2
    assert result["tests"]["targets"]["p"] < 0.001
    assert result["tests"]["retained"] < 0.02
    assert result["tests"]["targets_beside"]["p"] > 0.2
    accuracy = result["accuracy"]
    assert accuracy["features"]["accuracy"] == pytest.approx(accuracy["ratings"]["accuracy"], abs=0.15)
    assert accuracy["features"]["p"] <= 0.02
    assert accuracy["adjusted"]["accuracy"] < accuracy["ratings"]["accuracy"]


def test_share_at_no_difference_is_near_the_observed_one(choices):
    overall = choices["overall"]
    assert overall["low"] < overall["at_zero"] < overall["high"]
    assert overall["at_zero"] == pytest.approx(overall["share"], abs=0.12)
    assert (overall["components"], overall["df"], overall["themes"]) == (2, 5, 8)
    assert [row["target"] for row in choices["targets"]] == sorted(TARGETS)
    assert all(row["p_holm"] >= row["p"] for row in choices["targets"])
    assert choices["score"]["alone"]["p"] > 0.0
    own = CHOICES.estimate(choices, Aim("LB"))
    row = next(row for row in choices["targets"] if row["target"] == "LB")
    assert (own.value, own.null, own.p) == (row["at_zero"], 0.5, row["p"])
    assert CHOICES.headline(choices, 0.05).startswith("Choices followed the manipulation beside low-level ")
    assert "did not follow" in CHOICES.headline(choices, 0.0)


def test_swapping_up_and_down_in_choices_turns_the_share_and_leaves_every_p(context, choices):
    rows = context.data.choices
    other = rows["high_side"].map({"left": "right", "right": "left"})
    swapped = rows.assign(high_side=other, aligned=1 - rows["aligned"])
    turned = answer(CHOICES, with_tables(context, choices=swapped))
    assert turned["overall"]["at_zero"] == pytest.approx(1 - choices["overall"]["at_zero"], rel=1e-8)
    assert turned["overall"]["p"] == pytest.approx(choices["overall"]["p"], rel=1e-7)
    for name in ("differences", "side"):
        assert turned[name]["p"] == pytest.approx(choices[name]["p"], rel=1e-6)
    assert turned["score"]["adjusted"]["p"] == pytest.approx(choices["score"]["adjusted"]["p"], rel=1e-6)


def test_order_of_rows_and_what_a_feature_is_everywhere_are_nothing(context, ratings, choices):
    data = context.data
    moved = data.stimuli.assign(
        luminance=3 * data.stimuli["luminance"] + 1, contrast=-data.stimuli["contrast"]
    )
    mixed = {
        "ratings": data.ratings.sample(frac=1, random_state=1).reset_index(drop=True),
        "choices": data.choices.sample(frac=1, random_state=2).reset_index(drop=True),
        "stimuli": moved.sample(frac=1, random_state=3).reset_index(drop=True),
    }
    again = with_tables(context, **mixed)
    tests, shuffled = ratings["tests"], answer(RATINGS, again)["tests"]
    for name in ("targets", "targets_beside", "features", "features_beside"):
        assert shuffled[name]["f"] == pytest.approx(tests[name]["f"], rel=1e-7)
    other = answer(CHOICES, again)
    for name in ("at_zero", "se", "p"):
        assert other["overall"][name] == pytest.approx(choices["overall"][name], rel=1e-7)


def test_features_are_centred_within_scenes(context):
    features = feature_table(context.data.stimuli)
    scenes = context.data.stimuli["base_scene"].tolist()
    covariates = within_scenes(features, scenes, 8)
    means = pd.DataFrame(covariates.values).groupby(scenes).mean()
    np.testing.assert_allclose(means, 0.0, atol=1e-12)
    assert covariates.components.shape == (len(features), 2)
    flat = features.assign(luminance=0.5)
    assert "luminance" not in within_scenes(flat, scenes, 8).names
    with pytest.raises(NotApplicable, match="no low-level feature varies"):
        within_scenes(flat[["luminance"]], scenes, 8)


def test_images_without_features_are_left_out_and_named(context):
    stimuli = context.data.stimuli.copy()
    stimuli.loc[stimuli["stimulus_id"] == "s00-LB-up", "luminance"] = np.nan
    part = with_tables(context, stimuli=stimuli)
    assert answer(RATINGS, part)["without_features"] == ["s00-LB-up"]
    assert answer(CHOICES, part)["without_features"] == 10


def test_exports_that_lack_something_say_what(context):
    bare = with_tables(context, stimuli=context.data.stimuli.drop(columns=list(LOWLEVEL)))
    for question in (RATINGS, CHOICES):
        with pytest.raises(NotApplicable, match="holds no low-level features"):
            question.run(bare, Silent())
    few = context.data.ratings["theme"].isin(["theme-00", "theme-01", "theme-02"])
    with pytest.raises(InputError, match="images of 3 themes"):
        RATINGS.run(with_tables(context, ratings=context.data.ratings[few]), Silent())
    few = context.data.choices["theme"].isin(["theme-00", "theme-01", "theme-02"])
    with pytest.raises(InputError, match="10 participants, 3 themes"):
        CHOICES.run(with_tables(context, choices=context.data.choices[few]), Silent())
    with pytest.raises(NotApplicable, match="holds no choices"):
        CHOICES.run(with_tables(context, choices=context.data.choices[:0]), Silent())
    unscored = with_tables(context, stimuli=context.data.stimuli.drop(columns="score_LB"))
    result = answer(CHOICES, unscored)
    assert result["score"] is None
    assert "no predicted response" in result["score_absent"]
    assert "not tested (some image has no predicted" in str(CHOICES.section("", result).paragraphs)


def test_external_data_without_scenes_say_why_not(context):
    """Each picture a scene of its own, as for a table that does not tell scenes."""
    data = context.data
    own = data.ratings.assign(base_scene=data.ratings["stimulus_id"], theme=data.ratings["stimulus_id"])
    with pytest.raises((InputError, NotApplicable), match=r"within scenes|cannot be"):
        RATINGS.run(with_tables(context, ratings=own), Silent())


def test_sections_and_methods_say_what_a_direct_effect_is(ratings, choices):
    for question, result in ((RATINGS, ratings), (CHOICES, choices)):
        section = question.section(question.title, result)
        assert "direct effect" in " ".join(section.paragraphs)
        assert "direct effect" in question.methods({"permutations": 99, "seed": 7})
        assert {picture.name for picture in section.figures} == set(question.figures(result))
