"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside the target, flush to disk, rename: the file has its old bytes or all its new ones."""
    with open_atomically(path) as stream:
        stream.write(data)


@contextlib.contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a file beside the target for writing; it takes the target's place once the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Write an .npz as bytes that depend on the arrays alone: numpy stamps every member with 1980-01-01."""
    stream = io.BytesIO()
    ordered: dict[str, Any] = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    np.savez(stream, **ordered)
    return stream.getvalue()


@contextlib.contextmanager
def new_folder(parent: Path, prefix: str = ".partial-") -> Iterator[Path]:
    """A scratch folder inside ``parent``; the caller renames it to its final name before the block ends.

    Whatever is left under the scratch name when the block ends, by an error or not, is removed.
    """
    parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
    os.chmod(scratch, 0o755)
    try:
        yield scratch
    finally:
        if scratch.exists():
            shutil.rmtree(scratch)
