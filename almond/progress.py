"""How long work says where it is and learns that it should stop."""

from __future__ import annotations

import sys
from typing import Protocol, TextIO


class Progress(Protocol):
    """What long work is given: it reports, and asks between steps whether to stop."""

    def report(self, fraction: float, message: str = "") -> None:
        """``fraction`` in [0, 1] of the whole is done; raises ``almond.errors.Cancelled`` to stop."""


class Silent:
    """Reports to nobody."""

    def report(self, fraction: float, message: str = "") -> None:
        return None


class Console:
    """One line per message on a text stream (standard error unless told)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.last = ""

    def report(self, fraction: float, message: str = "") -> None:
        line = f"{100 * fraction:5.1f} %  {message}"
        if line != self.last:
            self.stream.write(line + "\n")
            self.stream.flush()
            self.last = line


class Part:
    """A share of a larger piece of work: fractions 0..1 of the part become ``start..stop`` of the whole."""

    def __init__(self, whole: Progress, start: float, stop: float) -> None:
        self.whole, self.start, self.stop = whole, start, stop

    def report(self, fraction: float, message: str = "") -> None:
        self.whole.report(self.start + (self.stop - self.start) * fraction, message)
