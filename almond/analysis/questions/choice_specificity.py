"""Do people see what a question asks about in the pairs of its own target more than in those of others?

One question is asked of the pairs of all targets: where people follow it in every pair, the manipulation is
seen, but not which region it was for. The test is the difference of two shares of aligned choices, in pairs
of the question's own target and in pairs of the others. Where several questions with targets of their own are
asked, it is beyond what any question and any target has in general. Unit: participants and themes, both
random; the same people and themes are on both sides of the difference.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from almond.analysis.questions.base import (
    Aim,
    Context,
    EffectEstimate,
    Question,
    Result,
    count_units,
    estimate_in,
    units_text,
)
from almond.analysis.trial_tables.choice_trials import compared_choices
from almond.analysis.vocabulary import GUIDED, Vocabulary
from almond.errors import InputError
from almond.progress import Progress
from almond.report.document import KeyNumber, Picture, Section, Table
from almond.report.figures_style import ACCENT, SECOND, dot_with_interval, new_forest
from almond.report.wording import p_cell, p_text, percent, signed, span, t_cell
from almond.stats.clustered.regression import RegressionColumns, effects, slope_test
from almond.stats.multiple import holm
from almond.typing import Floats

NAME = "choice_specificity"
MIN_PARTICIPANTS, MIN_THEMES = 2, 3


@dataclass(frozen=True)
class Specificity:
    """Share of aligned choices in pairs of a question's own target less that in pairs of other targets.

    ``difference`` lies in -1 to 1, with ``se`` to ``limited`` as in ``regression.SlopeTest``; ``own`` and
    ``other`` are the observed shares.
    """

    construct: str | None
    target: str | None
    own: float
    other: float
    difference: float
    se: float
    t: float
    df: float
    p: float
    low: float
    high: float
    limited: bool
    trials: int


def specificity(rows: pd.DataFrame, own: Mapping[str, str], construct: str | None = None) -> Specificity:
    """Test the difference over all choices, or over those of one construct.

    :param rows: ``participant_id``, ``theme``, ``construct``, ``intended_target``, ``aligned`` (0 or 1).
    :param own: target by construct.
    :raises InputError: too few units, or a side of the difference that has no choices, or in one of them.
    """
    if construct is not None:
        rows = rows[rows["construct"] == construct]
    people, themes = rows["participant_id"].nunique(), rows["theme"].nunique()
    if people < MIN_PARTICIPANTS or themes < MIN_THEMES:
        raise InputError(
            f"choices of {construct}" if construct else "choices",
            f"{people} participants, {themes} themes",
            f"at least {MIN_PARTICIPANTS} and {MIN_THEMES}",
        )
    aligned = rows["aligned"].to_numpy(dtype=np.float64)
    is_own = (rows["construct"].map(own) == rows["intended_target"]).to_numpy()
    sides = np.where(is_own, 0.5, -0.5)[:, None]
    columns = RegressionColumns(
        sides, _beside(rows, sides), rows["participant_id"].to_numpy(), rows["theme"].to_numpy()
    )
    test = slope_test(effects(aligned[:, None], columns), step=1.0)
    return Specificity(
        construct=construct,
        target=None if construct is None else own[construct],
        own=float(aligned[is_own].mean()),
        other=float(aligned[~is_own].mean()),
        difference=test.estimate,
        se=test.se,
        t=test.t,
        df=test.df,
        p=test.p,
        low=max(-1.0, test.low),
        high=min(1.0, test.high),
        limited=test.limited,
        trials=len(rows),
    )


def _beside(rows: pd.DataFrame, sides: Floats) -> Floats:
    """Return indicators of questions and, where they leave the difference its own, of targets (n, q)."""
    questions = pd.get_dummies(rows["construct"]).to_numpy(dtype=np.float64)
    targets = pd.get_dummies(rows["intended_target"]).to_numpy(dtype=np.float64)[:, 1:]
    both = np.hstack([questions, targets])
    told_apart = np.linalg.matrix_rank(np.hstack([both, sides])) > np.linalg.matrix_rank(both)
    independent = np.linalg.matrix_rank(both) == both.shape[1]
    return both if told_apart and independent else questions


def shares(rows: pd.DataFrame, own: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the share of aligned choices of every question in the pairs of every target."""
    table = rows.groupby(["construct", "intended_target"])["aligned"].agg(["mean", "size"])
    return [
        {"construct": name, "target": target, "own": own[name] == target, "share": mean, "trials": int(size)}
        for (name, target), mean, size in table.itertuples(name=None)
    ]


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    rows, own = compared_choices(context)
    overall = specificity(rows, own)
    tests, absent = [], {}
    for name in sorted(set(rows["construct"])):
        try:
            tests.append(specificity(rows, own, name))
        except InputError as error:
            absent[name] = str(error)
    progress.report(1.0, "choices of own and other targets")
    adjusted = holm([test.p for test in tests])
    return {
        "units": count_units(rows) | {"stimuli": 2 * int(rows["pair_id"].nunique())},
        "unit": "participants and themes, both random",
        "overall": overall,
        "constructs": [
            {**dataclasses.asdict(test), "p_holm": p} for test, p in zip(tests, adjusted, strict=True)
        ],
        "absent": absent,
        "shares": shares(rows, own),
    }


def _confirm(context: Context) -> float:
    return specificity(*compared_choices(context)).p


def _retest(context: Context) -> EffectEstimate:
    test = specificity(*compared_choices(context))
    return EffectEstimate(test.difference, 0.0, test.p, test.low, test.high)


