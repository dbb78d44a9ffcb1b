"""Answers of some participants as columns, as the tables of an export are made from them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from django.db.models import Case, QuerySet, TextField, When
from django.db.models.functions import Cast

from almond.design.trials.columns import Coded
from almond.typing import Floats, Ints
from lab.column_read import CODED, FLAG, INTEGER, MOMENT, NUMBER, TEXT, UUID, Columns, Kinds
from ratings.models import Attempt, Response

Moments = np.ndarray[Any, np.dtype[np.datetime64]]

PLAIN: Kinds = {
    "trial__participant": INTEGER,
    "pk": INTEGER,
    "rt_ms": NUMBER,
    "trial__kind": CODED,
    "trial__index": INTEGER,
    "trial": INTEGER,
    "trial__name": TEXT,
    "trial__block": CODED,
    "chosen": CODED,
    "late": FLAG,
    "received_at": MOMENT,
    "response_id": UUID,
}
LONG: Kinds = {"trial__planned": CODED, "digests": CODED, "values": TEXT, "marks": CODED}
"""JSON, which is read as text, for what is the same for many is parsed once; and only for the trials of the
kind whose table is made: of others it is null."""

FIELDS: Kinds = {**PLAIN, **{f"{name}_text": kind for name, kind in LONG.items()}}
"""What is read of an answer, and as what."""


class Person(NamedTuple):
    """A participant whose answers leave the study, with the number of trials planned."""

    pk: int
    name: str
    kind: str
    list: int
    status: str
    started_at: datetime
    finished_at: datetime | None
    trials_planned: int


def answers_of(people: Sequence[Person], kind: str) -> QuerySet[Response]:
    """Return all responses of some participants, with the JSON of those to trials of one kind; unsorted."""
    texts = {
        f"{name}_text": Case(When(trial__kind=kind, then=Cast(name, TextField())), default=None)
        for name in LONG
    }
    here = Response.objects.filter(trial__participant__in=[person.pk for person in people])
    return here.annotate(**texts).order_by()


def in_order(answers: Columns, people: Sequence[Person]) -> Columns:
    """Sort answers: people in their order, each one's trials in theirs."""
    order = np.lexsort((answers["trial__index"].to_numpy(), places_of(answers, people)))
    if (np.diff(order) == 1).all():
        return answers
    return {name: cells.take(pa.array(order)) for name, cells in answers.items()}


def places_of(answers: Columns, people: Sequence[Person]) -> Ints:
    """Return the place of each answer's participant among some people, (n,)."""
    keys = np.array([person.pk for person in people], np.int64)
    by_key = np.argsort(keys)
    found = np.searchsorted(keys, answers["trial__participant"].to_numpy(), sorter=by_key)
    return np.asarray(by_key[found], np.intp)


def coded(texts: pa.DictionaryArray) -> Coded:
    """Take the distinct texts of a column, in which none is null."""
    return Coded(texts.dictionary.to_pylist(), texts.indices.to_numpy().astype(np.intp))


def read_altered(people: Sequence[Person]) -> list[int]:
    """Read the trials of some participants of which the same response came again with other content."""
    altered = Attempt.objects.filter(outcome=Attempt.Outcome.ALTERED, trial__isnull=False)
    here = altered.filter(participant__in=[person.pk for person in people])
    return [trial for trial in here.values_list("trial", flat=True) if trial is not None]


def gaps_of(answers: Columns, people: Sequence[Person], moments: Moments) -> Floats:
    """Return for each answer (n,) the milliseconds in which nothing came: from the participant's answer
    stored before, or from joining, to this one, less the time of answering it; 0 at least.

    :param moments: when answers were stored.
    """
    persons, stored = places_of(answers, people), moments.astype(np.int64)
    order = np.lexsort((answers["pk"].to_numpy(), stored, persons))
    joined = np.array([microseconds(person.started_at) for person in people], np.int64)[persons[order]]
    before = np.roll(stored[order], 1)
    first = np.diff(persons[order], prepend=-1) != 0
    waited = (stored[order] - np.where(first, joined, before)) / 1e6 * 1000
    quiet = tenths(waited - answers["rt_ms"].to_numpy()[order])
    gaps = np.empty(len(order))
    gaps[order] = np.where(quiet > 0.0, quiet, 0.0)
    return gaps


def tenths(values: Floats) -> Floats:
    """Round to one decimal as Python's ``round`` does, by the exact value of each number.

    A product by ten is off by half a unit in its last place at most: that decides only close to the middle
    between two tenths, and there Python does.
    """
    large = np.abs(values) >= 1e8
    scaled = np.where(large, 0.0, values) * 10.0
    rounded = np.rint(scaled) / 10.0
    doubtful = np.flatnonzero(large | (np.abs(scaled - np.floor(scaled) - 0.5) < 1e-6))
    rounded[doubtful] = [round(value, 1) for value in values[doubtful].tolist()]
    return np.asarray(rounded, np.float64)


def microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def in_milliseconds(moments: Moments) -> Moments:
    """Cut moments to whole milliseconds."""
    cut: Moments = moments.astype("datetime64[ms]").astype(moments.dtype)
    return cut
