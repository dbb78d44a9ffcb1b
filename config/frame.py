"""What the site's entry points tell of errors that a person can mend, beside those of the library."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import DatabaseError, OperationalError

from almond.cli.output import frame
from config.environment import SQLITE

DAMAGED = ("SQLITE_NOTADB", "SQLITE_CORRUPT")
# Answers of a disk, an owner or another process; SQLITE_ERROR is a fault in a statement, thus of the program.
REFUSED = (
    "SQLITE_CANTOPEN",
    "SQLITE_READONLY",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_PERM",
    "SQLITE_AUTH",
    *DAMAGED,
)
# Classes of PostgreSQL's states: connection, access, no such database, resources, operator, system; 42501 is
# a right that the user lacks. A connection that fails has none.
STATES = ("08", "28", "3D", "42501", "53", "57P", "58")


def explain(error: Exception) -> str | None:
    """Return what to tell of an error that a person can mend, None of a fault of the program."""
    if isinstance(error, DatabaseError):
        return _of_database(error)
    if isinstance(error, ImproperlyConfigured | CommandError):
        return _joined(error)
    return frame.explain(error)


def _of_database(error: DatabaseError) -> str | None:
    entry = settings.DATABASES["default"]
    if entry["ENGINE"] == SQLITE:
        return _of_sqlite(error, entry["NAME"])
    cause = _cause(error, "sqlstate")
    if cause is None:
        return None
    unconnected = cause.sqlstate is None and isinstance(error, OperationalError)
    if unconnected or (cause.sqlstate or "").startswith(STATES):
        return f"DATABASE_URL: {_joined(cause.diag.message_primary or cause)}"
    return None


def _of_sqlite(error: DatabaseError, path: str) -> str | None:
    kind = getattr(_cause(error, "sqlite_errorname"), "sqlite_errorname", "")
    if kind.startswith(DAMAGED):
        return f"{path}: {error} (expected a database of Almond: restore a backup, or another ALMOND_HOME)"
    if kind.startswith(REFUSED):
        return f"{path}: {error} (expected a file that can be written to, on a disk with room)"
    return None


def _cause(error: BaseException, attribute: str) -> Any:
    """Return the driver's error behind Django's, which may be wrapped more than once."""
    cause: BaseException | None = error
    while cause is not None and not hasattr(cause, attribute):
        cause = cause.__cause__ or cause.__context__
    return cause


def _joined(error: BaseException | str) -> str:
    return " ".join(str(error).split())
