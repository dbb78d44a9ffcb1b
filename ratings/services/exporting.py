"""A study's participants, responses and events as the tables of an export, some participants at a time.

Recruitment is never read here. Participants come in the order of their names, so that a study of any size
needs the memory of a few thousand rows, and no statement stays open for long.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from django.db.models import Count, TextField
from django.db.models.functions import Cast

from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import PlannedTrial
from almond.design.trials.base import Response as StoredResponse
from almond.evidence.table_writer import Chunk, SortedChunks
from almond.exchange.schema import table_schemas
from ratings.models import Attempt, Event, Participant, Response
from studies.models import Study

Row = dict[str, Any]
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
        return {
            kind.table.name: SortedChunks(self._responses(name))
            for name, kind in TRIAL_KINDS.entries().items()
            if kind.table.name in schema
        }

    @property
    def events(self) -> SortedChunks:
        return SortedChunks(chunk for batch in batches(self.people) for chunk in event_chunks(batch))

    def participants(self) -> Iterator[Row]:
        """Yield the rows of participants. Trials done are counted from the responses that were read before,
        so that the tables agree also while answers still come in."""
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
            }

    def _responses(self, name: str) -> Iterator[Chunk]:
        make = ChunkMaker(self.plan, name)
        for batch in batches(self.people):
            done, chunk = make.read_chunk(batch)
            self.done.update(done)
            if chunk:
                yield chunk


def export_tables(study: Study) -> dict[str, list[Row]]:
    """Return the tables of a small study as rows, by name."""
    tables = StudyTables(study)
    chunks = {**tables.responses, "events": tables.events}
    rows = {name: [row for chunk in part.chunks for row in rows_of(chunk)] for name, part in chunks.items()}
    return {"participants": list(tables.participants()), **rows}


def rows_of(chunk: Chunk) -> Iterator[Row]:
    for cells in zip(*chunk.values(), strict=True):
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


class Answer(NamedTuple):
    """A response as it was read, its JSON as text."""

    participant: int
    pk: int
    rt_ms: float
    kind: str
    index: int  # type: ignore[assignment]  # tuples have a method of that name
    trial: int
    trial_name: str
    block: str
    chosen: str
    late: bool
    received_at: str
    response_id: str
    planned: str
    digests: str
    values: str
    marks: str


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
"""Read as text: JSON that is the same for many is parsed once, a UUID is never an object, and Python reads a
moment several times faster than the database's driver."""


class ChunkMaker:
    """Makes a table's columns of responses to trials of one kind, some participants at a time."""

    def __init__(self, plan: StudyPlan, name: str) -> None:
        self.plan, self.name, self.kind = plan, name, TRIAL_KINDS.load(name)
        # Participants of one list have the same trials and, nearly always, were shown the same bytes.
        self.trial = lru_cache(maxsize=20_000)(lambda text: PlannedTrial.from_json(json.loads(text)))
        self.parsed = lru_cache(maxsize=20_000)(json.loads)

    def read_chunk(self, people: Sequence[Person]) -> tuple[Counter[str], Chunk]:
        """Return how many trials each of these people answered, and the columns of their answers."""
        answers, altered = read_answers(people), read_altered(people)
        done: Counter[str] = Counter()
        rows: list[Row] = []
        for person in people:
            moments = [moment_of(answer.received_at) for answer in answers[person.pk]]
            gaps = gaps_of(person, answers[person.pk], moments)
            for answer, moment, gap_ms in zip(answers[person.pk], moments, gaps, strict=True):
                if answer.kind == self.name:
                    done[person.name] += 1
                    response = self.response(person, answer, moment, gap_ms, answer.trial in altered)
                    rows += self.kind.rows(self.plan, response)
        return done, {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}

    def response(
        self, person: Person, answer: Answer, moment: datetime, gap_ms: float, altered: bool
    ) -> StoredResponse:
        """Return a response as trial kinds make rows from it."""
        return StoredResponse(
            trial=self.trial(answer.planned),
            images=self.parsed(answer.digests),
            values=json.loads(answer.values),
            chosen=answer.chosen,
            shared={
                "response_id": with_hyphens(answer.response_id),
                "trial_id": answer.trial_name,
                "participant_id": person.name,
                "trial_index": answer.index,
                "block": answer.block,
                "rt_ms": answer.rt_ms,
                "late": int(answer.late),
                "marks": " ".join([*self.parsed(answer.marks), *(["altered"] if altered else [])]),
                "received_at": moment.replace(microsecond=moment.microsecond // 1000 * 1000),
                "gap_ms": gap_ms,
            },
        )


def read_answers(people: Sequence[Person]) -> dict[int, list[Answer]]:
    """Read all responses of some participants, each one's in the order of trials."""
    texts = {f"{name}_text": Cast(name, TextField()) for name in TEXTS}
    here = Response.objects.filter(trial__participant__in=[person.pk for person in people])
    answers: dict[int, list[Answer]] = {person.pk: [] for person in people}
    for row in here.annotate(**texts).values_list(*FIELDS, *texts).order_by():
        answers[row[0]].append(Answer._make(row))
    for mine in answers.values():
        mine.sort(key=lambda answer: answer.index)
    return answers


def read_altered(people: Sequence[Person]) -> set[int]:
    """Read the trials of some participants of which the same response came again with other content."""
    altered = Attempt.objects.filter(outcome=Attempt.Outcome.ALTERED, trial__isnull=False)
    here = altered.filter(participant__in=[person.pk for person in people])
    return {trial for trial in here.values_list("trial", flat=True) if trial is not None}


def gaps_of(person: Person, answers: Sequence[Answer], moments: Sequence[datetime]) -> list[float]:
    """Return for each answer the milliseconds in which nothing came: from the answer stored before, or from
    joining, to this one, less the time of answering it; 0 at least."""
    gaps, before = [0.0] * len(answers), person.started_at
    for place in sorted(range(len(answers)), key=lambda place: (moments[place], answers[place].pk)):
        waited = (moments[place] - before).total_seconds() * 1000
        gaps[place], before = max(0.0, round(waited - answers[place].rt_ms, 1)), moments[place]
    return gaps


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


def moment_of(text: str) -> datetime:
    """Read a moment as a database writes it: PostgreSQL with the offset from UTC, SQLite without, in UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def with_hyphens(identifier: str) -> str:
    """Write a UUID as a codebook has it; SQLite keeps the 32 digits alone."""
    if len(identifier) == 36:
        return identifier
    parts = (identifier[:8], identifier[8:12], identifier[12:16], identifier[16:20], identifier[20:])
    return "-".join(parts)


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
