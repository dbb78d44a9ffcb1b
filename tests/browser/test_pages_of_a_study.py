"""Pages without images in a real browser, by keyboard alone: read, filled in, checked, rested on, skipped."""

from __future__ import annotations

from typing import Any

import pytest

from ratings.models import Participant, Response
from ratings.services import join, record_response
from ratings.services.visits.branching import standing
from tests.browser.barriers import barriers, barriers_everywhere
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
        assert (barriers_everywhere if self.width == 1280 else barriers)(self.page) == [], name

    def shown(self) -> None:
        self.page.locator("[data-shown]").wait_for()

    def on(self, *keys: str) -> None:
        """Go on: to the button below, and press it."""
        self.shown()
        self.press(*keys, "Tab", "Enter")


@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_by_keyboard(visit: Any, screen: dict[str, Any]) -> None:
    names = [name for name in PAGES if name not in ("trying", "ratings")]
    asked = screen["width"] == 1280
    line = f"people.gender {'=' if asked else '!='} man"
    changes = {"traits": {"only_if": line}, "rest": {"least_seconds": 4}}
    study = make_paged_study(names, **changes)
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

    here.page.locator(".said", has_text="You can go on in 4 seconds").wait_for(state="attached")
    assert here.page.get_by_role("button", name="Continue").is_disabled()
    keys.look("Time for a break", "break")
    here.page.wait_for_function("() => !document.querySelector('button[type=submit]').disabled")
    keys.on()

    if asked:
        keys.look("Questionnaire", "questionnaire")
        keys.shown()
        for _ in range(10):
            keys.press("Tab", "Space")
        keys.on()
    here.page.wait_for_url("**/done")

    person = Participant.objects.get()
    assert person.is_done
    assert standing(person).skipped == (set() if asked else {7})
    rows = Response.objects.order_by("trial__index")
    assert [row.trial.block for row in rows] == [
        *("welcome", "welcome", "people", "understood", "understood", "attentive", "rest"),
        *(["traits"] if asked else []),
    ]
    assert rows[2].values == {"age": 34, "gender": "man", "comment": "Nothing else."}
    assert rows[5].values == {"answer": SECRET}
    assert rows[6].rt_ms >= 4000
    assert all(row.marks == [] for row in rows)
    assert here.complaints == []


def begin(here: Visit, label: str = "Begin") -> None:
    here.page.locator("#study").get_by_role("button", name=label, exact=True).click()


def rate(here: Visit) -> None:
    here.page.locator(".rating[data-shown]").wait_for()
    for slider in here.page.locator(".slider-input").all():
        slider.focus()
        here.page.keyboard.press("ArrowRight")
    here.page.get_by_role("button", name="Continue").click()


def test_practice_has_feedback_and_a_failed_check_ends_the_visit(visit: Any) -> None:
    names = ("trying", "attentive", "rest", "ratings")
    joined = join(study=make_paged_study(names, attentive={"end_if": "attentive.passed = no"}))
    here = visit(360, 640)
    page = here.page
    page.goto(f"{here.address}/take/{joined.token}/")
    page.get_by_role("heading", name="Part 1 of 2").wait_for()
    page.get_by_text("This is practice: these answers are not part of the study.").wait_for()
    begin(here)
    for number in range(2):
        rate(here)
        page.get_by_role("heading", name="Your answer").wait_for()
        assert page.locator(".answered dd").all_inner_texts() == ["51", "51"]
        page.get_by_text("There is no right answer.").wait_for()
        if number == 0:
            here.shot("feedback-360")
            assert barriers(page) == []
        begin(here, "Continue")
    begin(here)
    rate(here)
    page.locator('#progress[aria-valuetext="3 of 6 answered"]').wait_for()

    # Loaded again in the middle of the visit, it goes on where it was.
    page.reload()
    begin(here, "Continue")
    rate(here)
    page.get_by_label("Neither").check()
    begin(here, "Continue")
    page.get_by_role("heading", name="The study ends here for you").wait_for()
    person = Participant.objects.get()
    assert person.status == Participant.Status.SCREENED_OUT
    assert (standing(person).ended_by, standing(person).skipped) == ("attentive", {5})
    kinds = Response.objects.order_by("trial__index").values_list("trial__kind", flat=True)
    assert list(kinds) == ["practice", "practice", "rating", "rating", "attention_check"]
    assert here.complaints == []


SIMULATE = """async (mode) => {
    const { blocks } = JSON.parse(document.getElementById("config").textContent).state;
    const stage = document.createElement("div");
    document.body.append(stage);
    const jsPsych = initJsPsych({ display_element: stage });
    const told = {};
    for (const block of blocks.filter(({ kind }) => kind !== "rating")) {
        const kind = (await import(block.script)).default;
        const shown = { constructs: {}, images: [], block: block.shown };
        const trial = { type: kind.plugin, ...kind.trial({ place: 0 }, shown) };
        await jsPsych.simulate([{ ...trial, simulation_options: { data: { rt: 1400 } } }], mode);
        const row = jsPsych.data.get().last(1).values()[0];
        told[block.name] = { row, declared: Object.keys(kind.info.data), ...kind.answer(row) };
    }
    return told;
}"""


@pytest.mark.parametrize("mode", ["data-only", "visual"])
def test_pages_simulate_what_they_declare(visit: Any, mode: str) -> None:
    joined = join(study=make_paged_study([name for name in PAGES if name != "trying"]))
    here = visit()
    here.page.goto(f"{here.address}/take/{joined.token}/")
    here.page.get_by_role("heading", name="Instructions").wait_for()
    told = here.page.evaluate(SIMULATE, mode)
    for name, one in told.items():
        assert set(one["declared"]) <= set(one["row"]), name
        assert one["row"]["rt"] >= (1400 if mode == "data-only" else 1000), name
        assert one["row"]["images"] == [], name
        trial = joined.participant.trials.filter(block=name).first()
        body = {"response_id": f"00000000-0000-4000-8000-{trial.index:012d}", "trial_id": trial.name}
        body |= {"rt_ms": one["row"]["rt"], "images": [], "values": one.get("values")}
        record_response(participant=joined.participant, body={k: v for k, v in body.items() if v is not None})
    assert set(told) == {name for name in PAGES if name not in ("trying", "ratings")}
    assert here.complaints == []
