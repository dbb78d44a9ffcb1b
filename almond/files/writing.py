"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from almond.errors import FULL, InputError, refused_file

# What else a disk or its owner answers that is no fault of the program: read-only, not ours, no such folder.
REFUSALS = FULL | {
    errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOTDIR, errno.EEXIST, errno.EISDIR,
    errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOLCK,
}  # fmt: skip


@contextlib.contextmanager
def refusals_named(path: Path, place: Path | None = None) -> Iterator[None]:
    """Turn the refusal to write ``path`` into an error that names it; errors about other files pass.

    :param place: the file or folder that stands in for ``path`` until it is whole.
    :raises InputError: the disk is full or read-only, or the folder is not one that we may write to.
    """
    try:
        yield
    except OSError as error:
        name = refused_file(error)
        about_it = error.errno in FULL if name is None else _concerns(Path(name), place or path)
        if error.errno not in REFUSALS or not about_it:
            raise
        expected = "a folder that can be written to, on a disk with room"
        raise InputError(path, f"cannot be written ({error.strerror})", expected) from error


def _concerns(path: Path, place: Path) -> bool:
    """Whether a path is a place, a folder above it, or lies below it."""
    return path == place or path in place.parents or place in path.parents


def write_atomically(path: Path, data: bytes, mode: int = 0o644, *, durable: bool = True) -> None:
    """Write beside the target, flush to disk, rename: the file has its old bytes or all its new ones.

    :param durable: also after a power cut; without it the caller flushes many files at once.
    """
    with open_atomically(path, mode, durable=durable) as stream:
        stream.write(data)


@contextlib.contextmanager
def open_atomically(path: Path, mode: int = 0o644, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a file beside the target for writing; it takes the target's place once the block ends well.

    :raises InputError: the disk refuses; nothing is left under the target's name but what was there before.
    """
    with refusals_named(path, path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with refusals_named(path, Path(name)):
            with os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                if durable:
                    os.fsync(stream.fileno())
            os.chmod(name, mode)
            os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            os.unlink(name)
        raise
    if durable:
        flush_to_disk(path.parent)


def flush_to_disk(path: Path) -> None:
    """Make a file's bytes, or a folder's list of names, outlast a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems know this for files alone
            raise
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[FileIO]:
    """Hold the lock on a file, which is made where it is missing; yields the open file.

    The kernel frees the lock when the process ends, however it ends; the file stays.

    :raises BlockingIOError: another process holds it, and ``wait`` is False.
    """
    with refusals_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    with FileIO(handle, "r+") as stream:  # without a buffer, whose rest would be written when all is over
        with refusals_named(path):
            fcntl.flock(stream, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield stream


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Write an .npz as bytes that depend on the arrays alone: numpy stamps every member with 1980-01-01."""
    stream = io.BytesIO()
    ordered: dict[str, Any] = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    np.savez(stream, **ordered)
    return stream.getvalue()


@contextlib.contextmanager
def new_folder(parent: Path, prefix: str = ".partial-") -> Iterator[Path]:
    """A scratch folder inside ``parent``; the caller publishes it under its final name before the block ends.

    Whatever is left under the scratch name when the block ends, by an error or not, is removed.

    :raises InputError: the disk refuses.
    """
    with refusals_named(parent):
        parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
    try:
        with refusals_named(parent, scratch):
            os.chmod(scratch, 0o755)
            yield scratch
    finally:
        if scratch.exists():
            shutil.rmtree(scratch)


def publish(scratch: Path, final: Path, *, over: bool = False) -> None:
    """Rename a complete file or folder, all of whose bytes are on the disk before its name is.

    :param over: a folder that stands there is replaced; should that fail, it stands there again. Without
        it, only an empty one is.
    """
    for path in [*sorted(scratch.rglob("*")), scratch]:
        flush_to_disk(path)
    earlier = scratch.with_name(f"{scratch.name}.earlier") if over and final.is_dir() else None
    if earlier:
        final.rename(earlier)
    try:
        os.replace(scratch, final)
    except OSError:
        if earlier:
            earlier.rename(final)
        raise
    flush_to_disk(final.parent)
    if earlier:
        shutil.rmtree(earlier)
