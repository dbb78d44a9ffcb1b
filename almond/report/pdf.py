"""A report as a PDF of A4 pages, by WeasyPrint."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from PIL import ImageFile

from almond.errors import AlmondError
from almond.report.document import Document
from almond.report.render import render_print


class NoPdf(AlmondError):
    """What writes PDFs is not there; the message says what to install."""


def load_weasyprint() -> Any:
    """Import WeasyPrint, which on its way tells Pillow to accept pictures that are cut short: taken back.

    :raises NoPdf: it or the Pango library, which sets its texts, is not installed.
    """
    strict = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        import weasyprint
    except (ImportError, OSError) as error:
        raise NoPdf(
            "a PDF needs WeasyPrint (pip install 'almond[pdf]') and the Pango library (Debian: "
            f"libpango-1.0-0 libpangoft2-1.0-0): {error}"
        ) from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = strict
    # It warns of marks of ticks that several figures define alike.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    return weasyprint


def make_pdf(document: Document, svgs: Mapping[str, str]) -> bytes:
    """Render a document for print: the same document gives the same bytes.

    :param svgs: figure name -> stand-alone SVG; every figure that the document names.
    :raises NoPdf: as ``load_weasyprint`` says.
    """
    printer = load_weasyprint()
    page = printer.HTML(string=render_print(document, svgs), base_url=None, url_fetcher=_refuse)
    styles = [printer.CSS(string=_numbered(document.footer))]
    written: bytes = page.write_pdf(stylesheets=styles, pdf_identifier=b"almond")
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
