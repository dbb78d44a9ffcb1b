"""The section on amendments and deviations, and amendments in words. Light: a site's page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from almond.analysis import external
from almond.exchange.amendments import Amendment
from almond.report.document import Section, Table

HOUR, DAY = 3600, 86400
RULE = (
    "Amendments were recorded after the plan was frozen. They do not change it: its digest, its tests and "
    "the label of an analysis follow the frozen plan alone."
)
EXPLORATORY = (
    "What an amendment of the sample, the exclusions or the analysis changed after the first response is "
    "exploratory, whatever the label of the planned tests."
)
NO_AMENDMENTS = "Amendments of the plan: none."


def amendment_rows(amendments: Sequence[Amendment], first: datetime | None) -> list[dict[str, Any]]:
    """Return amendments as JSON values with ``when``, their date relative to the first response.

    :param first: when the first response came, with its offset; None where that is not known.
    """
    return [{**row.to_json(), "when": relative(row, first)} for row in amendments]


def relative(row: Amendment, first: datetime | None) -> str:
    """Say whether an amendment came before the first response or after it, by how much, where that is known.

    The number of responses that were stored decides; the times say how long only where they agree.
    """
    away = None if first is None else (datetime.fromisoformat(row.at) - first).total_seconds()
    if not row.responses_before:
        gap = _long(-away) if away is not None and away < 0 else ""
        return f"{gap}before the first response"
    gap = _long(away) if away is not None and away > 0 else ""
    return f"{gap}after the first response, {row.responses_before} stored"


def _long(seconds: float) -> str:
    for unit, name in ((DAY, "day"), (HOUR, "hour")):
        number = int(seconds // unit)
        if number:
            return f"{number} {name}{'s' if number > 1 else ''} "
    return "less than an hour "


def amendment_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Write amendments, as ``amendment_rows`` gives them, as a table."""
    head = ("date", "relative to the answers", "kind", "what changes", "why", "author")
    cells = tuple(
        (row["at"][:10], row["when"], row["kind"], row["text"], row["why"], row["author"]) for row in rows
    )
    return Table(head, cells, text=(0, 1, 2, 3, 4, 5), wrapped=(1, 3, 4))


def deviation_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Write deviations as a table."""
    cells = tuple((row["kind"], row["what"], str(row["planned"]), str(row["done"])) for row in rows)
    return Table(("deviation", "of what", "planned", "done"), cells, text=(0, 1, 2, 3), wrapped=(2, 3))


def amendments_section(data: Mapping[str, Any]) -> Section:
    """Write what was amended, and what was done otherwise than planned."""
    title = "Amendments and deviations"
    if external.external_facts(data):
        return Section(title, paragraphs=(external.DEVIATIONS,))
    amended, deviated = data.get("amendments", ()), data["deviations"]
    texts = [] if deviated else ["Deviations from the plan: none."]
    texts += [RULE] if amended else [NO_AMENDMENTS]
    late = any(row["responses_before"] and row["kind"] != "other" for row in amended)
    texts += [EXPLORATORY] if late else []
    tables = [deviation_table(deviated)] if deviated else []
    tables += [amendment_table(amended)] if amended else []
    return Section(title, paragraphs=tuple(texts), tables=tuple(tables))
