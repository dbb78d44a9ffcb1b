"""Ratings that hardly move, whatever is shown, and choices that stay on one side.

The spread is the standard deviation of a participant's ratings about their own mean of each construct, over
all constructs: who uses a scale at one end still moves on it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from almond.design.exclusions.base import (
    BlindTables,
    CannotApply,
    ExclusionRule,
    Judged,
    clauses_joined,
    either,
    over,
    percentage,
    under,
    without_limit,
)
from almond.shapes import Number, Whole

if TYPE_CHECKING:
    import pandas as pd


class StraightLining(ExclusionRule):
    """Left out: whose ratings spread less than ``least_sd``, who answers more than ``longest_run`` trials in
    a row with the very same values, or who chooses one side in more than ``most_one_side`` of choices."""

    kind: Literal["straight_lining"] = "straight_lining"
    least_sd: Annotated[Number, Field(gt=0, le=50)] | None = Field(
        5.0,
        title="smallest SD of ratings",
        description="Within participant and construct, on the scale from 0 to 100. Empty: no limit.",
    )
    longest_run: Annotated[Whole, Field(ge=2)] | None = Field(
        None,
        title="longest run of same ratings",
        description="Trials in a row of one block with the same value on every construct. Empty: no limit.",
    )
    most_one_side: Annotated[Number, Field(ge=0.5, lt=1)] | None = Field(
        None,
        title="most choices of one side (share)",
        description="Sides are counterbalanced, 0.5 to 1. Empty: no limit.",
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        yield from without_limit(self, "least_sd", "longest_run", "most_one_side")

    def words(self) -> str:
        clauses = []
        if self.least_sd is not None:
            clauses.append(f"whose ratings of a construct have a standard deviation below {self.least_sd:g}")
        if self.longest_run is not None:
            clauses.append(f"who gave the same ratings in more than {self.longest_run} trials in a row")
        if self.most_one_side is not None:
            clauses.append(
                f"who chose the same side in more than {percentage(self.most_one_side)} of choices"
            )
        return f"Straight-lining: participants {clauses_joined(clauses)}."

    def unmet(self, kinds: Collection[str], repeats: int) -> Iterator[tuple[str, str]]:
        for name in ("least_sd", "longest_run"):
            if getattr(self, name) is not None and "rating" not in kinds:
                yield name, "needs a block of ratings"
        if self.most_one_side is not None and "choice" not in kinds:
            yield "most_one_side", "needs a block of choices"

    def judge(self, tables: BlindTables) -> Judged:
        ratings = self.least_sd is not None or self.longest_run is not None
        if ratings and not len(tables.ratings):
            raise CannotApply("ratings")
        if self.most_one_side is not None and not len(tables.choices):
            raise CannotApply("choices")
        return either(*self._parts(tables))

    def _parts(self, tables: BlindTables) -> Iterator[Judged]:
        people = tables.people
        if self.least_sd is not None:
            spreads = spread_of(tables.ratings)
            yield under(spreads, people, self.least_sd, lambda sd: f"ratings have an SD of {sd:.1f}")
        if self.longest_run is not None:
            runs = runs_of(tables.ratings)
            yield over(
                runs, people, self.longest_run, lambda run: f"same ratings in {run:.0f} trials in a row"
            )
        if self.most_one_side is not None:
            shares = one_sided(tables.choices)
            yield over(
                shares,
                people,
                self.most_one_side,
                lambda share: f"{percentage(share)} of choices on one side",
            )


def one_sided(choices: pd.DataFrame) -> dict[str, float]:
    """Return the share of each participant's choices on the side that they chose more often."""
    left = choices["chosen"].eq("left").groupby(choices["participant_id"]).mean()
    return {str(person): float(max(share, 1 - share)) for person, share in left.items()}


def spread_of(ratings: pd.DataFrame) -> Mapping[str, float]:
    """Return the standard deviation of each participant's ratings about their means of the constructs.

    Degrees of freedom: ratings less constructs; of nobody who rated each construct once.
    """
    grouped = ratings.groupby(["participant_id", "construct"])["value"]
    moments = grouped.agg(["var", "size"]).reset_index()
    rated_twice = moments[moments["size"] > 1]
    squares = (rated_twice["var"] * (rated_twice["size"] - 1)).groupby(rated_twice["participant_id"]).sum()
    freedom = (rated_twice["size"] - 1).groupby(rated_twice["participant_id"]).sum()
    return {str(person): float(value) for person, value in ((squares / freedom) ** 0.5).items()}


def runs_of(ratings: pd.DataFrame) -> Mapping[str, float]:
    """Return each participant's longest run of rating trials in a row with the same value everywhere.

    Trials of one block follow each other by their index; a run does not go on from block to block.
    """
    longest: dict[str, float] = {}
    for (person, _), block in ratings.groupby(["participant_id", "block"]):
        answers = block.pivot(index="trial_index", columns="construct", values="value").sort_index()
        changed = (answers != answers.shift()).any(axis="columns")
        run = int(changed.cumsum().value_counts().max())
        longest[str(person)] = max(longest.get(str(person), 0), run)
    return longest
