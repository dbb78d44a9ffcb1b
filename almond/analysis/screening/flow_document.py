"""What a report says of the flow of participants: figure, who was left out and why, what the rules change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib.figure import Figure

from almond.analysis.screening.flow_figure import flow_figure
from almond.analysis.screening.screen import NOT_PLANNED
from almond.design.exclusions import EXCLUSIONS
from almond.report.document import Picture, Section, Table
from almond.report.wording import decimal, p_cell

Data = Mapping[str, Any]
FLOW = "flow"
STEPS = {"kind": "previews and simulated participants", "completed": "did not complete every trial"}
"""Words of the steps before the rules; a rule has its name."""


def with_flow(section: Section, data: Data) -> Section:
    """Add to the section on participants the flow, the people left out, and the tests under other rules."""
    return dataclasses.replace(
        section,
        figures=(*section.figures, *_picture(data)),
        items=(*section.items, *_rule_items(data)),
        tables=(*section.tables, *_robustness(data), *_excluded(data)),
        notes=(*section.notes, *_notes(data)),
    )


def rules_in_words(data: Data) -> tuple[str, ...]:
    """Write the paragraph of methods on the plan's rules; nothing where it has none."""
    words = " ".join(row["words"] for row in data["sample"]["rules"])
    if not words:
        return ()
    return (
        "Exclusion rules of the plan, applied in this order to participants who completed every trial, each "
        f"to their own answers and without targets, directions, scores and names of images: {words}",
    )


def short_name(rule: str) -> str:
    """Return the first words of a rule's label in the registry."""
    return dict(EXCLUSIONS.choices()).get(rule, rule).partition(":")[0]


def _rule_items(data: Data) -> Iterator[str]:
    """Yield each of the plan's rules in its words, with how many it left out."""
    counts = {row["rule"]: f"{row['count']} of {row['of']} left out" for row in data["sample"]["exclusions"]}
    problems = {row["what"]: row["done"] for row in data["deviations"] if row["kind"] == "exclusions"}
    for row in data["sample"]["rules"]:
        said = counts.get(row["rule"]) or f"not applied: {problems[row['rule']]}"
        yield f"{row['words']} {said[0].upper()}{said[1:]}."


def flow_figures(data: Data) -> dict[str, Figure]:
    """Draw the flow of participants; nothing for external data, whose course is unknown."""
    steps = data["sample"]["flow"]
    return {FLOW: flow_figure([_in_words(row) for row in steps])} if steps else {}


def _in_words(row: Data) -> dict[str, Any]:
    """Give a step the words of the figure; a reason that these say already is left out."""
    step = row["step"]
    return {**row, "step": STEPS.get(step) or short_name(step), "why": "" if step in STEPS else row["why"]}


def _picture(data: Data) -> tuple[Picture, ...]:
    if not data["sample"]["flow"]:
        return ()
    counts = ", ".join(f"{count} {name}" for name, count in data["sample"]["arrivals"].items())
    before = f" Before that, as the site counted people: {counts}." if counts else ""
    return (Picture(FLOW, f"Flow of participants, from all in the export to those analysed.{before}"),)


def _excluded(data: Data) -> tuple[Table, ...]:
    rows = tuple(
        (row["participant_id"], short_name(row["rule"]), row["why"]) for row in data["sample"]["excluded"]
    )
    if not rows:
        return ()
    as_planned = all(row["rule"] != NOT_PLANNED for row in data["sample"]["excluded"])
    by = " by the plan’s rules" if as_planned else ""
    folded = f"{len(rows)} participants left out{by}, each with the first reason"
    return (Table(("participant", "rule", "why"), rows, text=(0, 1, 2), wrapped=(2,), folded=folded),)


def _robustness(data: Data) -> Iterator[Table]:
    """Yield a table for each primary test: with all rules, with none, and without each."""
    for test in dict.fromkeys(row["test"] for row in data["robustness"]):
        rows = tuple(
            (
                _rules(row["rules"]),
                str(row["participants"]),
                decimal(row["estimate"]),
                p_cell(row["p"], absent="not run"),
            )
            for row in data["robustness"]
            if row["test"] == test
        )
        yield Table((f"{test}, rules", "n", "estimate", "p"), rows, wrapped=(0,))


def _rules(variant: str) -> str:
    rule = variant.removeprefix("without ")
    return {"all": "all (planned)", "none": "none"}.get(rule) or f"without {short_name(rule)}"


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
