"""A study's participants, responses and events as the tables of an export, some participants at a time.

Recruitment is never read here. Participants come in the order of their names, so that a study of any size
needs the memory of a few thousand rows, and no statement stays open for long.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db.models import Case, Count, TextField, When
from django.db.models.functions import Cast

from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.columns import Coded
from almond.design.trials.responses import Cells, PlannedTrial, Responses, appended_cells, listed_cells, taken
from almond.evidence.table_writer import Chunk, SortedChunks
from almond.exchange.schema import table_schemas
from almond.typing import Floats, Indices, Ints
from ratings.models import Attempt, Event, Participant, Response
from ratings.services.visits.branching import skipped_columns
from studies.models import Study

Row = dict[str, Any]
Answers = Mapping[str, Sequence[Any]]
"""Responses as they were read, by column; their JSON is text."""

Moments = np.ndarray[Any, np.dtype[np.datetime64]]
OFFSET = re.compile(r"[+-]\d\d(:?\d\d)?$")
ROWS_AT_ONCE = 8000
"""About how many trials or events are read at once."""


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


class StudyTables:
    """The tables of a study, read while they are written. ``InputError`` for a study that was never frozen.

    Nobody is in them who withdrew, unless the study keeps such answers, or was erased: who is, is settled
    when this is made. Natural images have an empty ``intended_target``.
    """

    def __init__(self, study: Study) -> None:
        self.study, self.plan = study, study.frozen_plan
        self.people = exported_people(study)
        self.done: Counter[str] = Counter()

    @property
    def responses(self) -> dict[str, SortedChunks]:
        """The tables of responses by name."""
        schema = table_schemas(self.plan.kinds)
        kinds: dict[str, list[str]] = {}
        for name, kind in TRIAL_KINDS.entries().items():
            kinds.setdefault(kind.table.name, []).append(name)
        return {
            table: SortedChunks(self._responses(names)) for table, names in kinds.items() if table in schema
        }

    @property
    def events(self) -> SortedChunks:
        return SortedChunks(chunk for batch in batches(self.people) for chunk in event_chunks(batch))

    def participants(self) -> Iterator[Row]:
        """Yield the rows of participants. Trials done are counted from the responses that were read before,
        so that the tables agree also while answers still come in."""
        skipped = skipped_columns(self.plan, batches(self.people))
        for person in self.people:
            yield {
                "participant_id": person.name,
                "kind": person.kind,
                "list": person.list,
                "status": person.status,
                "started_at": iso(person.started_at),
                "finished_at": iso(person.finished_at) if person.finished_at else "",
                "trials_planned": person.trials_planned,
                "trials_done": self.done[person.name],
                **skipped.get(person.pk, {}),
            }

    def _responses(self, names: Sequence[str]) -> Iterator[Chunk]:
        """Yield the responses to trials of some kinds, whose table is the same."""
        makers = [ChunkMaker(self.plan, name) for name in names if name in self.plan.kinds]
        for batch in batches(self.people) if makers else ():
            chunks = []
            for make in makers:
                done, chunk = make.read_chunk(batch)
                self.done.update(done)
                chunks += [chunk] if chunk else []
            if chunks:
                yield joined_chunks(chunks)


def joined_chunks(chunks: Sequence[Chunk]) -> Chunk:
    """Put the rows of several chunks, which have the same columns, into one."""
    if len(chunks) == 1:
        return chunks[0]
    return {name: appended_cells([chunk[name] for chunk in chunks]) for name in chunks[0]}


def export_tables(study: Study) -> dict[str, list[Row]]:
    """Return the tables of a small study as rows, by name."""
    tables = StudyTables(study)
    chunks = {**tables.responses, "events": tables.events}
    rows = {name: [row for chunk in part.chunks for row in rows_of(chunk)] for name, part in chunks.items()}
    return {"participants": list(tables.participants()), **rows}


def rows_of(chunk: Chunk) -> Iterator[Row]:
    for cells in zip(*map(listed_cells, chunk.values()), strict=True):
        yield dict(zip(chunk, cells, strict=True))


def exported_people(study: Study) -> list[Person]:
    """List the participants of an export, sorted by the code points of their names in any database."""
    planned = {row.pk: len(row.trials) for row in study.lists.all()}
    fields = ("pk", "name", "kind", "assignment__number", "status", "consented_at", "finished_at")
    rows = Participant.objects.exported(study).values_list(*fields, "assignment").order_by()
    people = [Person._make((*row[:-1], planned[row[-1]])) for row in rows.iterator()]
    return sorted(people, key=lambda person: person.name)


def batches(people: Sequence[Person]) -> Iterator[Sequence[Person]]:
    """Split people so that each part has about ``ROWS_AT_ONCE`` trials."""
    begin, size = 0, 0
    for place, person in enumerate(people):
        size += person.trials_planned
        if size >= ROWS_AT_ONCE:
            yield people[begin : place + 1]
            begin, size = place + 1, 0
    if people[begin:]:
        yield people[begin:]


FIELDS = (
    "trial__participant",
    "pk",
    "rt_ms",
    "trial__kind",
    "trial__index",
    "trial",
    "trial__name",
    "trial__block",
    "chosen",
    "late",
)
TEXTS = ("received_at", "response_id", "trial__planned", "digests", "values", "marks")
"""Read as text: JSON that is the same for many is parsed once, a UUID is never an object, and moments are
read as whole columns."""

LONG = ("trial__planned", "digests", "values", "marks")
"""Texts that are read only for the trials of the kind whose table is made."""


class ChunkMaker:
    """Makes a table's columns of responses to trials of one kind, some participants at a time."""

    def __init__(self, plan: StudyPlan, name: str) -> None:
        self.plan, self.name, self.kind = plan, name, TRIAL_KINDS.load(name)
        # Participants of one list have the same trials and, nearly always, were shown the same bytes.
        self.trial = lru_cache(maxsize=20_000)(lambda text: PlannedTrial.from_json(json.loads(text)))
        self.parsed = lru_cache(maxsize=20_000)(json.loads)

    def read_chunk(self, people: Sequence[Person]) -> tuple[Counter[str], Chunk]:
        """Return how many trials each of these people answered, and the columns of their answers."""
        answers = read_answers(people, self.name)
        moments = moments_of(answers["received_at"])
        gaps = gaps_of(people, answers, moments.astype(np.int64))
        mine = np.flatnonzero(np.array(answers["trial__kind"], dtype=object) == self.name)
        if not len(mine):
            return Counter(), {}
        if len(mine) < len(moments):
            answers = {name: listed_cells(taken(cells, mine)) for name, cells in answers.items()}
            moments, gaps = moments[mine], gaps[mine]
        persons = places_of(people, answers["trial__participant"])
        counts = np.bincount(persons, minlength=len(people)).tolist()
        done = Counter({person.name: count for person, count in zip(people, counts, strict=True) if count})
        shared = self.shared(people, persons, answers, read_altered(people))
        shared |= {"received_at": moments.astype("datetime64[ms]").astype(moments.dtype), "gap_ms": gaps}
        return done, self.kind.columns(self.plan, self.responses(answers, shared))

    def responses(self, answers: Answers, shared: Mapping[str, Cells]) -> Responses:
        """Return responses as trial kinds make columns from them."""
        return Responses(
            trials=coded(answers["trial__planned"]).map(self.trial),
            images=coded(answers["digests"]).map(self.parsed),
            values=json.loads(f"[{','.join(answers['values'])}]"),
            chosen=coded(answers["chosen"]),
            shared=shared,
        )

    def shared(
        self, people: Sequence[Person], persons: Ints, answers: Answers, altered: set[int]
    ) -> dict[str, Cells]:
        """Return the columns that all kinds have, but for the two that are about time."""
        twice = np.array([trial in altered for trial in answers["trial"]], np.intp)
        marks = coded(answers["marks"])
        words = [[*self.parsed(text), *more] for text in marks.values for more in ((), ("altered",))]
        return {
            "response_id": with_hyphens(answers["response_id"]),
            "trial_id": answers["trial__name"],
            "participant_id": Coded([person.name for person in people], persons),
            "trial_index": answers["trial__index"],
            "block": coded(answers["trial__block"]),
            "rt_ms": answers["rt_ms"],
            "late": Coded((0, 1), np.array(answers["late"], np.intp)),
            "marks": Coded([" ".join(group) for group in words], marks.codes * 2 + twice),
        }


