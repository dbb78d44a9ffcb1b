"""The figure of shifts of predicted responses: intended targets by scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from almond.report.figures_style import ACCENT, GRID, INK, SECOND, WIDTH, new_figure
from almond.report.wording import fixed, signed

DARKEST = 0.55
"""Opacity of the largest shift: text stays readable on it in light and in dark."""
MOST_WITH_INTERVALS = 5
"""Columns up to which a cell has room for its interval."""


def shift_matrix(cells: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the mean shift in every cell, its 95 % interval below it; blue rises, orange falls.

    :param cells: ``target`` (row), ``score`` (column), ``shift``, ``low``, ``high``.
    """
    targets = list(dict.fromkeys(cell["target"] for cell in cells))
    names = list(dict.fromkeys(cell["score"] for cell in cells))
    wide = len(names) <= MOST_WITH_INTERVALS
    width = min(WIDTH, 1.2 + 0.85 * len(names))
    figure = new_figure(1.0 + (0.62 if wide else 0.42) * len(targets), width)
    axes = figure.add_subplot()
    largest = max(abs(cell["shift"]) for cell in cells) or 1.0
    for cell in cells:
        row, column = targets.index(cell["target"]), names.index(cell["score"])
        corner, color = (column - 0.47, row - 0.46), ACCENT if cell["shift"] > 0 else SECOND
        axes.add_patch(Rectangle(corner, 0.94, 0.92, facecolor=GRID, alpha=0.35, linewidth=0))
        opacity = DARKEST * abs(cell["shift"]) / largest
        axes.add_patch(Rectangle(corner, 0.94, 0.92, facecolor=color, alpha=opacity, linewidth=0))
        weight = "bold" if cell["target"] == cell["score"] else "normal"
        size = 10.5 if wide else 8.5
        place, align = (row - 0.02, "bottom") if wide else (row, "center")
        axes.text(
            column,
            place,
            signed(cell["shift"]),
            ha="center",
            va=align,
            color=INK,
            weight=weight,
            fontsize=size,
        )
        if wide:
            below = f"{fixed(cell['low'], 1)} to {fixed(cell['high'], 1)}"
            axes.text(column, row + 0.1, below, ha="center", va="top", color=INK, fontsize=8.5)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(targets) - 0.5, -0.5)
    axes.set_xticks(range(len(names)), names, rotation=0 if wide else 45, ha="center" if wide else "right")
    axes.set_yticks(range(len(targets)), targets)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines["bottom"].set_visible(False)
    axes.set_xlabel("predicted response of")
    axes.set_ylabel("images guided for")
    return figure
