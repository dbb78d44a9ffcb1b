"""What was changed about a study after its plan was frozen, as the manifest of its export says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from almond.shapes import Shape, Text, Whole, read

Kind = Literal["sample", "exclusions", "analysis", "other"]
KINDS: tuple[str, ...] = get_args(Kind)
"""What an amendment is about. Deviations have the first three."""


class Amendment(Shape):
    """One amendment: what changes and why, by whom and when, and how many answers people had given by then.

    ``at`` is a time with its offset. The plan stays as it was frozen.
    """

    kind: Kind
    text: Text
    why: Text
    author: Text
    at: Text
    responses_before: Annotated[Whole, Field(ge=0)]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, as a manifest holds them."""
        return self.model_dump(mode="json")


def amendments_of(manifest: Mapping[str, Any]) -> tuple[Amendment, ...]:
    """Read the amendments of a manifest, in the order in which they were recorded; older ones have none.

    :raises ShapeError: a row is no ``Amendment``.
    """
    return tuple(
        read(Amendment, row, source=f"manifest.json, amendments[{place}]")
        for place, row in enumerate(manifest.get("amendments", ()))
    )
