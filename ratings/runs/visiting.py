"""A robot's visit by the pages: from the address of a study's participants to the end page, in a browser.

The consent form is ticked and sent here; from there on the page goes through its own timeline in jsPsych's
*visual* simulation: trials are drawn, pictures shown, controls moved and buttons pressed. (*Data-only* would
show nothing, and so find nothing that only a page has.)
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ratings.runs.chromium import Chromium

LOOK_EVERY = 0.3
"""Seconds between two looks at the page."""
MOST_COMPLAINTS = 20

STATE = """
(() => {
  const progress = document.getElementById("progress");
  const heading = document.querySelector("main h1, #study h1, h1");
  const end = document.querySelector("[data-outcome]");
  const notice = document.querySelector(".notice[role=alert]");
  return JSON.stringify({
    address: location.pathname,
    heading: heading ? heading.textContent.trim().slice(0, 200) : "",
    notice: notice && notice.checkVisibility() ? notice.textContent.trim().slice(0, 300) : "",
    progress: progress ? progress.getAttribute("aria-valuetext") || "" : "",
    form: document.querySelector("form.consent [name=agreed]") !== null,
    end: end ? end.dataset.outcome : "",
    ready: document.readyState,
  });
})()
"""
AGREE = """
(() => {
  const box = document.querySelector("form.consent [name=agreed]");
  const button = document.querySelector("form.consent button.main");
  if (!box.checkVisibility() || !button.checkVisibility()) return "hidden";
  box.click();
  if (!box.form.reportValidity()) return "invalid";
  button.click();
  return "sent";
})()
"""
HIDDEN = "the consent form is hidden from this window: it is {width} × {height} CSS pixels"


class Window(NamedTuple):
    """The window of a robot, in CSS pixels; a ``touch`` screen has no mouse."""

    name: str
    width: int
    height: int
    touch: bool


COMPUTER = Window("computer", 1280, 800, False)
TELEPHONE = Window("telephone", 390, 844, True)


@dataclass
class PageVisit:
    """How a robot's visit went: whether it reached an end page, and what went wrong on the way.

    ``resumed``: it went on where a browser was that is gone, and with it what that browser had not sent.
    """

    number: int
    window: str
    end: str = ""
    last: str = ""
    seconds: float = 0.0
    resumed: bool = False
    complaints: list[str] = field(default_factory=list)

    def complain(self, text: str) -> None:
        if text not in self.complaints and len(self.complaints) < MOST_COMPLAINTS:
            self.complaints.append(text)

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


class PageSession:
    """One page of the browser, with cookies of its own; what it tells becomes complaints of the visit."""

    def __init__(self, browser: Chromium, window: Window, visit: PageVisit) -> None:
        self.browser, self.window, self.visit = browser, window, visit
        self.context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=self.context)
        attached = browser.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self.session = attached["sessionId"]
        self.requests: dict[str, str] = {}
        for name in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{name}.enable")
        size = {"width": window.width, "height": window.height}
        self.call("Emulation.setDeviceMetricsOverride", **size, deviceScaleFactor=1, mobile=window.touch)
        if window.touch:
            self.call("Emulation.setTouchEmulationEnabled", enabled=True)
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def close(self) -> None:
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)

    def value_of(self, expression: str) -> Any:
        """Evaluate an expression in the page; None while it is on its way to another."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return None if "exceptionDetails" in answer else answer["result"].get("value")

    def look(self) -> dict[str, Any]:
        """Take in what was told, and return where the page stands; nothing while it is being loaded."""
        self.browser.listen(LOOK_EVERY)
        told, self.browser.events = self.browser.events, []
        for event in told:
            if event.get("sessionId") == self.session:
                self.hear(event["method"], event["params"])
        text = self.value_of(STATE)
        state: dict[str, Any] = json.loads(text) if text else {}
        return state if state.get("ready") == "complete" else {}

    def hear(self, method: str, told: dict[str, Any]) -> None:
        """Keep what is wrong of what the browser told: errors, warnings, and requests that failed."""
        if method == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            texts = (str(part.get("value", part.get("description", ""))) for part in told["args"])
            self.visit.complain(f"console: {' '.join(texts)[:300]}")
        elif method == "Runtime.exceptionThrown":
            details = told["exceptionDetails"]
            words = details.get("exception", {}).get("description") or details.get("text", "")
            self.visit.complain(f"script: {words[:300]}")
        elif method == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            entry = told["entry"]
            if entry["source"] != "network":  # these are told as failed requests
                self.visit.complain(f"{entry['source']}: {entry['text'][:300]}")
        elif method == "Network.requestWillBeSent":
            self.requests[told["requestId"]] = told["request"]["url"]
        elif method == "Network.responseReceived" and told["response"]["status"] >= 400:
            self.visit.complain(f"request: {told['response']['status']} {path_of(told['response']['url'])}")
        elif method == "Network.loadingFailed" and not told.get("canceled"):
            address = path_of(self.requests.get(told["requestId"], ""))
            self.visit.complain(f"request: {told['errorText']} {address}")


def path_of(address: str) -> str:
    """Return an address without its host and without a participant's token."""
    parts = address.split("/", 3)
    path = f"/{parts[3]}" if len(parts) > 3 else address
    pieces = path.partition("?")[0].split("/")
    if len(pieces) > 2 and pieces[1] == "take":
        pieces[2] = "…"
    return "/".join(pieces)[:200]


def go_through(
    browser: Chromium, address: str, visit: PageVisit, window: Window, *,
    patience: float, report: Callable[[str], None],
) -> None:  # fmt: skip
    """Go from an address to an end page; where the robot gets stuck is a complaint of the visit.

    :param patience: seconds in which something has to happen on a page.
    :param report: is told where the robot is; what it raises ends the visit.
    """
    begun = moved = time.monotonic()
    page = PageSession(browser, window, visit)
    try:
        page.call("Page.navigate", url=address)
        agreed, last = False, ""
        while not visit.end and time.monotonic() - moved < patience:
            state = page.look()
            where = describe(state) if state else last
            if where != last:
                moved, last, visit.last = time.monotonic(), where, where
            report(where)
            visit.end = state.get("end", "")
            if state.get("form") and not agreed and not visit.end:
                agreed = agree(page, state)
        if not visit.end:
            visit.complain(f"stuck for {patience:.0f} s at: {visit.last or 'an empty page'}")
        visit.seconds = round(time.monotonic() - begun, 1)
    finally:
        page.close()


def agree(page: PageSession, state: dict[str, Any]) -> bool:
    """Tick the box and begin, as a person does; return whether there is nothing more to try."""
    if state["notice"]:
        page.visit.complain(f"the consent page says: {state['notice']}")
    result = page.value_of(AGREE)
    if result == "hidden":
        page.visit.complain(HIDDEN.format(width=page.window.width, height=page.window.height))
    return result is not None


def describe(state: dict[str, Any]) -> str:
    """Say where a page stands, in a line."""
    return ", ".join(filter(None, (path_of(state["address"]), state["heading"], state["progress"])))
