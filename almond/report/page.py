"""The report as one HTML file: nothing to load, light or dark as the reader's system is, from 320 px up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

from almond.report.document import Section, Table

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--wash:#f5f6f8;--ink:#1b1f26;--muted:#5c6572;--grid:#dfe3e8;
--accent:#0b67a3;--second:#c2541d;--note:#8a5a00}
@media (prefers-color-scheme:dark){:root{--paper:#14171c;--wash:#1c2027;--ink:#e8eaee;--muted:#a2abb8;
--grid:#343b46;--accent:#62b5ec;--second:#f0955c;--note:#e3b341}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 system-ui,-apple-system,
"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:48rem;margin:0 auto;padding:2.5rem 1.25rem 5rem}
h1{font-size:1rem;font-weight:600;color:var(--muted);margin:0}
.mode{display:inline-block;font-size:.8rem;font-weight:600;border:1px solid currentColor;border-radius:99px;
padding:.1rem .7rem;margin:.6rem 0 0;color:var(--accent)}
.mode.exploratory{color:var(--note)}
.answer{font-size:1.55rem;line-height:1.32;font-weight:650;letter-spacing:-.012em;margin:1.2rem 0 0;
text-wrap:pretty}
.answer+.answer{font-size:1.2rem;font-weight:550;line-height:1.4}
.lead{color:var(--muted);margin:1.2rem 0 0}
dl.key{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:1px;background:var(--grid);
border:1px solid var(--grid);border-radius:.6rem;overflow:hidden;margin:2rem 0 0}
dl.key div{background:var(--paper);padding:.8rem 1rem}
dl.key dt{font-size:.82rem;color:var(--muted)}
dl.key dd{margin:.1rem 0 0;font-size:1.3rem;font-weight:600;font-variant-numeric:tabular-nums}
dl.key dd small{display:block;font-size:.82rem;font-weight:400;color:var(--muted)}
section{margin-top:3.2rem}
h2{font-size:1.2rem;line-height:1.3;margin:0 0 .4rem;letter-spacing:-.005em}
h3{font-size:1rem;margin:1.8rem 0 .3rem}
p{margin:.5rem 0}
.note{color:var(--muted);font-size:.92rem}
figure{margin:1.2rem 0 0}
figure svg{display:block;width:100%;height:auto;max-width:35rem}
figure.small svg{max-width:24rem}
figcaption{color:var(--muted);font-size:.9rem;line-height:1.5;margin-top:.5rem;max-width:40rem}
.scroll{overflow-x:auto;margin:1rem 0 0}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;min-width:100%}
th,td{text-align:right;padding:.36rem .6rem;border-bottom:1px solid var(--grid);white-space:nowrap}
th{font-weight:600;color:var(--muted)}
th:first-child,td:first-child{text-align:left;padding-left:0}
th:last-child,td:last-child{padding-right:0}
td.text,th.text{text-align:left}
td.wrap{white-space:normal;overflow-wrap:anywhere;min-width:9rem}
details{margin-top:1rem}
summary{cursor:pointer;color:var(--accent)}
summary:focus-visible{outline:2px solid var(--accent);outline-offset:3px;border-radius:2px}
ul{padding-left:1.1rem;margin:.5rem 0}
.digest{font:.82em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
@media print{section{break-inside:avoid}main{padding:0}}
"""


def text_html(text: str) -> str:
    """Escaped text with the spaces that must not break, and a true minus before numbers."""
    kept = escape(text).replace(" = ", "\u00a0=\u00a0").replace(" %", "\u00a0%")
    return re.sub(r"(?<![\w.-])-(?=[\d.])", "\u2212", kept)


def table_html(table: Table) -> str:
    heads = "".join(
        f'<th scope="col"{" class=text" if column in table.text else ""}>{text_html(name)}</th>'
        for column, name in enumerate(table.header)
    )
    kinds = dict.fromkeys(table.text, ' class="text"') | dict.fromkeys(table.wrapped, ' class="text wrap"')
    rows = "".join(
        "<tr>"
        + "".join(f"<td{kinds.get(column, '')}>{text_html(cell)}</td>" for column, cell in enumerate(row))
        + "</tr>"
        for row in table.rows
    )
    found = (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
    if table.folded:
        return f"<details><summary>{escape(table.folded)}</summary>{found}</details>"
    return found


def section_html(section: Section, figures: Mapping[str, str]) -> str:
    parts = [f"<section><h2>{text_html(section.title)}</h2>"]
    parts += [f"<p>{text_html(text)}</p>" for text in section.paragraphs]
    for name, caption in section.figures:
        small = ' class="small"' if name == "confusion" else ""
        parts.append(f"<figure{small}>{figures[name]}<figcaption>{text_html(caption)}</figcaption></figure>")
    if section.items:
        parts.append("<ul>" + "".join(f"<li>{text_html(item)}</li>" for item in section.items) + "</ul>")
    parts += [table_html(table) for table in section.tables]
    parts += [f'<p class="note">{text_html(text)}</p>' for text in section.notes]
    return "".join(parts) + "</section>"


def page(
    *,
    title: str,
    mode: str,
    mode_text: str,
    answers: Sequence[str],
    lead: str,
    key: Sequence[tuple[str, str, str]],
    sections: Sequence[Section],
    figures: Mapping[str, str],
) -> str:
    """The whole page. ``key`` holds (name, value, note) of the few main numbers; ``figures`` inline SVGs."""
    said = "".join(f'<p class="answer">{text_html(text)}</p>' for text in answers)
    numbers = "".join(
        f"<div><dt>{text_html(name)}</dt><dd>{text_html(value)}<small>{text_html(note)}</small></dd></div>"
        for name, value, note in key
    )
    body = "".join(section_html(section, figures) for section in sections)
    shown = f'<dl class="key">{numbers}</dl>' if numbers else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f"<header><h1>{escape(title)}</h1>{said}"
        f'<span class="mode {escape(mode)}">{escape(mode)}</span>'
        f'<p class="lead">{text_html(lead)} {text_html(mode_text)}</p></header>'
        f"{shown}{body}</main></body></html>\n"
    )
