"""The figures of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from almond.group.model_summary import ModelPerformance
from almond.naming import slug
from almond.report.confusion import confusion_figure
from almond.report.figures_style import (
    ACCENT,
    GRID,
    INK,
    MUTED,
    SECOND,
    dot_with_interval,
    mark_observed,
    new_figure,
    new_forest,
    remove_frame,
    style,
)
from almond.report.slices import VoxelRow, slice_figure

Data = Mapping[str, Any]
MOST_MAPS = 8
PALETTE = (ACCENT, SECOND, "#2e8b57", "#8a5fbf", "#b8860b", "#d0668f", "#5c7080")
"""Colours that most readers distinguish; text names every group as well."""

MEASURES = {
    "performance_sd": "SD of parts’ mean performance",
    "weight_dissimilarity": "1 − r of parts’ weights",
    "target_accuracy": "classification accuracy of targets",
}


def figure_name(kind: str, model: str, data: Data) -> str:
    """Name a figure by its kind alone with one model, else with the model's name."""
    return kind if len(data["models"]) == 1 else f"{kind}-{slug(model)}"


def draw_evaluation(data: Data, performances: Mapping[str, ModelPerformance | None]) -> dict[str, Figure]:
    """Draw every figure that the results allow, by name, in the order of the report."""
    figures: dict[str, Figure] = {}
    with style():
        for model, result in data["models"].items():
            drawn = {**_of_group(result, performances[model]), **_of_images(result.get("stimuli"))}
            figures |= {figure_name(kind, model, data): figure for kind, figure in drawn.items()}
    return figures


def _of_group(result: Data, model_performance: ModelPerformance | None) -> dict[str, Figure]:
    if model_performance is None:
        return {}
    figures = {"performance": _performance(result)}
    if result["subregions"]:
        figures["subregions"] = _differences(result["subregions"])
    matrices = model_performance.matrices
    mapped = [name for name in model_performance.maps if matrices[name].grid is not None][:MOST_MAPS]
    if mapped:
        figures["maps"] = _maps(model_performance, mapped)
    if result["random_regions"]:
        figures["random"] = _random_panels(result["random_regions"])
    return figures


def _of_images(stimuli: Data | None) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    if not stimuli:
        return figures
    if stimuli["classification"]:
        test = stimuli["classification"].get("others") or stimuli["classification"]["own"]
        labels = {"row_label": "made for", "column_label": "predicted from the encoders’ responses"}
        figures["confusion"] = confusion_figure(test["confusion"], test["classes"], **labels)
    if stimuli["on_off"]["mixed"]:
        figures["on_off"] = _on_off(stimuli["on_off"])
    if stimuli["picture"]:
        figures["picture"] = _picture(stimuli["picture"])
    return figures


def _performance(result: Data) -> Figure:
    """Draw a strip per region: every subject's held-out r, mean and interval; noise features beside it."""
    regions = result["regions"]
    values = np.tanh(np.array(result["z"]["values"], dtype=float))
    rows = {row["region"]: row for row in result["performance"]}
    null = result["measures"].get("null_r")
    figure, axes = new_forest(regions, 0.5, margin=0.9)
    offsets = 0.16 * np.sin(2.4 * np.arange(len(values)))  # so that equal values stay apart; always the same
    for y, region in enumerate(regions):
        axes.plot(values[:, y], y + offsets, "o", color=ACCENT, alpha=0.4, markersize=4.5, markeredgewidth=0)
        if null is not None:
            noise = np.array([row[null["regions"].index(region)] for row in null["values"]], dtype=float)
            axes.plot(noise, y + offsets, "x", color=MUTED, alpha=0.6, markersize=4.0)
        test = rows[region]["z"]
        if test is not None:
            ends = np.tanh([test["mean"], test["low"], test["high"]])
            dot_with_interval(axes, y, *map(float, ends), color=INK, size=7.5)
    axes.set_xlabel("held-out r, a dot per subject" + ("" if null is None else "; crosses: noise features"))
    return figure


