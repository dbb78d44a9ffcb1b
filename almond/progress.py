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
    """Progress for a person: one line that changes in a terminal, a line every few percent in a file."""

    STEP = 0.02
    """How much of the whole must be done for another line in a file."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.last = ""
        self.written = -1.0

    def report(self, fraction: float, message: str = "") -> None:
        line = f"{100 * fraction:5.1f} %  {message}"
        if line == self.last:
            return
        self.last = line
        if self.stream.isatty():
            self.stream.write(f"\r\x1b[2K{line}" + ("\n" if fraction >= 1 else ""))
        elif fraction >= self.written + self.STEP or fraction >= 1:
            self.written = fraction
            self.stream.write(line + "\n")
        self.stream.flush()


class Part:
    """A share of a larger piece of work: fractions 0..1 of the part become ``start..stop`` of the whole."""

    def __init__(self, whole: Progress, start: float, stop: float) -> None:
        self.whole, self.start, self.stop = whole, start, stop

    def report(self, fraction: float, message: str = "") -> None:
        self.whole.report(self.start + (self.stop - self.start) * fraction, message)
