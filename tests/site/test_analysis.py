"""From answers to a report: exports written by a job and verified, analyses of the export alone, pages."""

from __future__ import annotations

import io
import json
import sys
import uuid
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from almond.errors import InputError
from almond.evidence.verify import first_broken, verify
from almond.exchange.layout import table_path
from almond.exchange.manifest import load_manifest
from almond.rng import generator
from analysis import services
from analysis.models import AnalysisRun, Export
from analysis.services.archive import stream_zip
from jobs.models import State
from jobs.services import run_now
from ratings.services import finish, join, record_response, start_simulation, withdraw
from studies.models import Construct, Study
from studies.services import close
from studies.services.rehearsing import rehearse
from tests.conftest import figures_left_blank
from tests.site.small_study import (
    advance,
    make_image_set,
    make_matched_set,
    make_study,
    with_recipes,
)

pytestmark = pytest.mark.django_db

PARTICIPANTS = 4


def answer_all(study: Study, participants: int = PARTICIPANTS) -> Study:
    """Participants answer every trial at random and finish."""
    for number in range(participants):
        rng = generator(1, "answers", number)
        participant = join(study=study).participant
        for trial in participant.trials.order_by("index"):
            body: dict[str, Any] = {
                "response_id": str(uuid.uuid4()),
                "trial_id": trial.name,
                "rt_ms": float(rng.uniform(500, 3000)),
                "images": trial.digests,
            }
            if trial.kind == "rating":
                body["values"] = {name: float(rng.uniform(0, 100)) for name in trial.planned["constructs"]}
            else:
                body["chosen"] = str(rng.choice(["left", "right"]))
            record_response(participant=participant, body=body)
        finish(participant=participant)
    return study


def answered_study() -> Study:
    """A live study that half of its participants have answered."""
    matched = with_recipes(make_matched_set("answered"))
    return answer_all(
        make_study(
            slug="answered", matched_set=matched, permutations=99, rating_trials=None, choice_trials=None
        )
    )


@pytest.fixture(scope="module")
def answered(module_database: None) -> int:
    return answered_study().pk


@pytest.fixture
def study(answered: int) -> Study:
    return Study.objects.get(pk=answered)


@pytest.fixture
def closed(study: Study) -> Study:
    """The study after its end, which came before everybody had taken part."""
    return close(study=study, by=None)


@pytest.fixture
def export(closed: Study) -> Export:
    return exported(closed)


def analysed(row: AnalysisRun, *, pdf: bool = False) -> AnalysisRun:
    """Run an analysis; to draw its figures and print them takes two thirds of its time, and is asked for."""
    assert row.job is not None
    with ExitStack() as stack:
        if not pdf:
            stack.enter_context(mock.patch.dict(sys.modules, {"weasyprint": None}))
            stack.enter_context(figures_left_blank())
        ended = run_now(row.job)
    assert ended.state == State.DONE, ended.error + ended.traceback
    row.refresh_from_db()
    return row


# -- exports


def test_an_export_holds_every_answer_and_its_chain_holds(export: Export, study: Study) -> None:
    ratings = pd.read_csv(table_path(export.path, "ratings"))
    choices = pd.read_csv(table_path(export.path, "choices"))
    assert len(ratings) == PARTICIPANTS * 12 * 2
    assert len(choices) == PARTICIPANTS * 6
    assert export.counts == {
        "participants": PARTICIPANTS, "ratings": len(ratings), "choices": len(choices), "stimuli": 12,
        "events": 0,
    }  # fmt: skip
    assert first_broken(verify(export.path)) is None
    manifest = json.loads((export.path / "manifest.json").read_text())
    assert manifest["plan_digest"] == study.plan_digest
    assert study.matched_set is not None
    assert manifest["matching"]["name"] == study.matched_set.name
    assert manifest["matching"]["scored_by"] == "guide"
    assert manifest["digest"] == export.digest
    assert AuditEvent.objects.filter(verb="export", subject_id=str(export.pk)).exists()


def test_an_export_of_natural_images_carries_their_norms(answered: int) -> None:
    from studies.services import BlockSpec, create_study

    draft = create_study(
        title="Photographs",
        slug="photographs",
        image_set=make_image_set(),
        blocks=[BlockSpec("rating", "ratings", list(Construct.objects.order_by("name")))],
        participants_planned=4,
        n_lists=2,
        permutations=99,
        by=None,
    )
    study = close(study=answer_all(advance(draft, "live"), 2), by=None)
    row = services.request_export(study=study, by=None)
    assert row.job is not None
    ended = run_now(row.job)
    assert ended.state == State.DONE, ended.error + ended.traceback
    row.refresh_from_db()
    stimuli = pd.read_csv(table_path(row.path, "stimuli"))
    assert sorted(stimuli["norm_valence"]) == [0.0, 1.0, 2.0, 3.0]


