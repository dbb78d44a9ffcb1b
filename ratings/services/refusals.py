"""What the server says no to, with the HTTP status that fits and words for whoever reads it."""

from __future__ import annotations

from typing import Any

from almond.errors import InputError


class Refused(InputError):
    """A request that cannot be granted. Nothing of it was stored, except that it was made."""

    status = 400

    def __init__(self, source: object, problem: str, expected: str | None = None) -> None:
        super().__init__(source, problem, expected)

    def to_json(self) -> dict[str, Any]:
        return {
            "acknowledged": False,
            "error": {"field": self.source, "problem": self.problem, "expected": self.expected},
            "message": str(self),
        }


class Malformed(Refused):
    """The body, or a field of it, is not what was expected."""


class NotTheirs(Refused):
    """The trial is somebody else's, or the request came from another site."""

    status = 403


class Unknown(Refused):
    """There is no such trial."""

    status = 404


class NotNow(Refused):
    """The state of the study or of the participant does not allow it."""

    status = 409
