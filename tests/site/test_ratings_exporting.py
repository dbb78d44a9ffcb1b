"""The rows that the export is made of, and simulated participants who answer through the services."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almond.design.trials.columns import TableSchema
from almond.evidence.table_writer import write_table
from almond.exchange.layout import table_file
from almond.exchange.schema import columns_since, table_columns, table_schemas
from almond.progress import Part, Silent
from almond.world.networks import read_percepts
from almond.world.null_forms import NullWorld
from almond.world.null_worlds import seen_by
from jobs.services import enqueue, retry, run_now
from ratings import services
from ratings.models import Participant, Recruitment, Response
from ratings.runs import base_images, pixels, read_study_percepts
from ratings.services.exporting import StudyTables
from ratings.services.exports.answers import tenths
from ratings.services.refusals import NotNow
from studies.models import Study
from studies.services import BlockSpec, close, create_study, freeze, open_study
from tests.site.small_study import (
    answer_all,
    answer_to,
    make_constructs,
    make_image_set,
    make_matched_set,
    make_study,
)

pytestmark = pytest.mark.django_db


def test_the_tables_are_those_of_the_codebook(tmp_path: Path) -> None:
    study = make_study(repeats=1)
    people = [services.join(study=study).participant for _ in range(2)]
    answer_all(people[0])
    services.finish(participant=people[0])
    services.record_response(participant=people[1], body=answer_to(people[1].trials.get(index=0)))
    tables = services.export_tables(study)
    for name, rows in tables.items():
        if rows:
            table = table_schemas(events=True)[name]
            assert set(rows[0]) == {column.name for column in (*table.columns, *columns_since(table))}
            assert write_table(tmp_path, table, rows).rows == len(rows)
    done = {row["participant_id"]: row["trials_done"] for row in tables["participants"]}
    assert done == {people[0].name: 7, people[1].name: 1}
    assert len(tables["ratings"]) == 5 * 2
    assert len(tables["choices"]) == 3
    assert sum(row["repeat"] for row in tables["ratings"]) == 2


def test_an_aligned_choice_is_the_image_pushed_up() -> None:
    study = make_study(choice_trials=6)
    participant = services.join(study=study).participant
    plan = study.frozen_plan
    for trial in participant.trials.filter(kind="choice"):
        pair = plan.pair_by_id[trial.planned["pair"]]
        side = "left" if trial.planned["left"] == pair.high else "right"
        services.record_response(participant=participant, body=answer_to(trial, chosen=side))
    rows = services.export_tables(study)["choices"]
    assert [row["aligned"] for row in rows] == [1] * 6
    assert {row["high_side"] for row in rows} == {"left", "right"}
    for row in rows:
        assert row["left_sha256"] == plan.stimulus_by_id[row["left_stimulus"]].sha256
        assert row["right_sha256"] == plan.stimulus_by_id[row["right_stimulus"]].sha256


def test_the_gap_is_the_time_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Away for ten minutes before the second answer; the third came with it, kept without a network."""
    participant = services.join(study=make_study(rating_trials=3, choice_trials=1)).participant
    seconds = {0: 5.0, 1: 610.0, 2: 610.2, 3: 614.2}
    for trial in participant.trials.order_by("index"):
        moment = participant.consented_at + timedelta(seconds=seconds[trial.index])
        monkeypatch.setattr("ratings.services.recording.timezone.now", lambda moment=moment: moment)
        services.record_response(participant=participant, body=answer_to(trial, rt_ms=1500.0))
    tables = services.export_tables(participant.study)
    rows = [*tables["ratings"], *tables["choices"]]
    assert {row["trial_index"]: row["gap_ms"] for row in rows} == {0: 3500.0, 1: 603500.0, 2: 0.0, 3: 2500.0}


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.floats(allow_nan=False, allow_infinity=False),
            st.integers(-(10**7), 10**7).map(lambda number: number / 20),
        ),
        max_size=20,
    )
)
def test_tenths_are_rounded_as_python_rounds(values: list[float]) -> None:
    assert tenths(np.array(values, np.float64)).tolist() == [round(value, 1) for value in values]


