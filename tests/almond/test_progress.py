"""What a person sees of long work."""

from __future__ import annotations

import io

import pytest

from almond.errors import Cancelled
from almond.progress import Console, Part


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_gets_a_line_every_few_percent() -> None:
    stream = io.StringIO()
    console = Console(stream)
    for number in range(1001):
        console.report(number / 1000, f"file {number}")
    lines = stream.getvalue().splitlines()
    assert 45 <= len(lines) <= 52
    assert lines[0] == "  0.0 %  file 0"
    assert lines[-1] == "100.0 %  file 1000"


def test_a_terminal_gets_one_line_that_changes() -> None:
    stream = Terminal()
    console = Console(stream)
    console.report(0.5, "half")
    console.report(0.5, "half")
    console.report(1.0, "done")
    assert stream.getvalue() == "\r\x1b[2K 50.0 %  half\r\x1b[2K100.0 %  done\n"


def test_a_part_reports_its_share_and_passes_a_cancellation_on() -> None:
    seen = []

    class Whole:
        def report(self, fraction: float, message: str = "") -> None:
            seen.append((round(fraction, 3), message))
            if fraction > 0.5:
                raise Cancelled("asked to stop")

    part = Part(Whole(), 0.4, 0.6)
    part.report(0.0, "begin")
    part.report(0.5, "middle")
    with pytest.raises(Cancelled):
        part.report(1.0, "end")
    assert seen == [(0.4, "begin"), (0.5, "middle"), (0.6, "end")]
