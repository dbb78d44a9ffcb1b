"""Every kind of trials that shows images, answered by keyboard alone; axe finds nothing to complain of.

With ``ALMOND_SCREENSHOTS=folder`` each is kept as a picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ratings.models import Event, Response
from ratings.services import join
from studies.models import Construct, Study
from studies.services import BlockSpec, create_construct, create_study
from tests.browser.barriers import barriers_everywhere
from tests.browser.conftest import Visit
from tests.site.small_study import advance, make_constructs, make_matched_set

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FELT = {
    "valence": ("How pleasant or unpleasant do you feel?", "unpleasant", "pleasant"),
    "arousal": ("How calm or excited do you feel?", "calm", "excited"),
}
BOTH = ["arousal", "valence"]
KINDS: dict[str, tuple[str, list[str], dict[str, Any], list[str], dict[str, Any]]] = {
    "sliders": (
        "rating",
        BOTH,
        {"path": True},
        ["End", "Tab", "PageUp", "PageUp", "PageDown", "Tab", "Enter"],
        {"values": {"arousal": 100, "valence": 60}},
    ),
    "sliders from a start": (
        "rating",
        BOTH,
        {"start": 20.0},
        ["Enter", "Tab", "ArrowRight", "Tab", "Enter"],
        {"values": {"arousal": 20, "valence": 21}},
    ),
    "likert": (
        "likert",
        BOTH,
        {"points": 11, "middle": "neither"},
        ["-", "6", "Enter"],
        {"values": {"arousal": 11, "valence": 6}},
    ),
    "buttons": (
        "buttons",
        ["valence"],
        {"labels": ["no", "a little", "yes"]},
        ["3"],
        {"values": {"valence": 3}},
    ),
    "grid": (
        "grid",
        BOTH,
        {},
        ["ArrowRight", "ArrowUp", "ArrowUp", "Enter", "Enter"],
        {"values": {"valence": 6, "arousal": 7}},
    ),
    "figures": ("figures", BOTH, {}, ["1", "5", "Enter"], {"values": {"arousal": 1, "valence": 5}}),
    "nine figures": (
        "figures",
        BOTH,
        {"between": True},
        ["2", "9", "Enter"],
        {"values": {"arousal": 2, "valence": 9}},
    ),
    "number": (
        "number",
        BOTH,
        {"unit": "years", "decimals": 1},
        ["4", "2", ".", "5", "Enter", "7", "Enter"],
        {"values": {"arousal": 42.5, "valence": 7}},
    ),
    "text": (
        "text",
        BOTH,
        {"shortest": 3, "longest": 20},
        ["s", "u", "n", "Tab", "s", "e", "a", "Tab", "Enter"],
        {"values": {"arousal": "sun", "valence": "sea"}},
    ),
    "options": (
        "options",
        BOTH,
        {},
        ["Space", "Tab", "ArrowDown", "Enter"],
        {"values": {"arousal": ["yes"], "valence": ["no"]}},
    ),
    "several options": (
        "options",
        ["valence"],
        {"several": True},
        ["Space", "Tab", "Tab", "Space", "Enter"],
        {"values": {"valence": ["yes", "I cannot tell"]}},
    ),
    "no difference": ("choice", [], {"no_difference": True}, ["n"], {"chosen": ""}),
    "confidence": (
        "choice",
        [],
        {"confidence": 4},
        ["ArrowRight", "3"],
        {"chosen": "right", "values": {"confidence": 3}},
    ),
    "best and worst": (
        "best_worst",
        ["valence"],
        {"prompt": "Which of these is most pleasant, and which least?"},
        ["3", "1", "Enter"],
        {"values": {"best": 3, "worst": 1}},
    ),
}
"""Name -> kind, constructs, settings, the keys of one trial, and the answer that they give."""


@pytest.fixture(scope="module")
def context(chromium: Any) -> Iterator[Any]:
    shared = chromium.new_context(viewport={"width": 1280, "height": 800})
    yield shared
    shared.close()


COURSE = {"fixation_ms": 300.0, "delay_ms": 100.0, "image_ms": 400.0, "mask": True, "interval_ms": 150.0}


def study_of(kind: str, constructs: list[str], settings: dict[str, Any]) -> Study:
    rows = {row.name: row for row in make_constructs()}
    for name, (question, low, high) in FELT.items():
        rows[name] = create_construct(name=name, question=question, low=low, high=high, by=None)
    asked: list[Construct] = [rows[name] for name in constructs or ("threat", "urgency")]
    study = create_study(
        title="How scenes strike you",
        slug="scenes",
        participants_planned=2,
        n_lists=1,
        unmatched_reason="Pairs of a test, made without matching.",
        matched_set=make_matched_set(scenes=1),
        blocks=[BlockSpec(kind, "block", asked, 2, settings=settings)],
        by=None,
    )
    return advance(study, Study.State.LIVE)


def check_with_axe(here: Visit, name: str) -> None:
    """Look at a trial in light and dark, wide, narrow and zoomed; nothing of any impact is wrong."""
    for width, height in ((1280, 800), (360, 640)):
        here.page.set_viewport_size({"width": width, "height": height})
        here.shot(f"kind-{name}-{width}", whole=True)
    here.page.set_viewport_size({"width": 1280, "height": 800})
    assert barriers_everywhere(here.page) == []


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_answered_by_keyboard(context: Any, live_server: Any, name: str) -> None:
    kind, constructs, settings, keys, answer = KINDS[name]
    here = Visit(context, live_server.url)
    page = here.page
    page.goto(f"{here.address}/take/{join(study=study_of(kind, constructs, settings)).token}/")
    page.locator("#study").get_by_role("button", name="Begin").click()
    page.locator("[data-shown]").wait_for()
    check_with_axe(here, name)
    for done in (1, 2):
        page.locator("[data-shown]").wait_for()
        for key in keys:
            page.keyboard.press(key)
            if name == "confidence" and done == 1 and key == keys[0]:
                page.locator(".surety").wait_for()
                check_with_axe(here, "confidence-asked")
        page.locator(f'#progress[aria-valuetext^="{done} of"]').wait_for()
    page.wait_for_url("**/done")
    rows = Response.objects.order_by("trial__index")
    told = [{name: getattr(row, name) for name in ("values", "chosen") if name in answer} for row in rows]
    assert told == [answer, answer]
    assert all(row.rt_ms > 0 for row in rows)
    assert here.complaints == []
    if settings.get("path"):
        ways = [event.detail for event in Event.objects.filter(kind="slider", trial_index=0).order_by("pk")]
        assert [way["construct"] for way in ways] == BOTH
        assert [value for _, value in ways[1]["path"]] == [60, 70, 60]
        assert ways[0]["first_ms"] == ways[0]["path"][0][0]
    page.close()


def test_images_have_their_course_in_time(context: Any, live_server: Any) -> None:
    here = Visit(context, live_server.url)
    page = here.page
    study = study_of("likert", BOTH, COURSE)
    page.goto(f"{here.address}/take/{join(study=study).token}/")
    page.locator("#study").get_by_role("button", name="Begin").click()
    page.locator(".fixation").wait_for()
    page.locator("[data-shown]").wait_for()
    page.locator("canvas.mask").wait_for()
    here.shot("kind-masked")
    picture, mask = page.locator(".picture img").bounding_box(), page.locator("canvas.mask").bounding_box()
    assert page.locator(".picture img").evaluate("image => getComputedStyle(image).visibility") == "hidden"
    assert {name: round(size) for name, size in picture.items()} == {
        name: round(size) for name, size in mask.items()
    }
    for done in (1, 2):
        page.locator("[data-shown]").wait_for()
        page.locator("canvas.mask").wait_for()
        for key in ("1", "2", "Enter"):
            page.keyboard.press(key)
        page.locator(f'#progress[aria-valuetext^="{done} of"]').wait_for()
    page.wait_for_url("**/done")
    for event in Event.objects.filter(kind="frames"):
        detail = event.detail
        stayed = detail["gone_ms"] - detail["onset_ms"]
        assert stayed >= COURSE["image_ms"] - 1.5 * detail["frame_ms"]
        assert stayed <= COURSE["image_ms"] + 2 * detail["longest_ms"]  # a busy machine leaves frames out
    assert Event.objects.filter(kind="frames").count() == 2
    assert here.complaints == []
    page.close()
