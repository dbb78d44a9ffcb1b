"""The figures of the validation on normed images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy import stats
from scipy.spatial import Delaunay, QhullError

from almond.norms.analyses import RATINGS, TESTED, Analysed
from almond.norms.images import NormedSet
from almond.norms.predictions import VoxelEffects
from almond.norms.regression import PARTS, surface
from almond.norms.regression import RATINGS as TERMS
from almond.norms.sections_effects import term_label
from almond.norms.voxelwise import VoxelMap
from almond.report.figures_style import (
    ACCENT,
    DIVERGING,
    MUTED,
    SECOND,
    dot_with_interval,
    new_figure,
    reference_line,
    style,
)
from almond.report.slices import VoxelRow, slice_figure
from almond.typing import Floats

Data = Mapping[str, Any]
COLORS = (ACCENT, SECOND, MUTED)
VALENCE_GRID = np.arange(-2.5, 2.51, 0.1)
AROUSAL_GRID = np.arange(-2.0, 2.01, 0.1)
"""z-scores, the range of the published surfaces."""


def draw_validation(
    data: Data,
    sets: Sequence[NormedSet],
    analysed: Analysed,
    *,
    effects: Mapping[str, VoxelEffects],
    maps: Mapping[str, Sequence[VoxelMap]],
) -> dict[str, Figure]:
    """Draw every figure that the results allow, by name, in the order of the report."""
    figures: dict[str, Figure] = {}
    with style():
        figures["correlations"] = _correlation_panels(data)
        if data["deciles"]:
            figures["deciles"] = _decile_panels(data, analysed)
        if any(part == "all" for _, part in analysed.regressions):
            figures["coefficients"] = _term_panels(data)
            figures["surfaces"] = _surfaces(data, sets, analysed)
        if any(part != "all" for _, part in analysed.regressions):
            figures["parts"] = _part_panels(data)
        if data["subregions"]:
            figures["subregions"] = _subregion_panels(data, analysed)
        mapped = next((region for region in maps if effects[region].grid is not None), None)
        if mapped is not None:
            figures["maps"] = _maps(maps[mapped], effects[mapped])
    return figures


def _panels(count: int, rows: int, share_x: bool = False) -> tuple[Figure, list[Axes]]:
    figure = new_figure(0.9 + 0.42 * rows, 6.4)
    axes = figure.subplots(1, count, sharey=True, sharex=share_x, squeeze=False)
    return figure, list(axes[0])


def _forest(axes: Axes, title: str, regions: Sequence[str], tests: Mapping[str, Data]) -> None:
    """Draw a row per region: subjects and images random above, subjects alone below."""
    axes.set_title(title)
    reference_line(axes, 0.0)
    for row, region in enumerate(regions):
        if region not in tests:
            continue
        for key, color, shift, hollow in (
            ("crossed", ACCENT, -0.14, False),
            ("subjects", SECOND, 0.16, True),
        ):
            test = tests[region][key]
            dot_with_interval(
                axes,
                row + shift,
                test["estimate"],
                test["low"],
                test["high"],
                color=color,
                hollow=hollow,
                size=5.0,
            )
    axes.set_yticks(range(len(regions)), regions)
    axes.set_ylim(len(regions) - 0.5, -0.5)
    axes.grid(visible=True, axis="y")
    axes.locator_params(axis="x", nbins=4)


def _correlation_panels(data: Data) -> Figure:
    """Draw the slopes of z-scored predictions on each z-scored rating, which are correlations."""
    figure, panels = _panels(len(RATINGS), len(data["regions"]), share_x=True)
    for axes, rating in zip(panels, RATINGS, strict=True):
        rows = [row for row in data["correlations"] if row["rating"] == rating]
        tests = {row["region"]: {"crossed": row["crossed"], "subjects": _as_r(row)} for row in rows}
        _forest(axes, rating, data["regions"], tests)
        axes.set_xlabel("r")
    return figure


def _as_r(row: Data) -> dict[str, float]:
    """Give the interval over subjects, of Fisher z, as correlations."""
    return {key: float(np.tanh(row["fisher_z"][key])) for key in ("estimate", "low", "high")}


def _term_panels(data: Data) -> Figure:
    """Draw the coefficients of the ratings, all images."""
    figure, panels = _panels(len(TERMS), len(data["regions"]), share_x=True)
    for axes, term in zip(panels, TERMS, strict=True):
        _forest(axes, term_label(term), data["regions"], _tests(data, "all", term))
        axes.set_xlabel("coefficient")
    return figure


def _part_panels(data: Data) -> Figure:
    """Draw the coefficient of valence among negative, neutral and positive images."""
    parts = [part for part in PARTS[1:] if any(row["part"] == part for row in data["regression"])]
    figure, panels = _panels(len(parts), len(data["regions"]), share_x=True)
    for axes, part in zip(panels, parts, strict=True):
        _forest(axes, part, data["regions"], _tests(data, part, "valence"))
        axes.set_xlabel("coefficient of valence")
    return figure


def _tests(data: Data, part: str, term: str) -> dict[str, Data]:
    return {row["region"]: row for row in data["regression"] if row["part"] == part and row["name"] == term}


def _decile_panels(data: Data, analysed: Analysed) -> Figure:
    """Draw the mean prediction per decile with the 95 % interval over subjects; a line per image set."""
    regions = list(dict.fromkeys(region for _, region, _ in analysed.decile_means))
    figure = new_figure(0.7 + 1.15 * len(regions), 6.4)
    grid = figure.subplots(len(regions), len(RATINGS), sharex=True, sharey="row", squeeze=False)
    for row, region in enumerate(regions):
        for column, rating in enumerate(RATINGS):
            axes = grid[row, column]
            for color, name in zip(COLORS * len(data["sets"]), data["sets"], strict=False):
                table = analysed.decile_means.get((name, region, rating))
                if table is not None:
                    _band(axes, table, color, name)
            axes.axhline(0.0, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)), zorder=1)
            axes.locator_params(axis="y", nbins=4)
            if row == 0:
                groups = data["settings"]["deciles"]
                axes.set_title(f"deciles of {rating}" if groups == 10 else f"{groups} parts of {rating}")
        grid[row, 0].set_ylabel(region)
    if len(data["sets"]) > 1:
        grid[0, 0].legend(fontsize=8.5)
    return figure


def _band(axes: Axes, table: Floats, color: str, label: str) -> None:
    x = np.arange(1, table.shape[1] + 1)
    mean = table.mean(axis=0)
    reach = stats.t.ppf(0.975, len(table) - 1) * table.std(axis=0, ddof=1) / np.sqrt(len(table))
    axes.fill_between(x, mean - reach, mean + reach, color=color, alpha=0.18, linewidth=0)
    axes.plot(x, mean, "o-", color=color, markersize=3.5, linewidth=1.6, label=label)
    axes.set_xticks(x)


def _surfaces(data: Data, sets: Sequence[NormedSet], analysed: Analysed) -> Figure:
    """Draw the response that ratings alone predict, over the part of their plane where images are."""
    regions = data["regions"]
    columns = min(3, len(regions))
    rows = -(-len(regions) // columns)
    figure = new_figure(0.6 + 1.9 * rows, 6.4)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    points = np.concatenate([np.stack([images.z_valence, images.z_arousal], axis=1) for images in sets])
    inside = _in_hull(points, VALENCE_GRID, AROUSAL_GRID)
    responses = {}
    for region in regions:
        mean = analysed.regressions[region, "all"].coefficients.mean(axis=0)
        responses[region] = np.where(inside, surface(mean, VALENCE_GRID, AROUSAL_GRID), np.nan)
    # The scale is common to all regions and symmetric about no response.
    limit = max(float(np.nanmax(np.abs(values))) for values in responses.values()) or 1.0
    levels = np.linspace(-limit, limit, 15)
    contours = None
    for axes, region in zip(grid.ravel(), regions, strict=False):
        contours = axes.contourf(VALENCE_GRID, AROUSAL_GRID, responses[region], levels=levels, cmap=DIVERGING)
        axes.plot(*points.T, ".", color=MUTED, markersize=1.6, alpha=0.6)
        axes.set_title(region)
    for number, axes in enumerate(grid.ravel()):
        axes.set_visible(number < len(regions))
        if number + columns >= len(regions):
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("z valence")
    for axes in grid[:, 0]:
        axes.set_ylabel("z arousal")
    if contours is not None:
        bar = figure.colorbar(contours, ax=grid, shrink=0.7, label="predicted response")
        bar.locator = MaxNLocator(5)
        bar.update_ticks()
    return figure


def _in_hull(points: Floats, valence: Floats, arousal: Floats) -> Any:
    """Mark which grid points (A, V) lie in the convex hull of the images; all without a hull."""
    v, a = np.meshgrid(valence, arousal)
    try:
        hull = Delaunay(points)
    except QhullError:
        return np.ones(v.shape, bool)
    return hull.find_simplex(np.stack([v, a], axis=-1)) >= 0


def _subregion_panels(data: Data, analysed: Analysed) -> Figure:
    """Draw each subject's coefficients over the subregions, joined; means as large dots."""
    figure = new_figure(2.7, 6.4)
    panels = figure.subplots(1, len(TESTED), squeeze=False)[0]
    for axes, term in zip(panels, TESTED, strict=True):
        names = next(row["subregions"] for row in data["subregions"] if row["term"] == term)
        values = np.stack([_column(analysed, name, term) for name in names], axis=1)
        axes.axhline(0.0, color=MUTED, linewidth=1.0, linestyle=(0, (3, 3)))
        axes.plot(range(len(names)), values.T, "-", color=MUTED, linewidth=0.8, alpha=0.6)
        axes.plot(range(len(names)), values.T, ".", color=MUTED, markersize=4, alpha=0.8)
        axes.plot(range(len(names)), values.mean(axis=0), "o", color=ACCENT, markersize=7)
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.4, len(names) - 0.6)
        axes.set_title(term_label(term))
        axes.locator_params(axis="y", nbins=5)
    panels[0].set_ylabel("coefficient")
    return figure


def _column(analysed: Analysed, region: str, term: str) -> Floats:
    result = analysed.regressions[region, "all"]
    return result.coefficients[:, result.names.index(term)]


def _maps(maps: Sequence[VoxelMap], effects: VoxelEffects) -> Figure:
    """Draw t over subjects in axial slices of a region, one row per regressor."""
    affine = np.asarray((effects.grid or {})["affine"], np.float64)
    rows = [VoxelRow(tested.regressor, effects.voxels, tested.t, affine) for tested in maps]
    limit = max(float(np.nanmax(np.abs(row.t), initial=0.0)) for row in rows) or 1.0
    return slice_figure(rows, limit)
