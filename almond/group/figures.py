"""The figures of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from almond.group.maps import GroupMap
from almond.group.model_summary import ModelPerformance
from almond.group.performance import GroupMatrix
from almond.naming import slug
from almond.report.confusion import confusion
from almond.report.figures_style import (
    ACCENT,
    GRID,
    INK,
    MUTED,
    SECOND,
    dot_with_interval,
    new_figure,
    reference_line,
    rows_of,
    style,
)
from almond.typing import Floats

Data = Mapping[str, Any]
DIVERGING = "RdBu_r"
SLICES = 6
MOST_MAPS = 8
PALETTE = (ACCENT, SECOND, "#2e8b57", "#8a5fbf", "#b8860b", "#d0668f", "#5c7080")
"""Told apart by most readers; text names every group as well."""

MEASURES = {
    "performance_sd": "SD of parts’ mean performance",
    "weight_dissimilarity": "1 − r of parts’ weights",
    "target_accuracy": "accuracy of targets",
}


def figure_name(kind: str, model: str, data: Data) -> str:
    """The kind alone with one model, else with the model's name."""
    return kind if len(data["models"]) == 1 else f"{kind}-{slug(model)}"


def draw(data: Data, performances: Mapping[str, ModelPerformance | None]) -> dict[str, Figure]:
    """Every figure that the results allow, by name, in the order of the report."""
    found: dict[str, Figure] = {}
    with style():
        for model, result in data["models"].items():
            drawn = {**_of_group(result, performances[model]), **_of_images(result.get("stimuli"))}
            found |= {figure_name(kind, model, data): figure for kind, figure in drawn.items()}
    return found


def _of_group(result: Data, model_performance: ModelPerformance | None) -> dict[str, Figure]:
    if model_performance is None:
        return {}
    found = {"performance": performance(result)}
    if result["subregions"]:
        found["subregions"] = differences(result["subregions"])
    shown = [name for name in model_performance.maps if model_performance.matrices[name].grid is not None][
        :MOST_MAPS
    ]
    if shown:
        found["maps"] = slices(
            [(model_performance.maps[name], model_performance.matrices[name]) for name in shown]
        )
    if result["random_regions"]:
        found["random"] = random_panels(result["random_regions"])
    return found


def _of_images(stimuli: Data | None) -> dict[str, Figure]:
    found: dict[str, Figure] = {}
    if not stimuli:
        return found
    if stimuli["classification"]:
        judge = "others" if "others" in stimuli["classification"] else "own"
        figure = confusion(stimuli["classification"][judge])
        figure.axes[0].set_xlabel("predicted from the encoders’ responses")
        figure.axes[0].set_ylabel("made for")
        found["confusion"] = figure
    if stimuli["on_off"]["mixed"]:
        found["on_off"] = on_off(stimuli["on_off"])
    if stimuli["picture"]:
        found["picture"] = picture(stimuli["picture"])
    return found


def performance(result: Data) -> Figure:
    """A strip per region: every subject's held-out r, mean and interval; noise features beside it."""
    regions = result["regions"]
    values = np.tanh(np.array(result["z"]["values"], dtype=float))
    rows = {row["region"]: row for row in result["performance"]}
    null = result["measures"].get("null_r")
    figure = new_figure(0.9 + 0.5 * len(regions))
    axes = figure.add_subplot()
    rows_of(axes, list(regions))
    reference_line(axes, 0.0)
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


def differences(model: Data) -> Figure:
    """Contrasts, then pairs, with their intervals."""
    rows = [*model["contrasts"], *model["pairs"]]
    figure = new_figure(0.8 + 0.3 * len(rows))
    axes = figure.add_subplot()
    rows_of(axes, [row["name"] for row in rows])
    reference_line(axes, 0.0)
    for y, row in enumerate(rows):
        planned = y < len(model["contrasts"])
        dot_with_interval(
            axes,
            y,
            row["estimate"],
            row["low"],
            row["high"],
            color=ACCENT if planned else SECOND,
            hollow=not planned,
        )
    if model["contrasts"]:
        axes.axhline(len(model["contrasts"]) - 0.5, color=GRID, linewidth=1.2)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("difference in Fisher z")
    return figure


