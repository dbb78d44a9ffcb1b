"""The folder of a study's report: pages, every number as JSON, every figure as a file."""

from __future__ import annotations

from pathlib import Path

from almond.analysis.analyse import KIND, AnalysisResult
from almond.analysis.document import draw_study, study_document
from almond.report.write import report_folder, write_pages


def write_report(result: AnalysisResult, folder: Path, *, pdf: bool = False) -> Path:
    """Write report.html, report.md, result.json and figures/ into ``folder``; returns the page's path.

    The folder appears whole, in the place of an earlier report.

    :param pdf: whether to write report.pdf, of A4 pages, too.
    :raises InputError: the folder holds something else, or is a file.
    :raises NoPdf: what writes PDFs is not installed; nothing was written.
    """
    folder = Path(folder)
    with report_folder(folder, KIND) as fresh:
        write_pages(fresh, study_document(result.data), draw_study(result.data), result.data, pdf=pdf)
    return folder / "report.html"
