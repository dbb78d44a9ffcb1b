"""Maps of voxels in axial slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from almond.report.figures_style import DIVERGING, INK, new_figure, remove_frame
from almond.typing import Floats

MOST_SLICES = 6


@dataclass(frozen=True, eq=False)
class VoxelRow:
    """One map: t (V,) at ``voxels`` (V, 3), grid indices; ``marked`` (V,) get a dot.

    ``affine`` (4, 4) leads from indices to millimetres; without it slices have no titles.
    """

    label: str
    voxels: np.ndarray[Any, np.dtype[np.int64]]
    t: Floats
    affine: Floats | None = None
    marked: np.ndarray[Any, np.dtype[np.bool_]] | None = None

    def heights(self) -> list[int]:
        """Choose up to six slices, evenly from the lowest to the highest."""
        levels = np.unique(self.voxels[:, 2])
        steps = np.linspace(0, len(levels) - 1, min(MOST_SLICES, len(levels))).round().astype(int)
        return [int(levels[step]) for step in np.unique(steps)]


def slice_figure(rows: Sequence[VoxelRow], limit: float, *, extend: str = "neither") -> Figure:
    """Draw t over subjects in axial slices, one row per map.

    :param limit: largest |t| of the colour scale.
    :param extend: ends of the colour bar beyond which values lie, in matplotlib's words.
    """
    columns = max(len(row.heights()) for row in rows)
    figure = new_figure(0.5 + 1.15 * len(rows), 6.4)
    panels = figure.subplots(len(rows), columns, squeeze=False)
    image: Any = None
    for number, row in enumerate(rows):
        repeated = number > 0 and np.array_equal(row.voxels, rows[number - 1].voxels)
        for axes in panels[number]:
            remove_frame(axes)
        for axes, height in zip(panels[number], row.heights(), strict=False):
            image = _draw_slice(axes, row, height, limit)
            if row.affine is not None and not repeated:
                axes.set_title(_millimetres(row.voxels, row.affine, height), fontweight="normal", fontsize=9)
        panels[number, 0].set_ylabel(row.label)
    figure.colorbar(image, ax=panels, shrink=0.7, label="t over subjects", extend=extend)
    return figure


def _draw_slice(axes: Axes, row: VoxelRow, height: int, limit: float) -> Any:
    low, high = row.voxels.min(axis=0), row.voxels.max(axis=0)
    here = row.voxels[:, 2] == height
    x, y = (row.voxels[here][:, :2] - low[:2]).T
    side = high[:2] - low[:2] + 1
    plane = np.full((side[1], side[0]), np.nan)
    plane[y, x] = row.t[here]
    if row.marked is not None:
        dots = row.marked[here]
        axes.plot(x[dots], y[dots], ".", color=INK, markersize=2.5)
    return axes.imshow(
        plane, origin="lower", cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest", zorder=0
    )


def _millimetres(voxels: np.ndarray[Any, np.dtype[np.int64]], affine: Floats, height: int) -> str:
    """Name a slice by the z of its middle."""
    middle = (voxels[:, :2].min(axis=0) + voxels[:, :2].max(axis=0)) / 2
    z = (affine @ [*middle, height, 1.0])[2]
    return f"z = {z:.0f}".replace("-", "\N{MINUS SIGN}")
