"""The shipped weights: safetensors files beside ``digests.json``, which names each file's SHA-256."""

from __future__ import annotations

import json
from pathlib import Path

from almond.digest import canonical_json, digest_file
from almond.errors import DigestMismatch, InputError
from almond.files.writing import write_atomically

FOLDER = Path(__file__).parent
DIGESTS = "digests.json"


def checked(name: str, folder: Path = FOLDER) -> Path:
    """The path of a weights file whose bytes are those recorded.

    Raises ``InputError`` when the file or its record is missing, ``DigestMismatch`` when it was changed.
    """
    recorded = recorded_digests(folder)
    path = folder / name
    if name not in recorded or not path.is_file():
        raise InputError(
            path, "no such weights", f"a file listed in {DIGESTS}: {', '.join(sorted(recorded))}"
        )
    found = digest_file(path)
    if found != recorded[name]:
        raise DigestMismatch(path, recorded[name], found)
    return path


def recorded_digests(folder: Path = FOLDER) -> dict[str, str]:
    """File name -> SHA-256, as recorded."""
    path = folder / DIGESTS
    if not path.is_file():
        raise InputError(path, "is missing", "the record of the weights' digests")
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


def record(name: str, folder: Path = FOLDER) -> str:
    """Write the digest of a new weights file into the record, and return it."""
    path = folder / DIGESTS
    known = recorded_digests(folder) if path.is_file() else {}
    known[name] = digest_file(folder / name)
    write_atomically(path, canonical_json(known) + b"\n")
    return known[name]
