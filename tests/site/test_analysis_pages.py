"""The pages and files of one analysis: what it says, who may see it, what is left when files are gone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import User
from almond.report.pdf import NoPdf, load_weasyprint
from analysis import services
from analysis.models import AnalysisRun
from studies.services import close
from tests.site.test_analysis import analysed, answered_study, exported

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def reported(module_database: None) -> int:
    """An analysis, with everything that belongs to it, of a study that half of its people answered."""
    export = exported(close(study=answered_study(), by=None))
    return analysed(services.request_analysis(export=export, by=None), pdf=True).pk


@pytest.fixture
def run(reported: int) -> AnalysisRun:
    return AnalysisRun.objects.get(pk=reported)


@pytest.fixture
def spoilt(run: AnalysisRun, tmp_path: Path) -> Iterator[AnalysisRun]:
    """The analysis for a test that takes files away; they are put back afterwards."""
    folders = [run.path, run.export.path]
    copies = [
        shutil.copytree(folder, tmp_path / name)
        for folder, name in zip(folders, ("report", "export"), strict=True)
    ]
    yield run
    for folder, copy in zip(folders, copies, strict=True):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(copy, folder)


def test_the_planned_analysis_is_confirmatory_or_says_how_it_deviates(run: AnalysisRun) -> None:
    assert run.result["mode"] == run.mode
    assert run.result["settings"]["permutations"] == 99
    assert {row["test"] for row in run.result["tests"]} == {"classification", "choices"}
    assert run.headline
    assert (run.path / "report.html").is_file()


def test_a_study_closed_short_of_its_number_is_interim(run: AnalysisRun, staff_client: Any) -> None:
    assert run.mode == "interim"
    assert "closed before its stopping rule was met, with 4 of 8 planned participants" in run.reasons[0]
    page = staff_client.get(reverse("admin:analysis_analysisrun_change", args=[run.pk])).content.decode()
    assert "Interim: the study was closed before" in page


def test_the_report_stands_inside_the_admin(staff_client: Any, run: AnalysisRun) -> None:
    page = staff_client.get(run.get_absolute_url()).content.decode()
    assert run.export.study.title in page
    assert "<svg" in page
    assert page.count("<main") <= 1
    assert "<!doctype html>" not in page.split("al-report", 1)[1]


def test_a_report_stored_as_a_page_only_is_linked(staff_client: Any, spoilt: AnalysisRun) -> None:
    (spoilt.path / "body.html").unlink()
    page = staff_client.get(spoilt.get_absolute_url()).content.decode()
    assert "written by an earlier version" in page
    assert reverse("analysis_report_file", args=[spoilt.pk, "report.html"]) in page


def test_the_reports_files_are_downloaded_and_no_others(staff_client: Any, run: AnalysisRun) -> None:
    for name in ("report.html", "report.md", "result.json"):
        answer = staff_client.get(reverse("analysis_report_file", args=[run.pk, name]))
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.getvalue() == (run.path / name).read_bytes()
    for name in ("secret_key", "..%2F..%2Fsecret_key", "../../secret_key", "figures", "report.html%00"):
        assert staff_client.get(f"/analysis/{run.pk}/{name}").status_code == 404


def test_a_folder_that_is_gone_is_not_found(staff_client: Any, spoilt: AnalysisRun) -> None:
    for folder in (spoilt.path, spoilt.export.path):
        shutil.rmtree(folder)
    for address in (
        spoilt.get_absolute_url(),
        reverse("analysis_report_file", args=[spoilt.pk, "report.md"]),
        reverse("analysis_export_zip", args=[spoilt.export.pk]),
    ):
        assert staff_client.get(address).status_code == 404


def test_only_the_labs_people_see_reports_and_exports(client: Any, run: AnalysisRun) -> None:
    addresses = [
        run.get_absolute_url(),
        reverse("analysis_report_file", args=[run.pk, "result.json"]),
        reverse("analysis_export_zip", args=[run.export.pk]),
    ]
    assert [client.get(address).status_code for address in addresses] == [302, 302, 302]
    client.force_login(User.objects.create_user("without-rights", is_staff=True))
    assert [client.get(address).status_code for address in addresses] == [403, 403, 403]


def test_the_report_is_there_as_a_pdf_too(run: AnalysisRun, staff_client: Any) -> None:
    try:
        load_weasyprint()
    except NoPdf as reason:
        pytest.skip(str(reason))
    answer = staff_client.get(reverse("analysis_report_file", args=[run.pk, "report.pdf"]))
    assert answer.getvalue().startswith(b"%PDF-")
