"""What a report says of the flow of participants: figure, who was left out and why, what the rules change."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from almond.analysis.screening.flow_figure import flow_figure
from almond.report.document import Picture, Section, Table
from almond.report.wording import decimal, p_cell

Data = Mapping[str, Any]
FLOW = "flow"
STEPS = {"kind": "previews and simulated participants", "completed": "did not complete every trial"}
"""Words of the steps before the rules; a rule has its name."""


def with_flow(section: Section, data: Data) -> Section:
    """Add to the section on participants the flow, the people left out, and the tests under other rules."""
    rules = data["sample"]["rules"]
    said = ("The plan’s exclusion rules, in their order:",) if rules else ()
    return dataclasses.replace(
        section,
        paragraphs=(*section.paragraphs, *said, *(row["words"] for row in rules)),
        figures=(*section.figures, *_picture(data)),
        tables=(*section.tables, *_robustness(data), *_excluded(data)),
        notes=(*section.notes, *_notes(data)),
    )


def flow_figures(data: Data) -> dict[str, Figure]:
    """Draw the flow of participants; nothing for external data, whose course is unknown."""
    steps = data["sample"]["flow"]
    return {FLOW: flow_figure([_in_words(row) for row in steps], STEPS)} if steps else {}


def _in_words(row: Data) -> dict[str, Any]:
    """Leave out a reason that is said by the name of the step."""
    return {**row, "why": "" if row["step"] in STEPS else row["why"]}


def _picture(data: Data) -> tuple[Picture, ...]:
    if not data["sample"]["flow"]:
        return ()
    return (Picture(FLOW, "Flow of participants, from all who joined to those who are analysed."),)


def _excluded(data: Data) -> tuple[Table, ...]:
    rows = tuple((row["participant_id"], row["rule"], row["why"]) for row in data["sample"]["excluded"])
    if not rows:
        return ()
    folded = f"{len(rows)} participants left out by the plan’s rules, each with the first reason"
    return (Table(("participant", "rule", "why"), rows, text=(0, 1, 2), wrapped=(2,), folded=folded),)


def _robustness(data: Data) -> tuple[Table, ...]:
    rows = tuple(
        (
            row["test"],
            row["rules"],
            str(row["participants"]),
            "" if row["estimate"] is None else decimal(row["estimate"]),
            p_cell(row["p"], absent="not run"),
        )
        for row in data["robustness"]
    )
    if not rows:
        return ()
    return (Table(("primary test", "rules", "participants", "estimate", "p"), rows, text=(0, 1)),)


def _notes(data: Data) -> tuple[str, ...]:
    reasons = dict.fromkeys(row["reason"] for row in data["robustness"] if row["reason"])
    notes = [f"Not run: {reason}." for reason in reasons]
    if data["robustness"]:
        notes.append(
            "Primary tests with all of the plan’s rules, with none, and without each; the first is planned. "
            "p is not corrected. Estimates: accuracy of the classification, share of aligned choices."
        )
    if data["sample"]["excluded"]:
        notes.append(
            "Whoever finished counts for the planned number of participants, also where a rule left them out."
        )
    return tuple(notes)
