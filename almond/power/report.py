"""The folder of a power analysis: power.json, report.html, report.md and its figures."""

from __future__ import annotations

from pathlib import Path

from almond.power.document import power_document
from almond.power.figures import draw_power
from almond.power.results import KIND, PowerResult
from almond.report.write import check_report_folder, report_folder, write_pages

RESULT = "power.json"


def check_power_folder(out: Path) -> None:
    """Raise ``InputError`` where ``out`` holds something else than an earlier power analysis."""
    check_report_folder(out, KIND, name=RESULT)


def write_power(result: PowerResult, out: Path) -> Path:
    """Write the report of a power analysis; returns the path of its page.

    :raises InputError: ``out`` holds something else.
    """
    with report_folder(out, KIND, name=RESULT) as folder:
        write_pages(folder, power_document(result.data), draw_power(result.data), result.data, name=RESULT)
    return out / "report.html"
