"""Single-use links: made here, each lets one person in."""

from __future__ import annotations

from typing import ClassVar, Literal

from ratings.recruiting.base import Kept, Parameter, Recruiter


class SingleUse(Recruiter):
    """Links are made by the dozen and handed out one by one; nobody gets in without one."""

    kind: Literal["single_use"] = "single_use"

    title: ClassVar[str] = "the people who invited you"
    hint: ClassVar[str] = (
        "Make as many links as you invite people, download them, and send each person one. A link lets one "
        "person in; on the page you see how many were used, never by whose answers."
    )
    invited: ClassVar[bool] = True

    def parameters(self) -> tuple[Parameter, ...]:
        """List the secret of a link, which is the id of whoever has it."""
        return (Parameter("invitation", Kept.ID, pattern=r"[\w-]{16,64}", required=True),)
