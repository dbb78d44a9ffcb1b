"""Do people choose the photograph that is higher in a norm, or in a predicted response?

Unit: participants, and pairs that share photographs or themes; both random. Photographs differ in more than
the norm by which they were paired, so that everybody's choices of a pair agree, and so do choices of pairs
that have a photograph in common. A binomial test over trials, or one over participants alone, takes these for
independent.

Nobody manipulated photographs: a share above one half says that choices go with the norm, not that the norm
makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from almond.analysis.questions.base import Aim, Context, EffectEstimate, NotApplicable, Question, Result
from almond.analysis.trial_tables.choice_trials import count_undecided
from almond.analysis.trial_tables.photograph_trials import (
    FROM_LIST,
    NORMS,
    PAIRED,
    SCORES,
    PhotographTrials,
    choices_of_photographs,
    compared_photographs,
)
from almond.errors import InputError
from almond.progress import Progress, Silent
from almond.report.document import KeyNumber, Picture, Section, Table
from almond.report.figures_style import dot_with_interval, new_forest
from almond.report.wording import p_cell, p_text, percent, percent_span, t_cell
from almond.stats.multiple import holm
from almond.stats.two_way import TwoWayTest

NAME = "photograph_choices"
FAMILIES = {PAIRED: "what photographs were paired by", SCORES: "predicted responses", NORMS: "norms"}
"""Tested together, each by itself; the first that there is answers the question."""


def row_of(trials: PhotographTrials, test: TwoWayTest) -> dict[str, Any]:
    """Return the values of one test."""
    return {
        "family": trials.family,
        "predictor": trials.predictor,
        "construct": trials.construct,
        "share": test.estimate,
        "se": test.se,
        "t": test.t,
        "df": test.df,
        "p": test.p,
        "low": max(0.0, test.low),
        "high": min(1.0, test.high),
        "limited": test.limited,
        "trials": len(trials.followed),
        "participants": test.participants,
        "pairs": trials.pairs,
        "alike": trials.alike,
    }


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    rows = choices_of_photographs(context)
    tests, absent = [], {}
    for trials in compared_photographs(context):
        try:
            tests.append(row_of(trials, trials.test()))
        except InputError as error:
            absent[f"{trials.construct}, {higher_words(trials.family, trials.predictor)}"] = str(error)
    if not tests:
        reasons = "; ".join(absent.values())
        raise NotApplicable(
            reasons or "the plan calls no photograph of a pair the higher, and there are no scores or norms"
        )
    for family in FAMILIES:
        own = [row for row in tests if row["family"] == family]
        for row, p in zip(own, holm([row["p"] for row in own]), strict=True):
            row["p_holm"] = p
    progress.report(1.0, "choices between photographs")
    undecided = count_undecided(context, photographs=True)
    shown = {frozenset(pair) for pair in zip(rows["left_stimulus"], rows["right_stimulus"], strict=True)}
    themes = dict(zip(context.data.stimuli["stimulus_id"], context.data.stimuli["theme"], strict=True))
    return {
        "units": {
            "participants": int(rows["participant_id"].nunique()),
            "pairs": len(shown),
            "stimuli": len(set().union(*shown)),
            "themes": len({themes[name] for pair in shown for name in pair}),
        },
        "unit": "participants, and pairs that share photographs or themes, both random",
        "trials": len(rows),
        "left_share": float((rows["chosen"] == "left").mean()),
        "tests": tests,
        "absent": absent,
        **({} if undecided is None else {"no_difference": undecided}),
    }


def primary_rows(result: Result) -> list[Result]:
    """Return the tests of the family that answers the question."""
    present = {row["family"] for row in result["tests"]}
    family = next(family for family in FAMILIES if family in present)
    return [row for row in result["tests"] if row["family"] == family]


def _strongest(rows: Sequence[Result]) -> Result:
    return min(rows, key=lambda row: (row["p_holm"], row["p"]))


def _p(result: Result) -> float:
    return float(_strongest(primary_rows(result))["p_holm"])


def _estimate(result: Result, aim: Aim) -> EffectEstimate | None:
    """Return the estimate of a construct, of a predicted response (as target), or of the strongest test."""
    rows = primary_rows(result)
    if aim.target is not None:
        rows = [row for row in result["tests"] if (row["family"], row["predictor"]) == (SCORES, aim.target)]
    if aim.construct is not None:
        rows = [row for row in rows if row["construct"] == aim.construct]
    if not rows:
        return None
    row = _strongest(rows)
    p = row["p_holm"] if len(rows) > 1 else row["p"]
    return EffectEstimate(row["share"], 0.5, p, row["low"], row["high"], row["se"], row["df"])


def _retest(context: Context) -> EffectEstimate:
    row = _strongest(primary_rows(_run(context, Silent())))
    return EffectEstimate(row["share"], 0.5, row["p_holm"], row["low"], row["high"])


def higher_words(family: str, predictor: str) -> str:
    """Name the photograph that is higher in something."""
    if family == SCORES:
        return f"the photograph with the higher predicted response of {predictor}"
    if family == PAIRED and predictor == FROM_LIST:
        return "the photograph that the list of pairs calls the higher"
    return f"the photograph with the higher {predictor}"


def followed_words(row: Result) -> str:
    """Name what choices follow, in a sentence."""
    if row["family"] == PAIRED and row["predictor"] == FROM_LIST:
        return "what the list of pairs expects"
    return (
        f"the predicted response of {row['predictor']}" if row["family"] == SCORES else str(row["predictor"])
    )


def _headline(result: Result, alpha: float) -> str:
    rows = primary_rows(result)
    row = _strongest(rows)
    what = followed_words(row)
    if row["p_holm"] > alpha:
        start = f"Choices between photographs did not follow {what} beyond chance"
    elif row["share"] > 0.5:
        start = f"Choices between photographs followed {what}"
    else:
        start = f"Choices between photographs went against {what}"
    several = f", over {len(rows)} tests {p_text(row['p_holm'])}" if len(rows) > 1 else ""
    return (
        f"{start}: asked about {row['construct']}, participants chose "
        f"{higher_words(row['family'], row['predictor'])} in {percent(row['share'])} of trials "
        f"(95 % CI {percent_span(row['low'], row['high'])}; t({row['df']:.0f}) = {row['t']:.2f}, "
        f"{p_text(row['p'])}{several})."
    )


def _key_number(result: Result) -> KeyNumber:
    row = _strongest(primary_rows(result))
    interval = percent_span(row["low"], row["high"])
    name = "the list’s" if row["predictor"] == FROM_LIST else f"higher {row['predictor']}"
    return KeyNumber(f"{name} chosen", percent(row["share"]), f"95 % interval {interval}, chance 50 %")


def _section(title: str, result: Result) -> Section:
    units = result["units"]
    notes = []
    if any(row["limited"] for row in result["tests"]):
        notes.append("‡ The least p that the number of participants and independent pairs allows.")
    if any(row["alike"] for row in result["tests"]):
        notes.append(
            "Not counted: trials whose photographs do not differ in it, or of which one has no value."
        )
    notes.append("Photographs differ in more than what is tested: a share tells no cause.")
    undecided = result.get("no_difference")
    neither = f" “No difference” was the answer in {undecided} further trials." if undecided else ""
    return Section(
        title=title,
        paragraphs=(
            f"{result['trials']} choices by {units['participants']} participants between {units['pairs']} "
            f"pairs of {units['stimuli']} photographs of {units['themes']} themes. The left photograph was "
            f"chosen in {percent(result['left_share'])} of trials.{neither}",
        ),
        figures=(
            Picture(
                NAME,
                "Share of choices of the higher photograph with 95 % intervals, participants and pairs "
                "random, by what it is higher in and what was asked. Dashed: 50 %.",
            ),
        ),
        tables=tuple(
            _table(head, [row for row in result["tests"] if row["family"] == family])
            for family, head in FAMILIES.items()
            if any(row["family"] == family for row in result["tests"])
        ),
        items=tuple(f"Not tested: {name}: {reason}." for name, reason in result["absent"].items()),
        notes=tuple(notes),
    )


def _table(head: str, rows: Sequence[Result]) -> Table:
    cells = tuple(
        (
            row["predictor"],
            row["construct"],
            percent(row["share"]),
            percent_span(row["low"], row["high"]),
            t_cell(row["t"], row["df"]),
            p_cell(row["p"]) + (" ‡" if row["limited"] else ""),
            p_cell(row["p_holm"]),
        )
        for row in rows
    )
    columns = (head, "asked", "higher chosen", "95 % interval", "t (df)", "p", "p Holm")
    return Table(columns, cells, text=(0, 1))


def _figures(result: Result) -> dict[str, Figure]:
    rows = result["tests"]
    names = [f"{row['predictor']} · {row['construct']}" for row in rows]
    figure, axes = new_forest(names, 0.27, reference=0.5)
    for y, row in enumerate(rows):
        dot_with_interval(axes, y, row["share"], row["low"], row["high"], size=6.0)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("share, 95 % interval")
    return {NAME: figure}


def _methods(_: Result) -> str:
    return (
        "Choices between photographs: the share of trials in which the photograph that is higher (in the "
        "norm by which the pairs were made, by the list of pairs, in a predicted response, in another "
        "norm) was chosen, tested against one half by t with participants and pairs random. The variance "
        "is two-way clustered: participants, plus pairs, minus both, not below the larger of the two; "
        "pairs that share a photograph or a theme are correlated (dyadic-robust variance; Fafchamps & "
        "Gubert, 2007; Aronow, Samii & Assenova, 2015). Its small-sample factor and degrees of freedom are "
        "those of a model in which half of a pair’s variance is that of its photographs (Bell & McCaffrey, "
        "2002). Holm within each of these families."
    )


QUESTION = Question(
    name=NAME,
    title="Do people choose the photograph that is higher?",
    order=34,
    work=0.05,
    run=_run,
    confirm=lambda context: _p(_run(context, Silent())),
    section=_section,
    methods=_methods,
    figures=_figures,
    p=_p,
    estimate=_estimate,
    headline=_headline,
    key_number=_key_number,
    retest=_retest,
)
