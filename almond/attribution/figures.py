"""Figures of attribution: maps over the pictures of the steps, and the maps' grain over the steps."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure

from almond.attribution.methods import METHODS
from almond.attribution.through_steps import SHUFFLED, StepAttribution
from almond.report.figures_style import ACCENT, MUTED, new_figure, remove_frame, style
from almond.typing import Floats

RAISES = np.array([0.78, 0.16, 0.14])
LOWERS = np.array([0.13, 0.33, 0.74])
"""Colours of what raises and what lowers the score."""

WASHED = 0.55
"""Share of white in the grey picture below a map."""

STRONGEST = 99.0
"""Percentile of a row's absolute values that is drawn at full strength."""


def overlay(picture: torch.Tensor, attribution: torch.Tensor, limit: float) -> Floats:
    """Lay a map (H, W) over a picture (3, H, W): red raises the score, blue lowers it; RGB (H, W, 3)."""
    grey = picture.mean(dim=0).double().cpu().numpy()
    base = (WASHED + (1 - WASHED) * grey)[..., None]
    values = np.clip(attribution.double().cpu().numpy() / limit, -1.0, 1.0)[..., None]
    colour = np.where(values > 0, RAISES, LOWERS)
    return np.asarray(base * (1 - np.abs(values)) + colour * np.abs(values), np.float64)


def draw_overlays(made: StepAttribution) -> Figure:
    """Draw the pictures of the steps, and below each its map by every method; a row shares one scale."""
    rows = ["picture", *made.maps]
    labels = {**dict(METHODS.choices()), "picture": "Prediction", SHUFFLED: "shuffled weights"}
    with style():
        figure = new_figure(1.35 * len(rows) + 0.3, 1.3 * len(made.at) + 1.2)
        cells = figure.subplots(len(rows), len(made.at), squeeze=False)
        for row, name in enumerate(rows):
            for column, index in enumerate(made.at):
                axes = cells[row][column]
                axes.imshow(_cell(made, name, column), interpolation="nearest")
                remove_frame(axes)
                if row == 0:
                    axes.set_title(f"step {index + 1}", fontsize=9)
            label = labels[name].split(" (")[0]
            cells[row][0].set_ylabel(label[:1].upper() + label[1:], fontsize=8.5)
    return figure


def _cell(made: StepAttribution, name: str, column: int) -> Floats:
    if name == "picture":
        return np.asarray(made.pictures[column].permute(1, 2, 0).double().cpu().numpy(), np.float64)
    maps = made.maps[name]
    limit = max(float(np.percentile(maps.abs().double().cpu().numpy(), STRONGEST)), np.finfo(float).tiny)
    return overlay(made.pictures[column], maps[column], limit)


def draw_scales(made: StepAttribution, method: str) -> Figure:
    """Draw over the steps the share of a method's map in coarse (below 8) and fine (16 and more) scales."""
    rows = made.table[made.table["method"] == method]
    coarse = rows[["scale_1-2", "scale_2-4", "scale_4-8"]].sum(axis=1)
    fine = rows[["scale_16-32", "scale_32+"]].sum(axis=1)
    with style():
        figure = new_figure(2.6)
        axes = figure.add_subplot()
        for values, colour, label in (
            (coarse, ACCENT, "below 8 cycles per picture"),
            (fine, MUTED, "16 cycles and more"),
        ):
            axes.plot(rows["step"], values, "o-", color=colour, linewidth=1.8, markersize=5, label=label)
        axes.set_xlabel("Step")
        axes.set_ylabel("Share of the map's power")
        axes.set_ylim(0, 1)
        axes.legend()
    return figure
