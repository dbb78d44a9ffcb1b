"""The pages of the mock of Prolific, on which one plays participant and researcher."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Mock of Prolific</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; width: 100%; margin-top: 1.5rem; }}
th, td {{ text-align: left; vertical-align: top; padding: 0.5rem 0.75rem 0.5rem 0; }}
tr {{ border-bottom: 1px solid #8886; }}
form {{ display: inline; }}
button {{ font: inherit; padding: 0.25rem 0.75rem; margin: 0.125rem 0; }}
code {{ overflow-wrap: anywhere; }}
</style>
</head>
<body>{}</body>
</html>
"""

FRONT = """<h1>Mock of Prolific</h1>
<p>Study <code>{study}</code>. Nothing here leaves this machine, and nobody is paid.</p>
<form method="post" action="/arrive"><button>Take part as a new participant</button></form>
{said}
<table>
<thead><tr><th scope="col">participant</th><th scope="col">status</th><th scope="col">code</th>
<th scope="col">what happens next</th></tr></thead>
<tbody>{rows}</tbody>
</table>"""

ROW = """<tr><td><code>{}</code></td><td>{}</td><td><code>{}</code></td><td>{}</td></tr>"""

MOVE = """<form method="post" action="/move"><input type="hidden" name="submission" value="{}">
<button name="status" value="{}">{}</button></form> """

BACK = """<h1>Back at Prolific</h1>
<p>{said}</p>
<p><a href="/">All submissions</a></p>"""


class Shown(Protocol):
    """What the pages show of a submission."""

    id: str
    participant: str
    status: str
    code: str


def front_page(study: str, rows: Iterable[Shown], moves: Iterable[str], said: str) -> str:
    """Return the page that lists the submissions, with a button for each thing that may happen to one.

    :param said: what this site answered to the last webhook; empty: none was sent.
    """
    names = list(moves)
    table = format_html_join(
        "\n", ROW, ((row.participant, row.status, row.code, move_buttons(row, names)) for row in rows)
    )
    answer = format_html("<p>The last webhook was answered: <code>{}</code></p>", said) if said else ""
    return format_html(PAGE, format_html(FRONT, study=study, rows=table, said=answer))


def move_buttons(row: Shown, moves: Iterable[str]) -> SafeString:
    return format_html_join("", MOVE, ((row.id, move, move.lower()) for move in moves if move != row.status))


def back_page(code: str, *, is_known: bool) -> str:
    """Return the page that a completion code leads to."""
    words = "The code {} is handed in." if is_known else "The code {} came from a browser that never arrived."
    said = format_html(words, format_html("<code>{}</code>", code))
    return format_html(PAGE, format_html(BACK, said=said))
