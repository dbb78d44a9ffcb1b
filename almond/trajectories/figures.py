"""What a trajectory looks like: its strip of pictures, and scores by reader against the steps."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from almond.report.figures_style import new_figure, remove_frame, style
from almond.report.wording import signed
from almond.trajectories.find import FoundTrajectory

WIDEST = 8
"""Pictures in one row of a strip."""


def strip_figure(trajectory: FoundTrajectory) -> Figure:
    """Draw the pictures in the order of their levels; the guide's score stands below each, a star where it
    misses its level."""
    steps = trajectory.steps
    columns = min(len(steps), WIDEST)
    rows = -(-len(steps) // columns)
    within = trajectory.sought.scene.settings.within
    with style():
        figure = new_figure(0.3 + 1.5 * rows)
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for place, axes in enumerate(grid):
            remove_frame(axes)
            if place >= len(steps):
                axes.set_visible(False)
                continue
            step = steps[place]
            axes.imshow(step.image)
            missed = "" if step.error <= within else " *"
            axes.set_xlabel(signed(step.record.scores[trajectory.target]) + missed)
            axes.set_title(f"{place + 1}", loc="center")
    return figure


def course_figure(trajectory: FoundTrajectory) -> Figure:
    """Draw every reader's score of the target against the step, each on its own scale, over the levels."""
    readers = list(trajectory.steps[0].read)
    steps = np.arange(1, len(trajectory.steps) + 1)
    with style():
        figure = new_figure(2.3)
        panels = figure.subplots(1, len(readers), squeeze=False)[0]
        for number, (axes, reader) in enumerate(zip(panels, readers, strict=True)):
            axes.plot(steps, trajectory.scores(reader), marker="o")
            if number == 0:
                levels = [step.level for step in trajectory.steps]
                axes.plot(steps, levels, linestyle=":", color="0.5")
                axes.set_ylabel(f"score of {trajectory.target}")
            axes.set_title(reader, fontsize=8)
            axes.set_xlabel("step")
            axes.set_xticks(steps)
    return figure


def others_figure(trajectory: FoundTrajectory) -> Figure | None:
    """Draw the guide's scores of all targets against the step; None for one target."""
    names = list(trajectory.steps[0].record.scores)
    if len(names) < 2:
        return None
    steps = np.arange(1, len(trajectory.steps) + 1)
    with style():
        figure = new_figure(2.5)
        axes = figure.subplots()
        for name in names:
            own = name == trajectory.target
            values = [step.record.scores[name] for step in trajectory.steps]
            axes.plot(steps, values, marker="o", linewidth=2.5 if own else 1.0, label=name)
        axes.set_xlabel("step")
        axes.set_ylabel("guide's score (SD)")
        axes.set_xticks(steps)
        axes.legend(ncol=len(names), fontsize=8)
    return figure
