"""Around the commands: one line for what a person can mend, a traceback for the rest, nothing for a pipe."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from almond.cli.main import main
from almond.cli.output.frame import STOPPED, UNREAD, framed
from almond.errors import InputError

FULL = Path("/dev/full")


def fails(error: BaseException) -> int:
    def work() -> int:
        raise error

    return framed(work, "almond test")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("tr", "is 0", "more than 0"), "almond test: tr: is 0 (expected more than 0)"),
        (PermissionError(errno.EACCES, "Permission denied", "/a/b"), "almond test: /a/b: Permission denied"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "almond test: the output cannot be written: No space",
        ),
    ],
)
def test_what_a_person_can_mend_is_one_line(
    error: Exception, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fails(error) == 1
    told = capsys.readouterr().err
    assert told.startswith(line)
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "error", [ValueError("x"), OSError(errno.EBADF, "Bad file descriptor"), KeyError("x")]
)
def test_faults_of_the_program_are_not_swallowed(error: Exception) -> None:
    with pytest.raises(type(error)):
        fails(error)


def test_ctrl_c_gives_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert fails(KeyboardInterrupt()) == STOPPED
    assert capsys.readouterr().err == "almond test: stopped\n"


def almond(*words: str, out: str) -> tuple[int, str]:
    """Run a command in a shell that sends its output to ``out``; returns its status and what it told."""
    line = f"set -o pipefail; {sys.executable} -m almond {' '.join(words)} {out}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_a_reader_that_leaves_early_is_no_error() -> None:
    assert almond("schema", out="| true") == (UNREAD, "")


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_an_output_that_takes_no_more_is_named() -> None:
    expected = "almond schema: the output cannot be written: No space left on device\n"
    assert almond("schema", out=f"> {FULL}") == (1, expected)


def test_a_closed_output_is_no_error() -> None:
    assert almond("schema", out=">&-") == (0, "")


def test_a_folder_that_cannot_be_written_to_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    weights = tmp_path / "w.pt"
    weights.write_bytes(b"PK")
    store = tmp_path / "file" / "store"
    assert main(["weights", "emonet", "--file", str(weights), "--store", str(store)]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"almond weights: {store}: cannot be written (Not a directory)")
    assert told.count("\n") == 1
