"""The figures of a report, drawn from the JSON values of an analysis and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from almond.report.confusion import confusion
from almond.report.figures_style import (
    ACCENT,
    GRID,
    MUTED,
    SECOND,
    dot_with_interval,
    new_figure,
    reference_line,
    rows_of,
    style,
)

Data = Mapping[str, Any]


def draw(data: Data) -> dict[str, Figure]:
    """Every figure that the results allow, by name, in the order of the report."""
    found: dict[str, Figure] = {}
    with style():
        if data["classification"]:
            found["confusion"] = confusion(data["classification"]["lda"])
            found["null"] = null_distribution(data["classification"]["lda"])
        if data["profiles"] and data["profiles"]["cells"]:
            found["profiles"] = rating_profiles(data["profiles"]["cells"])
        if data["choices"]:
            found["choices"] = choice_forest(data["choices"])
        for family in ("scores", "norms"):
            if data["natural"] and data["natural"][family]:
                found[family] = association_forest(data["natural"][family]["associations"], family)
        if data["reliability"]:
            found["reliability"] = reliability(data["reliability"])
    return found


def null_distribution(result: Data) -> Figure:
    """Balanced accuracy over permutations, and the observed one."""
    values = np.asarray(result["null"]["accuracy"], dtype=float)
    counts = np.asarray(result["null"]["count"], dtype=float)
    figure = new_figure(1.9)
    axes = figure.add_subplot()
    step = float(np.diff(values).min()) if len(values) > 1 else 0.02
    width = max(step, 0.012)
    edges = np.arange(values.min() - width / 2, values.max() + width, width)
    heights, _ = np.histogram(values, bins=edges, weights=counts)
    axes.bar(edges[:-1] + width / 2, heights, width=width * 0.86, color=MUTED, alpha=0.45, linewidth=0)
    top = max(float(heights.max()), 1.0)
    axes.plot([result["accuracy"]] * 2, [0, top], color=ACCENT, linewidth=2.4, solid_capstyle="round")
    axes.text(
        result["accuracy"],
        1.06 * top,
        f"observed {result['accuracy']:.2f}",
        color=ACCENT,
        ha="center",
        va="bottom",
        weight="bold",
    )
    axes.plot([result["chance"]] * 2, [0, top], color=MUTED, linewidth=1.0, linestyle=(0, (3, 3)))
    axes.set_yticks([])
    axes.set_ylim(0, 1.3 * top)
    low, high = min(values.min(), result["accuracy"]), max(values.max(), result["accuracy"])
    margin = 0.12 * (high - low) + 0.02
    axes.set_xlim(low - margin, high + margin)
    axes.set_xlabel("balanced accuracy with labels permuted within scenes")
    return figure


def rating_profiles(cells: Sequence[Data]) -> Figure:
    """One panel per target: each construct's mean for images pushed up (filled) and down (hollow)."""
    targets = sorted({cell["target"] for cell in cells})
    constructs = list(dict.fromkeys(cell["construct"] for cell in cells))
    columns = 2 if len(targets) > 1 else 1
    lines = -(-len(targets) // columns)
    figure = new_figure(0.9 + lines * (0.55 + 0.36 * len(constructs)))
    panels = figure.subplots(lines, columns, sharex=True, squeeze=False)
    reach = max(extent(cell["z"]) for cell in cells) * 1.12 + 0.05
    for number, axes in enumerate(panels.ravel()):
        if number >= len(targets):
            axes.set_visible(False)
            continue
        rows_of(axes, constructs if number % columns == 0 else [""] * len(constructs))
        reference_line(axes, 0.0)
        axes.set_title(targets[number])
        for cell in cells:
            if cell["target"] == targets[number] and cell["direction"] != 0:
                up = cell["direction"] > 0
                y = constructs.index(cell["construct"]) + (-0.14 if up else 0.14)
                z = cell["z"]
                dot_with_interval(
                    axes,
                    y,
                    z["mean"],
                    z["low"],
                    z["high"],
                    color=ACCENT if up else SECOND,
                    hollow=not up,
                )
        axes.set_xlim(-reach, reach)
    figure.supxlabel("mean rating, in participants’ standard deviations", color=MUTED, fontsize=9.5)
    return figure


def extent(interval: Data) -> float:
    return max(abs(float(interval[name])) for name in ("mean", "low", "high") if interval[name] is not None)


def choice_forest(result: Data) -> Figure:
    """Overall and by target with intervals of the mixed model; base scenes as observed shares."""
    overall, targets = result["overall"], result["targets"]
    scenes = overall["by_scene"]
    tests = [("all choices", overall), *((row["target"], row) for row in targets)]
    labels = [name for name, _ in tests] + [row["name"] for row in scenes]
    figure = new_figure(0.8 + 0.27 * len(labels))
    axes = figure.add_subplot()
    rows_of(axes, labels)
    reference_line(axes, 50.0)
    for y, (_, row) in enumerate(tests):
        dot_with_interval(
            axes,
            y,
            100 * row["probability"],
            100 * row["probability_low"],
            100 * row["probability_high"],
            size=8.5 if y == 0 else 6.5,
        )
    for y, scene in enumerate(scenes, start=len(tests)):
        dot_with_interval(axes, y, 100 * scene["share"], None, None, color=SECOND, hollow=True, size=5.5)
    axes.axhline(len(tests) - 0.5, color=GRID, linewidth=1.2)
    axes.set_xlim(-2, 102)
    axes.set_xlabel("chose the image pushed up, %")
    return figure


def association_forest(rows: Sequence[Data], family: str) -> Figure:
    """Correlations of stimulus-mean ratings with each predictor, one row per pair, grouped by predictor."""
    prefix = {"scores": "score_", "norms": "norm_"}[family]
    ordered = sorted(rows, key=lambda row: (row["predictor"], row["construct"]))
    names = [f"{row['predictor'].removeprefix(prefix)} · {row['construct']}" for row in ordered]
    figure = new_figure(0.8 + 0.27 * len(names))
    axes = figure.add_subplot()
    rows_of(axes, names)
    reference_line(axes, 0.0)
    for y, row in enumerate(ordered):
        dot_with_interval(axes, y, row["r"], row["low"], row["high"], size=6.0)
    axes.set_xlim(-1.03, 1.03)
    axes.set_xlabel("correlation over stimuli, 95 % interval")
    return figure


def reliability(result: Data) -> Figure:
    """Split-half reliability with its central 95 percent of splits (filled); repeats' r (hollow)."""
    halves = {row["construct"]: row for row in result["split_half"]}
    again = {row["construct"]: row for row in result["repeats"] if row["r"] is not None}
    names = list(dict.fromkeys([*halves, *again]))
    figure = new_figure(0.8 + 0.36 * len(names))
    axes = figure.add_subplot()
    rows_of(axes, names)
    lowest = 0.0
    for y, name in enumerate(names):
        if name in halves:
            row = halves[name]
            dot_with_interval(axes, y - 0.1, row["reliability"], row["low"], row["high"])
            lowest = min(lowest, row["low"])
        if name in again:
            dot_with_interval(axes, y + 0.16, again[name]["r"], None, None, color=SECOND, hollow=True)
            lowest = min(lowest, again[name]["r"])
    axes.set_xlim(max(-1.0, lowest) - 0.03, 1.03)
    axes.set_xlabel("reliability")
    return figure
