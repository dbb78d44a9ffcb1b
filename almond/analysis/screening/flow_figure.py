"""The flow of participants as a figure in the manner of CONSORT: boxes from step to step, and who left."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from almond.report.figures_style import ACCENT, INK, MUTED, PAPER, new_figure, remove_frame

LINE = 0.185
"""Inches of a line of text."""
MARGIN, GAP = 0.17, 0.2
"""Inches of a box above and below its text, and between boxes."""
MAIN, SIDE = (0.03, 1.97), (2.27, 4.97)
"""Left and right ends of the boxes of those who remain, and of those who left, in inches."""
SIDE_CHARACTERS = 38


def flow_figure(steps: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw a row for every step: who remains, and who was left out.

    :param steps: rows with ``step`` (in words), ``left``, ``out`` and ``why``, from all who joined to those
        who are analysed.
    """
    rows = [_side_lines(row) for row in steps[1:-1]]
    heights = [max(2, len(lines)) * LINE + 2 * MARGIN for lines in rows]
    ends = LINE + 2 * MARGIN
    whole = 2 * ends + sum(heights) + GAP * (len(rows) + 1)
    figure = new_figure(whole + 0.06)
    axes = figure.add_subplot()
    remove_frame(axes)
    axes.set_xlim(0, 5)
    axes.set_ylim(whole + 0.03, -0.03)
    top = _end_box(axes, 0.0, ends, f"{steps[0]['left']} joined")
    for row, lines, height in zip(steps[1:-1], rows, heights, strict=True):
        _arrow(axes, top, top + GAP)
        top += GAP
        _step(axes, top, height, row, lines)
        top += height
    _arrow(axes, top, top + GAP)
    _end_box(axes, top + GAP, ends, f"{steps[-1]['left']} analysed", strong=True)
    return figure


def _side_lines(row: Mapping[str, Any]) -> list[str]:
    text = f"{row['out']} left out: {row['step']}"
    if row["why"]:
        text += f" ({row['why']})"
    return textwrap.wrap(text, SIDE_CHARACTERS)


def _end_box(axes: Axes, top: float, height: float, text: str, *, strong: bool = False) -> float:
    """Draw the first or the last box; return its lower end."""
    _box(axes, MAIN, top, height, edge=ACCENT if strong else INK)
    axes.text(sum(MAIN) / 2, top + height / 2, text, ha="center", va="center", weight="bold", color=INK)
    return top + height


def _step(axes: Axes, top: float, height: float, row: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Draw who remains, and beside it who was left out."""
    middle = top + height / 2
    _box(axes, MAIN, top, height, edge=INK)
    axes.text(sum(MAIN) / 2, middle, f"{row['left']} remain", ha="center", va="center", color=INK)
    axes.annotate(
        "",
        (SIDE[0], middle),
        (MAIN[1], middle),
        arrowprops={"arrowstyle": "->", "color": MUTED, "shrinkA": 0},
    )
    _box(axes, SIDE, top, height, edge=MUTED, dashed=not row["out"])
    axes.text(
        SIDE[0] + 0.1, middle, "\n".join(lines), va="center", fontsize=9.0, color=INK if row["out"] else MUTED
    )


def _box(
    axes: Axes, sides: tuple[float, float], top: float, height: float, *, edge: str, dashed: bool = False
) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (sides[0], top),
            sides[1] - sides[0],
            height,
            boxstyle="round,pad=0,rounding_size=0.05",
            facecolor=PAPER,
            edgecolor=edge,
            linewidth=1.1,
            linestyle=(0, (3, 3)) if dashed else "-",
        )
    )


def _arrow(axes: Axes, start: float, end: float) -> None:
    middle = sum(MAIN) / 2
    axes.annotate(
        "",
        (middle, end),
        (middle, start),
        arrowprops={"arrowstyle": "->", "color": MUTED, "shrinkA": 0, "shrinkB": 0},
    )
