"""Who took part, what was left out by which rule, and what the ratings look like before any test."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from almond.analysis.screening.blind import blind_tables
from almond.analysis.screening.screen import (
    AppliedRule,
    Excluded,
    FlowStep,
    apply_rules,
    first_caught,
    flow_of,
    not_planned,
)
from almond.analysis.study_data import StudyData

KIND_RULES = {"person": "people only", "robot": "simulated participants only, for no person took part"}
RATED = (("stimulus_id", "image_sha256"),)
CHOSEN_FROM = (("left_stimulus", "left_sha256"), ("right_stimulus", "right_sha256"))


@dataclass(frozen=True)
class Exclusion:
    """How many a declared rule left out. Rules are outcome-blind."""

    rule: str
    what: str
    count: int
    of: int


@dataclass(frozen=True)
class Sample:
    """The rows that analyses use, after exclusions.

    ``joined`` are the rows of participants.csv of the ``kind`` that is analysed: person, or robot where no
    person took part; empty for an export that does not tell them apart. ``finished`` completed every trial:
    they count for the stopping rule, also where a planned rule left them out (``excluded``, in ``rules``).
    ``set_aside`` are the choices of these.
    """

    ratings: pd.DataFrame
    choices: pd.DataFrame
    participants: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    joined: pd.DataFrame
    kind: str
    finished: tuple[str, ...]
    rules: tuple[AppliedRule, ...]
    excluded: tuple[Excluded, ...]
    flow: tuple[FlowStep, ...]
    set_aside: pd.DataFrame

    @property
    def why_nobody(self) -> str:
        """Say why nobody is analysed, where that is so."""
        if self.finished:
            return "the plan’s exclusion rules leave no participant"
        return "no participant completed every trial"


def analysed_kind(people: pd.DataFrame) -> str:
    """Return whose answers are analysed: people's, or where no person took part those of robots."""
    if "kind" not in people:
        return ""
    present = set(people["kind"])
    return "robot" if "robot" in present and "person" not in present else "person"


def apply_exclusions(data: StudyData) -> Sample:
    """Keep participants who completed every planned trial and whom no planned rule leaves out, and responses
    to the very images of the study.

    Nothing is left out of external data, of which neither plan nor images shown are known.
    """
    return screen(data).sample()


@dataclass(frozen=True)
class Screening:
    """A study's participants before the planned rules, and what each rule says of those who finished.

    ``ratings`` and ``choices`` are those of the ``finished``, of the plan's very images; ``exclusions`` lists
    who was left out before, ``others`` how many were of another kind than the ``people``.
    """

    ratings: pd.DataFrame
    choices: pd.DataFrame
    finished: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    people: pd.DataFrame
    kind: str
    others: int
    rules: tuple[AppliedRule, ...]
    external: bool

    def sample(self, *, omit: Collection[str] = ()) -> Sample:
        """Apply the rules in the plan's order; those named in ``omit`` are left out."""
        rules = tuple(rule for rule in self.rules if rule.name not in omit)
        excluded = first_caught(rules)
        out = {row.participant_id for row in excluded}
        ratings, choices = (rows[~rows["participant_id"].isin(out)] for rows in (self.ratings, self.choices))
        flow = flow_of(self.people, self.others, len(self.finished), rules, excluded)
        return Sample(
            ratings=ratings.reset_index(drop=True),
            choices=choices.reset_index(drop=True),
            participants=tuple(person for person in self.finished if person not in out),
            exclusions=(*self.exclusions, *_counted(rules, excluded, len(self.finished))),
            joined=self.people,
            kind=self.kind,
            finished=self.finished,
            rules=rules,
            excluded=excluded,
            flow=() if self.external else flow,
            set_aside=self.choices[self.choices["participant_id"].isin(out)],
        )


def _counted(
    rules: Sequence[AppliedRule], excluded: Sequence[Excluded], finished: int
) -> Iterator[Exclusion]:
    """Count whom each rule left out of those that were still there."""
    left = finished
    for rule in rules:
        count = sum(row.rule == rule.name for row in excluded)
        if not rule.problem:
            yield Exclusion(rule.name, "participants", count, left)
        left -= count


def screen(data: StudyData) -> Screening:
    """Keep who completed every trial that was asked and the responses to the plan's images, and judge them by
    every rule. Whose visit ended early by an answer did not complete it."""
    everybody, kind = data.participants, analysed_kind(data.participants)
    people = everybody[everybody["kind"] == kind] if kind else everybody
    # How many trials were planned is not known of external data: whoever answered any is analysed.
    planned = people["trials_done" if data.external else "trials_planned"]
    asked = planned - people["trials_skipped"] if "trials_skipped" in people else planned
    whole = people["ended_by"] == "" if "ended_by" in people else planned > 0
    finishers = people[(people["trials_done"] >= asked) & (planned > 0) & whole]
    finished = tuple(finishers["participant_id"].map(str))
    digests = data.stimuli.set_index("stimulus_id")["image_sha256"]
    ratings, choices = (
        _of_the_images(frame[frame["participant_id"].isin(finished)], shown, digests)
        for frame, shown in ((data.ratings, RATED), (data.choices, CHOSEN_FROM))
    )
    wrong, total = ratings[1] + choices[1], sum(len(part[0]) + part[1] for part in (ratings, choices))
    others = len(everybody) - len(people)
    exclusions = (
        *([Exclusion(KIND_RULES[kind], "participants", others, len(everybody))] if others else []),
        Exclusion("completed only", "participants", len(people) - len(finished), len(people)),
        Exclusion("the browser showed the image of the plan (SHA-256)", "responses", wrong, total),
    )
    late = sum(int(rows["participant_id"].isin(finished).sum()) for rows in data.missed.values())
    if late:
        in_time = Exclusion("an answer before the deadline", "responses", late, late + total)
        exclusions = (*exclusions, in_time)
    blind = blind_tables(finishers, ratings[0], choices[0], data.events, data.checks)
    rules = apply_rules(data.plan.analysis.exclusions, blind)
    return Screening(
        ratings=ratings[0],
        choices=choices[0],
        finished=finished,
        exclusions=() if data.external else exclusions,
        people=people,
        kind=kind,
        others=others,
        rules=(*rules, *not_planned(rules, blind)),
        external=data.external,
    )


def _of_the_images(
    rows: pd.DataFrame, shown: Sequence[tuple[str, str]], digests: pd.Series[str]
) -> tuple[pd.DataFrame, int]:
    """Keep the responses in which the browser showed the bytes of the plan; count the others.

    :param shown: pairs of the columns that name an image, and its digest as shown.
    """
    right = np.ones(len(rows), dtype=bool)
    for stimulus, digest in shown:
        right &= (rows[stimulus].map(digests) == rows[digest]).to_numpy(dtype=bool)
    return rows[right].reset_index(drop=True), int((~right).sum())


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
