"""Ratings on few points, such as Likert scales: do they differ with the manipulation, or between conditions?

Unit: participants and themes, both random, in a cumulative-logit mixed model: nothing is assumed of the
distances between the points. A linear model of such ratings takes them for equal, and a model that leaves out
participants' or themes' own slopes takes correlated ratings for independent ones. A scale with more than 11
points, such as the site's slider, is left to the linear model of shifts.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from almond.analysis.own_scales import PERCENT_ENDS, on_own_scales
from almond.analysis.questions.base import (
    Aim,
    Context,
    EffectEstimate,
    NotApplicable,
    Question,
    Result,
    count_units,
    estimate_in,
    units_text,
)
from almond.analysis.vocabulary import GUIDED, Vocabulary
from almond.errors import InputError
from almond.progress import Progress
from almond.report.document import KeyNumber, Picture, Section, Table
from almond.report.figures_style import dot_with_interval, new_forest
from almond.report.wording import decimal, fixed, p_cell, p_text, signed, span, t_cell
from almond.stats.mixed.ordinal_tests import (
    DECIMALS,
    MOST_POINTS,
    RatedImages,
    condition_effect,
    direction_effect,
    scale_points,
)
from almond.stats.multiple import holm

ALL = "all"


def _own_scales(context: Context) -> dict[str, tuple[pd.DataFrame, tuple[float, ...]]]:
    """Return the ratings in ``own`` and the points of every construct that has few; NotApplicable without."""
    ratings, scales = on_own_scales(context.data, context.ratings)
    ratings = ratings.assign(own=ratings["own"].round(DECIMALS))
    found, many = {}, []
    for construct in context.constructs:
        rows = ratings[ratings["construct"] == construct]
        if rows["own"].nunique() > MOST_POINTS:
            many.append(f"{construct} has {rows['own'].nunique()}")
            continue
        ends = scales.get(construct, PERCENT_ENDS)
        found[construct] = (rows, scale_points(rows["own"].to_numpy(np.float64), ends))
    if not found:
        raise NotApplicable(
            f"no rating has at most {MOST_POINTS} different values ({', '.join(many)}); the linear model of "
            "shifts is for such scales"
        )
    return found


def rated_images(rows: pd.DataFrame) -> RatedImages:
    """Take ratings in ``own`` and the labels of their units from a table of ratings."""
    names = ("participant_id", "theme", "base_scene", "stimulus_id")
    return RatedImages(rows["own"].to_numpy(np.float64), *(rows[name].to_numpy(dtype=str) for name in names))


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    rated = context.rated_profiles()
    scales = _own_scales(context)
    guided = context.ratings[context.ratings["intended_target"] != ""]
    conditions = sorted(set(guided["intended_target"]))
    if guided["direction"].nunique() > 1:
        mode, cells = "direction", [(target, name) for name in scales for target in _targets(guided)]
    elif len(conditions) > 1:
        mode, cells = "condition", [(ALL, name) for name in scales]
    else:
        raise NotApplicable("the images have neither two directions nor two conditions")
    tests, absent = [], {}
    for index, (target, construct) in enumerate(cells):
        progress.report(index / len(cells), f"{construct} by {target}")
        rows, points = scales[construct]
        try:
            tests.append({"target": target, "construct": construct, **_fit(mode, target, rows, points)})
        except InputError as error:
            absent[f"{construct} by {target}"] = str(error)
    if not tests:
        raise NotApplicable("; ".join(f"{name}: {reason}" for name, reason in absent.items()))
    own = [row for row in tests if row["target"] != ALL] or tests
    for row, p in zip(own, holm([row["p"] for row in own]), strict=True):
        row["p_holm"] = p
    return {
        "units": count_units(context.ratings, rated),
        "unit": "participants and themes, both random",
        "mode": mode,
        "tests": tests,
        "absent": absent,
    }


def _targets(guided: pd.DataFrame) -> list[str]:
    """List the targets with images of both directions, after all of them together where there are several."""
    directions = guided.groupby("intended_target")["direction"].nunique()
    targets = sorted(str(name) for name in directions.index[directions > 1])
    return [ALL, *targets] if len(targets) > 1 else targets


def _fit(mode: str, target: str, rows: pd.DataFrame, points: tuple[float, ...]) -> dict[str, Any]:
    """Fit one model: the estimate where it has one, and the fields of its test beside."""
    rows = rows[rows["intended_target"] != ""]
    effect: Any
    if mode == "condition":
        labels = rows["intended_target"].to_numpy(dtype=str)
        effect = condition_effect(rated_images(rows), labels, categories=points)
    else:
        rows = rows[rows["direction"] != 0]
        if target != ALL:
            rows = rows[rows["intended_target"] == target]
        both = rows.groupby("intended_target")["direction"].transform("nunique") > 1
        rows = rows[both]
        direction = rows["direction"].to_numpy(np.float64)
        targets = rows["intended_target"].to_numpy(dtype=str) if target == ALL else None
        effect = direction_effect(rated_images(rows), direction, targets=targets, categories=points)
    fields = dataclasses.asdict(effect)
    return {**{name: value for name, value in fields.items() if name != "test"}, **fields["test"]}


def _cells(result: Result) -> list[Result]:
    """List the tests that Holm's correction counts: of every target and construct."""
    return [row for row in result["tests"] if "p_holm" in row]


