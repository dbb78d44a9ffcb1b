"""Figures of the geometry of ratings: scree, loadings, representational similarity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from almond.analysis.questions.base import Result
from almond.report.figures_style import (
    ACCENT,
    GRID,
    INK,
    MUTED,
    SECOND,
    label_rows,
    new_figure,
    reference_line,
)

MOST_PANELS = 3
"""Components whose loadings are drawn."""


def geometry_figures(result: Result) -> dict[str, Figure]:
    """Draw what was computed."""
    figures = {}
    if result["components"]:
        figures["scree"] = _scree(result["components"])
        figures["loadings"] = _loadings(result["components"], result["constructs"])
    if result["rsa"]:
        figures["rsa"] = _similarities(result["rsa"])
    return figures


def _scree(components: Mapping[str, Any]) -> Figure:
    numbers = np.arange(1, len(components["eigenvalues"]) + 1)
    figure = new_figure(2.6)
    axes = figure.add_subplot()
    retained = numbers <= components["retained"]
    colors = np.where(retained, ACCENT, MUTED).tolist()
    axes.bar(numbers, components["eigenvalues"], width=0.6, color=colors)
    line = axes.plot(numbers, components["threshold"], "o-", color=SECOND, linewidth=2.0, markersize=5.0)
    axes.legend(line, ["95 % of permutations"], loc="upper right", labelcolor=INK)
    axes.set_xticks(numbers)
    axes.set_xlabel("component (blue: retained)")
    axes.set_ylabel("eigenvalue")
    axes.grid(visible=True, axis="y")
    return figure


def _loadings(components: Mapping[str, Any], constructs: list[str]) -> Figure:
    count = min(max(components["retained"], 1), MOST_PANELS)
    loadings = np.asarray(components["loadings"])
    figure = new_figure(1.0 + 0.3 * len(constructs))
    panels = figure.subplots(1, count, sharex=True, squeeze=False)[0]
    for number, axes in enumerate(panels):
        values = loadings[:, number]
        label_rows(axes, constructs if number == 0 else [""] * len(constructs))
        reference_line(axes, 0.0)
        colors = np.where(values < 0, SECOND, ACCENT).tolist()
        axes.barh(np.arange(len(values)), values, height=0.55, color=colors, zorder=2)
        axes.set_title(f"{number + 1}: {100 * components['explained'][number]:.0f} %")
        axes.set_xlim(-1.05, 1.05)
        axes.set_xticks([-1.0, 0.0, 1.0], ["-1", "0", "1"])
    figure.supxlabel("loading", color=MUTED, fontsize=9.5)
    return figure


def _similarities(similarity: Mapping[str, Any]) -> Figure:
    rows, ceiling = similarity["scores"], similarity["ceiling"]
    figure = new_figure(1.15 + 0.5 * len(rows))
    axes = figure.add_subplot()
    label_rows(axes, [row["model"] for row in rows])
    low, high = ceiling["lower"], ceiling["upper"]
    axes.axvspan(low, max(high, low + 0.003), color=GRID, zorder=1)
    place = (low + high) / 2.0
    axes.text(place, -0.66, "noise ceiling", ha="center", va="bottom", color=MUTED, fontsize=9.0)
    for y, row in enumerate(rows):
        axes.barh(y, row["rho"], height=0.45, color=ACCENT if y == 0 else MUTED, zorder=2)
        axes.plot(
            [row["low"], row["high"]], [y, y], color=INK, linewidth=2.0, solid_capstyle="round", zorder=3
        )
    reference_line(axes, 0.0)
    ends = [0.0, high, *(row["low"] for row in rows), *(row["high"] for row in rows)]
    room = 0.08 * (max(ends) - min(ends))
    axes.set_xlim(min(ends) - room, max(ends) + 2 * room)
    axes.set_xlabel("mean ρ over participants, 95 % interval")
    return figure
