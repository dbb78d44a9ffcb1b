"""Leaving somebody out by hand: who may, what is written, and that export and analysis honour it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from accounts.models import AuditEvent
from almond.analysis.analyse import analyse_export
from almond.errors import InputError
from almond.exchange.manifest import load_manifest
from ratings.models import HandExclusion, Participant
from ratings.services import erasing, export_tables, join
from ratings.services.monitoring.excluding import exclude_by_hand, is_excluded, take_back_in
from ratings.services.verifying import verify_study
from studies.models import StudyLog
from studies.services import close
from tests.site.small_study import make_study
from tests.site.test_blind import colleague, exported, page_of, person, whole_study
from tests.site.test_keeping import tamper

pytestmark = pytest.mark.django_db
WHY = "Wrote that a child had played with the mouse."


def send(client: Any, row: Participant, **data: str) -> str:
    address = reverse("admin:ratings_exclude", args=[row.pk])
    return str(client.post(address, data, follow=True).content.decode())


def test_an_exclusion_has_author_time_and_reason_and_is_undone_by_another_entry(client: Any) -> None:
    study = make_study()
    row = join(study=study).participant
    user = colleague("view_participant", "add_handexclusion")
    client.force_login(user)
    assert "Exclude with a reason" in page_of(client, row)
    assert "Write why" in send(client, row, why="  ", out="1")
    assert "is excluded from every analysis" in send(client, row, why=f" {WHY} ", out="1")
    entry = HandExclusion.objects.get()
    assert (entry.by, entry.why, entry.out, entry.blind, entry.study) == (user, WHY, True, True, study)
    assert "is excluded already" in send(client, row, why="again", out="1")
    page = page_of(client, row)
    assert WHY in page
    assert "Grace Hopper" in page
    assert "The plan has no rule" not in page  # said where one excludes
    assert "is taken back into" in send(client, row, why="a mistake", out="0")
    assert "is not excluded" in send(client, row, why="again", out="0")
    assert not is_excluded(row)
    assert HandExclusion.objects.count() == 2
    assert AuditEvent.objects.filter(verb="exclude by hand", actor=user).count() == 2
    assert StudyLog.objects.filter(study=study, kind="exclude by hand").count() == 2
    assert list(verify_study(study)) == []


def test_whoever_may_not_exclude_does_not(client: Any) -> None:
    row = join(study=make_study()).participant
    client.force_login(colleague("view_participant", "change_participant"))
    assert "Exclude with a reason" not in page_of(client, row)
    address = reverse("admin:ratings_exclude", args=[row.pk])
    assert client.post(address, {"why": WHY, "out": "1"}).status_code == 403
    assert client.get(address).status_code == 405
    assert not HandExclusion.objects.exists()


def test_nobody_is_excluded_of_whom_nothing_is_left() -> None:
    row = join(study=make_study()).participant
    erasing.erase_participant(code=row.name)
    with pytest.raises(InputError, match="is erased: no answer of theirs is left"):
        exclude_by_hand(participant=row, why=WHY, by=colleague())


@pytest.mark.parametrize("verb", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_entries_are_neither_changed_nor_deleted(verb: str) -> None:
    row = join(study=make_study()).participant
    exclude_by_hand(participant=row, why=WHY, by=colleague())
    table = "ratings_handexclusion"
    with (
        pytest.raises(IntegrityError, match="rows are written once"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(verb.format(table))
    tamper(f"UPDATE {table} SET why = 'other'", table)
    entry = HandExclusion.objects.get()
    assert list(verify_study(row.study)) == [f"hand_exclusions, row {entry.pk}: was changed"]


def test_an_entry_without_a_reason_is_refused() -> None:
    row = join(study=make_study()).participant
    with pytest.raises(IntegrityError, match="hand_exclusion_has_a_reason"), transaction.atomic():
        HandExclusion.objects.create(
            study=row.study, participant=row, out=True, why="", blind=True, by=colleague()
        )


def test_an_export_keeps_the_person_and_the_analysis_leaves_them_out() -> None:
    study = whole_study()
    people = [person(study) for _ in range(3)]
    user = colleague()
    exclude_by_hand(participant=people[0], why=WHY, by=user)
    exclude_by_hand(participant=people[1], why="a mistake", by=user)
    take_back_in(participant=people[1], why="it was another", by=user)
    close(study=study, by=None)
    exclude_by_hand(participant=people[2], why="looked odd", by=user)
    rows = {row["participant_id"]: row for row in export_tables(study)["participants"]}
    marked = {
        name: (row["excluded"], row["excluded_reason"], row["excluded_blind"]) for name, row in rows.items()
    }
    assert marked == {
        people[0].name: (1, WHY, 1),
        people[1].name: (0, "", ""),
        people[2].name: (1, "looked odd", 0),
    }
    folder = exported(study).path
    assert 'people = people[people["excluded"] == 0]' in (folder / "start.py").read_text(encoding="utf-8")
    entries = load_manifest(folder)["excluded_by_hand"]
    assert [(entry["excluded"], entry["blind"]) for entry in entries] == [
        (True, True),
        (True, True),
        (False, True),
        (True, False),
    ]
    found = analyse_export(folder).data
    assert found["sample"]["analysed"] == 1
    assert {row["rule"] for row in found["sample"]["excluded"]} == {"excluded by hand, not planned"}
    assert "1 participant was excluded by hand after answers could be seen" in found["reasons"]
    assert [row for row in found["deviations"] if row["kind"] == "exclusions"]


def test_an_export_of_a_study_without_exclusions_has_no_such_columns() -> None:
    study = whole_study()
    person(study)
    close(study=study, by=None)
    (row,) = export_tables(study)["participants"]
    assert not [name for name in row if name.startswith("excluded")]
    assert "excluded_by_hand" not in load_manifest(exported(study).path)