def read_answers(people: Sequence[Person], kind: str) -> Answers:
    """Read all responses of some participants by column: people in their order, each one's trials in theirs.

    Texts in ``LONG`` are None for trials of another kind.
    """
    texts = {f"{name}_text": Cast(name, TextField()) for name in TEXTS}
    only = {
        f"{name}_text": Case(When(trial__kind=kind, then=texts[f"{name}_text"]), default=None)
        for name in LONG
    }
    here = Response.objects.filter(trial__participant__in=[person.pk for person in people])
    rows = list(here.annotate(**{**texts, **only}).values_list(*FIELDS, *texts).order_by())
    columns = list(zip(*rows, strict=True)) or [()] * (len(FIELDS) + len(TEXTS))
    answers = dict(zip((*FIELDS, *TEXTS), columns, strict=True))
    order = np.lexsort((answers["trial__index"], places_of(people, answers["trial__participant"])))
    if (np.diff(order) == 1).all():
        return answers
    columns = list(zip(*(rows[place] for place in order.tolist()), strict=True))
    return dict(zip((*FIELDS, *TEXTS), columns, strict=True))


def places_of(people: Sequence[Person], keys: Sequence[int]) -> Ints:
    """Return the place of each key's participant among some people, (n,)."""
    places = {person.pk: place for place, person in enumerate(people)}
    return np.array([places[key] for key in keys], np.intp)


