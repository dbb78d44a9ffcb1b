"""The folders in which reports lie: they appear whole, and take the place of an earlier report only.

A folder holds ``report.html``, ``body.html`` (what the page shows, to stand inside other pages),
``report.md``, ``result.json`` (where its caller gives it no other name) and ``figures/``, where it is asked
for ``report.pdf``; whatever else belongs to a report its caller writes.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from almond.errors import InputError
from almond.files.writing import new_folder, publish, write_atomically
from almond.report.document import Document
from almond.report.figures_style import png_of, svg_of
from almond.report.pdf import make_pdf
from almond.report.render import render_body, render_html, render_markdown

RESULT = "result.json"


def check_report_folder(out: Path, kind: str, *, name: str = RESULT) -> None:
    """Make sure that ``out`` can become a report's folder: new, empty, or that of an earlier report.

    :param kind: what ``format`` in result.json begins with, such as ``almond-analysis``.
    :param name: of that file, where it has another.
    :raises InputError: where it holds something else, or is a file.
    """
    if not out.exists():
        return
    if not out.is_dir() or (any(out.iterdir()) and not _is_report(out / name, kind)):
        expected = f"a new folder, or that of an earlier {kind.rpartition('-')[2]}"
        raise InputError(out, "holds something else", expected)


def _is_report(file: Path, kind: str) -> bool:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and str(content.get("format", "")).startswith(f"{kind}/")


@contextlib.contextmanager
def report_folder(out: Path, kind: str, *, name: str = RESULT) -> Iterator[Path]:
    """Give a scratch folder that becomes ``out`` when the block ends; an error leaves what was there before.

    :raises InputError: as ``check_report_folder`` says.
    """
    check_report_folder(out, kind, name=name)
    with new_folder(out.parent) as scratch:
        yield scratch
        publish(scratch, out, over=True)


def write_pages(
    folder: Path,
    document: Document,
    figures: Mapping[str, Figure],
    result: Mapping[str, Any],
    *,
    name: str = RESULT,
    pdf: bool = False,
) -> None:
    """Write the pages, the figures as SVG and PNG, and ``result`` as JSON into a report's folder.

    :param figures: name -> figure, those that were drawn; the document may name more.
    :param result: JSON values; the same values give the same bytes.
    :param pdf: whether to write ``report.pdf`` too; ``NoPdf`` where nothing can write it.
    """
    svgs = {name: svg_of(figure) for name, figure in figures.items()}
    for drawn, figure in figures.items():
        write_atomically(folder / "figures" / f"{drawn}.svg", svgs[drawn].encode())
        figure.set_layout_engine(None)  # it was laid out for the SVG; that again costs a drawing
        write_atomically(folder / "figures" / f"{drawn}.png", png_of(figure))
    shown = document.with_figures(svgs)
    write_atomically(folder / "report.html", render_html(shown, svgs).encode())
    write_atomically(folder / "body.html", render_body(shown, svgs).encode())
    write_atomically(folder / "report.md", render_markdown(shown).encode())
    write_atomically(folder / name, result_bytes(result))
    if pdf:
        write_atomically(folder / "report.pdf", make_pdf(shown, svgs))


def result_bytes(result: Mapping[str, Any]) -> bytes:
    """Encode result.json: keys sorted, indented, without NaN."""
    text = json.dumps(result, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()
