"""Answers through everything that goes wrong around a browser: rows equal the plan, and "kept" is true."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ratings.models import Response
from ratings.services.refusals import Malformed, NotTheirs, Reason
from studies.models import Study
from studies.services import close
from tests.browser.conftest import Visit
from tests.browser.test_take_part import (
    answered,
    begin_block,
    check_rows,
    choose_by_key,
    consent,
    lose_network,
    move_sliders,
    rate_with_mouse,
    settle,
)
from tests.site.recruited_study import recruit_by
from tests.site.small_study import make_study

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HURRY = "const wait = setTimeout; setTimeout = (run, ms) => wait(run, ms < 20000 ? Math.min(ms, 100) : ms);"
"""Pauses between tries take a tenth of a second; time limits stay."""


@pytest.fixture
def study(transactional_db: None) -> Study:
    return make_study(rating_trials=3, choice_trials=3)


def unsent(visit: Visit, said: str) -> str:
    """What the page says of answers that wait, once it says this: the browser's storage takes its time."""
    notice = visit.page.locator("#unsent", has_text=said)
    notice.wait_for()
    return str(notice.inner_text())


def answer_the_rest(visit: Visit, ratings: int, choices: int = 3) -> None:
    for _ in range(ratings):
        rate_with_mouse(visit, (0.3, 0.6))
    if ratings:
        begin_block(visit)
    for _ in range(choices):
        choose_by_key(visit, "f")


@pytest.mark.parametrize(("width", "height", "touch"), [(1280, 800, False), (360, 640, True)])
def test_a_refusal_of_the_transport_loses_nothing(
    visit: Any, study: Study, width: int, height: int, touch: bool
) -> None:
    """A proxy answers with pages of its own, HTML with 404, 403, 413 and 502, while the person goes on."""
    here = visit(width, height, touch=touch)
    here.page.add_init_script(HURRY)
    consent(here, study)
    begin_block(here)
    here.page.locator(".slider-input").first.wait_for()
    statuses = [404, 403, 413, 502]
    sent: list[int] = []

    def refuse(route: Any) -> None:
        sent.append(statuses[len(sent) % len(statuses)])
        route.fulfill(status=sent[-1], content_type="text/html", body="<h1>Blocked by policy</h1>")

    here.page.route("**/responses", refuse)
    rate_with_mouse(here, (0.5, 0.5))
    rate_with_mouse(here, (0.5, 0.5))
    unsent(here, "2 answers are kept in this browser and will be sent by themselves")
    here.page.wait_for_function("() => document.getElementById('unsent').dataset.waiting === '2'")
    while len(sent) < 4:
        here.page.wait_for_timeout(100)
    assert Response.objects.count() == 0
    here.page.unroute("**/responses", refuse)
    answer_the_rest(here, 1)
    here.page.wait_for_url("**/done")
    check_rows(6)


def test_what_the_site_cannot_read_is_told_at_once_and_offered_again(visit: Any, study: Study) -> None:
    here = visit()
    consent(here, study)
    begin_block(here)
    here.page.locator(".slider-input").first.wait_for()
    said = json.dumps(Malformed("rt_ms", "is -1", "at least 0").to_json())
    refuse = lambda route: route.fulfill(status=400, content_type="application/json", body=said)  # noqa: E731
    here.page.route("**/responses", refuse, times=1)
    rate_with_mouse(here, (0.5, 0.5))
    text = unsent(here, "could not read this answer. One answer is kept in this browser")
    assert "expected" not in text
    answer_the_rest(here, 2)
    here.page.get_by_role("heading", name="Not quite finished").wait_for()
    assert Response.objects.count() == 5
    here.page.get_by_role("button", name="Try again").click()
    here.page.wait_for_url("**/done")
    check_rows(6)


def test_an_origin_that_is_not_ours_stops_the_visit_and_keeps_the_answer(visit: Any, study: Study) -> None:
    here = visit()
    consent(here, study)
    begin_block(here)
    here.page.locator(".slider-input").first.wait_for()
    said = json.dumps(NotTheirs("origin", "is https://a.org", reason=Reason.ORIGIN).to_json())
    refuse = lambda route: route.fulfill(status=403, content_type="application/json", body=said)  # noqa: E731
    here.page.route("**/responses", refuse)
    rate_with_mouse(here, (0.5, 0.5))
    here.page.get_by_role("heading", name="The study cannot go on here").wait_for()
    assert "One answer is kept in this browser" in here.page.locator("#study").inner_text()
    here.page.unroute("**/responses", refuse)
    here.page.get_by_role("button", name="Try again").click()
    begin_block(here, "Continue")
    assert Response.objects.count() == 1


