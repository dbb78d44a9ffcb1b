"""A trial that ends by itself: in a real browser, with an answer before it, and with none."""

from __future__ import annotations

from typing import Any

import pytest

from ratings.models import Response
from ratings.services import join
from studies.models import Study
from studies.services import BlockSpec, create_study
from tests.site.small_study import advance, make_constructs, make_matched_set

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DEADLINE = {"deadline_s": 1.5}


def test_a_trial_without_an_answer_ends_at_its_deadline(visit: Any) -> None:
    constructs = make_constructs()
    study = create_study(
        title="In time",
        slug="in-time",
        participants_planned=2,
        n_lists=1,
        language="en",
        matched_set=make_matched_set(scenes=2),
        unmatched_reason="Pairs of a test, made without matching.",
        blocks=[
            BlockSpec("likert", "points", constructs[:1], 2, settings=DEADLINE),
            BlockSpec("choice", "pairs", constructs, 3, settings={"no_difference": True, **DEADLINE}),
            BlockSpec("best_worst", "sets", constructs[:1], 1, settings=DEADLINE),
            BlockSpec("rating", "sliders", constructs[:1], 1, settings={"path": True, **DEADLINE}),
        ],
        by=None,
    )
    study = advance(study, Study.State.LIVE)
    here = visit()
    page = here.page
    page.goto(f"{here.address}/take/{join(study=study).token}/")
    begin = page.locator("#study").get_by_role("button", name="Begin")
    page.get_by_text("You have 1.5 seconds for each answer.").wait_for()
    here.shot("deadline-instructions")
    begin.click()
    page.locator('#progress[aria-valuetext^="1 of"]').wait_for()  # nothing was pressed
    page.locator("[data-shown]").wait_for()
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    page.locator('#progress[aria-valuetext^="2 of"]').wait_for()
    begin.click()
    page.locator('#progress[aria-valuetext^="3 of"]').wait_for()
    page.locator(".pair[data-shown]").wait_for()
    page.keyboard.press("f")
    page.locator('#progress[aria-valuetext^="4 of"]').wait_for()
    page.locator(".pair[data-shown]").wait_for()
    page.keyboard.press("n")
    page.locator('#progress[aria-valuetext^="5 of"]').wait_for()
    begin.click()
    page.locator('#progress[aria-valuetext^="6 of"]').wait_for()
    begin.click()
    page.wait_for_url("**/done")
    rows = list(Response.objects.order_by("trial__index").values_list("values", "chosen", "rt_ms"))
    none = ({"missed": 1}, "", 1500.0)
    assert [row for place, row in enumerate(rows) if place in (0, 2, 5, 6)] == [none] * 4
    name = constructs[0].name
    assert [(values, chosen) for values, chosen, _ in (rows[1], rows[3], rows[4])] == [
        ({name: 3}, ""),
        ({}, "left"),
        ({}, ""),
    ]
    assert all(0 < rt < 1500 for _, _, rt in (rows[1], rows[3], rows[4]))
    assert here.complaints == []
