"""The folder of a study's report: pages, every number as JSON, every figure as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from almond.analysis.analyse import KIND, AnalysisResult
from almond.analysis.document import draw_study, study_document
from almond.files.writing import write_atomically
from almond.report.write import report_folder, write_pages


def write_report(result: AnalysisResult, folder: Path, *, pdf: bool = False) -> Path:
    """Write report.html, report.md, result.json and figures/ into ``folder``; returns the page's path.

    Where the plan has exclusion rules excluded.csv lists whom they leave out. The folder appears whole, in
    the place of an earlier report.

    :param pdf: whether to write report.pdf, of A4 pages, too.
    :raises InputError: the folder holds something else, or is a file.
    :raises NoPdf: what writes PDFs is not installed; nothing was written.
    """
    folder = Path(folder)
    with report_folder(folder, KIND) as fresh:
        if result.data["sample"].get("rules"):
            write_atomically(fresh / "excluded.csv", _excluded_csv(result.data["sample"]["excluded"]))
        write_pages(fresh, study_document(result.data), draw_study(result.data), result.data, pdf=pdf)
    return folder / "report.html"


def _excluded_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """List participants whom a rule of the plan leaves out, with the rule and what broke its limit."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(
        stream, ("participant_id", "rule", "why"), lineterminator="\n", extrasaction="ignore"
    )
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()
