"""Do ratings rise with the signed strength of the manipulation?

Unit: participants and themes, both random. The test is a linear step in strength, within scenes and
participants, by t with a two-way clustered covariance. Slopes fitted by participant and tested over
participants, and Page's test with participants as blocks, hold the themes fixed; Page's test over themes
holds the participants fixed and stands beside it, a description: where people differ it rejects in up to half
of null studies. The slope rejects in 4 to 7 percent, the mixed model in 1 to 7 (``docs/measured.md``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from almond.analysis.questions.base import (
    Aim,
    Context,
    EffectEstimate,
    Question,
    Result,
    count_units,
    units_text,
)
from almond.analysis.questions.classification import f_text
from almond.analysis.questions.profiles import theme_interval
from almond.analysis.trends.figure import trend_figures
from almond.analysis.trends.trajectories import (
    all_ratings,
    one_rating,
    own_constructs,
    ratings_along,
    select_own,
    theme_table,
)
from almond.errors import InputError
from almond.progress import Part, Progress
from almond.report.document import KeyNumber, Picture, Section, Table
from almond.report.wording import p_cell, p_text, signed, span, t_cell
from almond.stats.clustered.trend import isotonic_means, joint_trend, mixed_slope, page_test, trend_slope

MIN_THEMES = 3


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    context.rated_profiles()
    rows, few = ratings_along(context.ratings, context.words)
    own = own_constructs(context.data.plan)
    matched = select_own(rows, own)
    cells, absent = _cells(rows, context.constructs, own, Part(progress, 0.0, 0.5))
    targets = sorted(set(matched["target"]))
    return {
        "units": count_units(rows) | {"stimuli": int(rows["stimulus_id"].nunique())},
        "unit": "participants and themes, both random",
        "levels": {target: sorted(set(part["signed"])) for target, part in rows.groupby("target")},
        "few_levels": few,
        "own_constructs": {target: own[target] for target in targets},
        "joint": joint_trend(all_ratings(rows, context.constructs)),
        "overall": _trend(matched) if targets else None,
        "targets": [{"target": target, **_trend(matched[matched["target"] == target])} for target in targets],
        "cells": cells,
        "absent": absent,
    }


def _trend(rows: pd.DataFrame) -> dict[str, Any]:
    """Test the common slope of ratings on their targets' own constructs, with all that stands beside it."""
    data = one_rating(rows)
    slope, table = trend_slope(data), theme_table(rows)
    return {
        **vars(slope),
        "change": slope.estimate * float(np.ptp(data.strength)),
        "ratings": len(rows),
        "mixed": mixed_slope(data),
        **_page(table),
        "levels": _levels(table, rising=slope.estimate >= 0.0),
    }


def _page(table: pd.DataFrame) -> dict[str, Any]:
    """Run Page's test over the themes that have every level, or say why not."""
    try:
        return {"page": page_test(table.dropna().to_numpy(dtype=np.float64)), "page_absent": ""}
    except InputError as reason:
        return {"page": None, "page_absent": str(reason)}


def _levels(table: pd.DataFrame, *, rising: bool) -> list[dict[str, Any]]:
    """Describe each level: mean over themes with t interval, isotonic fit in the slope's direction."""
    intervals = [theme_interval(table[level].dropna().to_numpy(dtype=np.float64)) for level in table]
    means, weights = (
        np.array([getattr(interval, name) for interval in intervals], dtype=np.float64)
        for name in ("mean", "themes")
    )
    fit = isotonic_means(means, weights, rising=rising)
    return [
        {"strength": float(level), **vars(interval), "isotonic": float(value)}
        for level, interval, value in zip(table.columns, intervals, fit, strict=True)
    ]


