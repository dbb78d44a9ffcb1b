"""A report as a PDF of A4 pages, by WeasyPrint."""

from __future__ import annotations

from collections.abc import Mapping

from almond.errors import AlmondError
from almond.report.document import Document
from almond.report.render import render_print


class NoPdf(AlmondError):
    """What writes PDFs is not there; the message says what to install."""


def make_pdf(document: Document, svgs: Mapping[str, str]) -> bytes:
    """Render a document for print: the same document gives the same bytes.

    :param svgs: figure name -> stand-alone SVG; every figure that the document names.
    :raises NoPdf: WeasyPrint or the Pango library, which sets its texts, is not installed.
    """
    try:
        from weasyprint import CSS, HTML
    except (ImportError, OSError) as error:
        raise NoPdf(
            "a PDF needs WeasyPrint (pip install 'almond[pdf]') and the Pango library (Debian: "
            f"libpango-1.0-0 libpangoft2-1.0-0): {error}"
        ) from error
    page = HTML(string=render_print(document, svgs), base_url=None, url_fetcher=_refuse)
    written: bytes = page.write_pdf(
        stylesheets=[CSS(string=_numbered(document.footer))], pdf_identifier=b"almond"
    )
    return written


def _refuse(url: str) -> None:
    """Fetch nothing: a report holds all that it shows."""
    raise ValueError(f"a report names {url}, which is not in it")


def _numbered(footer: str) -> str:
    """Write the foot of every page: what the report is, and the page's number."""
    text = footer.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
    look = "font:8pt sans-serif;color:#5c6572"
    return (
        f'@page{{@bottom-left{{content:"{text}";{look};width:80%}}'
        f'@bottom-right{{content:counter(page) " / " counter(pages);{look}}}}}'
    )
