"""Columns of Arrow hold what the ORM reads, in either database, with whatever stands in a text."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from django.db.models import Case, F, Value, When

from accounts.models import AuditEvent
from lab.column_read import CODED, FLAG, INTEGER, MOMENT, NUMBER, TEXT, UUID, Kinds, read_ahead, read_columns
from ratings import services
from ratings.models import Response
from tests.site.small_study import answer_all, make_study

WORDS = ("", "plain", 'say "so", please', "two\nlines\t\x1f", "naïve \U0001f600", "\\N", "\\x00", "(a,b)")
ANSWERS: Kinds = {
    "pk": INTEGER,
    "trial__index": INTEGER,
    "rt_ms": NUMBER,
    "late": FLAG,
    "received_at": MOMENT,
    "response_id": UUID,
    "trial__name": TEXT,
    "trial__kind": CODED,
}


@pytest.mark.django_db
def test_numbers_flags_moments_and_ids_are_those_of_the_orm() -> None:
    answer_all(services.join(study=make_study()).participant)
    expected = [{**row, "response_id": str(row["response_id"])} for row in Response.objects.values(*ANSWERS)]
    read = {name: cells.to_pylist() for name, cells in read_columns(Response.objects.all(), ANSWERS).items()}
    read["received_at"] = [moment.replace(tzinfo=UTC) for moment in read["received_at"]]
    assert len(expected) > 5
    assert [dict(zip(read, row, strict=True)) for row in zip(*read.values(), strict=True)] == expected
    none = read_columns(Response.objects.filter(pk__lt=0), ANSWERS)
    assert {name: len(cells) for name, cells in none.items()} == dict.fromkeys(ANSWERS, 0)


def entries() -> Any:
    """Entries of the log with a text of every kind, and one that is null."""
    AuditEvent.objects.bulk_create(
        AuditEvent(verb="said", subject_type=str(place), subject_id=word) for place, word in enumerate(WORDS)
    )
    absent = When(subject_type="1", then=Value(None))
    return AuditEvent.objects.filter(verb="said").annotate(word=Case(absent, default=F("subject_id")))


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [TEXT, CODED])
def test_texts_come_as_they_stand_and_null_as_null(kind: Any) -> None:
    read = read_columns(entries().order_by("id"), {"word": kind})
    assert read["word"].to_pylist() == [None if word == "plain" else word for word in WORDS]


@pytest.mark.django_db
def test_a_number_that_is_null_is_refused() -> None:
    with pytest.raises(ValueError, match="actor is null in some rows"):
        read_columns(entries(), {"word": TEXT, "actor": INTEGER})


def in_turn(**kinds: Any) -> list[list[Any]]:
    rows = entries()
    parts = [rows.filter(subject_type=str(place)) for place in range(len(WORDS))]
    return [columns["subject_id"].to_pylist() for columns in read_ahead(parts, {"subject_id": TEXT, **kinds})]


@pytest.mark.django_db
def test_parts_come_in_their_order_within_a_transaction() -> None:
    assert in_turn() == [[word] for word in WORDS]


@pytest.mark.django_db(transaction=True)
def test_parts_that_are_read_ahead_come_in_their_order() -> None:
    assert in_turn() == [[word] for word in WORDS]
    with pytest.raises(ValueError, match="actor is null"):
        in_turn(actor=INTEGER)