def test_a_second_tab_is_told_and_may_take_over_and_nothing_kept_is_lost(visit: Any, study: Study) -> None:
    here = visit()
    first = here.page
    consent(here, study)
    begin_block(here)
    lose_network(here)
    rate_with_mouse(here, (0.2, 0.2))
    rate_with_mouse(here, (0.2, 0.2))
    unsent(here, "2 answers are kept in this browser and will be sent by themselves")
    here.context.set_offline(False)
    settle(here)
    second = here.page = here.context.new_page()
    second.goto(first.url)
    second.get_by_role("heading", name="The study is open in another window").wait_for()
    second.get_by_role("button", name="Continue here").click()
    begin_block(here, "Continue")
    first.get_by_role("heading", name="The study went on in another window").wait_for()
    lose_network(here)
    rate_with_mouse(here, (0.8, 0.8))
    unsent(here, "kept in this browser")
    second.close()
    first.close()
    here.context.set_offline(False)
    here.page = here.context.new_page()
    here.page.goto(second.url)
    begin_block(here, "Continue")
    assert answered(here) == 3
    answer_the_rest(here, 0)
    here.page.wait_for_url("**/done")
    check_rows(6)


NO_STORAGE = """
const blocked = { get() { throw new DOMException("blocked", "SecurityError"); } };
Object.defineProperty(window, "indexedDB", blocked);
Object.defineProperty(window, "localStorage", blocked);
"""


def test_without_storage_nothing_is_called_kept(visit: Any, study: Study) -> None:
    here = visit()
    here.page.add_init_script(NO_STORAGE)
    consent(here, study)
    begin_block(here)
    lose_network(here)
    rate_with_mouse(here, (0.2, 0.2))
    unsent(
        here, "not stored yet, and this browser keeps nothing: please leave this page open. It will be sent"
    )
    asked: list[str] = []
    here.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    here.page.close(run_before_unload=True)
    here.page.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    here.context.set_offline(False)
    settle(here)
    answer_the_rest(here, 2)
    here.page.wait_for_url("**/done")
    check_rows(6)


STORAGE_FULL = """
IDBObjectStore.prototype.put = () => { throw new DOMException("full", "QuotaExceededError"); };
"""


def test_with_a_full_storage_a_reload_goes_on(visit: Any, study: Study) -> None:
    here = visit()
    here.page.add_init_script(STORAGE_FULL)
    consent(here, study)
    begin_block(here)
    lose_network(here)
    rate_with_mouse(here, (0.2, 0.2))
    unsent(here, "this browser keeps nothing")
    here.context.set_offline(False)
    settle(here)
    here.page.reload()
    begin_block(here, "Continue")
    assert answered(here) == 1
    answer_the_rest(here, 2)
    here.page.wait_for_url("**/done")
    check_rows(6)


STORAGE_SLOW = """
const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (value) {
    const until = performance.now() + 1500;
    const hold = () => { if (performance.now() < until) this.get("nobody's").onsuccess = hold; };
    hold();
    return put.call(this, value);
};
"""


def test_a_slow_storage_is_not_said_to_keep_nothing(visit: Any, study: Study) -> None:
    here = visit()
    here.page.add_init_script(STORAGE_SLOW)
    consent(here, study)
    begin_block(here)
    here.page.locator(".slider-input").first.wait_for()
    here.page.route("**/responses", lambda route: route.abort())
    rate_with_mouse(here, (0.5, 0.5))
    assert here.page.locator("#unsent").get_attribute("data-waiting") == "1"
    assert "keeps nothing" not in unsent(here, "One answer is")
    unsent(here, "One answer is kept in this browser and will be sent by itself")


def test_without_cookies_the_study_can_be_taken(visit: Any, study: Study) -> None:
    here = visit()

    def without_cookies(route: Any) -> None:
        headers = {name: value for name, value in route.request.headers.items() if name != "cookie"}
        route.continue_(headers=headers)

    here.page.route("**/*", without_cookies)
    consent(here, study)
    begin_block(here)
    answer_the_rest(here, 3)
    here.page.wait_for_url("**/done")
    check_rows(6)


