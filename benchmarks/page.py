"""The participant's page as bytes and time: ``python -m benchmarks.page --json``.

Measured in Chromium, for studies of 6, 60 and 202 pictures of a lab that is made for it and served as ``make
run`` does, or for a live study of a running site whose address is given (which uses up places of it):

- ``page_kb``, ``requests``: all that is fetched before the pictures, headers too, with nothing in the cache;
  ``page_kb_gzip``: the same for browsers that take no brotli, as on plain http;
- ``first_trial_ms``: from *Begin* on the consent form to the first picture on the screen, on a line of 1.6
  Mbit/s and 150 ms, with a processor four times slower than this machine's. Whatever was fetched ahead is
  taken away as *Begin* is pressed, and the words before the trials are left at once;
- ``first_trial_read_ms``: the same when the consent was read for some seconds, during which scripts come;
- ``line_ms``, ``line_read_ms``: what the line alone takes of these: its latency as often as something was
  asked for only after something else had come, and its bytes.

Times are medians of ``--visits``, taken in the page itself; on a busy machine they are too long.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.ratings_servers import Lab

BYTES_PER_SECOND, LATENCY_MS, SLOWER = 200_000, 150, 4
SLOW_LINE = {
    "offline": False,
    "latency": LATENCY_MS,
    "downloadThroughput": BYTES_PER_SECOND,
    "uploadThroughput": BYTES_PER_SECOND,
}
"""1.6 Mbit/s and 150 ms, in the units of the DevTools protocol."""
IMAGES, PIXELS = (6, 60, 202), 72
"""Pictures of noise, 16 KB each."""
VISITS = 5
READING_MS = 5000
FIGURES = ("page_kb", "requests", "first_trial_ms")
WATCH = """
addEventListener("submit", () => sessionStorage.setItem("begun", performance.timeOrigin + performance.now()));
new MutationObserver(() => {
  const now = performance.timeOrigin + performance.now();
  const begin = document.querySelector("#study button.main");
  if (begin && !window.words) {
    window.words = now;
    begin.click();
  }
  if (document.querySelector("[data-shown]")) window.shown ??= now;
}).observe(document, { subtree: true, childList: true, attributeFilter: ["data-shown"] });
"""
"""Notes when the form was sent and when the first picture was shown, and leaves the words between at once."""
MOMENTS = "() => window.shown && [Number(sessionStorage.getItem('begun')), window.words, window.shown]"


@dataclass
class Exchange:
    """A request and its answer, of ``size`` bytes with headers; 0 from the cache. Seconds of one clock."""

    url: str
    begun: float
    wall: float
    ended: float = 0.0
    size: int = 0

    @property
    def is_picture(self) -> bool:
        return "/stimuli/" in self.url


@dataclass
class Traffic:
    """What a page asks for, as it comes."""

    exchanges: list[Exchange] = field(default_factory=list)
    open: dict[str, Exchange] = field(default_factory=dict)

    def watch(self, page: Any) -> Any:
        link = page.context.new_cdp_session(page)
        link.send("Network.enable")
        link.on("Network.requestWillBeSent", self.begun)
        link.on("Network.loadingFinished", self.ended)
        return link

    def begun(self, event: dict[str, Any]) -> None:
        name, url = event["requestId"], event["request"]["url"]
        if "redirectResponse" in event:
            self.end(name, event["timestamp"], event["redirectResponse"]["encodedDataLength"])
        if not url.startswith(("data:", "blob:")):
            self.open[name] = Exchange(url, event["timestamp"], event["wallTime"])
            self.exchanges.append(self.open[name])

    def ended(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self.open:
            self.end(event["requestId"], event["timestamp"], event["encodedDataLength"])

    def end(self, name: str, moment: float, size: float) -> None:
        exchange = self.open.pop(name)
        exchange.ended, exchange.size = moment, int(size)

    def before_images(self) -> list[Exchange]:
        return [exchange for exchange in self.exchanges if not exchange.is_picture]

    def line_ms(self, begun: float, shown: float) -> float:
        """What the line takes of the time between two moments (milliseconds since 1970)."""
        came = [
            exchange
            for exchange in self.exchanges
            if exchange.size
            and exchange.wall * 1000 >= begun
            and (exchange.wall + exchange.ended - exchange.begun) * 1000 <= shown
        ]
        rounds, last = 0, 0.0
        for exchange in sorted(came, key=lambda exchange: exchange.ended):
            if exchange.begun >= last:  # so the most of them that do not overlap are counted
                rounds, last = rounds + 1, exchange.ended
        return rounds * LATENCY_MS + 1000 * sum(exchange.size for exchange in came) / BYTES_PER_SECOND


@contextmanager
def page_of(browser: Any) -> Iterator[Any]:
    """A page of a browser that was never here."""
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        page.set_default_timeout(60_000)
        yield page


def load_trials(page: Any, address: str, *, brotli: bool = True) -> Traffic:
    """Load the page of a participant's trials as for the first time, until its words are there."""
    traffic = Traffic()
    traffic.watch(page)
    if not brotli:
        page.set_extra_http_headers({"Accept-Encoding": "gzip"})
    page.goto(address)
    page.locator("#study").get_by_role("button", name="Begin").wait_for()
    page.wait_for_load_state("networkidle")
    return traffic


