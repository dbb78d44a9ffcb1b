"""Answers to planned trials, one by one and many at once, as the tables of an export are made from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, NamedTuple

import numpy as np

from almond.design.trials.columns import Coded
from almond.typing import Ints

Cells = Sequence[Any] | np.ndarray[Any, Any] | Coded
"""The cells of one column: any sequence, an array of numbers or of moments in UTC (``datetime64[us]``), or
values that stand again and again."""


class PlannedTrial(NamedTuple):
    """One trial of one list. ``index`` counts from 0 over all blocks.

    A trial of one image has a ``stimulus`` and the ``constructs`` of its block; a trial of two images has a
    ``pair``, the stimuli ``left`` and ``right``, one construct and its ``question``; a trial of more images
    has them as ``several``, row by row.
    """

    index: int  # type: ignore[assignment]  # the stored name; tuples have a method of that name
    block: str
    kind: str
    stimulus: str | None = None
    left: str | None = None
    right: str | None = None
    pair: str | None = None
    constructs: tuple[str, ...] = ()
    question: str | None = None
    repeat: bool = False
    several: tuple[str, ...] = ()

    @property
    def stimuli(self) -> tuple[str, ...]:
        """Ids of the images shown, left to right."""
        one_or_two = (self.stimulus, self.left, self.right)
        return (*(name for name in one_or_two if name is not None), *self.several)

    def to_json(self) -> dict[str, Any]:
        """Return the trial as JSON values; ``several`` only where it has more than two images."""
        values = {**self._asdict(), "constructs": list(self.constructs), "several": list(self.several)}
        return values if self.several else {name: values[name] for name in values if name != "several"}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PlannedTrial:
        lists = {"constructs": tuple(value["constructs"]), "several": tuple(value.get("several", ()))}
        return cls(**{**value, **lists})


@dataclass(frozen=True)
class Response:
    """A stored answer to a planned trial, from which the rows of an export are made.

    ``shared`` holds the columns that all kinds have: ids, index, block, time to answer, time of arrival.
    """

    trial: PlannedTrial
    images: Sequence[str]
    values: Mapping[str, Any]
    chosen: str
    shared: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Responses:
    """Stored answers to planned trials (n), by what each consists of.

    :param trials: the trials, each distinct one (nearly) once. :param images: digests of the images shown.
    :param values: what was posted as ``values``. :param chosen: the side chosen, empty where there is none.
    :param shared: columns that all kinds have, as in ``Response``.
    """

    trials: Coded
    images: Coded
    values: Sequence[Mapping[str, Any]]
    chosen: Coded
    shared: Mapping[str, Cells]

    def __len__(self) -> int:
        return len(self.trials)

    def __iter__(self) -> Iterator[Response]:
        shared = {name: listed_cells(cells) for name, cells in self.shared.items()}
        rows = zip(self.trials.tolist(), self.images.tolist(), self.values, self.chosen.tolist(), strict=True)
        for place, (trial, images, values, chosen) in enumerate(rows):
            own = {name: cells[place] for name, cells in shared.items()}
            yield Response(trial, images, values, chosen, own)

    @classmethod
    def of(cls, responses: Sequence[Response]) -> Responses:
        """Gather responses, whose ``shared`` have the same names."""
        places = np.arange(len(responses))
        names = responses[0].shared if responses else ()
        return cls(
            trials=Coded([one.trial for one in responses], places),
            images=Coded([one.images for one in responses], places),
            values=[one.values for one in responses],
            chosen=Coded([one.chosen for one in responses], places),
            shared={name: [one.shared[name] for one in responses] for name in names},
        )

    def of_trials(self, fact: Callable[[PlannedTrial], object]) -> Coded:
        """Return what a function tells of the trial of each response, (n,)."""
        return self.trials.map(fact)

    def image(self, place: int) -> Coded:
        """Return the digest of the image in a place, from the left, (n,)."""
        return self.images.map(lambda digests: digests[place])


def listed_cells(cells: Cells) -> Sequence[Any]:
    """List the cells of a column as Python's own values."""
    if not isinstance(cells, Coded | np.ndarray):
        return cells
    listed: list[Any] = cells.tolist()
    if isinstance(cells, np.ndarray) and cells.dtype.kind == "M":
        return [moment.replace(tzinfo=UTC) for moment in listed]
    return listed


def taken(cells: Cells, rows: Ints) -> Cells:
    """Take the cells of some rows, (m,)."""
    if isinstance(cells, Coded):
        return cells.take(rows)
    if isinstance(cells, np.ndarray):
        return cells[rows]
    return [cells[row] for row in rows.tolist()]


def appended_cells(parts: Sequence[Cells]) -> Cells:
    """Put the cells of several parts of a column one after the other."""
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate([np.asarray(part) for part in parts])
    return [cell for part in parts for cell in listed_cells(part)]


def columns_of_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Turn rows that have the same names into columns; no column without rows."""
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
