"""Files in the lab's folder: each written once, under the digest of its bytes."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from almond.digest import digest_bytes
from almond.files.writing import write_atomically
from generation.models import stimulus_path


def keep_bytes(data: bytes, suffix: str) -> str:
    """Write an image's bytes under their digest, once, and return the digest."""
    digest = digest_bytes(data)
    path = stimulus_path(digest, suffix)
    if not path.is_file():
        write_atomically(path, data)
    return digest


def keep_upload(*, data: bytes, suffix: str) -> Path:
    """Write an uploaded file under its digest in the lab's folder, and return its path."""
    path = Path(settings.ALMOND_HOME) / "uploads" / f"{digest_bytes(data)}.{suffix}"
    if not path.is_file():
        write_atomically(path, data)
    return path
