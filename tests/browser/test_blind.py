"""A study's page while it is blind, in a real browser: blocked in words, amended, unlocked."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from ratings import services
from studies.models import Amendment, Preregistration, Study, Unlocking
from tests.browser.conftest import Visit, log_in
from tests.browser.test_study_pages import errors
from tests.site.small_study import advance, answer_all, make_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TEXT = "Participants are also recruited from a second panel, because the first one is nearly used up."
WHY = "In two weeks only three people came, and the term ends in March."


def live_study() -> Study:
    draft = make_study(state="draft")
    Preregistration.objects.create(study=draft, looks="4, 6")
    study = advance(draft, "live")
    for _ in range(2):
        participant = services.join(study=study).participant
        answer_all(participant)
        services.finish(participant=participant)
    return study


def is_within(here: Visit) -> bool:
    """Whether the page is no wider than the window, and nothing of both cards is."""
    if here.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        return False
    cards = here.page.locator("#answers, #amendments")
    fits = "card => card.scrollWidth <= card.clientWidth && card.getBoundingClientRect().right <= innerWidth"
    return all(card.evaluate(fits) for card in cards.all())


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (360, 740)])
def test_a_blind_study_is_amended_and_unlocked_on_its_page(visit: Any, width: int, height: int) -> None:
    study = live_study()
    here = visit(width, height)
    page = here.page
    log_in(here)
    page.goto(here.address + reverse("admin:studies_study_change", args=[study.pk]))
    page.get_by_text("No export, no analysis").wait_for()
    assert page.locator("#answers").get_by_role("link", name="Export").count() == 0
    page.locator("#amendments summary").click()
    page.locator("#amendments").get_by_label("What changes").fill(TEXT)
    page.locator("#amendments").get_by_label("Why").fill(WHY)
    page.locator("#answers summary").click()
    page.locator("#answers").scroll_into_view_if_needed()
    assert is_within(here)
    here.shot(f"blind-{width}", whole=True)
    page.get_by_role("button", name="Record", exact=False).last.click()
    page.locator("#amendments").get_by_text(TEXT).wait_for()
    assert Amendment.objects.get().responses_before == 14
    page.locator("#answers summary").click()
    page.locator("#answers").get_by_label("Why").fill("An image upset two people.")
    page.get_by_role("button", name="Unlock for good").click()
    page.get_by_text("unlocked early").wait_for()
    assert Unlocking.objects.get().finished == 2
    assert page.locator("#answers").get_by_role("link", name="Export").count() == 1
    assert is_within(here)
    here.shot(f"unlocked-{width}", whole=True)
    assert errors(here) == []