def coded(texts: Sequence[str]) -> Coded:
    """Find the distinct texts of a column."""
    encoded = pa.array(texts, pa.string()).dictionary_encode()
    return Coded(encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.intp))


def read_altered(people: Sequence[Person]) -> set[int]:
    """Read the trials of some participants of which the same response came again with other content."""
    altered = Attempt.objects.filter(outcome=Attempt.Outcome.ALTERED, trial__isnull=False)
    here = altered.filter(participant__in=[person.pk for person in people])
    return {trial for trial in here.values_list("trial", flat=True) if trial is not None}


def gaps_of(people: Sequence[Person], answers: Answers, moments: Indices) -> Floats:
    """Return for each answer (n,) the milliseconds in which nothing came: from the participant's answer
    stored before, or from joining, to this one, less the time of answering it; 0 at least.

    :param moments: when answers were stored, in microseconds since 1970.
    """
    persons = places_of(people, answers["trial__participant"])
    order = np.lexsort((answers["pk"], moments, persons))
    joined = np.array([microseconds(person.started_at) for person in people], np.int64)[persons[order]]
    before = np.roll(moments[order], 1)
    first = np.diff(persons[order], prepend=-1) != 0
    waited = (moments[order] - np.where(first, joined, before)) / 1e6 * 1000
    quiet = waited - np.array(answers["rt_ms"], np.float64)[order]
    gaps = np.empty(len(order))
    # Python's rounding of decimals is exact; numpy's is not.
    gaps[order] = [max(0.0, round(gap, 1)) for gap in quiet.tolist()]
    return gaps


def microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def event_chunks(people: Sequence[Person]) -> Iterator[Chunk]:
    """Yield columns of the events of some participants."""
    names = {person.pk: person.name for person in people}
    fields = ("participant", "event_id", "trial_index", "kind", "page_ms", "detail", "received_at")
    for batch in event_batches(list(names)):
        events = Event.objects.filter(participant__in=batch).order_by().values_list(*fields)
        rows = [
            {
                "participant_id": names[who],
                "event_id": str(event_id),
                "trial_index": "" if trial_index is None else trial_index,
                "kind": kind,
                "page_ms": page_ms,
                "detail": json.dumps(detail, sort_keys=True) if detail else "",
                "received_at": iso(received_at),
            }
            for who, event_id, trial_index, kind, page_ms, detail, received_at in events.iterator()
        ]
        if rows:
            yield {name: [row[name] for row in rows] for name in rows[0]}


def event_batches(people: Sequence[int]) -> Iterator[list[int]]:
    """Split people so that each part has about ``ROWS_AT_ONCE`` events, or is one participant."""
    events = Event.objects.filter(participant__in=people).order_by().values_list("participant")
    counts = dict(events.annotate(Count("pk")))
    batch: list[int] = []
    size = 0
    for pk in people:
        if batch and size + counts.get(pk, 0) > ROWS_AT_ONCE:
            yield batch
            batch, size = [], 0
        batch.append(pk)
        size += counts.get(pk, 0)
    if batch:
        yield batch


def moments_of(texts: Sequence[str]) -> Moments:
    """Read moments as a database writes them: PostgreSQL with the offset from UTC, SQLite without, in UTC."""
    zoned = bool(texts) and OFFSET.search(texts[0]) is not None
    read = pc.cast(pa.array(texts, pa.string()), pa.timestamp("us", tz="UTC" if zoned else None))
    moments: Moments = pc.cast(read, pa.int64()).to_numpy().astype("datetime64[us]")
    return moments


def with_hyphens(identifiers: Sequence[str]) -> Sequence[str]:
    """Write UUIDs as a codebook has them; SQLite keeps the 32 digits alone."""
    if not identifiers or len(identifiers[0]) == 36:
        return identifiers
    return [f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}" for text in identifiers]


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
