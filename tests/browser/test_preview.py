"""A study that is tried out in a real browser: the frame, the visit in it, and the rows beside it."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.urls import reverse

from ratings.services.previewing.links import make_preview_link
from studies.models import Study
from tests.browser.barriers import barriers
from tests.browser.conftest import Visit, log_in
from tests.site.paged_study import make_paged_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def counts() -> dict[str, int]:
    rows = {model._meta.label: model._base_manager.count() for model in apps.get_models()}
    return {
        name: count for name, count in rows.items() if name not in ("accounts.AuditEvent", "sessions.Session")
    }


def fill_form(frame: Any, gender: str) -> None:
    frame.get_by_label("How old are you?").fill("34")
    frame.get_by_label(gender, exact=True).check()
    frame.get_by_role("button", name="Continue").click()


def rate(frame: Any) -> None:
    frame.locator(".rating[data-shown]").wait_for()
    for slider in frame.locator(".slider-input").all():
        slider.press("ArrowRight")
    frame.get_by_role("button", name="Continue").click()


def errors(here: Visit) -> list[str]:
    return [text for text in here.complaints if "/static/" in text or "Error" in text]


def test_a_draft_is_tried_from_consent_to_the_end(visit: Any) -> None:
    settings = {"end_if": "people.gender = man"}
    study = make_paged_study(("people", "ratings"), state=Study.State.DRAFT, people=settings)
    here = visit(1400, 1000)
    page = here.page
    log_in(here)
    before = counts()
    page.goto(here.address + reverse("admin:studies_study_change", args=[study.pk]))
    page.get_by_role("link", name="Preview as participant").click()
    here.shot("preview-form")
    page.get_by_label("Phone, 390 × 844 pixels").check()
    page.get_by_role("button", name="Make the link and open it").click()
    frame = page.frame_locator("iframe")
    here.shot("preview-consent")
    frame.get_by_role("checkbox").check()
    frame.get_by_role("button", name="Begin").click()
    fill_form(frame, "woman")
    frame.get_by_role("button", name="Begin").click()
    rate(frame)
    page.locator('[data-table="ratings"] tbody tr').nth(1).wait_for()
    frame.locator(".rating[data-shown]").wait_for()
    here.shot("preview-rating")
    page.frame(name="visit").goto(page.frame(name="visit").url)  # loaded again, it goes on where it was
    frame.get_by_role("heading", name="Welcome back").wait_for()
    frame.get_by_role("button", name="Continue").click()
    rate(frame)
    frame.get_by_role("heading", name="You have finished").wait_for()
    assert page.locator('[data-table="ratings"] tbody tr').count() == 4
    assert page.locator('[data-table="events"] tbody tr').count() > 0
    assert "finished" in page.locator('[data-table="participants"]').inner_text()
    here.shot("preview-end", whole=True)
    page.get_by_role("link", name="From the start").click()
    frame.get_by_role("checkbox").check()
    frame.get_by_role("button", name="Begin").click()
    fill_form(frame, "man")
    frame.get_by_role("heading", name="The study ends here for you").wait_for()
    assert counts() == before
    assert errors(here) == []


def test_a_link_works_on_a_telephone_without_signing_in(visit: Any) -> None:
    study = make_paged_study(("people", "ratings"))
    key = make_preview_link(study=study, number=0, language="en", hours=1, by=None)
    here = visit(390, 844, touch=True)
    page = here.page
    page.goto(here.address + reverse("preview", args=[key]) + "?frame=phone")
    frame = page.frame_locator("iframe")
    frame.get_by_role("checkbox").check()
    here.shot("preview-telephone", whole=True)
    assert barriers(page) == []
    page.goto(here.address + reverse("preview_consent", args=[key]))
    page.get_by_text("Preview: nothing is stored").wait_for()
    assert barriers(page) == []
    page.goto(here.address + reverse("preview", args=[key]) + "?frame=desktop")
    here.shot("preview-desktop-small", whole=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
