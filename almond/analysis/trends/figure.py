"""The figure of a trend: means by strength with the isotonic fit, or slopes."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from almond.analysis.questions.base import Result
from almond.report.figures_style import ACCENT, GRID, MUTED, SECOND, dot_with_interval, new_figure, new_forest


def trend_figures(result: Result) -> dict[str, Figure]:
    """Draw means and isotonic fits by strength; slopes where the plan tells no target's own constructs."""
    return {"trend": _curves(result) if result["overall"] else _slopes(result["cells"])}


def _curves(result: Result) -> Figure:
    entries = [("all targets", result["overall"])] if len(result["targets"]) > 1 else []
    entries += [
        (f"{row['target']}: {', '.join(result['own_constructs'][row['target']])}", row)
        for row in result["targets"]
    ]
    columns = 2 if len(entries) > 1 else 1
    lines = -(-len(entries) // columns)
    figure = new_figure(0.5 + 1.75 * lines)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for number, axes in enumerate(panels.ravel()):
        if number < len(entries):
            _draw_levels(axes, *entries[number])
        else:
            axes.set_visible(False)
    figure.supxlabel("signed strength of the manipulation", color=MUTED, fontsize=9.5)
    figure.supylabel("mean rating, SD", color=MUTED, fontsize=9.5)
    return figure


def _draw_levels(axes: Axes, title: str, row: Result) -> None:
    strengths = [level["strength"] for level in row["levels"]]
    axes.axhline(0.0, color=GRID, linewidth=1.0)
    fit = [level["isotonic"] for level in row["levels"]]
    axes.plot(strengths, fit, color=SECOND, linewidth=1.6, zorder=2)
    for level in row["levels"]:
        if level["low"] is not None:
            ends = [level["low"], level["high"]]
            axes.plot([level["strength"]] * 2, ends, color=ACCENT, linewidth=2.0, solid_capstyle="round")
        axes.plot([level["strength"]], [level["mean"]], "o", markersize=5.5, color=ACCENT, zorder=3)
    axes.set_title(title)
    axes.margins(x=0.12)


def _slopes(cells: Sequence[Result]) -> Figure:
    labels = [f"{row['construct']}, {row['target']}" for row in cells]
    figure, axes = new_forest(labels, 0.27)
    for y, row in enumerate(cells):
        dot_with_interval(axes, y, row["estimate"], row["low"], row["high"])
    axes.set_xlabel("slope, SD per unit of strength")
    return figure
