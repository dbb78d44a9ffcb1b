"""Taking part in a study through a real browser, from consent to the completion code."""

from __future__ import annotations

from typing import Any

import pytest

from ratings.models import Attempt, Event, Participant, Response
from ratings.services import Recruit
from ratings.services.arriving import resume_code
from studies.models import Study
from studies.services import open_study, pause
from tests.browser.conftest import Visit
from tests.site.small_study import make_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def study(transactional_db: None) -> Study:
    return make_study(rating_trials=3, choice_trials=3)


def consent(visit: Visit, study: Study, query: str = "") -> None:
    visit.page.goto(f"{visit.address}{study.join_path}{query}")
    visit.page.get_by_label("I have read this and I agree to take part.").check()
    visit.page.get_by_role("button", name="Begin").click()


def begin_block(visit: Visit, label: str = "Begin") -> None:
    visit.page.locator("#study").get_by_role("button", name=label, exact=True).click()


def rate_with_mouse(visit: Visit, shares: tuple[float, ...]) -> None:
    """Click each slider's track at a share of its width, then go on."""
    move_sliders(visit, shares)
    go_on(visit)


def move_sliders(visit: Visit, shares: tuple[float, ...]) -> None:
    sliders = visit.page.locator(".slider-input")
    assert visit.page.get_by_role("button", name="Continue").is_disabled()
    for number, share in enumerate(shares):
        box = sliders.nth(number).bounding_box()
        # A click at a place of the slider, wherever it is by then: a word above may move it meanwhile.
        sliders.nth(number).click(position={"x": share * box["width"], "y": box["height"] / 2})


def go_on(visit: Visit) -> None:
    before = answered(visit)
    visit.page.locator(".rating[data-shown]").wait_for()
    visit.page.get_by_role("button", name="Continue").click()
    wait_for_answers(visit, before + 1)


def answered(visit: Visit) -> int:
    text = visit.page.get_by_role("progressbar").get_attribute("aria-valuetext")
    return int(text.split()[0])


def wait_for_answers(visit: Visit, count: int) -> None:
    visit.page.locator(f'#progress[aria-valuetext^="{count} of"]').wait_for()


def choose_by_key(visit: Visit, key: str) -> None:
    before = answered(visit)
    visit.page.locator(".pair[data-shown]").wait_for()
    visit.page.keyboard.press(key)
    wait_for_answers(visit, before + 1)


def settle(visit: Visit) -> None:
    """Wait until nothing waits to be sent."""
    visit.page.wait_for_function(
        "() => ['0', undefined].includes(document.getElementById('unsent').dataset.waiting)"
    )


def lose_network(visit: Visit) -> None:
    """Take the network away once every picture is there: a trial without its picture waits for it."""
    visit.page.wait_for_function(
        "() => { const told = document.getElementById('progress').dataset.pictures ?? '';"
        " const [loaded, total] = told.split(' of '); return loaded > 0 && loaded === total; }"
    )
    visit.context.set_offline(True)


def stored() -> list[Response]:
    return list(Response.objects.select_related("trial").order_by("trial__index"))


def check_rows(count: int) -> None:
    rows = stored()
    assert [row.trial.index for row in rows] == list(range(count))
    for row in rows:
        assert row.digests == row.trial.digests
        assert 0 < row.rt_ms < 120_000
        if row.trial.kind == "rating":
            assert set(row.values) == set(row.trial.planned["constructs"])
            assert all(0 <= value <= 100 for value in row.values.values())
            assert row.chosen == ""
        else:
            assert row.chosen in {"left", "right"}
            assert row.values == {}


def check_frames(trials: int) -> None:
    """Each trial tells when its pictures came, how sure that is, and how its frames were."""
    told = Event.objects.filter(kind="frames").order_by("trial_index")
    assert [event.trial_index for event in told] == list(range(trials))
    for event in told:
        detail = event.detail
        assert 0 < detail["onset_ms"] < event.page_ms
        assert 0 < detail["uncertainty_ms"] < 5_000
        assert detail["frames"] > 0
        assert 0 <= detail["slow"] <= detail["frames"]
        assert 0 < detail["frame_ms"] <= detail["longest_ms"] * 1.1


