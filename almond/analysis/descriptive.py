"""Who took part, what was left out by which rule, and what the ratings look like before any test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from almond.analysis.profiles import Profiles
from almond.analysis.study_data import StudyData
from almond.stats.mixed import RandomTerm, fit_linear
from almond.stats.ttest import one_sample
from almond.typing import Floats


@dataclass(frozen=True)
class Exclusion:
    """What a declared rule left out. Rules never look at what was answered."""

    rule: str
    what: str
    count: int
    of: int


@dataclass(frozen=True)
class Sample:
    """The data that analyses use, after exclusions."""

    ratings: pd.DataFrame
    choices: pd.DataFrame
    participants: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]


def apply_exclusions(data: StudyData) -> Sample:
    """Keep participants who completed every planned trial, and responses to the very images of the study."""
    people = data.participants
    done = (people["trials_done"] >= people["trials_planned"]) & (people["trials_planned"] > 0)
    kept = tuple(people.loc[done, "participant_id"].map(str))
    digests = data.stimuli.set_index("stimulus_id")["image_sha256"]
    tables = {}
    wrong = total = 0
    for name, frame, shown in (
        ("ratings", data.ratings, (("stimulus_id", "image_sha256"),)),
        (
            "choices",
            data.choices,
            (("left_stimulus", "left_sha256"), ("right_stimulus", "right_sha256")),
        ),
    ):
        rows = frame[frame["participant_id"].isin(kept)]
        right = np.ones(len(rows), dtype=bool)
        for stimulus, digest in shown:
            right &= (rows[stimulus].map(digests) == rows[digest]).to_numpy(dtype=bool)
        wrong, total = wrong + int((~right).sum()), total + len(rows)
        tables[name] = rows[right].reset_index(drop=True)
    exclusions = (
        Exclusion("completed only", "participants", len(people) - len(kept), len(people)),
        Exclusion("the browser showed the image of the plan (SHA-256)", "responses", wrong, total),
    )
    return Sample(tables["ratings"], tables["choices"], kept, exclusions)


@dataclass(frozen=True)
class Interval:
    """A mean over base scenes with its 95 percent t interval; bounds are None with fewer than two scenes."""

    mean: float
    low: float | None
    high: float | None
    scenes: int


def interval(values: Floats) -> Interval:
    """Mean and t interval of one value per base scene."""
    count = len(values)
    if count < 2:
        return Interval(float(values.mean()), None, None, count)
    test = one_sample(values)
    return Interval(test.estimate, test.low, test.high, count)


@dataclass(frozen=True)
class ProfileCell:
    """Mean standardised rating of the images of one target and direction; unit: base scenes."""

    target: str
    direction: int
    construct: str
    z: Interval
    points: float


def profile_cells(profiles: Profiles) -> list[ProfileCell]:
    """One cell per target, direction and construct, from stimulus means averaged within scene."""
    frame = pd.DataFrame(
        {"scene": profiles.scenes, "target": profiles.targets, "direction": profiles.directions}
    )
    found = []
    for target, direction in sorted(set(zip(profiles.targets, profiles.directions, strict=True))):
        rows = frame[(frame["target"] == target) & (frame["direction"] == direction)]
        index = rows.index.to_numpy()
        for column, construct in enumerate(profiles.constructs):
            by_scene = pd.Series(profiles.values[index, column]).groupby(rows["scene"].to_numpy()).mean()
            found.append(
                ProfileCell(
                    target,
                    direction,
                    construct,
                    interval(by_scene.to_numpy(dtype=np.float64)),
                    float(profiles.raw[index, column].mean()),
                )
            )
    return found


@dataclass(frozen=True)
class Shift:
    """How much higher images pushed up are rated than images pushed down, in participant SDs.

    Linear mixed model of the standardised rating on direction (-1/2, 1/2); participants' slopes, base scenes'
    intercepts and slopes random; t with df = min(participants, scenes) - 1.
    """

    target: str
    construct: str
    shift: float
    se: float
    t: float
    df: float
    p: float
    low: float
    high: float
    singular: bool
    participants: int
    scenes: int
    ratings: int


def shifts(
    ratings: pd.DataFrame, targets: Sequence[str], constructs: Sequence[str]
) -> tuple[list[Shift], dict[str, str]]:
    """The shift of every construct by every target, from ratings with ``z``, and the reason for each cell
    that cannot be fitted."""
    found: list[Shift] = []
    absent: dict[str, str] = {}
    for target in targets:
        for construct in constructs:
            rows = ratings[(ratings["intended_target"] == target) & (ratings["construct"] == construct)]
            rows = rows[rows["direction"] != 0]
            if reason := cannot_fit(rows):
                absent[f"{construct} by {target}"] = reason
            else:
                found.append(fit_shift(rows, target, construct))
    return found, absent


def cannot_fit(rows: pd.DataFrame) -> str | None:
    if rows["direction"].nunique() < 2:
        return "images of one direction only"
    people, scenes = rows["participant_id"].nunique(), rows["base_scene"].nunique()
    if people < 2 or scenes < 3:
        return f"{people} participants and {scenes} base scenes; at least 2 and 3 are needed"
    within = rows["z"] - rows.groupby("direction")["z"].transform("mean")
    return "ratings do not vary" if float(within.abs().max()) < 1e-9 else None


def fit_shift(rows: pd.DataFrame, target: str, construct: str) -> Shift:
    direction = rows["direction"].to_numpy(dtype=np.float64) / 2.0
    people, scenes = rows["participant_id"].to_numpy(), rows["base_scene"].to_numpy()
    both = np.column_stack([np.ones(len(rows)), direction])
    terms = [
        RandomTerm("participant", people, direction[:, None], ("direction",)),
        RandomTerm("base scene", scenes, both, ("intercept", "direction")),
    ]
    fit = fit_linear(rows["z"].to_numpy(dtype=np.float64), both, terms, names=["mean", "direction"])
    test = fit.wald("direction")
    return Shift(
        target=target,
        construct=construct,
        shift=test.estimate,
        se=test.se,
        t=test.t,
        df=test.df,
        p=test.p,
        low=test.low,
        high=test.high,
        singular=fit.singular,
        participants=len(set(people)),
        scenes=len(set(scenes)),
        ratings=len(rows),
    )


@dataclass(frozen=True)
class ConstructSummary:
    construct: str
    ratings: int
    mean: float
    sd: float
    median_rt_ms: float


def summaries(ratings: pd.DataFrame, constructs: Sequence[str]) -> list[ConstructSummary]:
    found = []
    for construct in constructs:
        rows = ratings[ratings["construct"] == construct]
        if len(rows):
            sd = float(rows["value"].std()) if len(rows) > 1 else 0.0
            median = float(rows["rt_ms"].median())
            found.append(ConstructSummary(construct, len(rows), float(rows["value"].mean()), sd, median))
    return found
