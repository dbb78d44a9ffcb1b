"""The folder of a study's report: pages, every number as JSON, every figure as a file."""

from __future__ import annotations

from pathlib import Path

from almond.analysis.analyse import KIND, AnalysisResult
from almond.analysis.document import draw_study, study_document
from almond.report.write import report_folder, write_pages


def write_report(result: AnalysisResult, folder: Path) -> Path:
    """Write report.html, report.md, result.json and figures/ into ``folder``; returns the page's path.

    The folder appears whole, in the place of an earlier report. Raises ``InputError`` when it holds something
    else, or is a file.
    """
    folder = Path(folder)
    with report_folder(folder, KIND) as fresh:
        write_pages(fresh, study_document(result.data), draw_study(result.data), result.data)
    return folder / "report.html"
