"""What a plan says about the matching of its pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field, Strict

from almond.shapes import DifferentTexts, Number, Shape, Text


class PlannedMatching(Shape):
    """How well the pairs are matched, as measured when the plan was made, and why that is good enough.

    ``tolerance``: bound of the mean difference (SD of the pool); ``d_z``: bound of the paired effect;
    ``worst_difference`` and ``worst_d_z``: the largest of them, absent where they are not known.
    ``reason``: needed where the set is not matched.
    """

    not_written_when_absent: ClassVar[tuple[str, ...]] = ("worst_difference", "worst_d_z", "reason")

    name: Text
    matched: Annotated[bool, Strict()]
    tolerance: Annotated[Number, Field(gt=0)]
    d_z: Annotated[Number, Field(gt=0)]
    worst_difference: Annotated[Number, Field(ge=0)] | None = None
    worst_d_z: Annotated[Number, Field(ge=0)] | None = None
    held: DifferentTexts = ()
    missed: DifferentTexts = ()
    reason: Text | None = None

    def contradictions(self) -> Iterator[tuple[str, str]]:
        if not self.matched and self.reason is None:
            yield "reason", "is needed: the pairs are not matched"

    def words(self) -> str:
        """Write the verdict, the bounds and the reason, as plan and report print them."""
        said = "matched" if self.matched else "not matched"
        worst = ", ".join(
            f"{label} {value:.2f}"
            for label, value in (
                ("largest mean difference", self.worst_difference),
                ("largest d_z", self.worst_d_z),
            )
            if value is not None
        )
        held = f" over {', '.join(name.replace('_', ' ') for name in self.held)}" if self.held else ""
        missed = f" Missed for {', '.join(self.missed)}." if self.missed else ""
        reason = f" Reason for showing it: {self.reason}" if self.reason else ""
        return (
            f"Matched set “{self.name}” is {said}{held} (bounds: mean difference "
            f"{self.tolerance:g} SD of the pool, d_z {self.d_z:g}; {worst or 'not measured by both'})."
            f"{missed}{reason}"
        )
