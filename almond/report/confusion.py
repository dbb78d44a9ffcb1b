"""The figure of a confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from almond.report.figures_style import (
    ACCENT,
    GRID,
    INK,
    new_figure,
)

DARKEST = 0.62
"""Opacity of a full cell of the confusion matrix: text stays readable on it in light and in dark."""


def confusion(result: Mapping[str, Any]) -> Figure:
    """Rows intended, columns predicted; each cell the share of its row, with the count below."""
    counts = np.asarray(result["confusion"], dtype=float)
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    share = counts / totals
    names = result["classes"]
    size = len(names)
    figure = new_figure(1.3 + 0.62 * size, 1.7 + 0.8 * size)
    axes = figure.add_subplot()
    for row in range(size):
        for column in range(size):
            place = (column - 0.47, row - 0.47)
            axes.add_patch(Rectangle(place, 0.94, 0.94, facecolor=GRID, alpha=0.35, linewidth=0))
            opacity = DARKEST * share[row, column]
            axes.add_patch(Rectangle(place, 0.94, 0.94, facecolor=ACCENT, alpha=opacity, linewidth=0))
            weight = "bold" if row == column else "normal"
            text = f"{100 * share[row, column]:.0f} %"
            axes.text(column, row - 0.02, text, ha="center", va="bottom", color=INK, weight=weight)
            below = f"{counts[row, column]:.0f}"
            axes.text(column, row + 0.06, below, ha="center", va="top", color=INK, fontsize=8.5)
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    axes.set_xticks(range(size), names)
    axes.set_yticks(range(size), names)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines["bottom"].set_visible(False)
    axes.set_xlabel("predicted from judgements")
    axes.set_ylabel("intended")
    return figure
