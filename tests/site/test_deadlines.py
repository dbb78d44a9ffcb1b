"""A deadline: whoever misses it has answered “none”, which is stored, exported, and used by no test."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from almond.design.plan import plain
from almond.design.trials.timing import course_of
from almond.design.words.shown import words_before
from almond.errors import InputError
from almond.evidence.table_writer import write_table
from almond.exchange.schema import table_schemas
from jobs.services import enqueue, run_now
from ratings import services
from ratings.models import Participant, Response
from ratings.services import record_response
from ratings.services.exporting import StudyTables, export_tables
from ratings.services.refusals import Malformed
from studies.models import Construct, Study
from studies.services import BlockSpec, create_construct, create_study
from studies.services.plans import NotReady, build_plan
from tests.site.small_study import advance, make_constructs, make_matched_set

pytestmark = pytest.mark.django_db
NONE = {"values": {"missed": 1}, "rt_ms": 2000.0}


def make_study(state: str = Study.State.LIVE, deadline: float | None = 2, **fields: Any) -> Study:
    constructs = list(Construct.objects.order_by("name")) or make_constructs()
    own = {} if deadline is None else {"deadline_s": deadline}
    study = create_study(
        title="In time",
        slug="in-time",
        participants_planned=4,
        n_lists=2,
        matched_set=make_matched_set(),
        unmatched_reason="Pairs of a test, made without matching.",
        blocks=[
            BlockSpec("rating", "sliders", constructs, trials=2, settings=own),
            BlockSpec("likert", "points", constructs, trials=2),
            BlockSpec("choice", "pairs", constructs, 2, settings={"no_difference": True, **own}),
            BlockSpec("best_worst", "sets", constructs[:1], trials=1, settings=own),
        ],
        by=None,
        **fields,
    )
    return advance(study, state)


def answer(participant: Participant, index: int, **fields: Any) -> Response:
    trial = participant.trials.get(index=index)
    common = {"response_id": str(uuid.uuid4()), "trial_id": trial.name, "images": trial.digests}
    return record_response(participant=participant, body={**common, "rt_ms": 900.0, **fields}).response


def answered(study: Study) -> Participant:
    """Somebody who misses the first trial of each block with a deadline."""
    participant = services.join(study=study).participant
    both = {"threat": 3, "urgency": 4}
    for index, fields in enumerate([NONE, {"values": both}, *({"values": both},) * 2]):
        answer(participant, index, **fields)
    answer(participant, 4, **NONE, chosen="")
    answer(participant, 5, chosen="")  # no difference
    answer(participant, 6, **NONE)
    return services.finish(participant=participant)


def test_a_missed_answer_is_stored_and_exported_empty(tmp_path: Path) -> None:
    study = make_study()
    assert answered(study).is_done
    tables = export_tables(study)
    ratings = pd.DataFrame(tables["ratings"]).sort_values(["trial_index", "construct"])
    assert ratings["missed"].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    assert ratings["value"].tolist()[:4] == ["", "", 3, 4]
    assert ratings["original_value"].tolist()[:4] == ["", "", 3, 4]
    assert ratings["rt_ms"].tolist()[0] == 2000.0
    choices = pd.DataFrame(tables["choices"])
    assert choices[["chosen", "aligned", "no_difference", "missed"]].to_numpy().tolist() == [
        ["", "", 0, 1],
        ["", "", 1, 0],
    ]
    assert [row["score"] for row in tables["bestworst"]] == [""] * 4
    chunks, schemas = StudyTables(study).responses, table_schemas(study.frozen_plan.kinds)
    written = {name: write_table(tmp_path, schemas[name], chunks[name]) for name in chunks}
    assert "missed" in [column.name for column in written["ratings"].columns]


def test_only_the_deadline_makes_an_answer_none() -> None:
    participant = services.join(study=make_study()).participant
    with pytest.raises(Malformed, match="before the deadline of 2 s"):
        answer(participant, 0, values={"missed": 1}, rt_ms=700.0)
    with pytest.raises(Malformed, match="missed"):
        answer(participant, 2, **NONE)  # this block has none
    with pytest.raises(Malformed, match="is a side"):
        answer(participant, 4, **NONE, chosen="left")


def test_plans_without_a_deadline_have_no_word_of_it() -> None:
    plan = make_study(Study.State.FROZEN, deadline=None).frozen_plan
    assert "deadline" not in str([plain(block) for block in plan.blocks])
    assert [course_of(block) for block in plan.blocks] == [{}] * 4


def test_the_plan_says_what_is_done_with_missed_answers() -> None:
    plan = make_study(Study.State.FROZEN).frozen_plan
    assert plan.preregistration is not None
    text = str(plain(plan.preregistration))
    assert "block “sliders” of 2 trials (rating) with a deadline of 2 s" in text
    assert "So are answers that missed a deadline." in text


def test_people_read_how_long_they_have() -> None:
    study = make_study(Study.State.FROZEN, deadline=2.5)
    plan = study.frozen_plan
    assert course_of(plan.blocks[0]) == {"deadline_ms": 2500.0}
    assert "You have 2.5 seconds for each answer." in plan.words[0].instructions
    assert "seconds" not in plan.words[1].instructions
    own = words_before(plan.blocks[0], "de", "Eigene Worte.").instructions
    assert own == (
        "Eigene Worte.\n\nFür jede Antwort haben Sie 2,5 Sekunden. Danach geht es von selbst weiter, "
        "ohne Ihre Antwort."
    )


def test_a_construct_that_is_called_like_a_missed_answer_is_in_the_way() -> None:
    make_constructs()
    create_construct(name="missed", question="?", low="low", high="high", by=None)
    Construct.objects.exclude(name="missed").update(choice="", target="")
    study = create_study(
        title="x",
        slug="x",
        by=None,
        matched_set=make_matched_set(),
        unmatched_reason="Pairs of a test.",
        blocks=[
            BlockSpec("rating", "one", Construct.objects.filter(name="missed"), settings={"deadline_s": 2})
        ],
    )
    with pytest.raises(NotReady, match="a construct is called 'missed'"):
        build_plan(study)


def test_simulated_people_miss_a_short_deadline() -> None:
    study = make_study(deadline=1.2, rehearsal=True)
    arguments = {"study": study.pk, "participants": 3, "seed": 1, "careless": 0.0}
    job = run_now(enqueue(kind="ratings.simulate", arguments=arguments, by=None))
    assert job.state == "done", job.traceback
    ratings = pd.DataFrame(export_tables(study)["ratings"])
    late = ratings["missed"] == 1
    assert late.any()
    assert (ratings.loc[late, "rt_ms"] == 1200.0).all()
    assert (ratings.loc[~late & (ratings["block"] == "sliders"), "rt_ms"] <= 1200.0).all()


def test_a_deadline_is_more_than_nothing() -> None:
    with pytest.raises((NotReady, InputError), match="deadline_s"):
        make_study(deadline=-1)
