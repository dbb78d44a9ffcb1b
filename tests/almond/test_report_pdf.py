"""The report on paper: A4 pages, the first of which says what a reader looks for first."""

from __future__ import annotations

import dataclasses
import sys

import pytest
from PIL import ImageFile

from almond.analysis.analyse import AnalysisResult, analyse_export
from almond.analysis.document import draw_study, study_document
from almond.analysis.report import write_report
from almond.report.document import Document
from almond.report.figures_style import svg_of
from almond.report.pdf import NoPdf, load_weasyprint, make_pdf
from almond.report.render import quiet_statistics, render_print, typeset
from tests.almond.export_maker import make_export

A4 = (210 / 25.4 * 96, 297 / 25.4 * 96)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> AnalysisResult:
    return analyse_export(make_export(tmp_path_factory.mktemp("pdf") / "export"))


@pytest.fixture(scope="module")
def printed(result: AnalysisResult) -> tuple[Document, dict[str, str]]:
    figures = {name: svg_of(figure) for name, figure in draw_study(result.data).items()}
    return study_document(result.data).with_figures(figures), figures


def pages_of(document: Document, figures: dict[str, str]) -> list[str]:
    """Return the text of every page, and check that each is A4."""
    pages = load_weasyprint().HTML(string=render_print(document, figures)).render().pages
    assert all((page.width, page.height) == pytest.approx(A4, abs=0.1) for page in pages)
    return [
        " ".join(box.text for box in page._page_box.descendants() if hasattr(box, "text")) for page in pages
    ]


@pytest.fixture(scope="module")
def pages(printed: tuple[Document, dict[str, str]]) -> list[str]:
    return pages_of(*printed)


def test_the_first_page_says_what_a_reader_looks_for(pages):
    first = " ".join(pages[0].split())
    for text in (
        "A made study",
        "Participants rated images differently",
        "Choices followed the manipulation",
        "confirmatory",
        "Do rating profiles identify the intended region?",
        "12 participants analysed of 12 who joined",
        "None from the plan.",
    ):
        assert text in first, text


def test_paper_has_one_figure_for_each_question_and_nothing_folded(printed, pages):
    text = " ".join(pages)
    shown = [section.figures for section in printed[0].sections if section.figures]
    assert any(len(pictures) > 1 for pictures in shown)
    for pictures in shown:
        assert pictures[0].caption[:30] in text
        assert not any(picture.caption[:30] in text for picture in pictures[1:])
    assert "Accuracy by theme" not in text


def test_the_same_report_gives_the_same_pdf(printed):
    document, figures = printed
    short = dataclasses.replace(document, sections=document.sections[:1])
    first = make_pdf(short, figures)
    assert first.startswith(b"%PDF-")
    assert first == make_pdf(short, figures)


def test_a_pdf_lies_beside_the_page_where_it_is_asked_for(result, tmp_path):
    folder = write_report(result, tmp_path / "report", pdf=True).parent
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF-")
    write_report(result, folder)
    assert not (folder / "report.pdf").exists()


def test_without_its_library_a_pdf_is_refused_and_nothing_is_written(result, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(NoPdf, match="libpango"):
        write_report(result, tmp_path / "report", pdf=True)
    assert not (tmp_path / "report").exists()


def test_pictures_that_are_cut_short_are_refused_afterwards_too(printed):
    document, figures = printed
    make_pdf(dataclasses.replace(document, sections=()), figures)
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_statistics_are_set_back_and_escaped():
    text = quiet_statistics("A & B (F(2, 10) = 3.1, p < .0001; <b>) end (x).")
    assert text.count('<span class="statistics">') == 2
    assert "A &amp; B <span" in text
    assert "&lt;b&gt;)</span> end" in text
    assert "F(2,\u00a010)" in text


def test_p_values_do_not_break():
    assert typeset("p < .0001") == "p\u00a0<\u00a0.\u20600001"
