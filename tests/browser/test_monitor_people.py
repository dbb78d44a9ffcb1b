"""The table of people and the replay of their trials in a real browser: keys, sorting, no barriers."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from ratings import services
from ratings.models import HandExclusion
from tests.browser.barriers import barriers
from tests.browser.conftest import log_in
from tests.site.small_study import answer_all, make_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def fits(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.mark.parametrize(("width", "height", "scheme"), [(1280, 900, "light"), (390, 844, "dark")])
def test_from_the_monitor_to_a_persons_trials_by_keyboard(
    visit: Any, width: int, height: int, scheme: str
) -> None:
    study = make_study(rehearsal=True)
    people = [services.join(study=study).participant for _ in range(2)]
    answer_all(people[0])
    here = visit(width, height, scheme=scheme)
    page = here.page
    log_in(here)
    page.goto(here.address + reverse("admin:ratings_monitor", args=[study.pk]))
    page.get_by_role("link", name="Exposure and distributions").click()
    page.get_by_role("heading", name="Distribution of ratings").wait_for()
    assert fits(page)
    assert barriers(page, within=".al") == []
    page.get_by_role("link", name="Participants", exact=True).last.click()
    page.get_by_role("img", name="7 trials: ").first.wait_for()
    assert fits(page)
    assert barriers(page, within=".al") == []
    page.get_by_role("link", name="answered").click()
    page.locator("th[aria-sort=descending]").wait_for()
    here.shot(f"people-{width}")
    page.get_by_role("link", name=people[0].name).click()
    page.get_by_role("link", name="Replay trials").click()
    where = page.locator("[data-where]")
    where.get_by_text("1 of 7").wait_for()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    where.get_by_text("3 of 7").wait_for()
    here.shot(f"replay-{width}")
    assert page.locator(".rp-trial:visible").count() == 1
    assert page.locator(".rp-trial:visible .rp-value").count() == 2
    page.keyboard.press("End")
    where.get_by_text("7 of 7").wait_for()
    assert page.locator(".rp-trial:visible .rp-chosen").count() == 1
    pictures = page.locator(".rp-trial:visible img").all()
    tops = {round(picture.bounding_box()["y"]) for picture in pictures}
    assert len(tops) == 1  # left and right stay left and right
    page.keyboard.press("Home")
    page.locator("[data-speed]").select_option("16")
    page.get_by_role("button", name="Play").click()
    where.get_by_text("7 of 7").wait_for(timeout=5000)
    page.get_by_role("button", name="Play").wait_for()
    assert fits(page)
    assert barriers(page, within=".al") == []
    assert here.complaints == []


def test_somebody_is_excluded_with_a_reason(visit: Any) -> None:
    study = make_study()
    person = services.join(study=study).participant
    here = visit(390, 844)
    page = here.page
    log_in(here)
    page.goto(here.address + reverse("admin:ratings_participant_change", args=[person.pk]))
    page.get_by_text("Exclude with a reason").click()
    page.get_by_label("Why").fill("Took part in the pilot.")
    assert barriers(page, within=".al") == []
    page.get_by_role("button", name="Exclude").click()
    page.get_by_text("Excluded by hand: analyses leave this participant out.").wait_for()
    assert fits(page)
    assert HandExclusion.objects.get().why == "Took part in the pilot."
