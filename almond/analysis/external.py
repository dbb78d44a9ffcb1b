"""What a report says of data that Almond did not collect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from almond.report.document import Section, Table

FIRST_LINE = "External data: not collected by Almond; plan unknown, so exploratory."
DEVIATIONS = "Deviations from the plan cannot be told: it is not known."
TERMS = "Conditions, directions and expected choices are the table’s: nothing shows how they came about."
NOTHING_TO_TEST = (
    "Nothing is tested: the table allows no test (see what did not run). What follows describes the ratings "
    "and their reliability."
)


def external_facts(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what an analysis says of external data, None where Almond collected them."""
    facts: Mapping[str, Any] | None = data["study"].get("external")
    return facts


def external_section(facts: Mapping[str, Any]) -> Section:
    """Say where the data come from, on which scales they were given, and what cannot be known of them."""
    scales = tuple((name, f"{low:g} to {high:g}") for name, (low, high) in facts["scales"].items())
    ignored = facts["cells_ignored"]
    return Section(
        title="Where the data come from, and what is not known",
        paragraphs=(
            f"Imported from {facts['table']} (SHA-256 {facts['table_sha256']}), {facts['table_rows']} rows; "
            f"{facts['cells_without_value']} cells without a value"
            + (f", {ignored} left out by the map" if ignored else "")
            + "."
            + (" Values were carried linearly from their own scale to 0 to 100." if scales else ""),
            "What cannot be known of data that were collected elsewhere:",
        ),
        items=tuple(f"{fact[0].upper()}{fact[1:]}." for fact in facts["unknown"]),
        tables=(Table(("construct", "its scale"), scales, text=(0, 1)),) if scales else (),
    )
