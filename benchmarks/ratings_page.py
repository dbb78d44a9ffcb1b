"""What a participant's browser fetches, and how soon the first trial is there on a slow line.

In a real Chromium: 1.6 Mbit/s, 150 ms, a processor four times slower than this machine's, an empty cache.
"""

from __future__ import annotations

import shutil
import time
from typing import Any

from benchmarks.ratings_servers import Lab

STIMULI, PIXELS = 200, 72
"""Pictures of noise, 16 KB each."""
BITS_PER_SECOND, LATENCY_MS, SLOWER = 1.6e6, 150, 4
VISITS = 3
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
]
FIGURES = ("page_kb", "requests", "first_trial_ms")
FIRST_TRIAL = ".rating[data-shown], .pair[data-shown]"


def measure_page(lab: Lab) -> dict[str, Any]:
    """Medians of visits; ``page_not_measured`` where there is no browser."""
    path = shutil.which("chromium")
    if path is None:
        return {"page_not_measured": dict.fromkeys(FIGURES, "no Chromium on the path")}
    from playwright.sync_api import sync_playwright

    study = lab.ask(
        "make", slug="page", stimuli=STIMULI, trials=STIMULI, pixels=PIXELS, places=20, lists=2, people=0
    )
    with lab.served() as (port, _), sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        visits = [
            one_visit(browser, f"http://127.0.0.1:{port}/study/{study['slug']}/") for _ in range(VISITS)
        ]
        browser.close()
    return {name: sorted(visit[name] for visit in visits)[VISITS // 2] for name in FIGURES}


def one_visit(browser: Any, address: str) -> dict[str, float]:
    """Give consent, begin, and wait for the first trial, in a browser that was never here."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.set_default_timeout(60_000)
    tools = context.new_cdp_session(page)
    tools.send("Network.enable")
    page.goto(address)
    page.get_by_label("I have read this and I agree to take part.").check()
    slow = {"offline": False, "latency": LATENCY_MS}
    speed = BITS_PER_SECOND / 8
    tools.send(
        "Network.emulateNetworkConditions", {**slow, "downloadThroughput": speed, "uploadThroughput": speed}
    )
    tools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    kinds: dict[str, str] = {}
    received: dict[str, float] = {}
    tools.on("Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]}))
    tools.on(
        "Network.loadingFinished",
        lambda event: received.update({event["requestId"]: event["encodedDataLength"]}),
    )
    begun = time.perf_counter()
    page.get_by_role("button", name="Begin").click()
    page.locator("#study").get_by_role("button", name="Begin", exact=True).click()
    page.locator(FIRST_TRIAL).first.wait_for()
    seconds = time.perf_counter() - begun
    before_images = [
        name for name, kind in kinds.items() if kind not in {"Image", "Ping"} and name in received
    ]
    context.close()
    return {
        "page_kb": round(sum(received[name] for name in before_images) / 1000, 1),
        "requests": len(before_images),
        "first_trial_ms": round(1000 * seconds),
    }
