"""A folder as a zip file that is sent while it is read, so that no export has to fit into memory."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from almond.files.folders import visible

CHUNK = 1 << 18
# The same folder gives the same archive: zip's earliest date instead of the files' own.
DATE = (1980, 1, 1, 0, 0, 0)
PACKED = {".png", ".jpg", ".npz"}


class Outbox:
    """The file that ``zipfile`` writes to: what was written since is taken out again and again."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        taken, self.parts = b"".join(self.parts), []
        return taken


def stream_zip(folder: Path, name: str) -> Iterator[bytes]:
    """The regular files below ``folder`` as a zip archive whose top folder is called ``name``."""
    outbox = Outbox()
    with zipfile.ZipFile(outbox, "w") as archive:  # type: ignore[call-overload]  # it needs only write and flush
        for path in visible(folder.rglob("*"), folder):
            if path.is_symlink() or not path.is_file():
                continue
            entry = zipfile.ZipInfo(f"{name}/{path.relative_to(folder).as_posix()}", DATE)
            entry.compress_type = zipfile.ZIP_STORED if path.suffix in PACKED else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w") as inside, path.open("rb") as source:
                while chunk := source.read(CHUNK):
                    inside.write(chunk)
                    yield outbox.take()
    yield outbox.take()
