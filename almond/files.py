"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside the target, flush to disk, rename: the file has its old bytes or all its new ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


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
