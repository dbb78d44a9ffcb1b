"""The participant's page as bytes and time: ``python -m benchmarks.page ADDRESS --json``.

``ADDRESS`` is where a live study of a running site is joined. Takes part in it, once for the bytes and once
on an emulated slow line (1.6 Mbit/s, 150 ms) with a four times slower processor, and so uses up two of its
places. Needs Chromium and Playwright.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from dataclasses import dataclass, field
from typing import Any

SLOW_LINE = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 200_000}
"""1.6 Mbit/s and 150 ms, in the units of the DevTools protocol."""
SLOWER = 4


@dataclass
class Traffic:
    """What a page asks for, and the bytes of the answers with their headers, as they came."""

    requests: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def watch(self, page: Any) -> None:
        link = page.context.new_cdp_session(page)
        link.send("Network.enable")
        link.on("Network.requestWillBeSent", self.begun)
        link.on("Network.loadingFinished", self.ended)

    def begun(self, event: dict[str, Any]) -> None:
        self.requests[event["requestId"]] = event["request"]["url"]

    def ended(self, event: dict[str, Any]) -> None:
        self.sizes[event["requestId"]] = int(event["encodedDataLength"])

    def before_images(self) -> dict[str, int]:
        """Address -> bytes of everything but images and what lies in the page itself."""
        return {
            url: self.sizes[name]
            for name, url in self.requests.items()
            if not url.startswith(("data:", "blob:")) and "/stimuli/" not in url
        }


def load_trials(page: Any, address: str) -> Traffic:
    """Load the page of a participant's trials as for the first time, until its words are there."""
    traffic = Traffic()
    traffic.watch(page)
    page.goto(address)
    page.locator("#study").get_by_role("button", name="Begin").wait_for()
    page.wait_for_load_state("networkidle")
    return traffic


def slow_down(page: Any) -> None:
    link = page.context.new_cdp_session(page)
    link.send("Network.enable")
    link.send("Network.emulateNetworkConditions", SLOW_LINE)
    link.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})


def consent(page: Any, address: str) -> float:
    """Agree, and return the seconds from Begin to the words before the first block."""
    page.goto(address)
    page.get_by_label("I have read this and I agree to take part.").check()
    began = time.monotonic()
    page.get_by_role("button", name="Begin").click()
    page.locator("#study").get_by_role("button", name="Begin").wait_for()
    return time.monotonic() - began


def first_trial(page: Any) -> float:
    """Begin the first block, and return the seconds until its first picture is shown."""
    began = time.monotonic()
    page.locator("#study").get_by_role("button", name="Begin").click()
    page.locator("[data-shown]").wait_for()
    return time.monotonic() - began


def measure(browser: Any, address: str) -> dict[str, float]:
    """Return ``page_kb``, ``requests``, ``words_ms`` (from consent to the words before the first block) and
    ``first_trial_ms`` (from consent to the first picture, without the time in which a person reads)."""
    with browser.new_context() as context:
        page = context.new_page()
        consent(page, address)
        trials = page.url
    with browser.new_context() as context:
        told = load_trials(context.new_page(), trials).before_images()
    with browser.new_context() as context:
        page = context.new_page()
        slow_down(page)
        words = consent(page, address)
        shown = first_trial(page)
    return {
        "page_kb": round(sum(told.values()) / 1000, 1),
        "requests": len(told),
        "words_ms": round(words * 1000),
        "first_trial_ms": round((words + shown) * 1000),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("address", help="where a live study is joined")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    wanted = parser.parse_args(arguments)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        measured = measure(browser, wanted.address)
        browser.close()
    print(json.dumps(measured) if wanted.json else "\n".join(f"{k:16}{v:>10}" for k, v in measured.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
