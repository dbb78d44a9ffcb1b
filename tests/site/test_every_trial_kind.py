"""A study with a block of every kind that shows images: rehearsed through the site, and exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from almond.evidence.table_writer import write_table
from almond.exchange.schema import table_schemas
from jobs.services import enqueue, run_now
from ratings.models import Participant
from ratings.services.exporting import StudyTables, export_tables
from ratings.services.monitoring.replay import replay_of
from studies.models import Construct, Study
from studies.services import BlockSpec, create_construct, create_study
from tests.almond.test_trial_kinds import BLOCKS, FELT
from tests.site.small_study import advance, make_constructs, make_matched_set

pytestmark = pytest.mark.django_db

TRIALS = 3


def study_of_every_kind() -> Study:
    rows = {row.name: row for row in make_constructs()}
    for name in FELT:
        rows[name] = create_construct(name=name, question=f"{name}?", low="low", high="high", by=None)
    study = create_study(
        title="Every kind",
        slug="every-kind",
        participants_planned=4,
        n_lists=2,
        rehearsal=True,
        matched_set=make_matched_set(),
        unmatched_reason="Pairs of a test, made without matching.",
        blocks=[block_of_kind(kind, dict(settings), rows) for kind, settings in BLOCKS.items()],
        by=None,
    )
    return advance(study, Study.State.LIVE)


def block_of_kind(kind: str, settings: dict[str, Any], rows: dict[str, Construct]) -> BlockSpec:
    asked = settings.pop("constructs", ("threat", "urgency"))
    return BlockSpec(kind, kind, [rows[name] for name in asked], TRIALS, settings=settings)


def test_simulated_people_answer_every_kind_and_the_export_holds_it(tmp_path: Path) -> None:
    study = study_of_every_kind()
    arguments = {"study": study.pk, "participants": 2, "seed": 1}
    job = run_now(enqueue(kind="ratings.simulate", arguments=arguments, by=None))
    assert job.state == "done", job.traceback
    chunks = StudyTables(study).responses
    schemas = table_schemas(study.frozen_plan.kinds)
    written = {name: write_table(tmp_path, schemas[name], chunks[name]) for name in chunks}
    rated = {"rating": 2, "likert": 2, "buttons": 1, "grid": 2, "figures": 2, "number": 2}
    assert {name: table.rows for name, table in written.items()} == {
        "ratings": 2 * TRIALS * sum(rated.values()),
        "texts": 2 * TRIALS * 2,
        "selections": 2 * TRIALS * 2 * 3,
        "choices": 2 * TRIALS,
        "bestworst": 2 * TRIALS * 4,
    }
    ratings = pd.DataFrame(export_tables(study)["ratings"])
    assert ratings.groupby("block").size().to_dict() == {
        kind: 2 * TRIALS * count for kind, count in rated.items()
    }
    assert ratings["value"].between(0, 100).all()


def test_answers_to_every_kind_can_be_replayed() -> None:
    study = study_of_every_kind()
    job = run_now(
        enqueue(kind="ratings.simulate", arguments={"study": study.pk, "participants": 1, "seed": 1}, by=None)
    )
    assert job.state == "done", job.traceback
    trials = replay_of(Participant.objects.get()).trials
    assert {trial.kind for trial in trials} == set(BLOCKS)
    for trial in trials:
        chosen = any(picture.chosen for picture in trial.pictures)
        assert trial.values or trial.said or chosen, trial.kind
        assert all(0 <= value.percent <= 100 for value in trial.values)
        assert not [name for name, _ in trial.said if "target" in name or "direction" in name]
