"""The page about the screen in a real browser: by keyboard, by dragging, without full screen."""

from __future__ import annotations

from typing import Any

import pytest

from ratings.models import Event, Participant, Response
from ratings.services import join
from studies.models import Study
from studies.services import BlockSpec, create_study
from tests.browser.conftest import Visit
from tests.browser.test_pages_of_a_study import Keyboard
from tests.site.small_study import advance, make_constructs, make_matched_set

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def screen_study(**settings: Any) -> Study:
    study = create_study(
        title="Your screen",
        slug="screen",
        participants_planned=4,
        n_lists=2,
        matched_set=make_matched_set(),
        unmatched_reason="Pairs of a test, made without matching.",
        blocks=[
            BlockSpec("screen", "screen", (), settings=settings),
            BlockSpec("rating", "ratings", make_constructs(), 2),
        ],
        by=None,
    )
    return advance(study, Study.State.LIVE)


def opened(here: Visit, study: Study) -> Participant:
    joined = join(study=study)
    here.page.goto(f"{here.address}/take/{joined.token}/")
    begin = here.page.locator("#study").get_by_role("button", name="Begin")
    here.page.locator("h1").first.wait_for()
    if begin.count():
        begin.click()
    return joined.participant


def stored(here: Visit) -> dict[str, Any]:
    here.page.locator("form.screen").wait_for(state="detached")
    here.page.wait_for_function("() => !document.querySelector('form.screen')")
    for _ in range(50):
        row = Response.objects.filter(trial__kind="screen").first()
        if row is not None:
            return dict(row.values)
        here.page.wait_for_timeout(100)
    raise AssertionError("nothing was stored")


@pytest.mark.parametrize(("width", "height", "scheme"), [(1280, 800, "light"), (360, 640, "dark")])
def test_by_keyboard_alone(visit: Any, width: int, height: int, scheme: str) -> None:
    here = visit(width, height, scheme=scheme)
    opened(here, screen_study())
    keys = Keyboard(here)
    keys.look("Your screen", "screen")
    keys.shown()
    page = here.page
    page.get_by_role("button", name="Continue").click()
    page.locator("#card-error", has_text="Make the frame as large as the card").wait_for()
    assert page.evaluate("document.activeElement.id") == "card-size"
    before = int(page.locator("#card-size").input_value())
    keys.press("PageDown", "ArrowRight", "ArrowRight")
    assert int(page.locator("#card-size").input_value()) == before - 8
    frame = page.locator(".card-frame").bounding_box()
    assert frame["width"] == pytest.approx(before - 8, abs=1)
    assert max(frame["width"], frame["height"]) / min(frame["width"], frame["height"]) == pytest.approx(
        85.60 / 53.98, abs=0.02
    )
    keys.press("Tab", "Tab", "Enter")
    values = stored(here)
    across = 85.60 if width == 1280 else 53.98
    assert values["px_per_mm"] == pytest.approx((before - 8) / across, abs=0.001)
    assert (values["card"], values["fullscreen"]) == ("fitted", "declined")
    assert here.complaints == []


def test_full_screen_is_entered_left_and_recorded_and_nobody_is_held(visit: Any) -> None:
    here = visit()
    person = opened(here, screen_study())
    page = here.page
    page.locator("form[data-shown]").wait_for()
    page.get_by_role("button", name="Use the full screen").click()
    page.get_by_role("button", name="Leave full screen").click()
    page.get_by_text("Full screen is off. You can go on all the same.").wait_for()
    corner = page.locator(".card-corner").bounding_box()
    x, y = corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2
    before = page.locator(".card-frame").bounding_box()["width"]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y + 9, steps=4)
    page.mouse.up()
    assert page.locator(".card-frame").bounding_box()["width"] == pytest.approx(before + 40, abs=2)
    page.get_by_label("I have no such card here").check()
    page.get_by_role("button", name="Continue").click()
    values = stored(here)
    assert (values["fullscreen"], values["card"], values["px_per_mm"]) == ("entered", "none", None)
    page.evaluate("dispatchEvent(new Event('pagehide'))")
    for _ in range(50):
        kinds = set(Event.objects.filter(participant=person).values_list("kind", flat=True))
        if {"fullscreen", "fullscreen_left"} <= kinds:
            return
        page.wait_for_timeout(100)
    raise AssertionError(kinds)


def test_a_browser_without_full_screen_says_so_and_goes_on(visit: Any) -> None:
    here = visit(390, 844, touch=True)
    here.page.add_init_script("Object.defineProperty(document, 'fullscreenEnabled', { value: false })")
    opened(here, screen_study(card=False))
    here.page.get_by_text("This browser has no full screen: there is nothing to do here.").wait_for()
    here.page.locator("form[data-shown]").wait_for()
    here.page.get_by_role("button", name="Continue").click()
    values = stored(here)
    assert (values["fullscreen"], values["card"]) == ("unavailable", "not_asked")
