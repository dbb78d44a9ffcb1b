"""A headless Chromium, spoken to over a pipe in the protocol of its developer tools.

Only the browser itself is needed: no driver, no port that others could reach. One message is one JSON object
that ends in a zero byte.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from django.conf import settings

from almond.errors import AlmondError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = (
    "Chromium was not found; install it (Debian: apt-get install chromium) or name it in ALMOND_CHROMIUM"
)
PATIENCE = 30.0
"""Seconds in which the browser answers."""
SAID = "said.txt"
"""The file in the profile that holds what the browser says on standard error."""
FIRST_FREE = 10
"""The pipes' numbers here begin above those that they get in the browser, 3 and 4."""
ARGUMENTS = (
    *("--headless", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run", "--mute-audio"),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-extensions",
    ),
    *("--disable-background-timer-throttling", "--disable-renderer-backgrounding"),
    *("--disable-backgrounding-occluded-windows", "--no-proxy-server", "--disable-dev-shm-usage"),
)


class BrowserFailed(AlmondError):
    """The browser did not start, ended, or does not answer."""


def find_chromium() -> str:
    """Return the path of the browser.

    :raises BrowserFailed: there is none, or ``ALMOND_CHROMIUM`` names something else.
    """
    named = str(settings.CHROMIUM)
    path = shutil.which(named) if named else next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        where = f"ALMOND_CHROMIUM names {named}, which cannot be run; " if named else ""
        raise BrowserFailed(f"{where}{MISSING}")
    return path


class Chromium:
    """A running browser; ``call`` asks it for something, ``events`` holds what it told by itself."""

    def __init__(self, pid: int, to: int, back: int) -> None:
        self.pid, self.to, self.back = pid, to, back
        self.numbers = count(1)
        self.events: list[dict[str, Any]] = []
        self.rest = b""

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result.

        :param session: of the page that it is for; empty: the browser.
        :raises BrowserFailed: it says no, or nothing in time.
        """
        number = next(self.numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self._write(json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while (left := end - time.monotonic()) > 0:
            for told in self._read(left):
                if told.get("id") != number:
                    self.events.append(told)
                elif "error" in told:
                    raise BrowserFailed(f"the browser refuses {method}: {told['error'].get('message')}")
                else:
                    return dict(told["result"])
        raise BrowserFailed(f"the browser did not answer {method} within {PATIENCE:.0f} s")

    def listen(self, seconds: float) -> None:
        """Take in what the browser tells by itself for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.events += self._read(left)

    def _write(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self.to, data) :]
        except OSError as error:
            raise BrowserFailed("the browser ended by itself") from error

    def _read(self, seconds: float) -> list[dict[str, Any]]:
        """Return the messages that came, after waiting for one."""
        ready, _, _ = select.select([self.back], [], [], seconds)
        if not ready:
            return []
        data = os.read(self.back, 1 << 20)
        if not data:
            raise BrowserFailed("the browser ended by itself")
        *whole, self.rest = (self.rest + data).split(b"\0")
        return [json.loads(message) for message in whole]


@contextlib.contextmanager
def running_chromium() -> Iterator[Chromium]:
    """Start a browser with an empty profile, and end it with everything it started.

    :raises BrowserFailed: there is none, or it does not start.
    """
    path = find_chromium()
    with tempfile.TemporaryDirectory(prefix="almond-browser-", ignore_cleanup_errors=True) as profile:
        their_in, to = _pipe()
        back, their_out = _pipe()
        try:
            pid = _spawn(path, profile, their_in, their_out)
        finally:
            os.close(their_in)
            os.close(their_out)
        browser = Chromium(pid, to, back)
        try:
            begin(browser, Path(profile))
            yield browser
        finally:
            os.close(to)
            os.close(back)
            _end(pid)


def begin(browser: Chromium, profile: Path) -> None:
    """Wait until a browser answers; where it does not, raise with the last that it said."""
    try:
        browser.call("Browser.getVersion")
    except BrowserFailed as error:
        said = (profile / SAID).read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(said) if line.strip()), "without a word")
        raise BrowserFailed(f"Chromium did not start: {error} ({last[:300]})") from error


def _pipe() -> tuple[int, int]:
    """Make a pipe whose two ends have high numbers and go to no child by themselves."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]


def _spawn(path: str, profile: str, their_in: int, their_out: int) -> int:
    """Start the browser in a session of its own; it reads commands from 3 and writes to 4."""
    # The browser's own sandbox does not run as root.
    more = ["--no-sandbox"] if os.geteuid() == 0 else []
    words = [path, *ARGUMENTS, *more, f"--user-data-dir={profile}", "about:blank"]
    silent = os.open(os.devnull, os.O_RDWR)
    said = os.open(Path(profile) / SAID, os.O_WRONLY | os.O_CREAT)
    actions = [
        (os.POSIX_SPAWN_DUP2, their_in, 3),
        (os.POSIX_SPAWN_DUP2, their_out, 4),
        (os.POSIX_SPAWN_DUP2, silent, 0),
        (os.POSIX_SPAWN_DUP2, silent, 1),
        (os.POSIX_SPAWN_DUP2, said, 2),
    ]
    try:
        # A home of its own too: nothing of the browser's is left behind.
        environment = {**os.environ, "HOME": str(Path(profile))}
        return os.posix_spawn(path, words, environment, file_actions=actions, setsid=True)
    finally:
        os.close(silent)
        os.close(said)


def _end(pid: int) -> None:
    """End the browser and its processes, which have a session of their own."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)
        for _ in range(50):
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                return
            time.sleep(0.02)
    os.waitpid(pid, 0)
