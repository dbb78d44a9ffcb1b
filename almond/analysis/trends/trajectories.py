"""The images of each target along its signed strength, with the unguided image of the scene at zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from almond.analysis.questions.base import NotApplicable
from almond.analysis.vocabulary import GUIDED, Vocabulary
from almond.design.plan import StudyPlan
from almond.stats.clustered.trend import MIN_LEVELS, Trajectories
from almond.typing import Floats

DIGITS = 9
"""Decimals to which strengths are compared."""


def own_constructs(plan: StudyPlan) -> dict[str, list[str]]:
    """Map targets to the constructs that the plan's pairs ask about them, without those of other targets."""
    expected = {item.name: item.target for item in plan.constructs}
    asked: dict[str, set[str]] = {}
    for pair in plan.pairs:
        if pair.target is not None and expected[pair.construct] in (None, pair.target):
            asked.setdefault(pair.target, set()).add(pair.construct)
    return {target: sorted(constructs) for target, constructs in sorted(asked.items())}


def ratings_along(ratings: pd.DataFrame, words: Vocabulary = GUIDED) -> tuple[pd.DataFrame, dict[str, str]]:
    """Add ``target`` and ``signed`` strength to ratings with ``z``; an unguided image stands in every target.

    :returns: the ratings of targets with three or more levels, and for other targets how many they have.
    :raises NotApplicable: no target has so many.
    """
    guided = ratings[(ratings["direction"] != 0) & (ratings["intended_target"] != "")]
    unguided = ratings[(ratings["direction"] == 0) & (ratings["intended_target"] == "")]
    parts, few = [], {}
    for target in sorted(set(guided["intended_target"])):
        own = guided[guided["intended_target"] == target]
        scenes = unguided[unguided["base_scene"].isin(set(own["base_scene"]))]
        rows = pd.concat([own, scenes])
        signed = (rows["direction"] * rows["strength"]).round(DIGITS) + 0.0
        levels = signed.nunique()
        if levels >= MIN_LEVELS:
            parts.append(rows.assign(target=target, signed=signed))
        else:
            few[target] = f"{levels} levels of signed strength"
    if not parts:
        said = ", ".join(f"{target} {text}" for target, text in few.items()) or "no image was manipulated"
        raise NotApplicable(words.levels.format(said=said))
    return pd.concat(parts, ignore_index=True), few


def select_own(rows: pd.DataFrame, own: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Keep the ratings of each target on its own constructs."""
    pairs = {(target, construct) for target, constructs in own.items() for construct in constructs}
    kept = [pair in pairs for pair in zip(rows["target"], rows["construct"], strict=True)]
    return rows[kept]


def one_rating(rows: pd.DataFrame) -> Trajectories:
    """Arrange ratings one by one; a series is a target with a construct."""
    series = rows["target"] + "\n" + rows["construct"]
    return _trajectories(rows, rows[["z"]].to_numpy(dtype=np.float64), series)


def all_ratings(rows: pd.DataFrame, constructs: Sequence[str]) -> Trajectories:
    """Arrange ratings of an image by a participant side by side (n, K), repeats averaged."""
    keys = ["participant_id", "stimulus_id", "target", "signed", "base_scene", "theme"]
    wide = rows.pivot_table(index=keys, columns="construct", values="z", aggfunc="mean").reset_index()
    values = wide.reindex(columns=list(constructs)).to_numpy(dtype=np.float64)
    return _trajectories(wide, values, wide["target"])


def _trajectories(rows: pd.DataFrame, values: Floats, series: pd.Series[str]) -> Trajectories:
    people, scenes, themes, stimuli = (
        rows[name].to_numpy(dtype=str) for name in ("participant_id", "base_scene", "theme", "stimulus_id")
    )
    strength = rows["signed"].to_numpy(dtype=np.float64)
    return Trajectories(values, strength, people, scenes, themes, stimuli, series.to_numpy(dtype=str))


def theme_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Compute means of ``z`` by theme (rows) and signed strength (columns, in order); NaN for none.

    People are averaged within an image, images within target, construct and theme, and these at last.
    """
    place = ["theme", "signed", "target", "construct"]
    images = rows.groupby([*place, "stimulus_id"])["z"].mean()
    series = images.groupby(level=place).mean()
    return series.groupby(level=["theme", "signed"]).mean().unstack("signed").sort_index(axis="columns")