def slices(shown: Sequence[tuple[GroupMap, GroupMatrix]]) -> Figure:
    """t over subjects in axial slices, a row per region; dots on voxels that pass."""
    figure = new_figure(0.5 + 1.15 * len(shown), 6.4)
    axes = figure.subplots(len(shown), SLICES, squeeze=False)
    limit = _colour_limit([one.t for one, _ in shown])
    drawn = None
    for row, (one, matrix) in enumerate(shown):
        heights = np.unique(one.voxels[:, 2])
        places = np.linspace(0, len(heights) - 1, min(SLICES, len(heights))).round().astype(int)
        for column in range(SLICES):
            _bare(axes[row, column])
            if column < len(np.unique(places)):
                height = int(heights[np.unique(places)[column]])
                drawn = _slice(axes[row, column], one, matrix, height, limit)
        axes[row, 0].set_ylabel(matrix.region)
    if drawn is not None:
        figure.colorbar(drawn, ax=axes, shrink=0.7, label="t over subjects", extend="both")
    return figure


def _colour_limit(values: Sequence[Floats]) -> float:
    """So that one voxel whose subjects happen to agree does not bleach all others: the 95th percentile."""
    sizes = np.abs(np.concatenate(values))
    known = sizes[np.isfinite(sizes)]
    return float(np.quantile(known, 0.95)) or 1.0 if len(known) else 1.0


def _slice(axes: Axes, one: GroupMap, matrix: GroupMatrix, height: int, limit: float) -> Any:
    low, high = one.voxels.min(axis=0), one.voxels.max(axis=0)
    side = high[:2] - low[:2] + 1
    here = one.voxels[:, 2] == height
    x, y = (one.voxels[here][:, :2] - low[:2]).T
    plane = np.full((side[1], side[0]), np.nan)
    plane[y, x] = one.t[here]
    passed = one.significant[here]
    axes.plot(x[passed], y[passed], ".", color=INK, markersize=2.5)
    if matrix.grid is not None:
        affine = matrix.grid[1]
        middle = affine @ [*((low[:2] + high[:2]) / 2), height, 1.0]
        axes.set_title(f"z = {middle[2]:.0f}".replace("-", "−"), fontweight="normal", fontsize=9)
    return axes.imshow(
        plane, origin="lower", cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest", zorder=0
    )


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def random_panels(found: Data) -> Figure:
    """A histogram over random splits for every measure, with the real subregions where there are any."""
    measures = found["measures"]
    figure = new_figure(1.7 * len(measures))
    panels = figure.subplots(len(measures), 1, squeeze=False)[:, 0]
    for axes, (name, one) in zip(panels, measures.items(), strict=True):
        counts, edges = np.array(one["histogram"]["counts"]), np.array(one["histogram"]["edges"])
        axes.bar(edges[:-1], counts, width=np.diff(edges), align="edge", color=MUTED, alpha=0.45, linewidth=0)
        top = float(max(counts.max(), 1))
        if one["real"] is not None:
            axes.plot([one["real"]] * 2, [0, top], color=ACCENT, linewidth=2.4, solid_capstyle="round")
            axes.text(
                one["real"], 1.05 * top, "subregions", color=ACCENT, ha="center", va="bottom", weight="bold"
            )
        axes.set_ylim(0, 1.35 * top)
        axes.set_yticks([])
        axes.set_xlabel(MEASURES.get(name, name))
    return figure


def on_off(found: Data) -> Figure:
    """Half the difference on - off per region: mixed model (filled), two stages as published (hollow)."""
    mixed = {row["region"]: row["test"] for row in found["mixed"]}
    published = {row["region"]: row["test"] for row in found["published"] or ()}
    figure = new_figure(0.9 + 0.42 * len(mixed))
    axes = figure.add_subplot()
    rows_of(axes, list(mixed))
    reference_line(axes, 0.0)
    for y, (region, test) in enumerate(mixed.items()):
        dot_with_interval(axes, y - 0.1, test["estimate"], test["low"], test["high"])
        other = published.get(region)
        if other is not None:
            dot_with_interval(
                axes,
                y + 0.18,
                other["mean"],
                other["low"],
                other["high"],
                color=SECOND,
                hollow=True,
                size=5.5,
            )
    axes.set_xlabel("on- against off-target, in SDs over images")
    return figure


def picture(found: Data) -> Figure:
    """t-SNE: a picture, no evidence."""
    names = list(dict.fromkeys(found["regions"]))
    figure = new_figure(4.2)
    axes = figure.add_subplot()
    x, y, regions = np.array(found["x"]), np.array(found["y"]), np.array(found["regions"])
    for number, name in enumerate(names):
        chosen = regions == name
        color = PALETTE[number % len(PALETTE)]
        axes.plot(x[chosen], y[chosen], "o", color=color, alpha=0.75, markersize=5, markeredgewidth=0)
        middle = (float(np.median(x[chosen])), float(np.median(y[chosen])))
        axes.text(*middle, name, color=color, weight="bold", ha="center", va="center")
    _bare(axes)
    return figure
