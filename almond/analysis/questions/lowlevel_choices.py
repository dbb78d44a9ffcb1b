"""Are choices aligned with the manipulation where the two images do not differ in low-level features?

Unit: participants and themes, both random. Aligned choices are regressed on the signed low-level differences
of the pair and on the screen's side: the intercept is the share of aligned choices at no difference, between
the sides. It extrapolates where the manipulation always moves a feature in one direction, and its interval
says so.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from almond.analysis.lowlevel.choices import (
    AlignmentBeside,
    PairTrials,
    alignment_beside,
    choice_trials,
    differences_test,
    score_differences,
    score_test,
    side_test,
)
from almond.analysis.lowlevel.features import feature_table
from almond.analysis.questions.base import (
    Context,
    NotApplicable,
    Question,
    Result,
    count_units,
    estimate_in,
    units_text,
)
from almond.analysis.questions.classification import f_text
from almond.analysis.trial_tables.choice_trials import tested_choices
from almond.analysis.vocabulary import GUIDED, Vocabulary
from almond.errors import InputError
from almond.progress import Progress
from almond.report.document import Picture, Section, Table
from almond.report.figures_style import SECOND, dot_with_interval, new_forest
from almond.report.wording import p_cell, p_text, percent, percent_span, signed, span, t_cell
from almond.stats.clustered.components import UNITS_PER_COMPONENT
from almond.stats.clustered.regression import SlopeTest
from almond.stats.multiple import holm


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    features = feature_table(context.data.stimuli)
    rows = tested_choices(context)
    measured = rows["left_stimulus"].isin(features.index) & rows["right_stimulus"].isin(features.index)
    left_out = int((~measured).sum())
    rows = rows[measured].reset_index(drop=True)
    if not len(rows):
        raise NotApplicable("no choice was between two images with low-level features")
    trials = choice_trials(rows, features)
    progress.report(0.3, "choices at no low-level difference")
    targets, absent = _by_target(rows, features)
    scores, untested = _scores(context.words, trials, context.data.stimuli)
    return {
        "units": count_units(rows) | {"stimuli": 2 * int(rows["pair_id"].nunique())},
        "unit": "participants and themes, both random",
        "features": trials.covariates.names,
        "without_features": left_out,
        "overall": alignment_beside(trials),
        "targets": targets,
        "absent": absent,
        "differences": differences_test(trials),
        "side": side_test(trials),
        "score": scores,
        "score_absent": untested,
    }


def _by_target(rows: pd.DataFrame, features: pd.DataFrame) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Test each target's choices by themselves; give the reason where they allow no test."""
    tests: list[AlignmentBeside] = []
    absent: dict[str, str] = {}
    for target in sorted(set(rows["intended_target"])):
        own = rows[rows["intended_target"] == target].reset_index(drop=True)
        try:
            tests.append(alignment_beside(choice_trials(own, features), target))
        except (InputError, NotApplicable) as reason:
            absent[target] = str(reason)
    adjusted = holm([test.p for test in tests])
    table = [{**dataclasses.asdict(test), "p_holm": p} for test, p in zip(tests, adjusted, strict=True)]
    return table, absent


def _scores(
    words: Vocabulary, trials: PairTrials, stimuli: pd.DataFrame
) -> tuple[dict[str, SlopeTest] | None, str]:
    """Test the difference of predicted scores, alone and beside the low-level differences."""
    scores = score_differences(trials.rows, stimuli)
    if scores is None:
        return None, words.unscored
    try:
        return {
            "alone": score_test(trials, scores, adjusted=False),
            "adjusted": score_test(trials, scores, adjusted=True),
        }, ""
    except InputError as reason:
        return None, str(reason)


def _t_text(row: Result) -> str:
    return f"t({row['df']:.0f}) = {row['t']:.2f}, {p_text(row['p'])}"


def _headline(words: Vocabulary, result: Result, alpha: float) -> str:
    overall = result["overall"]
    if overall["p"] > alpha:
        start = words.beside[0]
    elif overall["at_zero"] > 0.5:
        start = words.beside[1]
    else:
        start = words.beside[2]
    interval = percent_span(overall["low"], overall["high"])
    return (
        f"{start}: between {words.images} without such a difference, "
        f"{words.at_zero} is expected to be chosen in {percent(overall['at_zero'])} of trials (95 % "
        f"CI {interval}; "
        f"{_t_text(overall)})."
    )


def _tests(result: Result) -> list[tuple[str, Result]]:
    return [("all", result["overall"]), *((row["target"], row) for row in result["targets"])]


