"""What is in the way of freezing a study, gathered so that all of it is said at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from almond.errors import InputError
from studies.models import Study

Made = TypeVar("Made")


class NotReady(InputError):
    """A study that cannot be frozen yet; ``problems`` holds an error for everything in its way."""

    def __init__(self, study: Study, problems: Sequence[InputError]) -> None:
        self.problems = tuple({str(problem): problem for problem in problems}.values())
        said = "; ".join(map(str, self.problems))
        super().__init__(f"study {study.title!r}", f"cannot be frozen yet: {said}")


class Collected:
    """Errors of several steps, gathered so that all are said at once."""

    def __init__(self) -> None:
        self.problems: list[InputError] = []

    def of(self, make: Callable[[], Made]) -> Made | None:
        """Return what a step makes; None when it fails, and its error is kept."""
        try:
            return make()
        except NotReady as error:
            self.problems += error.problems
        except InputError as error:
            self.problems.append(error)
        return None
