"""A real Chromium, driven by Playwright, in front of a live server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor" / "jspsych.js"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser for the tests of one module; they are skipped where something of it is missing."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs Chromium on the path (Debian: apt-get install chromium)")
    if not VENDOR.is_file():
        pytest.skip("needs the pages' packages: run `make setup` (npm ci and scripts/vendor_js.py)")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright from the test extra")
    # Playwright keeps an event loop in this thread, in which Django would refuse every query.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
            yield browser
            browser.close()
    finally:
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        else:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


class Visit:
    """One visit to the study: a page, what its console said, and where screenshots go if wanted."""

    def __init__(self, context: Any, address: str) -> None:
        self.context, self.address = context, address
        self.page = context.new_page()
        self.page.set_default_timeout(15_000)
        self.complaints: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.text} {message.location.get('url', '')}")

    def shot(self, name: str, *, whole: bool = False) -> None:
        """Keep a screenshot in the folder named by ``ALMOND_SCREENSHOTS``, if there is one."""
        if folder := os.environ.get("ALMOND_SCREENSHOTS"):
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=whole)


@pytest.fixture
def visit(chromium: Any, live_server: Any) -> Iterator[Any]:
    """Opens visits: ``visit(width, height, scheme="light", touch=False)``."""
    contexts = []

    def open_visit(
        width: int = 1280, height: int = 800, *, scheme: str = "light", touch: bool = False
    ) -> Visit:
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=touch, is_mobile=touch
        )
        contexts.append(context)
        return Visit(context, live_server.url)

    yield open_visit
    for context in contexts:
        context.close()


def log_in(here: Visit) -> None:
    """The session of an experimenter, put into the browser."""
    from accounts.models import User

    person = User.objects.create_superuser("lab", "lab@example.org", "a long enough password")
    client = Client()
    client.force_login(person)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    here.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": here.address}])


def press(page: Any, name: str, *, exact: bool = False) -> None:
    """Press a button by its words, and agree where it asks first."""
    button = page.get_by_role("button", name=name, exact=exact)
    asks = button.evaluate("(button) => Boolean(button.form?.dataset.ask)")
    button.click()
    if asks:
        page.get_by_role("dialog").get_by_role("button", name=name, exact=exact).click()
