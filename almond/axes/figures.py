"""What axes look like: a scene pushed both ways, dose curves of both sides, and pictures on two axes."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from almond.axes.explore import AxesFindings
from almond.report.figures_style import new_figure, reference_line, remove_frame, style
from almond.report.wording import signed


def push_figure(findings: AxesFindings, axis: int) -> Figure:
    """Draw the first scene of the first prompt from the strongest push down to the strongest up."""
    prompt, seed = findings.config.prompts[0], findings.config.seeds[0]
    unguided = len(findings.unguided)
    shown: list[tuple[float, int]] = [(0.0, 0)]
    for place, push in enumerate(findings.pushes):
        here = (push.recipe.prompt, push.recipe.seed) == (prompt, seed)
        if here and push.axis == axis and not push.calibrated:
            shown.append((push.direction * push.strength, unguided + place))
    shown.sort()
    with style():
        figure = new_figure(1.4)
        grid = figure.subplots(1, len(shown), squeeze=False)[0]
        for panel, (strength, place) in zip(grid, shown, strict=True):
            panel.imshow(findings.images[place])
            panel.set_title(f"{strength:+g}" if strength else "0", loc="center")
            remove_frame(panel)
    return figure


def dose_figure(findings: AxesFindings, axis: int) -> Figure:
    """Draw the mean shift along the axis and, thin, along the others, against the signed strength."""
    with style():
        figure = new_figure(2.6)
        panels = figure.subplots(1, len(findings.read), squeeze=False, sharey=True)[0]
        for panel, (name, read) in zip(panels, findings.read.items(), strict=True):
            down, up = (
                next(side for side in read.sides if (side.axis, side.direction) == (axis, direction))
                for direction in (-1, 1)
            )
            signed_strengths = np.concatenate([-down.strengths[::-1], [0.0], up.strengths])
            middle = np.zeros((1, len(findings.axes)))
            shifts = [down.shifts.mean(axis=0)[::-1], middle, up.shifts.mean(axis=0)]
            curves = np.concatenate(shifts)
            for number, other in enumerate(findings.axes):
                width = 2.5 if number == axis else 1.0
                panel.plot(signed_strengths, curves[:, number], marker="o", linewidth=width, label=other.name)
            reference_line(panel, 0.0)
            panel.set_title(name, fontsize=8)
            panel.set_xlabel("signed strength")
        panels[0].set_ylabel("shift (SD)")
        panels[0].legend(fontsize=8)
    return figure


def plane_figure(findings: AxesFindings) -> Figure:
    """Draw the unguided pictures on the first two axes, coloured by cluster, with the targets as arrows."""
    along, axes = findings.along, findings.axes
    with style():
        figure = new_figure(3.6)
        panel = figure.subplots()
        for label in range(int(findings.clusters.labels.max()) + 1):
            rows = findings.clusters.labels == label
            panel.scatter(along[rows, 0], along[rows, 1], s=12, label=f"cluster {label + 1}")
        weights = np.stack([axes[0].weights, axes[1].weights])
        reach = (
            0.8 * (np.abs(along[:, :2]).max(axis=0) / np.maximum(np.abs(weights).max(axis=1), 1e-12)).min()
        )
        for number, name in enumerate(findings.targets):
            x, y = reach * weights[:, number]
            panel.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "->", "color": "0.4"})
            panel.text(x, y, name)
        panel.set_xlabel(f"{axes[0].name} (SD)")
        panel.set_ylabel(f"{axes[1].name} (SD)")
        panel.legend(fontsize=8)
    return figure


def sides_cell(values: np.ndarray) -> str:
    """Write shifts with their signs, separated by commas."""
    return ", ".join(signed(float(value)) for value in values)
