"""A rehearsal: robots go through the real pages, and what they mean is what is stored."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from jobs.services import run_now
from ratings.models import Participant
from ratings.services.rehearsals.starting import start_rehearsal
from studies.models import Rehearsal, Study
from studies.services import BlockSpec, create_study
from tests.site.paged_study import PAGES
from tests.site.small_study import advance, make_constructs, make_matched_set

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ASKED = {"people": 4, "pages": 2, "seed": 3, "studies": 0}


@pytest.fixture(autouse=True)
def browser_is_there() -> None:
    if shutil.which("chromium") is None:
        pytest.skip("needs Chromium on the path (Debian: apt-get install chromium)")


def study_of_several_kinds(**more: Any) -> Study:
    """Pages, practice, a check, a scale, choices: frozen, for people."""
    constructs = make_constructs()
    pages = ("welcome", "people", "understood", "trying", "attentive")
    blocks = [
        BlockSpec("rating", "ratings", constructs, 2),
        *(BlockSpec(PAGES[name][0], name, (), settings=PAGES[name][1]) for name in pages),
        BlockSpec("likert", "points", constructs, 2, settings={"points": 5}),
        BlockSpec("choice", "choices", constructs, 3, asked_of="own", settings={"confidence": 4}),
    ]
    blocks = [*blocks[1:5], blocks[0], *blocks[5:]]
    study = create_study(
        title="Several kinds",
        slug="several",
        participants_planned=6,
        n_lists=2,
        matched_set=make_matched_set(),
        unmatched_reason="Pairs of a test, made without matching.",
        blocks=blocks,
        by=None,
        **more,
    )
    return advance(study, Study.State.FROZEN)


def rehearsed(study: Study, **asked: Any) -> Rehearsal:
    row = start_rehearsal(study=study, asked={**ASKED, **asked}, by=None)
    job = run_now(row.job)
    assert job.state == "done", job.traceback or job.error
    return Rehearsal.objects.get(pk=row.pk)


def test_two_robots_go_through_the_pages_and_their_rows_are_as_planned() -> None:
    row = rehearsed(study_of_several_kinds())
    assert row.findings == []
    assert row.passed is True
    assert row.summary == "4 robots, 2 through the pages; all stored rows as planned"
    assert [(visit["window"], visit["end"]) for visit in row.result["pages"]] == [
        ("computer", "finished"),
        ("telephone", "finished"),
    ]
    robots = Participant.objects.filter(study=row.copy)
    assert {robot.kind for robot in robots} == {"robot"}
    assert all(check["differ"] == 0 and check["stored"] > 0 for check in row.result["checks"])
    assert row.copy.state == Study.State.CLOSED
    assert not row.study.participants.exists()