def _p(result: Result) -> float:
    return min(float(row["p_holm"]) for row in _cells(result))


def _estimate(result: Result, aim: Aim) -> EffectEstimate | None:
    """Return the log odds of one target and construct, or of one construct over all targets."""
    rows = result["tests"]
    if aim.construct is not None:
        rows = [row for row in rows if row["construct"] == aim.construct]
    if aim.target is not None:
        rows = [row for row in rows if row["target"] == aim.target]
    elif aim.construct is not None and len(rows) > 1:
        rows = [row for row in rows if row["target"] == ALL]
    if len(rows) != 1 or rows[0].get("estimate") is None:
        return None
    return estimate_in({"all": rows[0]}, Aim(), value="estimate", null=0.0)


def _strongest(result: Result) -> Result:
    return min(_cells(result), key=lambda row: (float(row["p_holm"]), float(row["p"])))


def _headline(words: Vocabulary, result: Result, alpha: float) -> str:
    row, count = _strongest(result), len(_cells(result))
    what = f"with {words.varied}" if result["mode"] == "direction" else "between conditions"
    start = f"Ratings on few points {'differed' if _p(result) <= alpha else 'did not differ'} {what}"
    by = f" by {row['target']}" if row["target"] != ALL else ""
    test = f"F({row['df1']}, {row['df2']:.0f}) = {fixed(row['f'], 2)}"
    odds = f"log odds {signed(row['estimate'])}, " if row.get("estimate") is not None else ""
    over = f", Holm over {count} tests" if count > 1 else ""
    beyond = "" if _p(result) <= alpha else " beyond chance"
    least = ", the least that so few participants or themes allow" if row["limited"] else ""
    p = f"{p_text(row['p_holm'])}{over}{least}"
    return f"{start}{beyond}: strongest for {row['construct']}{by} ({odds}{test}, {p})."


def _key_number(result: Result) -> KeyNumber | None:
    row = _strongest(result)
    if row.get("estimate") is None:
        return None
    by = f" by {row['target']}" if row["target"] != ALL else ""
    return KeyNumber("shift on few points", signed(row["estimate"]), f"log odds, {row['construct']}{by}")


def _marks(row: Result) -> str:
    marks = ((row["limited"], "‡"), (row["singular"], "†"), (row["separated"], "§"), (row["on_bound"], "¶"))
    return "".join(f" {mark}" for holds, mark in marks if holds)


def _section(words: Vocabulary, title: str, result: Result) -> Section:
    tables = (
        [_direction_table(words, result)] if result["mode"] == "direction" else [_condition_table(result)]
    )
    return Section(
        title=title,
        paragraphs=(f"{units_text(result['units'], words)}.",),
        figures=(Picture("ordinal", "Log odds of a higher rating, with 95 % intervals."),),
        items=(
            *dict.fromkeys(_unused(words, row) for row in result["tests"] if row["unused"]),
            *(f"Not tested: {name}: {reason}." for name, reason in result["absent"].items()),
        ),
        tables=(*tables, _model_table(words, result)),
        notes=_notes(words, result),
    )


def _unused(words: Vocabulary, row: Result) -> str:
    points = ", ".join(f"{point:g}" for point in row["unused"])
    by = "" if row["target"] == ALL else f" on {words.images} of {row['target']}"
    return f"{row['construct'].capitalize()}: nobody used {points}{by}."


