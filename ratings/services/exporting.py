"""A study's participants, responses and events as the tables of an export, some participants at a time.

Recruitment is never read here. Participants come in the order of their names, so that a study of any size
needs the memory of a few thousand rows, and no statement stays open for long.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from django.db.models import Count

from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.columns import Coded
from almond.design.trials.responses import Cells, PlannedTrial, Responses, appended_cells, listed_cells
from almond.evidence.table_writer import Chunk, SortedChunks
from almond.exchange.hand_exclusions import ExclusionEntry, holding
from almond.exchange.schema import table_schemas
from almond.typing import Ints
from lab.column_read import Columns, read_ahead
from ratings.models import Consent, Event, Participant
from ratings.services.exports.answers import (
    FIELDS,
    Person,
    answers_of,
    coded,
    gaps_of,
    in_milliseconds,
    in_order,
    places_of,
    read_altered,
)
from ratings.services.monitoring.excluding import entries_of
from ratings.services.visits.branching import skipped_columns
from ratings.services.visits.quotas import quota_columns
from studies.models import Study

Row = dict[str, Any]
FORM_OF = ("participant", "form__digest")
ROWS_AT_ONCE = 8000
"""About how many trials or events are read at once."""


class StudyTables:
    """The tables of a study, read while they are written. ``InputError`` for a study that was never frozen.

    Nobody is in them who withdrew, unless the study keeps such answers, or was erased: who is, is settled
    when this is made. Natural images have an empty ``intended_target``.
    """

    def __init__(self, study: Study) -> None:
        self.study, self.plan = study, study.frozen_plan
        self.people = exported_people(study)
        arms = dict(study.lists.values_list("number", "arm")) if self.plan.arms else {}
        self.arms: dict[int, str] = arms
        self.excluded = entries_of(study)
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
        out = holding(self.excluded)
        forms = dict(Consent.objects.filter(participant__study=self.study).values_list(*FORM_OF))
        in_quotas = quota_columns(self.plan, [person.pk for person in self.people])
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
                "consent_sha256": forms.get(person.pk, ""),
                **({"arm": self.arms[person.list]} if self.arms else {}),
                **skipped.get(person.pk, {}),
                **in_quotas.get(person.pk, {}),
                **(excluded_columns(out.get(person.name)) if self.excluded else {}),
            }

    def _responses(self, names: Sequence[str]) -> Iterator[Chunk]:
        """Yield the responses to trials of some kinds, whose table is the same."""
        makers = [ChunkMaker(self.plan, name) for name in names if name in self.plan.kinds]
        groups = list(batches(self.people)) if makers else []
        answers = [answers_ahead(groups, make.name) for make in makers]
        for group, *columns in zip(groups, *answers, strict=True):
            chunks = []
            for make, own in zip(makers, columns, strict=True):
                done, chunk = make.make_chunk(group, own)
                self.done.update(done)
                chunks += [chunk] if chunk else []
            if chunks:
                yield joined_chunks(chunks)


def excluded_columns(entry: ExclusionEntry | None) -> Row:
    """Return what participants.csv says of somebody in a study in which somebody was excluded by hand."""
    if entry is None:
        return {"excluded": 0, "excluded_reason": "", "excluded_blind": ""}
    return {"excluded": 1, "excluded_reason": entry.why, "excluded_blind": int(entry.blind)}


def answers_ahead(groups: Sequence[Sequence[Person]], kind: str) -> Iterator[Columns]:
    """Read the answers of each group to trials of a kind, the next while one is made use of."""
    return read_ahead((answers_of(group, kind) for group in groups), FIELDS)


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


class ChunkMaker:
    """Makes a table's columns of responses to trials of one kind, some participants at a time."""

    def __init__(self, plan: StudyPlan, name: str) -> None:
        self.plan, self.name, self.kind = plan, name, TRIAL_KINDS.load(name)
        # Participants of one list have the same trials and, nearly always, were shown the same bytes.
        self.trial = lru_cache(maxsize=20_000)(lambda text: PlannedTrial.from_json(json.loads(text)))
        self.parsed = lru_cache(maxsize=20_000)(json.loads)

    def make_chunk(self, people: Sequence[Person], answers: Columns) -> tuple[Counter[str], Chunk]:
        """Return how many trials of the kind each of these people answered, and the columns of their answers,
        which ``answers_of`` are."""
        answers = in_order(answers, people)
        moments = answers["received_at"].to_numpy()
        gaps = gaps_of(answers, people, moments)
        mine = np.flatnonzero(pc.equal(answers["trial__kind"], self.name).to_numpy(zero_copy_only=False))
        if not len(mine):
            return Counter(), {}
        if len(mine) < len(moments):
            answers = {name: cells.take(pa.array(mine)) for name, cells in answers.items()}
            moments, gaps = moments[mine], gaps[mine]
        persons = places_of(answers, people)
        counts = np.bincount(persons, minlength=len(people)).tolist()
        done = Counter({person.name: count for person, count in zip(people, counts, strict=True) if count})
        shared = self.shared(people, persons, answers)
        shared |= {"received_at": in_milliseconds(moments), "gap_ms": gaps}
        return done, self.kind.columns(self.plan, self.responses(answers, shared))

    def responses(self, answers: Columns, shared: Mapping[str, Cells]) -> Responses:
        """Return responses as trial kinds make columns from them."""
        return Responses(
            trials=coded(answers["trial__planned_text"]).map(self.trial),
            images=coded(answers["digests_text"]).map(self.parsed),
            values=json.loads(f"[{','.join(answers['values_text'].to_pylist())}]"),
            chosen=coded(answers["chosen"]),
            shared=shared,
        )

    def shared(self, people: Sequence[Person], persons: Ints, answers: Columns) -> dict[str, Cells]:
        """Return the columns that all kinds have, but for the two that are about time."""
        altered = np.array(sorted(read_altered(people)), np.int64)
        twice = np.isin(answers["trial"].to_numpy(), altered)
        marks = coded(answers["marks_text"])
        words = [[*self.parsed(text), *more] for text in marks.values for more in ((), ("altered",))]
        return {
            "response_id": answers["response_id"],
            "trial_id": answers["trial__name"],
            "participant_id": Coded([person.name for person in people], persons),
            "trial_index": answers["trial__index"].to_numpy(),
            "block": coded(answers["trial__block"]),
            "rt_ms": answers["rt_ms"].to_numpy(),
            "late": Coded((0, 1), answers["late"].to_numpy(zero_copy_only=False).astype(np.intp)),
            "marks": Coded([" ".join(group) for group in words], marks.codes * 2 + twice),
        }


def event_chunks(people: Sequence[Person]) -> Iterator[Chunk]:
    """Yield columns of the events of some participants."""
    names = {person.pk: person.name for person in people}
    fields = ("event_id", "trial_index", "kind", "page_ms", "detail", "received_at")
    for batch in event_batches(list(names)):
        events = Event.objects.filter(participant__in=batch).order_by().values_list("participant", *fields)
        rows = [event_row(names[who], *event) for who, *event in events.iterator()]
        if rows:
            yield {name: [row[name] for row in rows] for name in rows[0]}


def event_row(participant: str, *event: Any) -> Row:
    """Return the row of an event.

    :param event: its id, trial, kind, time on the page, detail, and when it was received.
    """
    event_id, trial_index, kind, page_ms, detail, received_at = event
    return {
        "participant_id": participant,
        "event_id": str(event_id),
        "trial_index": "" if trial_index is None else trial_index,
        "kind": kind,
        "page_ms": page_ms,
        "detail": json.dumps(detail, sort_keys=True) if detail else "",
        "received_at": iso(received_at),
    }


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


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
