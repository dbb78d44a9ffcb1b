"""Prolific: three ids in the link, one code per outcome, and back by ``submissions/complete?cc=CODE``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from django.conf import settings
from pydantic import Field

from almond.errors import InputError
from ratings.recruiting.base import Kept, PanelApi, Parameter, Recruiter
from ratings.recruiting.outcomes import Outcome
from ratings.recruiting.prolific_api import ProlificApi

ID = r"[A-Za-z0-9]{1,64}"


class Prolific(Recruiter):
    """Its people bring their id, the study's and the session's; the last one is not stored."""

    kind: Literal["prolific"] = "prolific"
    study_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]*$", max_length=64)] = Field(
        "",
        title="Prolific's study ID",
        description="Links of another Prolific study are refused, and Prolific is asked about this one. "
        "Empty: links of any.",
    )

    title: ClassVar[str] = "Prolific"
    hint: ClassVar[str] = (
        "On Prolific, give the link as the study's URL and let it record the ids by URL parameters. Then add "
        "each code below as a completion code there: finished as the code of completion, screened out with "
        "its own payment, the others as codes that ask to return the submission."
    )
    own_codes: ClassVar[bool] = True
    sends_back: ClassVar[bool] = True
    of_one_study: ClassVar[tuple[str, ...]] = ("study_id",)
    tells: ClassVar[bool] = True

    def parameters(self) -> tuple[Parameter, ...]:
        """List Prolific's three ids."""
        return (
            Parameter("PROLIFIC_PID", Kept.ID, "{{%PROLIFIC_PID%}}", ID, required=True),
            Parameter("STUDY_ID", Kept.PLAIN, "{{%STUDY_ID%}}", ID),
            Parameter("SESSION_ID", Kept.DROPPED, "{{%SESSION_ID%}}", ID),
        )

    def way_back(self, outcome: Outcome, code: str) -> str:
        """Return where Prolific takes a code; without a code there is no way."""
        return f"{settings.PROLIFIC_APP}/submissions/complete?cc={{code}}" if code else ""

    def panel_study(self) -> str:
        """Return Prolific's id of the study."""
        return self.study_id

    def open_api(self) -> PanelApi:
        """Return what asks Prolific.

        :raises InputError: no token is set, or the study's id is not known.
        """
        if not self.study_id:
            raise InputError("Prolific's study ID", "is empty", "the id of the study there")
        return ProlificApi(settings.PROLIFIC_API, settings.PROLIFIC_TOKEN)

    def check(self, values: Mapping[str, str]) -> None:
        """Compare the study's id on Prolific.

        :raises InputError: it is another one.
        """
        if self.study_id and values.get("STUDY_ID") != self.study_id:
            problem = f"is {values.get('STUDY_ID', 'missing')}"
            raise InputError("STUDY_ID", problem, f"{self.study_id}, Prolific's id of this study")
