"""Who took part, what was left out by which rule, and what the ratings look like before any test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from almond.analysis.study_data import StudyData

KIND_RULES = {"person": "people only", "robot": "simulated participants only, for no person took part"}


@dataclass(frozen=True)
class Exclusion:
    """How many a declared rule left out. Rules never look at an answer."""

    rule: str
    what: str
    count: int
    of: int


@dataclass(frozen=True)
class Sample:
    """The rows that analyses use, after exclusions.

    ``joined`` are the rows of participants.csv of the ``kind`` that is analysed: person, or robot where no
    person took part; empty for an export that does not tell them apart.
    """

    ratings: pd.DataFrame
    choices: pd.DataFrame
    participants: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    joined: pd.DataFrame
    kind: str


def analysed_kind(people: pd.DataFrame) -> str:
    """Return whose answers are analysed: people's, or where no person took part those of robots."""
    if "kind" not in people:
        return ""
    present = set(people["kind"])
    return "robot" if "robot" in present and "person" not in present else "person"


def apply_exclusions(data: StudyData) -> Sample:
    """Keep participants who completed every planned trial, and responses to the very images of the study.

    Nothing is left out of external data, of which neither plan nor images shown are known.
    """
    everybody, kind = data.participants, analysed_kind(data.participants)
    people = everybody[everybody["kind"] == kind] if kind else everybody
    # How many trials were planned is not known of external data: whoever answered any is analysed.
    planned = people["trials_done" if data.external else "trials_planned"]
    done = (people["trials_done"] >= planned) & (planned > 0)
    complete = tuple(people.loc[done, "participant_id"].map(str))
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
        rows = frame[frame["participant_id"].isin(complete)]
        right = np.ones(len(rows), dtype=bool)
        for stimulus, digest in shown:
            right &= (rows[stimulus].map(digests) == rows[digest]).to_numpy(dtype=bool)
        wrong, total = wrong + int((~right).sum()), total + len(rows)
        tables[name] = rows[right].reset_index(drop=True)
    others = len(everybody) - len(people)
    if data.external:
        return Sample(tables["ratings"], tables["choices"], complete, (), people, kind)
    exclusions = (
        *([Exclusion(KIND_RULES[kind], "participants", others, len(everybody))] if others else []),
        Exclusion("completed only", "participants", len(people) - len(complete), len(people)),
        Exclusion("the browser showed the image of the plan (SHA-256)", "responses", wrong, total),
    )
    return Sample(tables["ratings"], tables["choices"], complete, exclusions, people, kind)


@dataclass(frozen=True)
class ConstructSummary:
    """Ratings of one construct on the 0 to 100 scale, and the median response time in milliseconds.

    The time is None where no rating has one.
    """

    construct: str
    ratings: int
    mean: float
    sd: float
    median_rt_ms: float | None


def rating_summaries(ratings: pd.DataFrame, constructs: Sequence[str]) -> list[ConstructSummary]:
    """Describe the ratings of each construct that was asked."""
    summaries = []
    for construct in constructs:
        rows = ratings[ratings["construct"] == construct]
        if len(rows):
            sd = float(rows["value"].std()) if len(rows) > 1 else 0.0
            median = float(rows["rt_ms"].median()) if rows["rt_ms"].notna().any() else None
            mean = float(rows["value"].mean())
            summaries.append(ConstructSummary(construct, len(rows), mean, sd, median))
    return summaries
