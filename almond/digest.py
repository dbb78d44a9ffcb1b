"""Digests: the names under which Almond keeps what must never change unnoticed.

All digests are lower-case hexadecimal SHA-256 (64 characters).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from almond.finite import nulled

CHUNK = 1 << 20


def canonical_json(value: Any) -> bytes:
    """The one byte string for a JSON value: sorted keys, no spaces, UTF-8, no NaN (``ValueError``)."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def printed_json(value: Any, indent: int | None = 2) -> str:
    """Write a JSON value for people and programs; what is no number (NaN, infinite) becomes null."""
    return json.dumps(nulled(value), indent=indent, ensure_ascii=False, allow_nan=False)


def digest_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    return digest_bytes(canonical_json(value))


def digest_file(path: Path) -> str:
    """SHA-256 of a file, read in chunks of at most 1 MiB."""
    found = hashlib.sha256()
    size = min(CHUNK, path.stat().st_size + 1)
    with path.open("rb") as stream:
        while chunk := stream.read(size):
            found.update(chunk)
    return found.hexdigest()


def digest_array(array: np.ndarray[Any, Any]) -> str:
    """SHA-256 over dtype, shape and C-ordered bytes, so that equal numbers of another shape differ."""
    solid = np.ascontiguousarray(array)
    head = f"{solid.dtype.str}{solid.shape}".encode()
    return digest_bytes(head + solid.tobytes())


def digest_files(files: Mapping[str, Path]) -> str:
    """Digest of a set of named files: that of the JSON object name -> digest of the file."""
    return digest_json({name: digest_file(path) for name, path in files.items()})
