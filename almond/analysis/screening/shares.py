"""Tables and figures of choices: of the tests and base scenes, and of each participant, where those who were
left out stand as hollow dots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from almond.report.document import Picture, Table
from almond.report.figures_style import (
    ACCENT,
    GRID,
    MUTED,
    PAPER,
    SECOND,
    dot_with_interval,
    new_figure,
    new_forest,
    reference_line,
)
from almond.report.wording import p_cell, percent, percent_span, signed

Rows = Sequence[Mapping[str, Any]]
"""Rows with ``name``, ``share`` (0 to 1) and ``trials``."""

ROW, LEAST_ROWS = 0.15, 4
"""Inches between dots of one column, and the rows that a figure has room for at least."""

PEOPLE = "choices_people"


def people_picture(result: Mapping[str, Any], aligned_choices: str) -> Picture:
    """Name the figure of ``people_figure``, with its caption."""
    hollow = len(result["excluded"])
    left_out = (
        f" Hollow: {hollow} excluded from the analysis, who take no part in the test." if hollow else ""
    )
    return Picture(PEOPLE, f"Share of {aligned_choices} of each participant.{left_out} Dashed: 50 %.")


def share_forest(
    tests: Sequence[tuple[str, Mapping[str, Any]]], scenes: Rows, aligned_choices: str
) -> Figure:
    """Draw the shares tested with their intervals, and base scenes as observed shares."""
    labels = ["all choices", *(name for name, _ in tests[1:]), *(row["name"] for row in scenes)]
    figure, axes = new_forest(labels, 0.27, reference=50.0)
    for y, (_, row) in enumerate(tests):
        middle, low, high = (100 * row[end] for end in ("share", "low", "high"))
        dot_with_interval(axes, y, middle, low, high, size=8.5 if y == 0 else 6.5)
    for y, scene in enumerate(scenes, start=len(tests)):
        dot_with_interval(axes, y, 100 * scene["share"], None, None, color=SECOND, hollow=True, size=5.5)
    axes.axhline(len(tests) - 0.5, color=GRID, linewidth=1.2)
    axes.set_xlim(-2, 102)
    axes.set_xlabel(f"{aligned_choices}, %")
    return figure


def model_table(tests: Sequence[tuple[str, Mapping[str, Any]]], group: str) -> Table:
    """List what the logistic mixed model says of each test."""
    rows = tuple(
        (
            name,
            signed(row["estimate"]),
            percent(row["probability"]),
            percent_span(row["probability_low"], row["probability_high"]),
            p_cell(row["p_wald"]),
            p_cell(row["p_likelihood"]),
        )
        for name, row in tests
    )
    head = (group, "log odds", "typical person", "95 % interval", "p Wald", "p likelihood")
    return Table(head, rows, folded="Logistic mixed model, secondary")


def people_table(analysed: Rows, excluded: Rows, aligned: str) -> Table:
    """List each participant's share; those who were left out by a rule are marked."""
    rows = [(row["name"], percent(row["share"]), str(row["trials"])) for row in analysed]
    rows += [(f"{row['name']} (excluded)", percent(row["share"]), str(row["trials"])) for row in excluded]
    return Table(("participant", aligned, "choices"), tuple(rows), folded="Share by participant")


def people_figure(analysed: Rows, excluded: Rows, aligned_choices: str) -> Figure:
    """Draw a dot for each participant, those of one share above each other."""
    stacked: Counter[float] = Counter()
    dots: list[tuple[float, int, bool]] = []
    for rows, hollow in ((analysed, False), (excluded, True)):
        for row in sorted(rows, key=lambda row: float(row["share"])):
            share = rounded_share(float(row["share"]))
            dots.append((share, stacked[share], hollow))
            stacked[share] += 1
    rows_needed = max(LEAST_ROWS, max(stacked.values(), default=0))
    figure = new_figure(0.75 + ROW * rows_needed)
    axes = figure.add_subplot()
    reference_line(axes, 50.0)
    for hollow in (False, True):
        places = [(100 * share, row) for share, row, open_dot in dots if open_dot == hollow]
        color = MUTED if hollow else ACCENT
        axes.plot(
            [share for share, _ in places],
            [row for _, row in places],
            "o",
            markersize=6.0,
            color=color,
            markerfacecolor=PAPER if hollow else color,
            markeredgewidth=1.4,
            zorder=3,
        )
    axes.set_yticks([])
    axes.set_ylim(-0.7, rows_needed - 0.3)
    axes.set_xlim(-3, 103)
    axes.set_xlabel(f"{aligned_choices} of a participant, %")
    return figure


def rounded_share(share: float) -> float:
    """Round a share to a fiftieth, so that dots of nearly the same share do not cover each other."""
    return round(50 * share) / 50
