"""Keys of this site: one signs sessions and forms, one hides recruitment ids."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

from almond.errors import InputError
from almond.files.writing import locked, write_atomically

logger = logging.getLogger(__name__)

LEAST = 40
"""Characters."""

REMEDY = f"a line of at least {LEAST} characters; without the file a new key is made"


def read_secret_key(
    key: str, path: Path, *, name: str = "ALMOND_SECRET_KEY", loss: str = "all must log in again"
) -> str:
    """Return the key in the environment, or else the one made for this machine (its owner alone reads it).

    A file that is empty, as a crash or a full disk leaves it, holds no key that could get lost: a new one is
    made. A file that holds something else is left alone.

    :param name: of the variable, for errors.
    :param loss: what a new key means, for the log.

    :raises InputError: the key is too short, or the file is no key or cannot be read.
    """
    if key:
        if len(key) < LEAST:
            raise InputError(name, f"has {len(key)} characters", f"at least {LEAST}")
        return key
    if not _content(path):
        with locked(path.with_name(f".{path.name}.lock")):  # several processes may start at once
            if not _content(path):
                if path.exists():
                    logger.warning("%s was empty: a new key is made, and %s", path, loss)
                write_atomically(path, secrets.token_urlsafe(50).encode(), mode=0o600)
    stored = _content(path)
    if len(stored) < LEAST or not (stored.isascii() and stored.isprintable()):
        raise InputError(path, "is no secret key", REMEDY)
    return stored


def _content(path: Path) -> str:
    """Read what the file holds without white space, and without the zeros of a power cut at its ends."""
    try:
        return path.read_bytes().decode("latin-1").strip(" \t\r\n\0")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", REMEDY) from error
