"""Pages loaded again, and windows left for something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from almond.design.exclusions.base import (
    BlindTables,
    CannotApply,
    ExclusionRule,
    Judged,
    clauses_joined,
    either,
    over,
    without_limit,
)
from almond.shapes import Whole


class Reloads(ExclusionRule):
    """Left out: who loaded the study's page more than ``most_reloads`` times after the first, or whose
    window lost the focus more than ``most_blurs`` times. Taking the study over in another window loads it."""

    kind: Literal["reloads"] = "reloads"
    most_reloads: Annotated[Whole, Field(ge=0)] | None = Field(
        3, title="most reloads", description="Loads of the study's page after the first. Empty: no limit."
    )
    most_blurs: Annotated[Whole, Field(ge=0)] | None = Field(
        None,
        title="most losses of focus",
        description="Times that another window or tab was looked at. Empty: no limit.",
    )

    def contradictions(self) -> Iterator[tuple[str, str]]:
        yield from without_limit(self, "most_reloads", "most_blurs")

    def words(self) -> str:
        clauses = []
        if self.most_reloads is not None:
            clauses.append(f"who loaded the study's page again more than {self.most_reloads} times")
        if self.most_blurs is not None:
            clauses.append(f"whose window lost the focus more than {self.most_blurs} times")
        return f"Reloads: participants {clauses_joined(clauses)}."

    def unsimulated(self) -> str:
        return "loads of the page and losses of focus"

    def judge(self, tables: BlindTables) -> Judged:
        if tables.events is None:
            raise CannotApply("the table of events")
        # Every visit begins with a load: without one, nothing is known of somebody's visits.
        events = tables.events
        loads = events["kind"].eq("load").groupby(events["participant_id"]).sum()
        known = loads[loads > 0]
        blurs = events["kind"].eq("blur").groupby(events["participant_id"]).sum()[known.index]
        parts = []
        if self.most_reloads is not None:
            again = (known - 1).to_dict()
            parts.append(
                over(
                    again, tables.people, self.most_reloads, lambda count: f"{count:.0f} reloads of the page"
                )
            )
        if self.most_blurs is not None:
            parts.append(
                over(
                    blurs.to_dict(),
                    tables.people,
                    self.most_blurs,
                    lambda count: f"the window lost the focus {count:.0f} times",
                )
            )
        return either(*parts)
