"""By whose scores the pairs of a choice study were matched, as the manifest of its export says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from almond.shapes import Digest, Number, Shape, Text, read

JUDGE = "_judge"
"""How the scores of judges end, beside those of the guides of the same name."""


class Matching(Shape):
    """The matched set that a study shows, and whose scores selected its pairs.

    Judges that selected pairs are not held out from them. A target's description names the encoders that it
    was made from, so that ``targets`` also tells the version of each encoder.
    """

    name: Text = Field(description="name of the matched set")
    frozen_at: Text = Field(description="when its pairs were frozen, a time with its offset")
    scored_by: Literal["guide", "judge"] = Field(description="role of the targets whose scores selected")
    tolerance: Annotated[Number, Field(gt=0)] = Field(
        description="largest standardised difference of a low-level feature that was allowed"
    )
    targets: dict[Text, Digest] = Field(
        description="target of the pairs -> digest of the target whose scores selected them"
    )

    def score_of(self, target: str) -> str:
        """Name the score that selected the pairs of a target: its column without ``score_``."""
        return target + (JUDGE if self.scored_by == "judge" else "")

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, as a manifest holds them."""
        return self.model_dump(mode="json")


def matching_of(manifest: Mapping[str, Any]) -> Matching | None:
    """Read what a manifest says of matching; None where it does not say, as older ones do not.

    :raises ShapeError: it says something else than a ``Matching``.
    """
    value = manifest.get("matching")
    return None if value is None else read(Matching, value, source="manifest.json, matching")
