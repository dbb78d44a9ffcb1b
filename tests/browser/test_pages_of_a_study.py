"""Pages without images in a real browser, by keyboard alone: read, filled in, checked, rested on, skipped."""

from __future__ import annotations

from typing import Any

import pytest

from ratings.models import Participant, Response
from ratings.services import join
from ratings.services.visits.branching import standing
from tests.browser.barriers import barriers
from tests.browser.conftest import Visit
from tests.site.paged_study import PAGES, SECRET, make_paged_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SCREENS = [
    pytest.param({"width": 1280, "height": 800}, id="desktop"),
    pytest.param({"width": 360, "height": 640, "scheme": "dark"}, id="phone"),
]


class Keyboard:
    """Somebody without a mouse; on every page it is looked for barriers, and a picture is kept."""

    def __init__(self, here: Visit) -> None:
        self.here, self.page = here, here.page
        self.width = here.page.viewport_size["width"]

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def look(self, heading: str, name: str) -> None:
        self.page.get_by_role("heading", name=heading, level=1).wait_for()
        self.page.wait_for_function("() => document.activeElement?.tagName === 'H1'")
        self.here.shot(f"{name}-{self.width}", whole=True)
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert self.page.locator("h1").count() == 1
        assert barriers(self.page) == [], name

    def shown(self) -> None:
        self.page.locator("[data-shown]").wait_for()

    def on(self, *keys: str) -> None:
        """Go on: to the button below, and press it."""
        self.shown()
        self.press(*keys, "Tab", "Enter")


@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_by_keyboard(visit: Any, screen: dict[str, Any]) -> None:
    names = [name for name in PAGES if name not in ("trying", "ratings")]
    study = make_paged_study(names, traits={"only_if": "people.gender = woman"})
    here = visit(**screen)
    joined = join(study=study)
    here.page.goto(f"{here.address}/take/{joined.token}/")
    keys = Keyboard(here)

    keys.look("Instructions (1 of 2)", "instruction")
    keys.on()
    keys.look("Instructions (2 of 2)", "instruction-2")
    keys.on()

    keys.look("About you", "form")
    keys.shown()
    # Sent as it is, the form says what is missing and goes there.
    keys.press("Tab", "Tab", "Tab", "Tab", "Enter")
    here.page.get_by_text("2 fields need another look.").wait_for()
    here.page.wait_for_function("() => document.activeElement?.id === 'field-age'")
    assert barriers(here.page) == []
    here.shot(f"form-missing-{keys.width}", whole=True)
    here.page.keyboard.type("17")
    keys.press("Tab", "ArrowDown", "Tab")
    here.page.keyboard.type("Nothing else.")
    keys.on()
    here.page.get_by_text("Please give a whole number from 18 to 99.").wait_for()
    keys.press("Control+A")
    here.page.keyboard.type("34")
    keys.press("Tab", "Tab")
    keys.on()

    keys.look("A few questions before you go on", "comprehension")
    keys.shown()
    keys.press("Tab", "Space")
    keys.on()
    keys.look("Not all of these answers were right", "comprehension-again")
    keys.shown()
    keys.press("Tab", "Space", "ArrowDown")
    keys.on()

    keys.look(f"This is an attention check. Please choose “{SECRET}”.", "attention")
    keys.shown()
    keys.press("Tab", "Space", "ArrowDown", "ArrowDown")
    keys.on()

    keys.look("Time for a break", "break")
    button = here.page.get_by_role("button", name="Go on")
    here.page.locator(".said", has_text="You can go on in").first.wait_for(state="attached")
    here.page.wait_for_function("() => !document.querySelector('button[type=submit]').disabled")
    assert button.is_enabled()
    keys.on()
    here.page.wait_for_url("**/done")

    person = Participant.objects.get()
    assert person.is_done
    # The last questionnaire is for women alone, and this was a man.
    assert standing(person).skipped == {7}
    rows = Response.objects.order_by("trial__index")
    assert [row.trial.block for row in rows] == [
        *("welcome", "welcome", "people", "understood", "understood", "attentive", "rest"),
    ]
    assert rows[2].values == {"age": 34, "gender": "man", "comment": "Nothing else."}
    assert rows[5].values == {"answer": SECRET}
    assert rows[6].rt_ms >= 1000
    assert all(row.marks == [] for row in rows)
    assert here.complaints == []
