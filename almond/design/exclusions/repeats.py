"""Second showings rated unlike the first: who rates at random does not agree with themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterator
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
    under,
    without_limit,
)
from almond.shapes import Number, Whole

if TYPE_CHECKING:
    import pandas as pd


class Repeats(ExclusionRule):
    """Left out: whose two ratings of an image differ by more than ``largest_difference`` on average, or
    correlate below ``least_correlation``; who has fewer than ``least_pairs`` such pairs is not judged."""

    kind: Literal["repeats"] = "repeats"
    largest_difference: Annotated[Number, Field(gt=0, le=100)] | None = Field(
        30.0,
        title="largest mean difference",
        description="Between two ratings of one image, 0 to 100; ratings at random differ by 33. Empty: no "
        "limit.",
    )
    least_correlation: Annotated[Number, Field(ge=-1, lt=1)] | None = Field(
        None,
        title="smallest correlation",
        description="Of first and second ratings, less each construct's mean. Empty: no limit.",
    )
    least_pairs: Annotated[Whole, Field(ge=1)] = Field(
        10,
        title="fewest pairs",
        description="Images times constructs; fewer say nothing about a participant.",
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        yield from without_limit(self, "largest_difference", "least_correlation")

    def unmet(self, kinds: Collection[str], repeats: int) -> Iterator[tuple[str, str]]:
        if not repeats:
            yield "kind", "needs a block that shows images a second time"

    def words(self) -> str:
        clauses = []
        if self.largest_difference is not None:
            clauses.append(f"differ by more than {self.largest_difference:g} on average")
        if self.least_correlation is not None:
            clauses.append(f"correlate below {self.least_correlation:g}, less each construct's mean")
        return (
            f"Repeats: participants whose two ratings of images shown twice {clauses_joined(clauses)} (with "
            f"{self.least_pairs} or more pairs of ratings)."
        )

    def judge(self, tables: BlindTables) -> Judged:
        pairs = rating_pairs(tables.ratings)
        if not len(pairs):
            raise CannotApply("images that were rated twice")
        counts = pairs.groupby("participant_id")["first"].transform("size")
        enough = pairs[counts >= self.least_pairs]
        return either(*self._parts(enough, tables.people))

    def _parts(self, pairs: pd.DataFrame, people: tuple[str, ...]) -> Iterator[Judged]:
        if self.largest_difference is not None:
            apart = (pairs["second"] - pairs["first"]).abs().groupby(pairs["participant_id"]).mean()
            yield over(
                apart.to_dict(),
                people,
                self.largest_difference,
                lambda mean: f"ratings of images shown twice differ by {mean:.1f} on average",
            )
        if self.least_correlation is not None:
            yield under(
                repeat_correlations(pairs),
                people,
                self.least_correlation,
                lambda r: f"ratings of images shown twice correlate with r = {r:.2f}",
            )


def rating_pairs(ratings: pd.DataFrame) -> pd.DataFrame:
    """Return ``first`` and ``second`` rating of every participant, block, image and construct with both."""
    keys = ["participant_id", "block", "stimulus_id", "construct"]
    again = ratings["repeat"] == 1
    first = ratings[~again].drop_duplicates(keys).set_index(keys)["value"].rename("first")
    second = ratings[again].drop_duplicates(keys).set_index(keys)["value"].rename("second")
    return first.to_frame().join(second, how="inner").reset_index()


def repeat_correlations(pairs: pd.DataFrame) -> dict[str, float]:
    """Return Pearson's r of first and second ratings of every participant, each construct's mean removed.

    NaN where either does not vary. Without removing them, constructs that differ in their mean would make
    anybody agree with themselves.
    """
    sides = ["first", "second"]
    centred = pairs[sides] - pairs.groupby(["participant_id", "construct"])[sides].transform("mean")
    products = centred.assign(
        both=centred["first"] * centred["second"],
        first=centred["first"] ** 2,
        second=centred["second"] ** 2,
    )
    sums = products.groupby(pairs["participant_id"]).sum()
    lengths = (sums["first"] * sums["second"]) ** 0.5
    r = sums["both"] / lengths.where(lengths > 1e-9)
    return {str(person): float(value) for person, value in r.items()}
