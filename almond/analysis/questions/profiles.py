"""How are the images of each target rated, and by how much does the manipulation shift ratings?

Means have themes as units, seeds of one prompt together; shifts come from a mixed model with participants,
themes and base scenes within themes random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from almond.analysis.questions.base import Context, NotApplicable, Question, Result, count_units, units_text
from almond.analysis.rating_profiles import Profiles
from almond.analysis.vocabulary import EXTERNAL, GUIDED, Vocabulary
from almond.progress import Progress
from almond.report.document import Picture, Section, Table
from almond.report.figures_style import (
    ACCENT,
    MUTED,
    SECOND,
    dot_with_interval,
    label_rows,
    new_figure,
    reference_line,
)
from almond.report.wording import p_cell, signed, span, t_cell
from almond.stats.mixed import RandomTerm, fit_linear
from almond.stats.ttest import one_sample
from almond.typing import Floats


@dataclass(frozen=True)
class ThemeInterval:
    """A mean over themes with its 95 percent t interval; bounds are None with fewer than two themes."""

    mean: float
    low: float | None
    high: float | None
    themes: int


def theme_interval(values: Floats) -> ThemeInterval:
    """Compute the mean and t interval of one value per theme."""
    count = len(values)
    if count < 2:
        return ThemeInterval(float(values.mean()), None, None, count)
    test = one_sample(values)
    return ThemeInterval(test.estimate, test.low, test.high, count)


@dataclass(frozen=True)
class ProfileCell:
    """Mean standardised rating of the images of one target and direction; unit: themes."""

    target: str
    direction: int
    construct: str
    z: ThemeInterval
    points: float


def profile_cells(profiles: Profiles) -> list[ProfileCell]:
    """Compute one cell per target, direction and construct, from stimulus means averaged within theme."""
    frame = pd.DataFrame(
        {"theme": profiles.themes, "target": profiles.targets, "direction": profiles.directions}
    )
    cells = []
    for target, direction in sorted(set(zip(profiles.targets, profiles.directions, strict=True))):
        rows = frame[(frame["target"] == target) & (frame["direction"] == direction)]
        index = rows.index.to_numpy()
        for column, construct in enumerate(profiles.constructs):
            by_theme = pd.Series(profiles.values[index, column]).groupby(rows["theme"].to_numpy()).mean()
            cells.append(
                ProfileCell(
                    target,
                    direction,
                    construct,
                    theme_interval(by_theme.to_numpy(dtype=np.float64)),
                    float(profiles.raw[index, column].mean()),
                )
            )
    return cells


@dataclass(frozen=True)
class Shift:
    """How much higher images of direction 1 are rated than those of direction -1, in participant SDs.

    Linear mixed model of the standardised rating on direction (-1/2, 1/2); participants' slopes, themes'
    intercepts and slopes, and those of base scenes where a theme has several, random; t with
    df = min(participants, themes) - 1.
    """

    target: str
    construct: str
    shift: float
    se: float
    t: float
    df: float
    p: float
    low: float
    high: float
    singular: bool
    participants: int
    scenes: int
    themes: int
    ratings: int


def shifts(
    ratings: pd.DataFrame, targets: Sequence[str], constructs: Sequence[str]
) -> tuple[list[Shift], dict[str, str]]:
    """Fit the shift of every construct by every target, from ratings with ``z``.

    :returns: the shifts, and for each cell that cannot be fitted the reason.
    """
    fitted: list[Shift] = []
    absent: dict[str, str] = {}
    for target in targets:
        for construct in constructs:
            rows = ratings[(ratings["intended_target"] == target) & (ratings["construct"] == construct)]
            rows = rows[rows["direction"] != 0]
            if reason := _obstacle(rows):
                absent[f"{construct} by {target}"] = reason
            else:
                fitted.append(fit_shift(rows, target, construct))
    return fitted, absent


def _obstacle(rows: pd.DataFrame) -> str | None:
    if rows["direction"].nunique() < 2:
        return "images of one direction only"
    people, themes = rows["participant_id"].nunique(), rows["theme"].nunique()
    if people < 2 or themes < 3:
        return f"{people} participants and {themes} themes; at least 2 and 3 are needed"
    within = rows["z"] - rows.groupby("direction")["z"].transform("mean")
    return "ratings do not vary" if float(within.abs().max()) < 1e-9 else None


def fit_shift(rows: pd.DataFrame, target: str, construct: str) -> Shift:
    direction = rows["direction"].to_numpy(dtype=np.float64) / 2.0
    people, themes, scenes = (rows[column].to_numpy() for column in ("participant_id", "theme", "base_scene"))
    both = np.column_stack([np.ones(len(rows)), direction])
    terms = [
        RandomTerm("participant", people, direction[:, None], ("direction",)),
        RandomTerm("theme", themes, both, ("intercept", "direction")),
    ]
    if len(set(scenes)) > len(set(themes)):
        terms.append(RandomTerm("base scene", scenes, both, ("intercept", "direction")))
    fit = fit_linear(rows["z"].to_numpy(dtype=np.float64), both, terms, names=["mean", "direction"])
    test = fit.wald("direction")
    return Shift(
        target=target,
        construct=construct,
        shift=test.estimate,
        se=test.se,
        t=test.t,
        df=test.df,
        p=test.p,
        low=test.low,
        high=test.high,
        singular=fit.singular,
        participants=len(set(people)),
        scenes=len(set(scenes)),
        themes=len(set(themes)),
        ratings=len(rows),
    )


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    rated = context.rated_profiles()
    targets = sorted(set(rated.targets) - {""})
    if not targets:
        raise NotApplicable(context.words.no_groups)
    cells = [cell for cell in profile_cells(rated) if cell.target]
    fitted, absent = shifts(context.ratings, targets, context.constructs)
    return {
        "units": count_units(context.ratings, rated),
        "unit": "theme (intervals), participants and themes random (shifts)",
        "cells": cells,
        "shifts": fitted,
        "absent": absent,
    }


def _section(words: Vocabulary, title: str, result: Result) -> Section | None:
    if not result["cells"]:
        return None
    rows = tuple(
        (
            row["target"],
            row["construct"],
            signed(row["shift"]),
            span(row["low"], row["high"]),
            t_cell(row["t"], row["df"]),
            p_cell(row["p"]) + (" †" if row["singular"] else ""),
        )
        for row in result["shifts"]
    )
    head = (words.group, "construct", "shift", "95 % interval", "t (df)", "p")
    table = Table(head, rows, text=(0, 1), folded=f"Shifts of every rating by every {words.group}")
    means = Section(
        title=title,
        paragraphs=(f"{units_text(result['units'], words)}.",),
        figures=(Picture("profiles", "Means over themes with 95 % intervals."),),
    )
    if words is EXTERNAL and all(row["direction"] > 0 for row in result["cells"]):
        return means  # the table tells no directions, of which there could be a shift
    caption = f"Filled: {words.raised}; hollow: {words.hollow}. Means over themes with 95 % intervals."
    return replace(
        means,
        figures=(Picture("profiles", caption),),
        tables=(table,) if rows else (),
        items=tuple(f"Not fitted: {name}: {reason}." for name, reason in result["absent"].items()),
        notes=(
            f"Shift: mean rating of {words.raised} minus that of {words.lowered}, "
            "in participants’ standard deviations; each interval and "
            "p stands alone, without correction. † A variance was estimated as zero.",
        ),
    )


def _figures(result: Result) -> dict[str, Figure]:
    return {"profiles": _profile_panels(result["cells"])} if result["cells"] else {}


def _profile_panels(cells: Sequence[Result]) -> Figure:
    """Draw one panel per target: each construct's mean of images of direction 1 (filled) and -1 (hollow)."""
    targets = sorted({cell["target"] for cell in cells})
    constructs = list(dict.fromkeys(cell["construct"] for cell in cells))
    columns = 2 if len(targets) > 1 else 1
    lines = -(-len(targets) // columns)
    figure = new_figure(0.9 + lines * (0.55 + 0.36 * len(constructs)))
    panels = figure.subplots(lines, columns, sharex=True, squeeze=False)
    reach = max(_extent(cell["z"]) for cell in cells) * 1.12 + 0.05
    for number, axes in enumerate(panels.ravel()):
        if number >= len(targets):
            axes.set_visible(False)
            continue
        label_rows(axes, constructs if number % columns == 0 else [""] * len(constructs))
        reference_line(axes, 0.0)
        axes.set_title(targets[number])
        _draw_cells(axes, [cell for cell in cells if cell["target"] == targets[number]], constructs)
        axes.set_xlim(-reach, reach)
    figure.supxlabel("mean rating, in participants’ standard deviations", color=MUTED, fontsize=9.5)
    return figure


def _draw_cells(axes: Axes, cells: Sequence[Result], constructs: Sequence[str]) -> None:
    for cell in cells:
        if cell["direction"] != 0:
            up = cell["direction"] > 0
            y = constructs.index(cell["construct"]) + (-0.14 if up else 0.14)
            z, color = cell["z"], ACCENT if up else SECOND
            dot_with_interval(axes, y, z["mean"], z["low"], z["high"], color=color, hollow=not up)


def _extent(z: Mapping[str, float | None]) -> float:
    return max(abs(value) for name in ("mean", "low", "high") if (value := z[name]) is not None)


def _methods(words: Vocabulary, _: Result) -> str:
    return (
        "Profiles: means over themes with t intervals. Shifts: linear mixed model (REML) of the "
        "standardised rating on direction with participants' slopes and themes' (and, within themes, "
        f"{words.scenes}') intercepts and slopes; t with degrees of freedom from participants or themes, "
        "whichever are fewer, less one."
    )


def _worded(words: Vocabulary) -> Question:
    return Question(
        name="profiles",
        title=words.rated,
        order=20,
        work=0.1,
        run=_run,
        section=partial(_section, words),
        methods=partial(_methods, words),
        figures=_figures,
        in_words=_worded,
    )


QUESTION = _worded(GUIDED)