def _section(words: Vocabulary, title: str, result: Result) -> Section:
    overall = result["overall"]
    count = overall["components"]
    noun = "component" if count == 1 else "components"
    return Section(
        title=title,
        paragraphs=(
            f"{overall['trials']} choices by {units_text(result['units'], words)}. The signed differences of "
            f"{len(result['features'])} features between the {words.images} of a pair stand as "
            f"{count} principal "
            f"{noun} ({percent(overall['explained'])} of their squares). Do they explain which choices are "
            f"{words.aligned}? {f_text(result['differences'])}. Where {words.high} is on the left, "
            f"the share of {words.aligned_choices} changes by {signed(result['side']['estimate'])} "
            f"({_t_text(result['side'])}). {_score_text(words, result)}",
            words.direct,
        ),
        figures=(
            Picture(
                "lowlevel_choices",
                f"Filled: share of {words.aligned_choices} expected at no low-level difference, with "
                "its 95 % "
                "interval. Hollow: observed share. Dashed: 50 %.",
            ),
        ),
        items=(
            *(f"Not tested: {name}: {reason}." for name, reason in result["absent"].items()),
            *(
                [f"{result['without_features']} choices between images without features are left out."]
                if result["without_features"]
                else []
            ),
        ),
        tables=(_share_table(words, result),),
        notes=_notes(words, result),
    )


def _score_text(words: Vocabulary, result: Result) -> str:
    if result["score"] is None:
        return f"Predicted responses as a predictor: not tested ({result['score_absent']})."
    alone, adjusted = result["score"]["alone"], result["score"]["adjusted"]
    return (
        f"Per standard deviation of difference in predicted response, within {words.groups}, the share of "
        f"{words.aligned_choices} changes by {signed(alone['estimate'])} (95 % CI "
        f"{span(alone['low'], alone['high'])}; "
        f"{_t_text(alone)}), beside low-level differences by {signed(adjusted['estimate'])} "
        f"({_t_text(adjusted)})."
    )


def _share_table(words: Vocabulary, result: Result) -> Table:
    rows = tuple(
        (
            name,
            percent(row["share"]),
            percent(row["at_zero"]),
            percent_span(row["low"], row["high"]),
            t_cell(row["t"], row["df"]),
            p_cell(row["p"]) + (" ‡" if row["limited"] else ""),
            p_cell(row["p_holm"]) if "p_holm" in row else "",
        )
        for name, row in _tests(result)
    )
    return Table((words.group, words.aligned, "at no difference", "95 %", "t (df)", "p", "p Holm"), rows)


def _notes(words: Vocabulary, result: Result) -> tuple[str, ...]:
    limited = any(row["limited"] for _, row in _tests(result))
    least = ("‡ The least p that the number of participants and themes allows.",) if limited else ()
    return (
        f"At no difference: the intercept of a linear regression of {words.aligned_choices}, which "
        "need not lie "
        "between 0 and 1; the interval ends there. It extrapolates where all pairs differ in one direction.",
        *least,
    )


def _figures(words: Vocabulary, result: Result) -> dict[str, Figure]:
    """Draw shares at no difference (filled, with intervals) and observed ones (hollow)."""
    tests = _tests(result)
    figure, axes = new_forest(["all choices", *(name for name, _ in tests[1:])], 0.36, reference=50.0)
    for y, (_, row) in enumerate(tests):
        middle, low, high = (100 * row[end] for end in ("at_zero", "low", "high"))
        dot_with_interval(axes, y - 0.1, middle, low, high, size=8.5 if y == 0 else 6.5)
        dot_with_interval(axes, y + 0.16, 100 * row["share"], None, None, color=SECOND, hollow=True, size=5.5)
    axes.set_xlim(min(-2, *(100 * row["at_zero"] - 3 for _, row in tests)), 104)
    axes.set_xlabel(f"{words.aligned_choices}, %")
    return {"lowlevel_choices": figure}


def _methods(words: Vocabulary, _: Result) -> str:
    return (
        f"Choices and low-level features: linear regression of {words.aligned} (0 or 1) on the "
        "differences of "
        f"features between {words.expected} and the other, as "
        f"principal components about zero (one for every {UNITS_PER_COMPONENT} themes, a number that no "
        "choice decides), and on the screen’s side. The intercept is the share of "
        f"{words.aligned_choices} at no "
        "difference; it is tested against one half by t, participants and themes random (two-way clustered "
        "covariance, both parts by jackknife; MacKinnon, Nielsen & Webb, 2023), degrees of freedom from the "
        "smaller number of units, less one, and one less for each component. The differences are tested "
        "jointly by F with Box’s approximation, the difference of predicted responses within "
        f"{words.groups} by t. " + words.direct
    )


def _worded(words: Vocabulary) -> Question:
    return Question(
        name="lowlevel_choices",
        title=words.aligned_beside,
        order=35,
        work=0.05,
        run=_run,
        section=partial(_section, words),
        methods=partial(_methods, words),
        figures=partial(_figures, words),
        p=lambda result: float(result["overall"]["p"]),
        estimate=lambda result, aim: estimate_in(dict(_tests(result)), aim, value="at_zero", null=0.5),
        headline=partial(_headline, words),
        in_words=_worded,
    )


QUESTION = _worded(GUIDED)
