"""What cannot be undone asks first, and does nothing until somebody agrees."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from studies.models import Study
from tests.browser.barriers import barriers_everywhere
from tests.browser.conftest import log_in
from tests.site.small_study import make_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_freezing_asks_and_does_nothing_until_agreed(visit: Any) -> None:
    study = make_study(state=Study.State.DRAFT)
    here = visit(1280, 900)
    page = here.page
    log_in(here)
    page.goto(here.address + reverse("admin:studies_study_change", args=[study.pk]))
    dialog = page.get_by_role("dialog", name="Freeze this study?")
    cancel = dialog.get_by_role("button", name="Cancel")
    for leave in (cancel.click, lambda: page.keyboard.press("Escape")):
        page.get_by_role("button", name="Freeze").click()
        dialog.wait_for()
        leave()
        dialog.wait_for(state="detached")
    study.refresh_from_db()
    assert study.is_draft
    page.get_by_role("button", name="Freeze").focus()
    page.keyboard.press("Enter")
    dialog.wait_for()
    here.shot("ask-freeze")
    assert barriers_everywhere(page, within="dialog") == []
    assert page.evaluate("document.activeElement.textContent") == "Cancel"
    with page.expect_navigation():
        dialog.get_by_role("button", name="Freeze").click()
    study.refresh_from_db()
    assert study.state == Study.State.FROZEN
    assert [text for text in here.complaints if "Error" in text] == []