def open_consent(page: Any, address: str) -> None:
    page.goto(address)
    page.get_by_label("I have read this and I agree to take part.").check()


def begin(page: Any) -> None:
    page.get_by_role("button", name="Begin").click()


def measure_bytes(browser: Any, address: str) -> dict[str, float]:
    with page_of(browser) as page:
        open_consent(page, address)
        begin(page)
        page.locator("#study").wait_for()
        trials = page.url
    figures: dict[str, float] = {}
    for name, brotli in (("page_kb", True), ("page_kb_gzip", False)):
        with page_of(browser) as page:
            exchanges = load_trials(page, trials, brotli=brotli).before_images()
        figures[name] = round(sum(exchange.size for exchange in exchanges) / 1000, 1)
        figures["requests"] = len(exchanges)
    return figures


def measure_time(browser: Any, address: str, *, reading_ms: int) -> tuple[float, float, float]:
    """Begin after some time; returns milliseconds until the words before the trials and until the first
    picture, and what the line takes of the latter. ``reading_ms`` 0: nothing was fetched ahead."""
    traffic = Traffic()
    with page_of(browser) as page:
        link = traffic.watch(page)
        page.add_init_script(WATCH)
        link.send("Network.emulateNetworkConditions", SLOW_LINE)
        link.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        open_consent(page, address)
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(reading_ms)
        if not reading_ms:
            link.send("Network.clearBrowserCache")
        begin(page)
        begun, words, shown = page.wait_for_function(MOMENTS).json_value()
    return words - begun, shown - begun, traffic.line_ms(begun, shown)


def measure(browser: Any, address: str, *, visits: int = VISITS) -> dict[str, float]:
    """Return the figures of a live study, whose consent form is at ``address``."""
    figures = measure_bytes(browser, address)
    for suffix, reading_ms in (("", 0), ("_read", READING_MS)):
        times = [measure_time(browser, address, reading_ms=reading_ms) for _ in range(visits)]
        names = (f"words{suffix}_ms", f"first_trial{suffix}_ms", f"line{suffix}_ms")
        for name, values in zip(names, zip(*times, strict=True), strict=True):
            figures[name] = round(statistics.median(values))
    return figures


@contextmanager
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


def measure_page(lab: Lab, images: int = IMAGES[-1], *, visits: int = VISITS) -> dict[str, Any]:
    """Measure a study of a lab; ``page_not_measured`` where there is no browser."""
    if shutil.which("chromium") is None:
        return {"page_not_measured": dict.fromkeys(FIGURES, "no Chromium on the path")}
    sizes = {"stimuli": images, "trials": images, "pixels": PIXELS}
    places = 1 + 2 * visits
    study = lab.ask("make", slug=f"page-{images}", **sizes, places=places + 1, lists=2, people=0)
    with lab.served() as (port, _), chromium() as browser:
        return measure(browser, f"http://127.0.0.1:{port}/study/{study['slug']}/", visits=visits)


def measure_lab(visits: int) -> dict[str, Any]:
    """Measure studies of few and many pictures, in a lab that is made for it."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        lab = Lab(home, f"sqlite:///{home / 'db.sqlite3'}")
        lab.ask("migrate")
        return {f"{images} pictures": measure_page(lab, images, visits=visits) for images in IMAGES}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("address", nargs="?", help="where a live study of a running site is joined")
    parser.add_argument("--visits", type=int, default=VISITS)
    parser.add_argument("--json", action="store_true", help="print JSON in one line")
    wanted = parser.parse_args(arguments)
    if wanted.address:
        with chromium() as browser:
            measured: dict[str, Any] = measure(browser, wanted.address, visits=wanted.visits)
    else:
        measured = measure_lab(wanted.visits)
    print(json.dumps(measured, indent=None if wanted.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
