"""A document as HTML and as Markdown, by Jinja2 templates that escape every text on their own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from almond.report.document import Document, Table
from almond.report.figures_style import bare_svg, inline_svg


def render_html(document: Document, svgs: Mapping[str, str]) -> str:
    """Render one self-contained page, light or dark as the reader's system is, from 320 px up.

    :param svgs: figure name -> stand-alone SVG; every figure that the document names.
    """
    return _render("report.html.j2", document, _inline(document, svgs))


def render_body(document: Document, svgs: Mapping[str, str]) -> str:
    """Render what the page shows, without its head and style, to stand inside another page."""
    return _render("body.html.j2", document, _inline(document, svgs))


def render_print(document: Document, svgs: Mapping[str, str]) -> str:
    """Render the page for A4: light, the first figure of each section, nothing folded."""
    figures = {name: Markup(bare_svg(svg)) for name, svg in svgs.items()}
    return _render("report.html.j2", document, figures)


def render_markdown(document: Document) -> str:
    """Render the report as Markdown, with its figures as files in ``figures/``."""
    return _render("report.md.j2", document, {}).rstrip() + "\n"


def _render(template: str, document: Document, figures: Mapping[str, Markup]) -> str:
    return _environment().get_template(template).render(document=document, figures=figures)


def _inline(document: Document, svgs: Mapping[str, str]) -> dict[str, Markup]:
    """Mark as safe what we drew ourselves: matplotlib escapes the texts of an SVG."""
    pictures = [picture for section in document.sections for picture in section.figures]
    return {name: Markup(inline_svg(svgs[name], caption)) for name, caption, _ in pictures}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("almond.report"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "typeset": typeset,
        "quiet_statistics": quiet_statistics,
        "column_class": column_class,
        "cells": markdown_cells,
        "rule": markdown_rule,
    }
    return environment


def typeset(text: str) -> str:
    """Put spaces that must not break around ``=`` and before ``%``, and a true minus before numbers.

    No line breaks inside ``p < .0001`` and ``F(12, 132)`` either.
    """
    spaced = text.replace(" = ", "\u00a0=\u00a0").replace(" %", "\u00a0%")
    spaced = re.sub(r"(?<=[Ft]\()([\d.]+), (?=[\d.]+\))", "\\1,\u00a0", spaced)
    spaced = re.sub(r"(?<=\bp) ([<>≤]) \.(?=\d)", "\u00a0\\1\u00a0.\u2060", spaced)
    return re.sub(r"(?<![\w.-])-(?=[\d.])", "\u2212", spaced)


def quiet_statistics(text: str) -> Markup:
    """Typeset a sentence, with what stands in parentheses set back: a reader takes in the answer first."""
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if (sign == "(" and depth == 1) or (sign == ")" and depth == 0):
            end = place + (sign == ")")
            parts.append((text[start:end], sign == ")"))
            start = end
    parts.append((text[start:], False))
    span = Markup('<span class="statistics">{}</span>')
    return Markup("").join(
        span.format(typeset(part)) if quiet else escape(typeset(part)) for part, quiet in parts
    )


def column_class(table: Table, column: int) -> str:
    """Name the CSS classes of a table's body cells in one column: numbers have none."""
    if column in table.wrapped:
        return "text wrap"
    return "text" if column in table.text else ""


def markdown_cells(row: tuple[str, ...]) -> str:
    """Write one row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def markdown_rule(table: Table) -> str:
    """Write the row below a Markdown table's header: numbers are aligned to the right."""
    columns = range(len(table.header))
    return markdown_cells(tuple("---" if column in table.text else "---:" for column in columns))