def _direction_table(words: Vocabulary, result: Result) -> Table:
    rows = tuple(
        (
            row["target"],
            row["construct"],
            "none" if row["estimate"] is None else signed(row["estimate"]),
            "" if row["low"] is None else span(row["low"], row["high"]),
            "" if row["estimate"] is None else t_cell(row["estimate"] / row["se"], row["df"]),
            p_cell(row["p"]) + _marks(row),
            p_cell(row.get("p_holm"), absent=""),
            p_cell(row["p_likelihood"]),
        )
        for row in result["tests"]
    )
    head = (words.group, "rating", "log odds", "95 % interval", "t (df)", "p", "p Holm", "p likelihood")
    return Table(head, rows, text=(0, 1))


def _condition_table(result: Result) -> Table:
    rows = tuple(
        (
            row["construct"],
            f"F({row['df1']}, {row['df2']:.0f}) = {fixed(row['f'], 2)}",
            p_cell(row["p"]) + _marks(row),
            p_cell(row["p_holm"]),
            p_cell(row["p_likelihood"]),
            "; ".join(f"{name} {signed(odds)}" for name, odds in (row["estimates"] or {}).items()),
        )
        for row in result["tests"]
    )
    head = ("rating", "F", "p", "p Holm", "p likelihood", "log odds against the mean of conditions")
    return Table(head, rows, text=(0, 1, 5), wrapped=(5,))


def _model_table(words: Vocabulary, result: Result) -> Table:
    rows = tuple(
        (
            row["target"],
            row["construct"],
            str(row["ratings"]),
            " / ".join(decimal(threshold, 2) for threshold in row["thresholds"]),
            ", ".join(f"{name} {sd:.2f}" for name, sd in row["sd"].items()),
        )
        for row in result["tests"]
    )
    head = (words.group, "rating", "ratings", "thresholds", "random standard deviations")
    return Table(head, rows, text=(0, 1, 3, 4), wrapped=(3, 4), folded="The models: thresholds and spread")


def _notes(words: Vocabulary, result: Result) -> tuple[str, ...]:
    said = (
        ("limited", "‡ The least p that the number of participants and themes allows."),
        ("singular", "† A variance was estimated as zero."),
        (
            "separated",
            "§ Separated: the likelihood has no maximum, so that there is no estimate; p is that of the "
            "likelihood ratio, by F.",
        ),
        ("on_bound", "¶ A parameter is the largest that is searched: not an estimate."),
    )
    shift = (
        f"Log odds of a higher rating for {words.raised} against "
        f"{words.against}, for a typical participant and theme."
    )
    first = (shift,) if result["mode"] == "direction" else ()
    return (*first, *(text for name, text in said if any(row[name] for row in result["tests"])))


def _figures(result: Result) -> dict[str, Figure]:
    """Draw the log odds of every test, or of every condition."""
    rows: list[tuple[str, float, float | None, float | None]] = []
    for row in result["tests"]:
        if result["mode"] == "condition":
            odds = (row["estimates"] or {}).items()
            rows += [(f"{row['construct']} · {name}", value, None, None) for name, value in odds]
        elif row["estimate"] is not None:
            label = f"{row['construct']} · {row['target']}"
            rows.append((label, row["estimate"], row["low"], row["high"]))
    if not rows:
        return {}
    figure, axes = new_forest([label for label, *_ in rows], 0.27)
    for y, (_, middle, low, high) in enumerate(rows):
        dot_with_interval(axes, y, middle, low, high, size=6.0)
    axes.set_xlabel("log odds of a higher rating")
    return {"ordinal": figure}


def _methods(words: Vocabulary, _: Result) -> str:
    return (
        "Ratings on few points (at most 11): cumulative-logit mixed models with flexible thresholds (Laplace "
        "approximation; Christensen, 2018) of the rating on direction, or on condition; participants' and "
        f"themes' intercepts and slopes random, scenes within themes and {words.images} within scenes "
        "where there are "
        "several. Wald's F with degrees of freedom from participants or themes, whichever are fewer, less "
        f"one; Holm over {words.groups} and ratings. Where a model is separated, the likelihood ratio by F."
    )


def _worded(words: Vocabulary) -> Question:
    return Question(
        name="ordinal",
        title=words.few_points,
        order=25,
        work=0.1,
        run=_run,
        section=partial(_section, words),
        methods=partial(_methods, words),
        figures=_figures,
        p=_p,
        estimate=_estimate,
        headline=partial(_headline, words),
        key_number=_key_number,
        in_words=_worded,
    )


QUESTION = _worded(GUIDED)
