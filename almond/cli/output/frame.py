"""The frame around an entry point: what a person can mend is told in one line, the rest stays a traceback."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Callable
from typing import TextIO

from almond.errors import FULL, AlmondError, refused_file

Explain = Callable[[Exception], str | None]

STOPPED = 130
"""Exit status after Ctrl-C, as shells count it."""

UNREAD = 141
"""Exit status when nobody reads the output any more, as of a process that SIGPIPE ended."""


def explain(error: Exception) -> str | None:
    """Return what to tell of an error that a person can mend, None of a fault of the program."""
    if isinstance(error, AlmondError):
        return str(error)
    if isinstance(error, OSError) and (name := refused_file(error)) is not None:
        return f"{name}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in FULL:
        return f"the output cannot be written: {error.strerror}"
    return None


def framed(work: Callable[[], int | None], name: str, explain: Explain = explain) -> int:
    """Run an entry point and return the process's exit status: 0 done, 1 it failed in a way that was told.

    :param name: what the line begins with, such as ``almond fit``.
    """
    try:
        return _flushed(work)
    except KeyboardInterrupt:
        tell(f"{name}: stopped")
        return STOPPED
    except BrokenPipeError:
        if not _is_unread():
            raise
        return UNREAD
    except Exception as error:
        line = explain(error)
        if line is None:
            raise
        tell(f"{name}: {line}")
        return 1
    finally:
        _drop_unwritten()


def tell(line: str) -> None:
    """Write a line to standard error, unless nobody reads it any more."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


def _flushed(work: Callable[[], int | None]) -> int:
    """Write out what is left before Python ends, when an error could no longer be told."""
    try:
        status = int(work() or 0)
    except SystemExit:
        _flush()
        raise
    _flush()
    return status


def _flush() -> None:
    for stream in _streams():
        stream.flush()


def _streams() -> list[TextIO]:
    """List standard output and error, where the caller did not close them."""
    return [stream for stream in (sys.stdout, sys.stderr) if stream is not None]


def _is_unread() -> bool:
    """Whether the reader of standard output or error has gone: ``almond ... | head``."""
    poll = select.poll()
    for stream in _streams():
        poll.register(stream.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _drop_unwritten() -> None:
    """Let Python end without trying once more to write what could not be written."""
    for stream in _streams():
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
