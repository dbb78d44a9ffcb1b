"""The figure of a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from almond.report.figures_style import ACCENT, GRID, INK, new_figure

DARKEST = 0.62
"""Opacity of a full cell of the confusion matrix: text stays readable on it in light and in dark."""


def confusion_figure(
    matrix: Sequence[Sequence[float]], classes: Sequence[str], *, row_label: str, column_label: str
) -> Figure:
    """Draw the share of each row in every cell, with the count below it.

    :param matrix: (k, k) counts, rows the true classes, columns the predicted ones.
    """
    counts = np.asarray(matrix, dtype=float)
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    share = counts / totals
    size = len(classes)
    figure = new_figure(1.3 + 0.62 * size, 1.7 + 0.8 * size)
    axes = figure.add_subplot()
    for row in range(size):
        for column in range(size):
            corner = (column - 0.47, row - 0.47)
            axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=GRID, alpha=0.35, linewidth=0))
            opacity = DARKEST * share[row, column]
            axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=ACCENT, alpha=opacity, linewidth=0))
            weight = "bold" if row == column else "normal"
            text = f"{100 * share[row, column]:.0f} %"
            axes.text(column, row - 0.02, text, ha="center", va="bottom", color=INK, weight=weight)
            below = f"{counts[row, column]:.0f}"
            axes.text(column, row + 0.06, below, ha="center", va="top", color=INK, fontsize=8.5)
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    axes.set_xticks(range(size), classes)
    axes.set_yticks(range(size), classes)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines["bottom"].set_visible(False)
    axes.set_xlabel(column_label)
    axes.set_ylabel(row_label)
    return figure
