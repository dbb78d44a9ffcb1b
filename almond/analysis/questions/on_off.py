"""Do images guided towards a target raise its predicted response more than that of other targets?

Unit: themes. The answer is about the study's images, not about people's ratings, and known before the first
response: it is described with its test, and no plan can call it primary. By the very weights that guided the
images it is a manipulation check and no evidence, because guidance raises their score whatever a brain would
do; evidence are scores by encoder subjects none of whom guided (``score_sources``). Encoder subjects are held
fixed: a score is of their mean weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from almond.analysis.activation.score_sources import (
    Relation,
    ScoreSources,
    read_score_sources,
    worst,
)
from almond.analysis.questions.base import Context, NotApplicable, Question, Result
from almond.errors import InputError
from almond.progress import Progress
from almond.report.document import KeyNumber, Picture, Section, Table
from almond.report.shift_matrix import shift_matrix
from almond.report.wording import p_cell, p_text, signed, span, t_cell
from almond.stats.multiple import holm
from almond.stats.specificity.score_shifts import (
    UP_DOWN,
    ShiftCell,
    TargetShift,
    overall_specificity,
    scene_shifts,
    shift_cells,
    target_shift,
)
from almond.stats.specificity.specificity_model import specificity_model

JUDGE = "_judge"
"""How the names of scores by held-out subjects end."""
ROLES = {"guides": "", "judges": JUDGE}
"""Sets of scores that are tested together, by the ending of their names."""

VERDICTS: dict[Relation, tuple[str, str]] = {
    "guided": (
        "Manipulation check, no evidence",
        "the weights that guided the images also judge them, which is circular",
    ),
    "shared": (
        "Circular in part",
        "the weights that judge the images share encoder subjects with those that guided them",
    ),
    "unknown": (
        "No evidence",
        "the export does not hold the recipes, targets and encoders that would tell whose weights judge the "
        "images, and whose guided them",
    ),
    "independent": (
        "Independent judge",
        "none of the encoder subjects whose weights judge the images guided any of them",
    ),
}
"""What a test is called, and why, by what its weights have to do with the guiding ones."""


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    stimuli, columns = context.data.stimuli, context.data.score_columns
    guided = stimuli[stimuli["intended_target"] != ""]
    if not len(guided):
        raise NotApplicable("no image has an intended target")
    if not columns:
        raise NotApplicable("stimuli.csv holds no predicted scores")
    folder = context.data.folder
    sources = read_score_sources(folder, context.data.manifest) if folder else ScoreSources()
    sets, absent = [], {}
    for number, (role, ending) in enumerate(ROLES.items()):
        progress.report(number / len(ROLES), f"predicted responses, {role}")
        try:
            sets.append(_score_set(stimuli, _columns_of(columns, ending), role, sources))
        except InputError as reason:
            absent[role] = f"{reason.problem}; expected: {reason.expected}"
    if not sets:
        raise NotApplicable(absent["guides"])
    return {
        "units": {
            "participants": len(context.sample.participants),
            "themes": int(guided["theme"].nunique()),
            "scenes": int(guided["base_scene"].nunique()),
            "stimuli": len(guided),
        },
        "unit": "themes; encoder subjects fixed",
        "sets": sets,
        "absent": absent,
    }


def _columns_of(columns: Sequence[str], ending: str) -> dict[str, str]:
    """Map what a set of scores is about, such as LB, to its column: ``score_LB``, or ``score_LB_judge``."""
    names = (column.removeprefix("score_") for column in columns)
    wanted = sorted(name for name in names if name.endswith(JUDGE) == bool(ending))
    return {name.removesuffix(ending): f"score_{name}" for name in wanted}


def _score_set(
    stimuli: pd.DataFrame, columns: dict[str, str], role: str, sources: ScoreSources
) -> dict[str, Any]:
    """Test one set of scores: all targets together, each target, the matrix, the mixed model."""
    rows = stimuli[(stimuli["intended_target"] == "") | stimuli["intended_target"].isin(columns)]
    targets = sorted(set(rows["intended_target"]) - {""})
    if not targets or len(columns) < 2:
        raise InputError(
            role, f"scores of {', '.join(columns) or 'nothing'}", "those of an intended target and of another"
        )
    names = [*targets, *(name for name in columns if name not in targets)]
    shifts = scene_shifts(rows, [columns[name] for name in names])
    tests: list[TargetShift] = []
    cells: list[ShiftCell] = []
    absent: dict[str, str] = {}
    for target in targets:
        try:
            tests.append(target_shift(shifts, target, names.index(target)))
            cells += shift_cells(shifts, target, names)
        except InputError as reason:
            absent[target] = f"{reason.problem}; expected: {reason.expected}"
    adjusted = holm([1.0 if test.specificity.p is None else test.specificity.p for test in tests])
    own = {target: names.index(target) for target in targets}
    return {
        "role": role,
        **_provenance(rows, columns, sources),
        "comparison": shifts.comparison,
        "left_out": shifts.left_out,
        "overall": overall_specificity(shifts, own),
        "targets": [
            {**dataclasses.asdict(test), "p_holm": p} for test, p in zip(tests, adjusted, strict=True)
        ],
        "absent": absent,
        "matrix": cells,
        **_model(rows, [columns[target] for target in targets], targets),
    }


def _provenance(rows: pd.DataFrame, columns: dict[str, str], sources: ScoreSources) -> dict[str, Any]:
    """Say what the weights of these scores have to do with those that guided the images."""
    recipes = [name for name in rows.loc[rows["direction"] != 0, "recipe_digest"] if name]
    scores = [column.removeprefix("score_") for column in columns.values()]
    relations = {score: sources.relation(score, recipes) for score in scores}
    same = {sources.same_features(score, recipes) for score in scores}
    relation = worst(relations.values()) if len(recipes) else "unknown"
    return {
        "relation": relation,
        "evidence": relation == "independent",
        "relations": relations,
        "same_features": None if None in same else True in same,
    }


def _model(rows: pd.DataFrame, columns: Sequence[str], targets: Sequence[str]) -> dict[str, Any]:
    try:
        return {"model": specificity_model(rows, columns, targets), "model_absent": None}
    except InputError as reason:
        return {"model": None, "model_absent": f"{reason.problem}; expected: {reason.expected}"}


def _strongest(result: Result) -> Result:
    """Return the set of scores that says most: independent ones before those that guided."""
    return max(result["sets"], key=lambda row: (row["evidence"], row["role"] == "judges"))


def _sentence(row: Result, alpha: float) -> str:
    test = row["overall"]
    called, why = VERDICTS[row["relation"]]
    p = "" if test["p"] is None else f", {p_text(test['p'])}"
    significant = test["p"] is not None and test["p"] <= alpha
    if not significant:
        what = "images did not raise the predicted response of their own target beyond that of other targets"
    elif test["estimate"] > 0:
        what = "images raised the predicted response of their own target more than that of other targets"
    else:
        what = "images raised the predicted response of their own target less than that of other targets"
    interval = span(test["low"], test["high"])
    return f"{called} ({why}): {what} ({signed(test['estimate'])} SD, 95 % CI {interval}{p})."


def _headline(result: Result, alpha: float) -> str | None:
    if not result["units"]["participants"]:
        return None  # a report without answers says first that no question could be answered
    return f"Predicted responses. {_sentence(_strongest(result), alpha)}"


def _key_number(result: Result) -> KeyNumber | None:
    row = _strongest(result)
    if not row["evidence"]:
        return None
    test = row["overall"]
    return KeyNumber(
        "on minus off target", f"{signed(test['estimate'])} SD", f"independent judge, 95 % {_span(test)}"
    )


def _span(test: Result) -> str:
    return span(test["low"], test["high"])


def _paragraphs(result: Result) -> tuple[str, ...]:
    units = result["units"]
    said = [f"{units['stimuli']} images of {units['scenes']} base scenes in {units['themes']} themes."]
    for row in sorted(result["sets"], key=lambda row: not row["evidence"]):
        called, why = VERDICTS[row["relation"]]
        test = row["overall"]
        p = "" if test["p"] is None else f", t({test['df']:.0f}) = {test['t']:.2f}, {p_text(test['p'])}"
        said.append(
            f"{called}: {why}. Shift on target minus shift off target {signed(test['estimate'])} SD "
            f"(95 % CI {_span(test)}{p}; {test['themes']} themes){_features(row)}."
        )
    if not any(row["evidence"] for row in result["sets"]):
        said.append(
            "There are no scores by encoder subjects who are known to have guided none of the images, so "
            "that nothing here is evidence that a brain would respond more."
        )
    return tuple(said)


def _features(row: Result) -> str:
    if not row["evidence"] or not row["same_features"]:
        return ""
    return (
        "; the judges read the same image features as the guides, so that what misleads these misleads both"
    )


def _section(title: str, result: Result) -> Section:
    rows = tuple(
        (
            row["role"],
            test["target"],
            signed(test["on"]["estimate"]),
            signed(test["off"]["estimate"]),
            signed(test["specificity"]["estimate"]),
            _span(test["specificity"]),
            t_cell(test["specificity"]["t"], test["specificity"]["df"]),
            p_cell(test["specificity"]["p"]),
            "" if test["specificity"]["p"] is None else p_cell(test["p_holm"]),
        )
        for row in result["sets"]
        for test in row["targets"]
    )
    head = ("weights", "target", "on", "off", "on - off", "95 % interval", "t (df)", "p", "p Holm")
    models = tuple(
        (
            row["role"],
            signed(row["model"]["estimate"]),
            _span(row["model"]),
            t_cell(row["model"]["t"], row["model"]["df"]),
            p_cell(row["model"]["p"]) + (" †" if row["model"]["singular"] else ""),
        )
        for row in result["sets"]
        if row["model"]
    )
    model_head = ("weights", "on - off", "95 % interval", "t (df)", "p")
    tables = (
        Table(head, rows, text=(0, 1)),
        Table(model_head, models, folded="The same by one mixed model"),
    )
    return Section(
        title=title,
        paragraphs=_paragraphs(result),
        figures=tuple(Picture(_figure_name(row), _caption(row)) for row in result["sets"] if row["matrix"]),
        tables=tuple(table for table in tables if table.rows),
        items=tuple(_absences(result)),
        notes=(
            "In standard deviations of the reference images. Off: mean over all other scores of the set. "
            "Intervals and p by t over themes; p not below what so few themes allow. Where a matched set was "
            "selected by the same scores, the selection raises them too; an export does not say by whose "
            "scores pairs were selected. † A variance was estimated as zero.",
        ),
    )


def _absences(result: Result) -> list[str]:
    said = [f"Scores of {role} were not tested: {reason}." for role, reason in result["absent"].items()]
    for row in result["sets"]:
        said += [f"{row['role']}, {name}: not tested: {reason}." for name, reason in row["absent"].items()]
        if row["model_absent"]:
            said.append(f"{row['role']}: no mixed model: {row['model_absent']}.")
        if row["left_out"]:
            said.append(
                f"{row['role']}: {row['left_out']} scenes by target lack images to compare, or scores."
            )
    return said


def _figure_name(row: Result) -> str:
    return f"on_off_{row['role']}"


def _caption(row: Result) -> str:
    called, _ = VERDICTS[row["relation"]]
    other = "guided down" if row["comparison"] == UP_DOWN else "not guided"
    return (
        f"Scores by the {row['role']} ({called[0].lower()}{called[1:]}): images guided up minus images "
        f"{other}, within scenes, in SD of the reference images; means over themes with 95 % intervals. "
        "Bold: the intended target."
    )


def _figures(result: Result) -> dict[str, Figure]:
    return {_figure_name(row): shift_matrix(row["matrix"]) for row in result["sets"] if row["matrix"]}


def _methods(_: Result) -> str:
    return (
        "Predicted responses of the images: within every scene, mean score of images guided up for a target "
        "minus that of images guided down (or of unguided ones), averaged within themes; shift of the "
        "target’s own score minus the mean shift of the others, t over themes, Holm over targets. Beside it "
        "a linear mixed model (REML) of the scores on region by direction by on or off target, with images, "
        "scenes and themes (intercepts, and themes’ slopes) random. Encoder subjects are held fixed. Whose "
        "weights judged and guided is read from the recipes, targets and encoders of the export."
    )


QUESTION = Question(
    name="on_off",
    title="Do images raise the predicted response of their own target more than that of others?",
    order=42,
    work=0.05,
    run=_run,
    section=_section,
    methods=_methods,
    figures=_figures,
    headline=_headline,
    key_number=_key_number,
)
