"""The curves of a power analysis: how often each test rejects, by number of people and of themes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from almond.power.sentences import effect_text
from almond.report.figures_style import ACCENT, MUTED, PAPER, SECOND, new_figure, style

Data = Mapping[str, Any]
AXES = {"people": "participants", "themes": "themes"}
HEIGHT = 2.3
GAP = 10.0
"""Least distance of two names, in percent of studies."""
STYLES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)), (0, (5, 1.5, 1.5, 1.5)))
"""Lines of the effects, the largest first."""


def drawn_axes(data: Data) -> list[str]:
    """List the axes along which more than one design was simulated."""
    return [axis for axis in AXES if len({row[axis] for row in _rows_along(data, axis)}) > 1]


def draw_power(data: Data) -> dict[str, Figure]:
    """Draw the curves over people and over themes that a power analysis has, one panel for each test."""
    with style():
        return {axis: _figure(data, axis) for axis in drawn_axes(data)}


def _rows_along(data: Data, axis: str) -> list[Data]:
    """List the rows in which only ``axis`` differs from the planned design."""
    other = "themes" if axis == "people" else "people"
    planned = next(row for row in data["rows"] if row["planned"])
    return [row for row in data["rows"] if row[other] == planned[other]]


def _figure(data: Data, axis: str) -> Figure:
    tests, rows = data["design"]["primary"], _rows_along(data, axis)
    figure = new_figure(HEIGHT * len(tests))
    panels = figure.subplots(len(tests), 1, sharex=True, squeeze=False)[:, 0]
    for axes, test in zip(panels, tests, strict=True):
        _panel(axes, [row for row in rows if row["test"] == test], axis, data["design"]["alpha"])
        if len(tests) > 1:
            axes.set_title(test)
    panels[-1].set_xlabel(f"number of {AXES[axis]}")
    return figure


def _panel(axes: Axes, rows: Sequence[Data], axis: str, alpha: float) -> None:
    effects = sorted({row["effect"] for row in rows}, reverse=True)
    ends: list[tuple[float, float, float]] = []
    for number, effect in enumerate(effects):
        curve = sorted((row for row in rows if row["effect"] == effect), key=lambda row: float(row[axis]))
        _line(axes, curve, axis, STYLES[number % len(STYLES)])
        ends.append((effect, float(curve[-1][axis]), 100 * float(curve[-1]["rate"])))
    _names(axes, ends)
    planned = next(row[axis] for row in rows if row["planned"])
    axes.axhline(100 * alpha, color=MUTED, linewidth=1.0, linestyle=(0, (3, 3)), zorder=1)
    axes.plot([planned], [-4], "^", color=MUTED, markersize=5, clip_on=False)
    axes.set_ylim(-4, 104)
    axes.set_yticks([0, 20, 40, 60, 80, 100])
    axes.set_xticks(sorted({row[axis] for row in rows}))
    axes.set_ylabel("studies, %")
    axes.grid(visible=True, axis="y")
    axes.margins(x=0.16)


def _names(axes: Axes, ends: Sequence[tuple[float, float, float]]) -> None:
    """Name each effect at the right end of its line (effect, x, y), moved down where names would overlap."""
    above = math.inf
    for effect, x, y in sorted(ends, key=lambda end: (-end[2], -end[0])):
        above = min(y, above - GAP)
        text, color = (effect_text(effect), ACCENT) if effect else ("no effect", SECOND)
        place: dict[str, Any] = {
            "xytext": (8, 0),
            "textcoords": "offset points",
            "va": "center",
            "annotation_clip": False,
        }
        axes.annotate(text, (x, above), color=color, fontsize=9, **place)


def _line(axes: Axes, curve: Sequence[Data], axis: str, dashes: Any) -> None:
    """Draw one effect: its rates with their intervals."""
    null = curve[0]["effect"] == 0.0
    color = SECOND if null else ACCENT
    x, y = [row[axis] for row in curve], [100 * row["rate"] for row in curve]
    for row in curve:
        ends = [100 * row["low"], 100 * row["high"]]
        axes.plot(
            [row[axis]] * 2, ends, color=color, linewidth=1.6, alpha=0.55, solid_capstyle="round", zorder=2
        )
    axes.plot(x, y, color=color, linewidth=1.6, linestyle=dashes, zorder=3)
    face = PAPER if null else color
    axes.plot(x, y, "o", markersize=5.5, color=color, markerfacecolor=face, markeredgewidth=1.4, zorder=4)
