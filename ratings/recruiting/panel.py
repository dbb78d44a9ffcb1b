"""Any panel that puts ids into its links: the names of its parameters are settings."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ratings.recruiting.base import Kept, Parameter, Recruiter

NAME = r"[A-Za-z][A-Za-z0-9_]{0,39}"


class Panel(Recruiter):
    """Its people bring an id under a name of the panel's, and perhaps more that the way back needs."""

    kind: Literal["panel"] = "panel"
    id_parameter: Annotated[str, Field(pattern=f"^{NAME}$")] = Field(
        "id", title="parameter of the id", description="Its name in the panel's links, such as rid."
    )
    more_parameters: Annotated[str, Field(pattern=rf"^({NAME}(, *{NAME})*)?$")] = Field(
        "",
        title="further parameters",
        description="Names with commas between them, such as session, source: sealed with the id, and free "
        "to stand in the links back.",
    )

    title: ClassVar[str] = "the panel"
    hint: ClassVar[str] = (
        "Replace each word in angle brackets by what the panel puts there for each person. Its links for "
        "completes and screen-outs belong into the end pages below, where {code}, {outcome} and the names of "
        "your parameters in braces are filled in."
    )
    sends_back: ClassVar[bool] = True

    def parameters(self) -> tuple[Parameter, ...]:
        """List the id and what else was named."""
        names = [name.strip() for name in self.more_parameters.split(",") if name.strip()]
        return (
            Parameter(self.id_parameter, Kept.ID, f"<{self.id_parameter}>", required=True),
            *(
                Parameter(name, Kept.SEALED, f"<{name}>")
                for name in dict.fromkeys(names)
                if name != self.id_parameter
            ),
        )