def test_a_study_that_is_closed_midway_lets_people_finish(visit: Any, study: Study) -> None:
    here = visit()
    consent(here, study)
    begin_block(here)
    rate_with_mouse(here, (0.2, 0.2))
    settle(here)
    close(study=study, by=None)
    answer_the_rest(here, 2)
    here.page.wait_for_url("**/done")
    check_rows(6)


def test_after_the_time_to_finish_the_visit_ends_with_a_word(visit: Any, study: Study) -> None:
    Study.objects.update(grace_minutes=0)
    recruit_by(Study.objects.get(), codes={"closed": "PART-7"})
    here = visit()
    consent(here, study)
    begin_block(here)
    rate_with_mouse(here, (0.2, 0.2))
    settle(here)
    close(study=Study.objects.get(), by=None)
    move_sliders(here, (0.5, 0.5))
    here.page.locator(".rating[data-shown]").wait_for()
    here.page.get_by_role("button", name="Continue").click()
    here.page.get_by_role("heading", name="This study has ended").wait_for()
    assert here.page.locator("#code").inner_text() == "PART-7"
    assert Response.objects.count() == 1


@pytest.mark.parametrize("pattern", ["**/study*.js", "**/sha256*.js", "**/jspsych*.js", "**/rating*.js"])
def test_a_script_that_does_not_come_is_told(visit: Any, study: Study, pattern: str) -> None:
    here = visit()
    here.page.route(pattern, lambda route: route.abort())
    consent(here, study)
    here.page.get_by_role("heading", name="A part of").wait_for()
    here.page.wait_for_function("() => !document.body.innerText.includes('One moment, please.')")


def test_a_browser_that_does_not_know_the_syntax_is_told(visit: Any, study: Study) -> None:
    here = visit()
    body = "let a = b ?.?. c;"
    here.page.route("**/outbox*.js", lambda route: route.fulfill(content_type="text/javascript", body=body))
    consent(here, study)
    here.page.get_by_role("heading", name="A part of this page could not be loaded").wait_for()


def test_the_first_trial_waits_for_its_own_picture_only(visit: Any, study: Study) -> None:
    """All other pictures stay away; each trial then waits for its own."""
    here = visit()
    held: list[Any] = []
    seen: list[str] = []
    released: list[bool] = []

    def hold(route: Any) -> None:
        seen.append(route.request.url)
        if len(seen) == 1 or released:
            route.continue_()
        else:
            held.append(route)

    here.page.route("**/stimuli/**", hold)
    consent(here, study)
    begin_block(here)
    rate_with_mouse(here, (0.2, 0.2))
    here.page.get_by_role("heading", name="Loading the next picture").wait_for()
    released.append(True)
    for route in held:
        route.continue_()
    answer_the_rest(here, 2)
    here.page.wait_for_url("**/done")
    check_rows(6)


def test_a_picture_that_stops_halfway_goes_on_from_there(visit: Any, study: Study) -> None:
    here = visit()
    here.page.add_init_script(HURRY)
    ranges: list[str] = []

    def halve(route: Any) -> None:
        """The first try breaks off in the middle: the connection is lost after half of the bytes."""
        if wanted := route.request.headers.get("range"):
            ranges.append(wanted)
        route.continue_()

    here.page.route("**/stimuli/**", halve)
    here.page.add_init_script(
        """const whole = window.fetch; const cut = new Set();
        window.fetch = async (url, options) => {
            const answer = await whole(url, options);
            if (!String(url).includes("/stimuli/") || cut.has(url)) return answer;
            cut.add(url);
            const bytes = new Uint8Array(await answer.arrayBuffer());
            let given = false;
            const half = new ReadableStream({ pull(out) {
                if (given) { out.error(new TypeError("network error")); return; }
                given = true; out.enqueue(bytes.slice(0, bytes.length >> 1));
            } });
            return new Response(half, { status: answer.status, headers: answer.headers });
        };"""
    )
    consent(here, study)
    begin_block(here)
    answer_the_rest(here, 3)
    here.page.wait_for_url("**/done")
    assert ranges
    check_rows(6)
