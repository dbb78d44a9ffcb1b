"""What a report says of data that Almond did not collect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from almond.report.document import Section, Table

FIRST_LINE = "External data: not collected by Almond; plan unknown, so exploratory."
DEVIATIONS = "They cannot be told: whether there was a plan is not known."
TERMS = "Conditions, directions and expected choices are the table’s: nothing shows how they came about."
NOTHING_TO_TEST = (
    "Nothing is tested: the table allows no test (see what did not run). The report describes the ratings "
    "and their reliability."
)
BEYOND_TABLES = ("natural", "on_off", "trend")
"""Questions about predicted responses and strengths, which no imported table holds."""


def external_facts(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what an analysis says of external data, None where Almond collected them."""
    facts: Mapping[str, Any] | None = data["study"].get("external")
    return facts


def stimuli_text(units: Mapping[str, Any]) -> str:
    """Write ``72 stimuli in 24 scenes of 12 themes``, without what each stimulus, or scene, has alone."""
    themes, scenes, stimuli = (units.get(name) for name in ("themes", "scenes", "stimuli"))
    text = "" if stimuli is None else f"{stimuli} stimuli"
    if scenes != stimuli:
        text += f"{' in ' if text else ''}{scenes} scenes"
    return text if themes in (None, scenes) else f"{text} of {themes} themes"


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
