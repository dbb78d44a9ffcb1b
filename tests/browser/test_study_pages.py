"""The study's pages in the admin, seen in a real browser: the flow, the preview, the monitor."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from ratings import services
from ratings.models import Participant
from studies.models import Study
from tests.browser.conftest import Visit, log_in, press
from tests.site.small_study import answer_all, answer_to, make_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def go(here: Visit, name: str, study: Study) -> None:
    here.page.goto(here.address + reverse(f"admin:{name}", args=[study.pk]))


def errors(here: Visit) -> list[str]:
    return [text for text in here.complaints if "/static/" in text or "Error" in text]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_study_is_frozen_opened_and_watched(visit: Any, scheme: str) -> None:
    study = make_study(state=Study.State.DRAFT)
    here = visit(1360, 900, scheme=scheme)
    page = here.page
    log_in(here)
    go(here, "studies_study_change", study)
    here.shot(f"study-draft-{scheme}")
    press(page, "Freeze")
    page.get_by_text("Open without a passed rehearsal").click()
    page.locator("#rehearsals").get_by_label("Why").fill("Tried with colleagues.")
    page.get_by_role("button", name="Open").click()
    page.get_by_role("button", name="Pause").wait_for()
    images = page.locator(".st-images img")
    assert images.count() == 8
    assert all(image.evaluate("one => one.naturalWidth") == 96 for image in images.all())
    here.shot(f"study-live-{scheme}")
    people = [services.join(study=study).participant for _ in range(5)]
    answer_all(people[0])
    services.finish(participant=people[0])
    go(here, "ratings_monitor", study)
    assert page.locator('[data-number="started"]').inner_text() == "5"
    for trial in people[1].trials.all()[:4]:
        services.record_response(participant=people[1], body=answer_to(trial))
    page.locator('[data-number="responses"]', has_text="11").wait_for()
    here.shot(f"monitor-{scheme}")
    page.goto(here.address + reverse("admin:ratings_participant_changelist"))
    here.shot(f"participants-{scheme}")
    assert errors(here) == []


def test_the_preview_goes_through_every_kind_of_trial_and_stores_nothing(visit: Any) -> None:
    study = make_study(rating_trials=1, choice_trials=1)
    here = visit()
    page = here.page
    log_in(here)
    go(here, "studies_study_preview", study)
    begin = page.locator("#study").get_by_role("button", name="Begin")
    begin.click()
    page.locator(".rating[data-shown]").wait_for()
    for slider in page.locator(".slider-input").all():
        slider.press("ArrowRight")
    page.get_by_role("button", name="Continue").click()
    begin.click()
    page.locator(".pair[data-shown]").wait_for()
    page.keyboard.press("f")
    page.get_by_role("heading", name="End of the preview").wait_for()
    here.shot("preview-end")
    assert not Participant.objects.exists()
    assert here.complaints == []
