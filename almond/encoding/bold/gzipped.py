"""Files of gzip: content streamed in pieces of bounded size, and their check sums."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path

from almond.errors import InputError

BLOCK = 1 << 20
"""Bytes of a compressed file that are read at a time."""

GZIP = 31
"""Window size that makes zlib read gzip's own header and check sum."""

MAGIC = b"\x1f\x8b"
EXPECTED = "an intact file: copy or download it again"


def is_gzip(path: Path) -> bool:
    """Tell by its first bytes whether a file is one of gzip, whatever its name ends in."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def inflated(path: Path) -> Iterator[bytes]:
    """Yield the content of a gzip file, of one or several members, in pieces of bounded size.

    :raises InputError: a check sum does not fit, it ends early, or other bytes follow; zeros may follow.
    """
    try:
        block = min(BLOCK, path.stat().st_size + 1)
        with path.open("rb") as stream:
            unzip = zlib.decompressobj(GZIP)
            data = stream.read(block)
            while data:
                yield unzip.decompress(data, 4 * BLOCK)
                if unzip.eof:
                    data = _next_member(unzip.unused_data, path, partial(stream.read, block))
                    unzip = zlib.decompressobj(GZIP) if data else unzip
                else:
                    data = unzip.unconsumed_tail or stream.read(block)
    except (OSError, zlib.error) as error:
        raise damaged(path, error) from error
    if not unzip.eof:
        raise damaged(path, "it ends before its check sum")


def _next_member(rest: bytes, path: Path, read: Callable[[], bytes]) -> bytes:
    """Pass over the zeros that tape drives and disks put behind a member."""
    while not (rest := rest.lstrip(b"\0")):
        rest = read()
        if not rest:
            return b""
    if not MAGIC.startswith(rest[: len(MAGIC)]) and not rest.startswith(MAGIC):
        raise damaged(path, "other bytes follow its content")
    return rest


def content_size(path: Path) -> int:
    """Count the bytes of a gzip file's content, after reading all of it to its check sums.

    Done once in a process for a file that stays as it is: a flipped bit may change numbers long before it
    makes the stream unreadable, and what is read later is often only a part.

    :raises InputError: see ``inflated``.
    """
    state = path.stat()
    return _verified(path.absolute(), state.st_ino, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _verified(path: Path, inode: int, size: int, changed: int) -> int:
    return sum(map(len, inflated(path)))


def damaged(path: Path, why: object) -> InputError:
    """Make the error of data that are not whole."""
    return InputError(path, f"its data end early or are damaged ({why})", EXPECTED)
