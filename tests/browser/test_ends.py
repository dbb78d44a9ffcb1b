"""How visits end, in a browser: declined, finished with the way back to a panel, screened out at a trial."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse

from ratings.models import Participant, Submission
from ratings.recruiting.mock import MockServer, ProlificMock
from ratings.recruiting.outcomes import Outcome
from ratings.services.leaving import screen_out
from studies.models import Study
from tests.browser.conftest import Visit
from tests.browser.test_participant_pages import check_looks
from tests.browser.test_take_part import begin_block, choose_by_key, rate_with_mouse
from tests.site.recruited_study import recruit_by
from tests.site.small_study import make_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CODES = {str(outcome): f"CODE{number}" for number, outcome in enumerate(Outcome)}


@pytest.fixture
def study(transactional_db: None) -> Study:
    made = make_study(rating_trials=1, choice_trials=1)
    return recruit_by(made, "prolific", settings={"study_id": "here"}, codes=CODES)


@pytest.fixture
def panel(study: Study, live_server: Any, settings: Any) -> Iterator[MockServer]:
    """The mock of Prolific, which sends people to the study and takes them back."""
    link = study.recruiting.source().link(f"{live_server.url}{study.join_path}")
    webhooks = f"{live_server.url}{reverse('prolific_events')}"
    with MockServer(ProlificMock(), link=link, study="here", webhooks=webhooks) as server:
        settings.PROLIFIC_APP = settings.PROLIFIC_API = server.address
        settings.PROLIFIC_TOKEN = settings.PROLIFIC_SECRET = "mock"
        yield server


def come(here: Visit, panel: MockServer) -> None:
    here.page.goto(panel.address)
    here.page.get_by_role("button", name="Take part as a new participant").click()
    here.page.get_by_role("heading", name="How scenes strike you").wait_for()


def agree(here: Visit) -> None:
    here.page.get_by_label("I have read this and I agree to take part.").check()
    here.page.get_by_role("button", name="Begin").click()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_who_declines_goes_back_with_the_code_for_it(
    visit: Any, panel: MockServer, width: int, scheme: str
) -> None:
    here = visit(width, 800, scheme=scheme)
    come(here, panel)
    check_looks(here, f"consent-{width}")
    here.page.get_by_role("button", name="I do not want to take part").click()
    here.page.get_by_role("heading", name="You are not taking part").wait_for()
    check_looks(here, f"declined-{width}")
    here.page.get_by_role("link", name="Back to Prolific").click()
    here.page.get_by_text(f"The code {CODES['declined']} is handed in.").wait_for()
    (row,) = panel.mock.submissions.values()
    assert (row.status, row.code) == ("AWAITING REVIEW", CODES["declined"])
    assert not Participant.objects.exists()
    assert here.complaints == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (390, "light")])
def test_who_finishes_may_read_on_or_is_taken_back(
    visit: Any, panel: MockServer, width: int, scheme: str
) -> None:
    here = visit(width, 800, scheme=scheme)
    page = here.page
    come(here, panel)
    agree(here)
    begin_block(here)
    rate_with_mouse(here, (0.25, 0.75))
    begin_block(here)
    choose_by_key(here, "f")
    page.wait_for_url("**/done")
    assert page.locator("#code").inner_text() == CODES["finished"]
    page.get_by_text("You are taken there in").wait_for()
    check_looks(here, f"done-panel-{width}")
    page.get_by_role("button", name="Stay on this page").click()
    page.locator("#countdown").wait_for(state="hidden")
    page.clock.install()
    page.reload()
    page.get_by_text("You are taken there in").wait_for()
    page.clock.run_for(21_000)
    page.wait_for_url(f"{panel.address}/submissions/complete?cc={CODES['finished']}")
    page.get_by_text("is handed in").wait_for()
    assert Submission.objects.get().status == "awaiting_review"
    assert Participant.objects.get().status == Participant.Status.FINISHED
    page.go_back()
    page.get_by_role("heading", name="You have finished").wait_for()
    page.clock.run_for(21_000)
    assert page.url.endswith("/done")  # whoever went back is not sent away again
    assert here.complaints == []


def test_who_is_screened_out_at_a_trial_leaves_for_the_page_of_it(visit: Any, panel: MockServer) -> None:
    here = visit(390, 844, touch=True)
    page = here.page
    come(here, panel)
    agree(here)
    begin_block(here)
    page.locator(".rating[data-shown]").wait_for()
    screen_out(participant=Participant.objects.get(), reason="a check failed")
    for slider in page.locator(".slider-input").all():
        slider.click()
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="The study ends here for you").wait_for()
    assert page.locator("#code").inner_text() == CODES["screened_out"]
    check_looks(here, "screened-out")
    assert [text for text in here.complaints if "409" not in text] == []
