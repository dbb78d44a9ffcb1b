"""What can go wrong, in the user's words."""

from __future__ import annotations

import errno
import os

# A full disk, or a limit on the size of files: these come from writing alone, and without a file's name.
FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


class AlmondError(Exception):
    """An error whose message is written for the person who gave the input."""


class InputError(AlmondError):
    """A file or a field is not what was expected.

    ``source`` names the file or field, ``problem`` says what is wrong with it, ``expected`` what would be
    right. The message holds all three.
    """

    def __init__(self, source: object, problem: str, expected: str | None = None) -> None:
        self.source = str(source)
        self.problem = problem
        self.expected = expected
        text = f"{self.source}: {problem}"
        super().__init__(f"{text} (expected {expected})" if expected else text)


class DigestMismatch(AlmondError):
    """The bytes of a thing are not those that its digest promises."""

    def __init__(self, what: object, expected: str, found: str) -> None:
        self.what, self.expected, self.found = str(what), expected, found
        super().__init__(
            f"{what}: its digest is {found[:12]}…, but {expected[:12]}… was recorded; it was changed"
        )


class Cancelled(AlmondError):
    """The person who started the work asked it to stop."""


def refused_file(error: OSError) -> str | None:
    """Return the name of the file that the system's error is about; None where it names none."""
    return os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else None
