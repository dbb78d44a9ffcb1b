"""A recruiter is one module and one line of the registry: forms offer it, links bring ids, ways lead back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import pytest
from django.test import Client
from django.urls import reverse
from pydantic import Field

from ratings import services
from ratings.models import Participant, Recruitment
from ratings.recruiting import RECRUITERS
from ratings.recruiting.base import Kept, Parameter, Recruiter
from ratings.recruiting.outcomes import Outcome
from studies.models import Study
from tests.site.recruited_study import recruit_by
from tests.site.small_study import answer_all, make_study

pytestmark = pytest.mark.django_db


class Library(Recruiter):
    """People with a library card, who come from the screens in the reading rooms."""

    kind: Literal["library"] = "library"
    desk: Annotated[str, Field(pattern=r"^[a-z]*$")] = Field(
        "main", title="desk", description="Where people are sent at the end."
    )

    title: ClassVar[str] = "the library"
    hint: ClassVar[str] = "Show the link on the screens of the reading rooms."
    sends_back: ClassVar[bool] = True

    def parameters(self) -> tuple[Parameter, ...]:
        return (
            Parameter("card", Kept.ID, "[CARD]", r"L\d{4}", required=True),
            Parameter("room", Kept.SEALED, "[ROOM]"),
        )

    def way_back(self, outcome: Outcome, code: str) -> str:
        return f"https://library.example/{self.desk}/{{room}}/{{outcome}}"


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    with RECRUITERS.registered("library", f"{__name__}:Library", "cards of the library"):
        yield


def test_the_forms_offer_it_with_its_setting(staff_client: Any) -> None:
    study = make_study(state="draft", rating_trials=1, choice_trials=1)
    for page in (
        reverse("admin:studies_study_add"),
        reverse("admin:studies_study_change", args=[study.pk]),
        reverse("admin:ratings_recruitedstudy_change", args=[study.pk]),
    ):
        shown = staff_client.get(page).content.decode()
        assert '<option value="library">cards of the library</option>' in shown
        assert 'name="recruiting-0-library_desk" value="main"' in shown


def test_its_links_let_people_in_and_its_ways_lead_back(staff_client: Any) -> None:
    study = recruit_by(
        make_study(rating_trials=1, choice_trials=1),
        "library",
        settings={"desk": "north"},
        pay={"finished": "3"},
    )
    address = reverse("admin:ratings_recruitedstudy_change", args=[study.pk])
    page = staff_client.get(address).content.decode()
    assert f"{study.join_path}?card=[CARD]&amp;room=[ROOM]" in page
    assert "https://library.example/north/{room}/{outcome}" in page
    assert join(study, "?card=1234").status_code == 400
    token = join(study, "?card=L1234&room=blue@1")["Location"].split("/")[-2]
    assert Recruitment.objects.get().personal == {"room": "blue@1"}
    person = Participant.objects.get()
    answer_all(person)
    services.finish(participant=person)
    done = Client().get(f"/take/{token}/done").content.decode()
    assert 'href="https://library.example/north/blue%401/finished"' in done
    assert "Back to the library" in done
    sent = staff_client.get(reverse("admin:ratings_recruiting_approvals_file", args=[study.pk]))
    (line,) = csv.DictReader(io.StringIO(sent.content.decode()))
    assert (line["id"], line["decision"], line["pay"]) == ("L1234", "approve", "3.00")


def join(study: Study, query: str) -> Any:
    client, address = Client(), study.join_path + query
    return client.post(address, {"begin_token": client.get(address).context["begin_token"], "agreed": "yes"})