def _differences(model: Data) -> Figure:
    """Draw contrasts, then pairs, with their intervals."""
    rows = [*model["contrasts"], *model["pairs"]]
    figure, axes = new_forest([row["name"] for row in rows], 0.3)
    for y, row in enumerate(rows):
        planned = y < len(model["contrasts"])
        color, ends = ACCENT if planned else SECOND, (row["low"], row["high"])
        dot_with_interval(axes, y, row["estimate"], *ends, color=color, hollow=not planned)
    if model["contrasts"]:
        axes.axhline(len(model["contrasts"]) - 0.5, color=GRID, linewidth=1.2)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("difference in Fisher z")
    return figure


def _maps(performance: ModelPerformance, regions: Sequence[str]) -> Figure:
    """Draw t over subjects in axial slices, a row per region; dots on voxels that pass."""
    rows = []
    for region in regions:
        tested, grid = performance.maps[region], performance.matrices[region].grid
        affine = None if grid is None else grid[1]
        rows.append(VoxelRow(region, tested.voxels, tested.t, affine, tested.significant))
    # The 95th percentile, so that one voxel whose subjects happen to agree does not bleach all others.
    sizes = np.abs(np.concatenate([row.t for row in rows]))
    known = sizes[np.isfinite(sizes)]
    limit = float(np.quantile(known, 0.95)) or 1.0 if len(known) else 1.0
    return slice_figure(rows, limit, extend="both")


def _random_panels(control: Data) -> Figure:
    """Draw a histogram over random splits for every measure, with the real subregions where there are any."""
    measures = control["measures"]
    figure = new_figure(1.7 * len(measures))
    panels = figure.subplots(len(measures), 1, squeeze=False)[:, 0]
    for axes, (name, measure) in zip(panels, measures.items(), strict=True):
        counts, edges = (np.array(measure["histogram"][part]) for part in ("counts", "edges"))
        axes.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=MUTED, alpha=0.45, linewidth=0)
        top = float(max(counts.max(), 1))
        axes.set_ylim(0, 1.35 * top)
        axes.set_yticks([])
        if measure["real"] is not None:
            mark_observed(axes, measure["real"], top, "subregions")
        axes.set_xlabel(MEASURES.get(name, name))
    return figure


def _on_off(tests: Data) -> Figure:
    """Draw half the difference on - off per region: mixed model (filled), published two stages (hollow)."""
    mixed = {row["region"]: row["test"] for row in tests["mixed"]}
    published = {row["region"]: row["test"] for row in tests["published"] or ()}
    figure, axes = new_forest(list(mixed), 0.42, margin=0.9)
    for y, (region, test) in enumerate(mixed.items()):
        dot_with_interval(axes, y - 0.1, test["estimate"], test["low"], test["high"])
        other = published.get(region)
        if other is not None:
            ends = other["mean"], other["low"], other["high"]
            dot_with_interval(axes, y + 0.18, *ends, color=SECOND, hollow=True, size=5.5)
    axes.set_xlabel("on- against off-target, in SDs over images")
    return figure


def _picture(points: Data) -> Figure:
    """Draw the t-SNE: a picture, no evidence."""
    names = list(dict.fromkeys(points["regions"]))
    figure = new_figure(4.2)
    axes = figure.add_subplot()
    x, y, regions = (np.array(points[key]) for key in ("x", "y", "regions"))
    for number, name in enumerate(names):
        members = regions == name
        color = PALETTE[number % len(PALETTE)]
        axes.plot(x[members], y[members], "o", color=color, alpha=0.75, markersize=5, markeredgewidth=0)
        middle = (float(np.median(x[members])), float(np.median(y[members])))
        axes.text(*middle, name, color=color, weight="bold", ha="center", va="center")
    remove_frame(axes)
    return figure
