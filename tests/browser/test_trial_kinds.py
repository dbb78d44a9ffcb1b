"""A trial kind of a lab, defined in one module and one script, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest

from almond.design.trials import TRIAL_KINDS
from ratings.models import Response
from ratings.services import join
from tests.contracts.one_file_each import test_trial_kind as agreement

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_study_shows_trials_of_a_kind_that_only_a_lab_knows(visit: Any, settings: Any) -> None:
    settings.STATICFILES_DIRS = [*settings.STATICFILES_DIRS, agreement.STATIC]
    with TRIAL_KINDS.registered("agreement", f"{agreement.__name__}:TRIAL_KIND"):
        here = visit()
        here.page.goto(f"{here.address}/take/{join(study=agreement.live_study()).token}/")
        here.page.locator("#study").get_by_role("button", name="Begin").click()
        for done, label in enumerate(("Agree", "Disagree", "Agree"), start=1):
            here.page.locator(".agreement[data-shown]").wait_for()
            here.page.get_by_role("button", name=label, exact=True).click()
            here.page.locator(f'#progress[aria-valuetext^="{done} of"]').wait_for()
        here.page.wait_for_url("**/done")
    answers = Response.objects.order_by("trial__index")
    assert [row.values for row in answers] == [{"agrees": True}, {"agrees": False}, {"agrees": True}]
    assert here.complaints == []