def test_from_consent_to_code_with_a_reload_and_a_lost_network(visit: Any, study: Study) -> None:
    here = visit()
    page = here.page
    consent(here, study, "?PROLIFIC_PID=abc")
    page.locator("#study .resume").wait_for()
    assert page.locator("#study .resume").inner_text() == resume_code(Participant.objects.get())
    here.shot("introduction")
    begin_block(here)
    rate_with_mouse(here, (0.25, 0.75))
    settle(here)
    first = stored()[0]
    assert first.values["threat"] == pytest.approx(25, abs=3)
    assert first.values["urgency"] == pytest.approx(75, abs=3)

    page.reload()
    begin_block(here, "Continue")
    assert page.get_by_role("progressbar").get_attribute("aria-valuetext") == "1 of 6 answered"
    lose_network(here)
    rate_with_mouse(here, (0.5, 0.5))
    page.locator("#unsent").wait_for()
    assert "kept in this browser" in page.locator("#unsent").inner_text()
    assert Response.objects.count() == 1
    here.context.set_offline(False)
    page.locator("#unsent").wait_for(state="hidden")
    assert Response.objects.count() == 2
    rate_with_mouse(here, (0.1, 0.9))

    begin_block(here)
    page.locator(".pair[data-shown]").wait_for()
    page.get_by_role("button", name="The picture on the left").click()
    wait_for_answers(here, 4)
    choose_by_key(here, "j")
    choose_by_key(here, "ArrowLeft")
    page.wait_for_url("**/done")

    check_rows(6)
    assert [row.chosen for row in stored()[3:]] == ["left", "right", "left"]
    person = Participant.objects.get()
    assert person.status == Participant.Status.FINISHED
    assert page.locator("#code").inner_text() == person.completion_code
    assert person.recruitment.id_digest == Recruit("prolific", "abc", {}).digest(person.study)
    assert Attempt.objects.filter(outcome="stored").count() == 6
    kinds = set(Event.objects.values_list("kind", flat=True))
    assert {"load", "images", "offline", "online"} <= kinds
    assert Event.objects.filter(kind="load").count() == 2
    check_frames(6)
    refused_offline = [text for text in here.complaints if "ERR_INTERNET_DISCONNECTED" not in text]
    assert refused_offline == []


def test_by_keyboard_alone_on_a_narrow_screen(visit: Any, study: Study) -> None:
    here = visit(360, 640)
    page = here.page
    press = page.keyboard.press
    page.goto(f"{here.address}{study.join_path}")
    press("Tab")
    press("Space")
    press("Tab")
    press("Enter")
    page.locator("#study").get_by_role("button", name="Begin").wait_for()
    press("Tab")
    press("Enter")
    for number in range(3):
        page.locator(".slider-input").first.wait_for()
        page.wait_for_function("() => document.activeElement?.id === 'slider-0'")
        assert no_sideways_scrolling(here)
        for _ in range(number + 1):
            press("ArrowRight")
        press("Tab")
        press("Enter")
        press("Tab")
        page.locator(".rating[data-shown]").wait_for()
        press("Enter")
        wait_for_answers(here, number + 1)
    page.locator("#study").get_by_role("button", name="Begin").wait_for()
    press("Tab")
    press("Enter")
    for key in ("f", "j", "ArrowRight"):
        page.locator(".pair[data-shown]").wait_for()
        assert no_sideways_scrolling(here)
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        choose_by_key(here, key)
    page.wait_for_url("**/done")
    check_rows(6)
    assert [row.values["threat"] for row in stored()[:3]] == [51, 52, 53]
    assert [row.values["urgency"] for row in stored()[:3]] == [50, 50, 50]
    assert [row.chosen for row in stored()[3:]] == ["left", "right", "right"]
    assert here.complaints == []


def no_sideways_scrolling(here: Visit) -> bool:
    return bool(here.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_answers_wait_while_the_study_is_paused(visit: Any, study: Study) -> None:
    here = visit()
    consent(here, study)
    begin_block(here)
    here.page.locator(".slider-input").first.wait_for()
    pause(study=study, by=None)
    rate_with_mouse(here, (0.5, 0.5))
    here.page.locator("#unsent", has_text="The study is paused at the moment.").wait_for()
    assert Response.objects.count() == 0
    open_study(study=study, by=None)
    here.page.locator("#unsent").wait_for(state="hidden")
    assert Response.objects.count() == 1


def test_images_that_arrive_changed_are_not_shown(visit: Any, study: Study) -> None:
    here = visit()
    here.page.route(
        "**/stimuli/**", lambda route: route.fulfill(body=b"other bytes", content_type="image/png")
    )
    here.page.add_init_script(
        "const wait = setTimeout; setTimeout = (run, ms) => wait(run, ms < 20000 ? Math.min(ms, 50) : ms);"
    )
    consent(here, study)
    begin_block(here)
    here.page.get_by_role("heading", name="A picture did not come").wait_for()
    assert here.page.locator(".picture").count() == 0
    assert Response.objects.count() == 0


def test_stopping_asks_and_then_ends_the_visit(visit: Any, study: Study) -> None:
    here = visit()
    consent(here, study)
    here.page.get_by_role("button", name="Stop taking part").click()
    here.page.get_by_role("button", name="Stop for good").click()
    here.page.get_by_role("heading", name="You have stopped taking part").wait_for()
    assert Participant.objects.get().status == Participant.Status.WITHDRAWN


def test_digests_are_the_same_where_the_browser_offers_none(visit: Any, study: Study) -> None:
    here = visit()
    here.page.goto(f"{here.address}{study.join_path}")
    pairs = here.page.evaluate(
        """async () => {
            const { plainSha256, sha256 } = await import("/static/js/sha256.js");
            const found = [];
            for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 1000, 70001]) {
                const bytes = Uint8Array.from({ length }, (_, place) => (place * 37 + length) % 256);
                found.push([plainSha256(bytes.buffer), await sha256(bytes.buffer)]);
            }
            return found;
        }"""
    )
    assert len(pairs) == 10
    assert all(plain == offered and len(plain) == 64 for plain, offered in pairs)