def row_by_row(participant: Participant) -> dict[str, list[dict[str, Any]]]:
    """A participant's answers as rows, read object by object and computed with Python's own numbers."""
    tables: dict[str, list[dict[str, Any]]] = {"ratings": [], "choices": []}
    answers = list(Response.objects.filter(trial__participant=participant).select_related("trial"))
    by_time = sorted(answers, key=lambda answer: (answer.received_at, answer.pk))
    moments = [participant.consented_at, *(answer.received_at for answer in by_time)]
    away = {
        answer.pk: max(0.0, round((answer.received_at - before).total_seconds() * 1000 - answer.rt_ms, 1))
        for answer, before in zip(by_time, moments, strict=False)
    }
    plan = participant.study.frozen_plan
    for answer in sorted(answers, key=lambda answer: answer.trial.index):
        trial, at = answer.trial, answer.received_at
        altered = trial.attempts.filter(outcome="altered").exists()
        shared = {
            "response_id": str(answer.response_id),
            "trial_id": trial.name,
            "participant_id": participant.name,
            "trial_index": trial.index,
            "block": trial.block,
            "rt_ms": answer.rt_ms,
            "late": int(answer.late),
            "marks": " ".join([*answer.marks, *(["altered"] if altered else [])]),
            "received_at": at.replace(microsecond=at.microsecond // 1000 * 1000).isoformat(),
            "gap_ms": away[answer.pk],
        }
        planned = trial.planned
        if trial.kind == "choice":
            pair = plan.pair_by_id[planned["pair"]]
            side = "left" if planned["left"] == pair.high else "right"
            own = {
                "pair_id": pair.id,
                "base_scene": pair.base_scene,
                "theme": plan.theme_of_scene[pair.base_scene],
                "intended_target": pair.target,
                "construct": pair.construct,
                "left_stimulus": planned["left"],
                "right_stimulus": planned["right"],
                "chosen": answer.chosen,
                "high_side": side,
                "aligned": int(answer.chosen == side),
                "left_sha256": answer.digests[0],
                "right_sha256": answer.digests[1],
            }
            tables["choices"].append({**shared, **own})
            continue
        item = plan.stimulus_by_id[planned["stimulus"]]
        own = {
            "repeat": int(planned["repeat"]),
            "stimulus_id": item.id,
            "base_scene": item.base_scene,
            "theme": plan.theme_of_scene[item.base_scene],
            "intended_target": item.target or "",
            "direction": item.direction,
            "strength": float(item.strength),
            "image_sha256": answer.digests[0],
        }
        tables["ratings"] += [
            {**shared, **own, "construct": name, "value": float(answer.values[name])}
            for name in sorted(planned["constructs"])
        ]
    return tables


def text_of(table: TableSchema, rows: list[dict[str, Any]]) -> str:
    names = [column.name for column in table_columns(table, rows[0])]
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


@pytest.mark.parametrize("at_once", [3, 10_000])
def test_tables_are_what_reading_object_by_object_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Answers that came at once, again with other content, out of order, in part or not at all."""
    monkeypatch.setattr("ratings.services.exporting.ROWS_AT_ONCE", at_once)
    study = make_study(repeats=1)
    people = [services.join(study=study).participant for _ in range(4)]
    answer_all(people[0])
    trials = list(people[1].trials.order_by("index"))
    for trial, seconds in ((trials[4], 30.25), (trials[0], 30.25), (trials[6], 7.123456)):
        moment = people[1].consented_at + timedelta(seconds=seconds)
        monkeypatch.setattr("ratings.services.recording.timezone.now", lambda moment=moment: moment)
        services.record_response(participant=people[1], body=answer_to(trial, rt_ms=1234.5678 + trial.index))
    first = answer_to(trials[2], rt_ms=50.25)
    services.record_response(participant=people[1], body=first)
    assert services.record_response(participant=people[1], body={**first, "rt_ms": 51.0}).outcome == "altered"
    services.record_response(participant=people[2], body=answer_to(people[2].trials.get(index=6)))
    tables = StudyTables(study)
    for name, chunks in tables.responses.items():
        table = table_schemas()[name]
        write_table(tmp_path, table, chunks)
        rows = [
            row for person in sorted(people, key=lambda one: one.name) for row in row_by_row(person)[name]
        ]
        assert len(rows) > 3
        assert (tmp_path / table_file(name)).read_text() == text_of(table, rows)
    done = {row["participant_id"]: row["trials_done"] for row in tables.participants()}
    assert done == {people[0].name: 7, people[1].name: 4, people[2].name: 1, people[3].name: 0}


def test_a_study_that_nobody_answered_has_tables_without_rows(tmp_path: Path) -> None:
    study = make_study()
    services.join(study=study)
    for name, chunks in StudyTables(study).responses.items():
        assert write_table(tmp_path, table_schemas()[name], chunks).rows == 0


def test_natural_images_have_no_target(tmp_path: Path) -> None:
    study = create_study(
        title="Photographs",
        slug="photos",
        image_set=make_image_set(),
        participants_planned=2,
        n_lists=1,
        blocks=[BlockSpec("rating", "ratings", make_constructs())],
        by=None,
    )
    study = open_study(study=freeze(study=study, by=None), by=None, reason="A study of a test.")
    answer_all(services.join(study=study).participant)
    tables = services.export_tables(study)
    assert {(row["intended_target"], row["direction"], row["strength"]) for row in tables["ratings"]} == {
        ("", 0, 0.0)
    }
    write_table(tmp_path, table_schemas()["ratings"], tables["ratings"])
    assert tables["choices"] == []


def simulate(study: Study, **arguments: Any) -> Any:
    given = {"study": study.pk, "participants": 3, "seed": 1, **arguments}
    return run_now(enqueue(kind="ratings.simulate", arguments=given, by=None))


def test_simulated_participants_answer_every_trial_and_are_marked() -> None:
    study = make_study(participants_planned=8, rehearsal=True)
    job = simulate(study)
    assert job.state == "done", job.traceback
    people = Participant.objects.all()
    assert [person.status for person in people] == ["finished"] * 3
    assert all(person.kind == "robot" and person.name.startswith("sim-") for person in people)
    assert Counter(person.assignment.number for person in people) == {0: 1, 1: 1, 2: 1}
    assert [row.taken for row in study.lists.all()] == [0, 0, 0, 0]  # people's slots are left to people
    assert Response.objects.count() == 21
    assert job.result == {"study": study.pk, "participants": 3, "made_now": 3}


def answers(study: Study) -> list[Any]:
    rows = Response.objects.filter(trial__participant__study=study).order_by(
        "trial__participant__recruitment__id", "trial__index"
    )
    return [(row.values, row.chosen, row.rt_ms) for row in rows]


def test_the_same_seed_gives_the_same_answers_and_another_seed_others() -> None:
    matched = make_matched_set()
    studies = [make_study(slug=slug, matched_set=matched, rehearsal=True) for slug in ("one", "two", "three")]
    for study, seed in zip(studies, (1, 1, 2), strict=True):
        simulate(study, seed=seed)
    one, two, three = (answers(study) for study in studies)
    assert one == two
    assert one != three


def test_an_interrupted_simulation_goes_on_without_doing_anybody_twice(
    experimenter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(participants_planned=4, n_lists=1, rehearsal=True)
    finish, finished = services.finish, []

    def refused_at_the_last(*, participant: Participant) -> Participant:
        finished.append(participant)
        if len(finished) == 4:
            raise NotNow("study", "is paused")
        return finish(participant=participant)

    with monkeypatch.context() as patched:
        patched.setattr(services, "finish", refused_at_the_last)
        job = simulate(study, participants=4)
    assert job.state == "failed"
    assert Participant.objects.filter(kind="robot").count() == 3
    again = run_now(retry(job=job, by=experimenter))
    assert again.result == {"study": study.pk, "participants": 4, "made_now": 1}
    assert Recruitment.objects.values("id_digest").distinct().count() == 4


def from_their_bases(study: Any, null: NullWorld, number: int = 0) -> np.ndarray[Any, Any]:
    """How far percepts (n, 16) of a participant lie from those of the unguided images."""
    seen = seen_by(read_study_percepts(study, 7, Part(Silent(), 0.0, 1.0), null=null), number)
    bases = read_percepts(pixels(base_images(study)))
    rows = study.planned_images()
    return np.array([seen[name] - bases[rows[name].base_scene] for name in sorted(rows)])


def test_in_the_null_world_both_images_of_a_pair_are_seen_as_their_base() -> None:
    study = make_study(rehearsal=True)
    assert np.abs(from_their_bases(study, "independent")).mean() < 0.12
    assert np.abs(from_their_bases(study, "none")).mean() > 0.12
    assert simulate(study, null=True).state == "done"


def test_in_the_structured_null_people_see_images_each_in_their_way() -> None:
    study = make_study(rehearsal=True)
    one, again, other = (from_their_bases(study, "structured", number) for number in (0, 0, 1))
    assert np.array_equal(one, again)
    # Two people's own percepts differ by a standard deviation of sqrt(2) .6, whose mean size is .68.
    assert 0.4 < np.abs(one - other).mean() < 1.0
    assert np.array_equal(from_their_bases(study, "none", 0), from_their_bases(study, "none", 1))
    assert simulate(study, null="structured").state == "done"


def test_a_null_world_that_is_none_stops_the_job_in_words() -> None:
    job = simulate(make_study(rehearsal=True), null="quiet")
    assert "null world: is 'quiet' (expected none, independent, structured)" in job.error


def test_a_simulation_stops_in_words_when_the_study_is_closed() -> None:
    closed = close(study=make_study(slug="closed", rehearsal=True), by=None)
    assert "is closed" in simulate(closed).error
