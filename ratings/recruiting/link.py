"""One link for everybody: a mailing list, a class, a poster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from ratings.recruiting.base import Arrived, Kept, Parameter, Recruiter
from ratings.recruiting.prolific import Prolific


class Link(Recruiter):
    """Whoever has the link may join; ``?id=…`` tells people apart where they have ids of the lab.

    Prolific's parameters are read too: studies from before recruiters were chosen have such people.
    """

    kind: Literal["link"] = "link"

    title: ClassVar[str] = "the study's people"
    hint: ClassVar[str] = (
        "Send the link to whoever may take part. Where people have ids of your own, append ?id=… for each: "
        "an id takes part once."
    )

    def parameters(self) -> tuple[Parameter, ...]:
        """List the lab's own id, which need not be there."""
        return (Parameter("id", Kept.ID),)

    def read(self, query: Mapping[str, str]) -> Arrived | None:
        """Read Prolific's ids where there are some, else the lab's own."""
        if query.get("PROLIFIC_PID", "").strip():
            return Prolific(study_id="").read(query)
        return super().read(query)