def _cells(
    rows: pd.DataFrame, constructs: Sequence[str], own: Mapping[str, Sequence[str]], progress: Progress
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Test the slope of every construct along every target; give the reason where there is no test."""
    tested, absent = [], {}
    groups = dict(list(rows.groupby(["target", "construct"])))
    order = [(target, name) for target in sorted(set(rows["target"])) for name in constructs]
    for number, (target, construct) in enumerate(order):
        progress.report(number / len(order), f"trend of {construct} along {target}")
        if (part := groups.get((target, construct))) is None:
            continue
        place = {"target": target, "construct": construct, "own": construct in own.get(target, ())}
        try:
            tested.append({**place, **vars(trend_slope(one_rating(part)))})
        except InputError as reason:
            absent[f"{construct} along {target}"] = str(reason)
    return tested, absent


def _t_text(row: Result) -> str:
    return f"t({row['df']:.0f}) = {row['t']:.2f}, {p_text(row['p'])}"


def _headline(result: Result, alpha: float) -> str:
    overall, joint = result["overall"], result["joint"]
    if overall is None:
        start = "changed" if joint["p"] <= alpha else "did not change, beyond chance,"
        return f"Ratings {start} with the signed strength of the manipulation ({f_text(joint)})."
    if overall["p"] > alpha:
        start = "did not change, beyond chance,"
    else:
        start = "rose" if overall["estimate"] > 0 else "fell"
    return (
        f"Ratings on the targets’ own constructs {start} with the signed strength of the manipulation: "
        f"{signed(overall['estimate'])} standard deviations per unit of strength (95 % CI "
        f"{span(overall['low'], overall['high'])}; {_t_text(overall)})."
    )


def _key_number(result: Result) -> KeyNumber | None:
    overall = result["overall"]
    if overall is None:
        return None
    interval = span(overall["low"], overall["high"])
    return KeyNumber(
        "trend", signed(overall["estimate"]), f"SD per unit of strength, 95 % interval {interval}"
    )


def _section(title: str, result: Result) -> Section:
    tables = (_own_table(result), _cell_table(result["cells"]))
    return Section(
        title=title,
        paragraphs=(
            f"{units_text(result['units'])}. {_levels_text(result['levels'])} Anything that changes with "
            f"strength, all constructs and targets together: {f_text(result['joint'])}.",
        ),
        figures=(Picture("trend", _caption(result)),),
        items=(
            *(f"Not tested: {target}: {reason}." for target, reason in result["few_levels"].items()),
            *(f"Not tested: {name}: {reason}." for name, reason in result["absent"].items()),
        ),
        tables=tuple(table for table in tables if table.rows),
        notes=_notes(result),
    )


def _levels_text(levels: Mapping[str, Sequence[float]]) -> str:
    texts = {target: ", ".join(f"{level:g}" for level in values) for target, values in levels.items()}
    if len(set(texts.values())) == 1:
        return f"Signed strengths: {next(iter(texts.values()))}."
    return " ".join(f"Signed strengths of {target}: {text}." for target, text in texts.items())


def _caption(result: Result) -> str:
    if result["overall"] is None:
        return "Slopes on signed strength of every construct along every target, with 95 % intervals."
    return (
        "Means over themes with 95 % intervals by signed strength, each target on its own constructs; line: "
        "isotonic fit, a description."
    )


def _own_table(result: Result) -> Table:
    entries = [("all", result["overall"])] if result["overall"] else []
    entries += [(row["target"], row) for row in result["targets"]]
    rows = tuple(
        (
            name,
            signed(row["estimate"]),
            span(row["low"], row["high"]),
            t_cell(row["t"], row["df"]),
            p_cell(row["p"]) + (" ‡" if row["limited"] else ""),
            signed(row["mixed"]["estimate"]),
            p_cell(row["mixed"]["p"]) + (" †" if row["mixed"]["singular"] else ""),
            p_cell(row["page"]["p"]) if row["page"] else "not run",
        )
        for name, row in entries
    )
    head = ("target", "slope", "95 % interval", "t (df)", "p", "mixed model", "p mixed", "p Page")
    return Table(head, rows)


def _cell_table(cells: Sequence[Result]) -> Table:
    rows = tuple(
        (
            row["target"],
            row["construct"] + (" *" if row["own"] else ""),
            signed(row["estimate"]),
            span(row["low"], row["high"]),
            t_cell(row["t"], row["df"]),
            p_cell(row["p"]) + (" ‡" if row["limited"] else ""),
        )
        for row in cells
    )
    head = ("target", "construct", "slope", "95 % interval", "t (df)", "p")
    return Table(head, rows, text=(0, 1), folded="Slope of every rating along every target")


def _notes(result: Result) -> tuple[str, ...]:
    notes = [
        "Slope: change of the rating, in participants’ standard deviations, per unit of signed strength; the "
        "unguided image of a scene stands at zero. Each p stands alone, without correction. * The target’s "
        "own construct, by the plan’s pairs. † A variance was estimated as zero. ‡ The least p that the "
        "number of participants and themes allows."
    ]
    pages = [row["page"] for row in (result["overall"], *result["targets"]) if row and row["page"]]
    if pages:
        notes.append(
            f"Page’s L, {pages[0]['blocks']} themes as blocks, two-sided, {pages[0]['method']}: participants "
            "are fixed, so that its p is about these people."
        )
    if result["overall"] and result["overall"]["page_absent"]:
        notes.append(f"Page’s test was not run: {result['overall']['page_absent']}.")
    return tuple(notes)


def _methods(_: Result) -> str:
    return (
        "Trend: standardised ratings of images at several signed strengths (the unguided image of a scene at "
        "zero) on strength, a linear step, within scenes and participants; t of the slope with participants "
        "and themes random (two-way clustered covariance, both parts by jackknife; MacKinnon, Nielsen & "
        "Webb, 2023), degrees of freedom from the smaller number of units, less one. All slopes jointly: F "
        "by Box’s approximation. Beside it, a linear mixed model (REML) with slopes of "
        "participants, intercepts and slopes of themes (of base scenes where a theme has several, and within "
        "targets and constructs where there are several), and intercepts of stimuli, "
        "random, with the same degrees of freedom; Page’s L over themes’ means, exact with up to five levels "
        "and twelve themes, participants fixed; isotonic regression of the levels’ means, a description."
    )


def _p(result: Result) -> float:
    """Return the p of the common slope on own constructs, or that of all slopes where none are known."""
    return float((result["overall"] or result["joint"])["p"])


def _estimate(result: Result, aim: Aim) -> EffectEstimate | None:
    if aim.target and aim.construct:
        rows = [row for row in result["cells"] if row["target"] == aim.target]
        rows = [row for row in rows if row["construct"] == aim.construct]
    elif aim.target:
        rows = [row for row in result["targets"] if row["target"] == aim.target]
    else:
        rows = [result["overall"]] if result["overall"] and aim.is_whole else []
    if not rows:
        return None
    return EffectEstimate(rows[0]["estimate"], 0.0, rows[0]["p"], rows[0]["low"], rows[0]["high"])


QUESTION = Question(
    name="trend",
    title="Do ratings rise with the strength of the manipulation?",
    order=27,
    work=0.15,
    run=_run,
    section=_section,
    methods=_methods,
    figures=trend_figures,
    p=_p,
    estimate=_estimate,
    headline=_headline,
    key_number=_key_number,
)
