"""Are choices that people are sure of more often as expected?

Unit: participants; themes are held fixed, so that this says something about these pairs alone. Exploratory:
no plan can call it primary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from almond.analysis.questions.base import Context, NotApplicable, Question, Result
from almond.analysis.trial_tables.choice_trials import own_targets, sampled_choices
from almond.design.trials.choice import ChoiceBlock
from almond.progress import Progress
from almond.report.document import Picture, Section, Table
from almond.report.figures_style import dot_with_interval, new_forest
from almond.report.wording import percent, percent_span, signed, span
from almond.stats.ttest import TTest, one_sample

NAME = "confidence"
MIN_PARTICIPANTS = 2


def sure_choices(context: Context) -> pd.DataFrame:
    """Return the choices with a confidence of which one image is expected, with the ``points`` of its scale.

    Of a question that has a target of its own, these are the choices between its pairs.

    :raises NotApplicable: nobody was asked how sure they are, or no image is expected.
    """
    rows = sampled_choices(context)
    blocks = [block for block in context.data.plan.blocks if isinstance(block, ChoiceBlock)]
    points = {block.name: block.confidence for block in blocks if block.confidence}
    if "confidence" not in rows or not points:
        raise NotApplicable("nobody was asked how sure they are of a choice")
    own, targets = own_targets(context), rows["intended_target"]
    expected = [own.get(name, target) for name, target in zip(rows["construct"], targets, strict=True)]
    asked = rows["confidence"].notna() & rows["aligned"].notna() & rows["block"].isin(list(points))
    kept = rows[asked & (targets == expected)].reset_index(drop=True)
    if kept["participant_id"].nunique() < MIN_PARTICIPANTS:
        raise NotApplicable("fewer than two participants said how sure they are of such choices")
    return kept.assign(points=kept["block"].map(points))


def over_people(values: Sequence[float]) -> dict[str, Any]:
    """Return mean and 95 % t interval over participants; without interval where there is only one."""
    own = np.asarray(values, np.float64)
    if len(own) < MIN_PARTICIPANTS:
        return {"mean": float(own.mean()), "low": None, "high": None, "participants": len(own)}
    test: TTest = one_sample(own)
    return {"mean": test.estimate, "low": test.low, "high": test.high, "participants": len(own)}


def by_level(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield, for every answer of every scale, the share of expected choices over participants who gave it."""
    for _, own in rows.groupby(["points", "confidence"], sort=True):
        shares = own.groupby("participant_id")["aligned"].mean()
        yield {
            "points": int(own["points"].iloc[0]),
            "level": int(own["confidence"].iloc[0]),
            "choices": len(own),
            **over_people(shares.tolist()),
        }


def weighted_shares(rows: pd.DataFrame) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the share of expected choices, equally weighted and weighted by confidence, over participants.

    A choice weighs as much as its answer lies above the bottom of the scale, and half a point more, so that
    the lowest answers count for something.
    """
    weight = (rows["confidence"] - 0.5) / rows["points"]
    table = rows.assign(weight=weight, product=weight * rows["aligned"])
    people = table.groupby("participant_id")[["weight", "product", "aligned"]].agg(
        weight=("weight", "sum"), product=("product", "sum"), aligned=("aligned", "mean")
    )
    weighted = people["product"] / people["weight"]
    return over_people(people["aligned"].tolist()), over_people(weighted.tolist())


def gained_confidence(rows: pd.DataFrame) -> dict[str, Any] | None:
    """Return by how much, in shares of the scale, people are surer of expected than of other choices; None
    where fewer than two people made both."""
    level = (rows["confidence"] - 1.0) / (rows["points"] - 1.0)
    means = rows.assign(level=level).groupby(["participant_id", "aligned"])["level"].mean().unstack()
    if not {0.0, 1.0} <= set(means.columns.astype(float)):
        return None
    gaps = (means[1.0] - means[0.0]).dropna()
    return over_people(gaps.tolist()) if len(gaps) >= MIN_PARTICIPANTS else None


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    rows = sure_choices(context)
    equal, weighted = weighted_shares(rows)
    progress.report(1.0, "choices by confidence")
    return {
        "unit": "participants; themes held fixed",
        "units": {
            "participants": int(rows["participant_id"].nunique()),
            "themes": int(rows["theme"].nunique()),
            "pairs": int(rows["pair_id"].nunique()),
        },
        "choices": len(rows),
        "levels": list(by_level(rows)),
        "share": equal,
        "weighted": weighted,
        "gain": gained_confidence(rows),
    }


def _section(title: str, result: Result) -> Section:
    gain = result["gain"]
    surer = (
        f" People were surer of choices as expected than of others by {signed(100 * gain['mean'], 0)} % of "
        f"the scale (95 % interval {span(100 * gain['low'], 100 * gain['high'], 0)})."
        if gain
        else ""
    )
    equal, weighted = result["share"], result["weighted"]
    return Section(
        title=title,
        paragraphs=(
            f"{result['choices']} choices of {result['units']['participants']} participants. As expected "
            f"were {percent(equal['mean'])} of a participant’s choices "
            f"({percent_span(equal['low'], equal['high'])}), and {percent(weighted['mean'])} when each "
            f"counts by its confidence ({percent_span(weighted['low'], weighted['high'])}).{surer} All of "
            "this is exploratory.",
        ),
        figures=(
            Picture(
                NAME,
                "Share of choices as expected by confidence, mean over participants with 95 % interval. "
                "Dashed: 50 %.",
            ),
        ),
        tables=(
            Table(
                ("confidence", "choices", "participants", "as expected", "95 % interval"),
                tuple(
                    (
                        _level(row),
                        str(row["choices"]),
                        str(row["participants"]),
                        percent(row["mean"]),
                        ""
                        if row["low"] is None
                        else percent_span(max(0.0, row["low"]), min(1.0, row["high"])),
                    )
                    for row in result["levels"]
                ),
                text=(0,),
            ),
        ),
        notes=("Intervals are over participants; the pairs are held fixed.",),
    )


def _level(row: Result) -> str:
    return f"{row['level']} of {row['points']}"


def _figures(result: Result) -> dict[str, Figure]:
    rows = result["levels"]
    figure, axes = new_forest([_level(row) for row in rows], 0.3, reference=0.5)
    for y, row in enumerate(rows):
        low, high = (None, None) if row["low"] is None else (max(0.0, row["low"]), min(1.0, row["high"]))
        dot_with_interval(axes, y, row["mean"], low, high, size=6.0)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("share of choices as expected")
    return {NAME: figure}


def _methods(_: Result) -> str:
    return (
        "Confidence (exploratory): shares of choices as expected by confidence, equally weighted and "
        "weighted by confidence, and the difference in confidence between choices as expected and others, "
        "each first within participants, then by t over participants; pairs are held fixed."
    )


QUESTION = Question(
    name=NAME,
    title="Are choices that people are sure of more often as expected?",
    order=38,
    work=0.02,
    run=_run,
    section=_section,
    methods=_methods,
    figures=_figures,
)