def test_a_draft_is_not_exported() -> None:
    with pytest.raises(InputError, match="is a draft"):
        services.request_export(study=make_study(state="draft"), by=None)
    assert not Export.objects.exists()


def test_an_export_that_was_cut_off_is_written_anew(export: Export) -> None:
    digest = export.digest
    Export.objects.filter(pk=export.pk).update(folder="", digest="", finished_at=None)
    (table_path(export.path, "ratings")).write_text("half of")
    assert export.job is not None
    again = services.enqueue(kind="analysis.export", arguments={"export": export.pk}, by=None)
    assert run_now(again).state == State.DONE
    export.refresh_from_db()
    assert export.digest == digest


def test_a_missing_image_fails_the_export_by_name(closed: Study) -> None:
    gone = next(iter(closed.planned_images().values()))
    gone.path.rename(gone.path.with_suffix(".away"))
    row = services.request_export(study=closed, by=None)
    assert row.job is not None
    ended = run_now(row.job)
    gone.path.with_suffix(".away").rename(gone.path)
    row.refresh_from_db()
    assert ended.state == State.FAILED
    assert gone.digest[:12] in ended.error
    assert row.standing == "failed"


# -- analyses


def exported(study: Study) -> Export:
    row = services.request_export(study=study, by=None)
    assert row.job is not None
    ended = run_now(row.job)
    assert ended.state == State.DONE, ended.error + ended.traceback
    row.refresh_from_db()
    return row


def test_a_study_closed_with_its_number_is_confirmatory_and_other_permutations_exploratory(
    study: Study,
) -> None:
    export = exported(close(study=answer_all(study), by=None))
    manifest = load_manifest(export.path)
    assert manifest["collection"]["state"] == "closed"
    assert manifest["collection"]["finished"] == manifest["collection"]["planned"] == 8
    run = analysed(services.request_analysis(export=export, by=None))
    assert (run.mode, run.reasons) == ("confirmatory", [])
    row = analysed(services.request_analysis(export=export, permutations=49, by=None))
    assert row.mode == "exploratory"
    assert row.result["settings"]["permutations"] == 49


def test_who_withdraws_after_the_end_still_counts_for_the_stopping_rule(study: Study) -> None:
    answer_all(study)
    withdraw(participant=study.participants.filter(status="finished")[0], after_end=True)
    close(study=study, by=None)
    export = exported(study)
    assert load_manifest(export.path)["collection"]["finished_and_withdrew"] == 1
    assert analysed(services.request_analysis(export=export, by=None)).mode == "confirmatory"


def test_a_rehearsal_answered_by_simulated_participants_is_called_simulated(study: Study) -> None:
    rehearsal = rehearse(study=study, by=None)
    job = start_simulation(study=rehearsal, participants=4, seed=1, by=None)
    assert run_now(job).state == State.DONE
    run = analysed(services.request_analysis(export=exported(close(study=rehearsal, by=None)), by=None))
    assert run.mode == "simulated"
    assert run.headline[0].startswith("Simulated: no person took part")
    assert not run.answer.startswith("Simulated")
    assert "(rehearsal) (simulated)</h1>" in (run.path / "body.html").read_text()


def test_a_plan_changed_in_the_folder_is_refused(closed: Study) -> None:
    export = exported(closed)
    Study.objects.filter(pk=closed.pk).update(plan_digest="0" * 64)
    row = services.request_analysis(export=export, by=None)
    assert row.job is not None
    ended = run_now(row.job)
    assert ended.state == State.FAILED
    assert "not the deposited" in ended.error


def test_asking_for_the_planned_permutations_is_the_plan(export: Export) -> None:
    assert services.request_analysis(export=export, permutations=99, by=None).permutations is None


