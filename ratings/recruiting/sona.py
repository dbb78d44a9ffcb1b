"""SONA: a survey code in the link, and credit by the client-side completion URL."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ratings.recruiting.base import Kept, Parameter, Recruiter
from ratings.recruiting.outcomes import Outcome


class Sona(Recruiter):
    """Its people are students with a survey code; opening the completion URL gives them their credit."""

    kind: Literal["sona"] = "sona"
    completion_url: Annotated[str, Field(pattern=r"^(https?://\S+survey_code=\S*)?$", max_length=400)] = (
        Field(
            "",
            title="completion URL",
            description="The client-side completion URL as SONA shows it, up to and with survey_code=XXXX.",
        )
    )

    title: ClassVar[str] = "SONA"
    hint: ClassVar[str] = (
        "In SONA, give the link as the study's URL: SONA puts each survey code in place of %SURVEY_CODE%. "
        "Then paste the client-side completion URL from SONA's page of the study into the field here."
    )
    sends_back: ClassVar[bool] = True
    of_one_study: ClassVar[tuple[str, ...]] = ("completion_url",)

    def parameters(self) -> tuple[Parameter, ...]:
        """List the survey code."""
        return (Parameter("survey_code", Kept.ID, "%SURVEY_CODE%", r"[A-Za-z0-9]{1,64}", required=True),)

    def way_back(self, outcome: Outcome, code: str) -> str:
        """Return the completion URL for those who finished; it gives credit, so nobody else gets it."""
        if outcome is not Outcome.FINISHED or not self.completion_url:
            return ""
        return re.sub(r"survey_code=[^&]*", "survey_code={survey_code}", self.completion_url)
