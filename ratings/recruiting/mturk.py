"""Amazon Mechanical Turk: a survey-link HIT with the worker's ids in the link and a code to hand in."""

from __future__ import annotations

from typing import ClassVar, Literal

from ratings.recruiting.base import Kept, Parameter, Recruiter

ID = r"(?!ASSIGNMENT_ID_NOT_AVAILABLE$)[A-Za-z0-9_]{1,64}"
"""An assignment's id is not available while a worker only looks at the HIT, and has not accepted it."""


class MTurk(Recruiter):
    """Its people copy a code into the HIT, which stays open in another window: nobody is sent back."""

    kind: Literal["mturk"] = "mturk"

    title: ClassVar[str] = "Mechanical Turk"
    hint: ClassVar[str] = (
        "Use a survey-link HIT with a field for the code, not an external question: these pages open in no "
        "frame. Let the HIT's script replace the words in angle brackets by its own values, such as "
        "turkGetParam('workerId', ''). The assignment's id is in the list for payment."
    )
    own_codes: ClassVar[bool] = True

    def parameters(self) -> tuple[Parameter, ...]:
        """List the ids of worker, assignment and HIT."""
        return (
            Parameter("workerId", Kept.ID, "<workerId>", ID, required=True),
            Parameter("assignmentId", Kept.SEALED, "<assignmentId>", ID),
            Parameter("hitId", Kept.PLAIN, "<hitId>", ID),
        )