def test_licence_and_authors_are_asked_for_with_the_export(closed: Study) -> None:
    row = services.request_export(
        study=closed, by=None, licence="CC-BY-4.0", authors="Ada Lovelace\n\n B. Ohm ", citation="In press."
    )
    assert row.publication.to_json() == {
        "licence": "CC-BY-4.0",
        "authors": ["Ada Lovelace", "B. Ohm"],
        "citation": "In press.",
    }
    before = Export.objects.count()
    for wrong in ({"licence": "my own"}, {"authors": "Ada\nAda"}):
        with pytest.raises(InputError):
            services.request_export(study=closed, by=None, **wrong)
    assert Export.objects.count() == before
    assert row.job is not None
    assert run_now(row.job).state == State.DONE
    row.refresh_from_db()
    described = json.loads((row.path / "dataset_description.json").read_bytes())
    assert described["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"


def test_a_changed_export_is_not_analysed(export: Export) -> None:
    path = table_path(export.path, "choices")
    path.write_bytes(path.read_bytes().replace(b"left", b"right", 1))
    row = services.request_analysis(export=export, by=None)
    assert row.job is not None
    ended = run_now(row.job)
    assert ended.state == State.FAILED
    assert path.name in ended.error


def test_an_export_that_is_not_ready_is_not_analysed(closed: Study) -> None:
    with pytest.raises(InputError, match=r"is queued \(expected an export that is ready\)"):
        services.request_analysis(export=services.request_export(study=closed, by=None), by=None)


# -- what the database refuses


@pytest.mark.parametrize("fields", [{"folder": "x"}, {"digest": "d"}, {"finished_at": timezone.now()}])
def test_a_half_ready_export_is_refused(study: Study, fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match="export_ready_or_not"), transaction.atomic():
        Export.objects.create(study=study, **fields)


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("analysis_ready_or_not", {"mode": "confirmatory"}),
        ("analysis_ready_or_not", {"finished_at": timezone.now(), "folder": "x", "mode": "nice"}),
        ("analysis_permutes", {"permutations": 0}),
        (
            "own_permutations_are_exploratory",
            {"permutations": 5, "mode": "confirmatory", "folder": "x", "finished_at": timezone.now()},
        ),
    ],
)
def test_an_impossible_run_is_refused(export: Export, constraint: str, fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        AnalysisRun.objects.create(export=export, **fields)


# -- pages


def test_export_and_analysis_are_asked_for_in_the_admin(staff_client: Any, closed: Study) -> None:
    answer = staff_client.post(reverse("admin:analysis_export_add"), {"study": closed.pk})
    assert answer.status_code == 302, answer.context["errors"]
    export = Export.objects.get()
    assert export.job is not None
    assert (
        "queued"
        in staff_client.get(reverse("admin:analysis_export_change", args=[export.pk])).content.decode()
    )
    run_now(export.job)
    staff_client.post(reverse("admin:analysis_export_analyse", args=[export.pk]))
    run = AnalysisRun.objects.get()
    assert run.requested_by is not None
    analysed(run)
    for name in ("export", "analysisrun"):
        assert staff_client.get(reverse(f"admin:analysis_{name}_changelist")).status_code == 200
    page = staff_client.get(reverse("admin:analysis_analysisrun_change", args=[run.pk])).content.decode()
    assert run.get_absolute_url() in page
    page = staff_client.get(reverse("admin:analysis_export_change", args=[export.pk])).content.decode()
    assert export.study.title in page


def test_other_permutations_are_asked_for_in_the_admin(staff_client: Any, export: Export) -> None:
    staff_client.post(reverse("admin:analysis_analysisrun_add"), {"export": export.pk, "permutations": 19})
    assert AnalysisRun.objects.get().permutations == 19


def test_where_no_pdf_can_be_made_the_report_comes_without_it(export: Export, staff_client: Any) -> None:
    run = analysed(services.request_analysis(export=export, by=None))
    assert not (run.path / "report.pdf").exists()
    assert run.job is not None
    run.job.refresh_from_db()
    assert "libpango" in run.job.log
    assert "report.pdf" not in staff_client.get(run.get_absolute_url()).content.decode()


def test_an_export_is_downloaded_whole(staff_client: Any, export: Export, tmp_path: Path) -> None:
    answer = staff_client.get(reverse("analysis_export_zip", args=[export.pk]))
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.getvalue())) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    assert first_broken(verify(tmp_path / export.folder)) is None


def test_an_archive_leaves_links_out_and_is_the_same_twice(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.txt").write_text("a" * 10)
    (folder / "link.txt").symlink_to("/etc/hostname")
    first = b"".join(stream_zip(folder, "name"))
    assert first == b"".join(stream_zip(folder, "name"))
    assert zipfile.ZipFile(io.BytesIO(first)).namelist() == ["name/inner/a.txt"]