def _estimate(result: Result, aim: Aim) -> EffectEstimate | None:
    """Return the estimate of the whole test, or of the question that a construct or a target names."""
    rows = {"all": result["overall"]}
    for row in result["constructs"]:
        rows |= {row["construct"]: row, row["target"]: row}
    return estimate_in(rows, Aim(target=aim.construct or aim.target), value="difference", null=0.0)


def _points(value: float) -> str:
    return f"{signed(100 * value, 0)} points"


def _headline(result: Result, alpha: float) -> str:
    overall = result["overall"]
    if overall["p"] > alpha:
        start = "Choices did not tell a question’s own target from the others beyond chance"
    elif overall["difference"] > 0:
        start = "Choices followed a question more in the pairs of its own target than in those of others"
    else:
        start = "Choices followed a question less in the pairs of its own target than in those of others"
    interval = f"{signed(100 * overall['low'], 0)} to {signed(100 * overall['high'], 0)}"
    return (
        f"{start}: {percent(overall['own'])} against {percent(overall['other'])} of choices were aligned "
        f"(difference {_points(overall['difference'])}, 95 % CI {interval}; "
        f"t({overall['df']:.0f}) = {overall['t']:.2f}, {p_text(overall['p'])})."
    )


def _key_number(result: Result) -> KeyNumber:
    overall = result["overall"]
    interval = span(100 * overall["low"], 100 * overall["high"], 0)
    return KeyNumber(
        "own less other targets", _points(overall["difference"]), f"95 % interval {interval}, no difference 0"
    )


def _tests(result: Result) -> list[tuple[str, Result]]:
    return [("all", result["overall"]), *((row["construct"], row) for row in result["constructs"])]


def _section(title: str, result: Result) -> Section:
    beyond = " Over all questions, the difference is beyond what any question and any target has in general."
    several = len(result["constructs"]) > 1
    return Section(
        title=title,
        paragraphs=(
            f"{result['overall']['trials']} choices by {units_text(result['units'])}, each question asked of "
            f"the pairs of its own target and of others.{beyond if several else ''}",
        ),
        figures=(
            Picture(
                NAME,
                "Share of aligned choices by question. Filled: pairs of its own target. Hollow: pairs of the "
                "others, one dot each. Dashed: 50 %.",
            ),
        ),
        items=tuple(f"Not tested: {name}: {reason}." for name, reason in result["absent"].items()),
        tables=(_difference_table(result), _share_table(result["shares"])),
        notes=(
            ("‡ The least p that the number of participants and themes allows.",)
            if any(row["limited"] for _, row in _tests(result))
            else ()
        ),
    )


def _difference_table(result: Result) -> Table:
    rows = tuple(
        (
            name,
            row.get("target") or "",
            percent(row["own"]),
            percent(row["other"]),
            signed(100 * row["difference"], 0),
            span(100 * row["low"], 100 * row["high"], 0),
            t_cell(row["t"], row["df"]),
            p_cell(row["p"]) + (" ‡" if row["limited"] else ""),
            p_cell(row["p_holm"]) if "p_holm" in row else "",
        )
        for name, row in _tests(result)
    )
    head = ("question", "target", "own", "others", "points", "95 % interval", "t (df)", "p", "p Holm")
    return Table(head, rows, text=(0, 1))


def _share_table(cells: Sequence[Result]) -> Table:
    targets = sorted({cell["target"] for cell in cells})
    found = {(cell["construct"], cell["target"]): cell for cell in cells}
    rows = tuple(
        (
            name,
            *(
                percent(found[name, target]["share"]) + (" *" if found[name, target]["own"] else "")
                if (name, target) in found
                else ""
                for target in targets
            ),
        )
        for name in sorted({cell["construct"] for cell in cells})
    )
    return Table(("aligned, by pairs of", *targets), rows, text=(0,))


def _figures(result: Result) -> dict[str, Figure]:
    names = [row["construct"] for row in result["constructs"]] or sorted(
        {cell["construct"] for cell in result["shares"]}
    )
    figure, axes = new_forest(names, 0.36, reference=50.0)
    for cell in result["shares"]:
        if cell["construct"] in names:
            own, y = cell["own"], names.index(cell["construct"])
            size, color = (8.5, ACCENT) if own else (6.0, SECOND)
            dot_with_interval(
                axes, y, 100 * cell["share"], None, None, color=color, hollow=not own, size=size
            )
    axes.set_xlim(-2, 102)
    axes.set_xlabel("aligned choices, %")
    return {NAME: figure}


def _methods(_: Result) -> str:
    return (
        "Own and other targets: linear regression of aligned choices (0 or 1) on whether the pair is one of "
        "the question’s own target, beside indicators of the questions and, where several questions have "
        "targets of their own, of the targets; the coefficient is the difference of shares, tested by t with "
        "participants and themes random (two-way clustered covariance, both parts by jackknife; MacKinnon, "
        "Nielsen & Webb, 2023), degrees of freedom from the smaller number of units, less one."
    )


def _worded(words: Vocabulary) -> Question:
    return Question(
        name=NAME,
        title=f"Do people see what a question asks about in the pairs of its own {words.group}?",
        order=32,
        work=0.02,
        run=_run,
        confirm=_confirm,
        section=_section,
        methods=_methods,
        figures=_figures,
        p=lambda result: float(result["overall"]["p"]),
        estimate=_estimate,
        headline=_headline,
        key_number=_key_number,
        retest=_retest,
        in_words=_worded,
    )


QUESTION = _worded(GUIDED)
