"""How reliable are the ratings? Agreement of raters (ICC), halves of the participants, repeated showings.

Split halves bound what any analysis can find: a profile that half of the participants does not share with the
other half cannot separate regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from almond.analysis.questions.base import Context, NotApplicable, Question, Result, count_units, units_text
from almond.analysis.vocabulary import EXTERNAL, GUIDED, Vocabulary
from almond.errors import InputError
from almond.progress import Part, Progress
from almond.report.document import KeyNumber, Picture, Section, Table
from almond.report.figures_style import SECOND, dot_with_interval, new_forest
from almond.report.wording import decimal, percent, span
from almond.stats.icc import IntraclassCorrelation, intraclass
from almond.typing import Floats

SPLITS = 1000
MIN_STIMULI = 3
MIN_PARTICIPANTS = 4
MIN_REPEATS = 10


@dataclass(frozen=True)
class RepeatAgreement:
    """First against second showing of the same image to the same participant.

    ``r``: Pearson correlation of ratings standardised within participant, None when it is not defined.
    ``difference``: mean absolute difference in points of the 0 to 100 scale.
    """

    construct: str
    pairs: int
    participants: int
    r: float | None
    difference: float


@dataclass(frozen=True)
class SplitHalf:
    """Correlation of stimulus means between random halves of the participants, and its Spearman-Brown
    correction to all participants: mean over splits with the central 95 percent of splits."""

    construct: str
    stimuli: int
    participants: int
    splits: int
    seed: int
    r: float
    reliability: float
    low: float
    high: float


def repeat_agreement(ratings: pd.DataFrame, constructs: Sequence[str]) -> list[RepeatAgreement]:
    """Compute the agreement of repeated showings per construct, from ratings with ``z``.

    Constructs with fewer than 10 repeated ratings are left out.
    """
    keys = ["participant_id", "stimulus_id", "construct"]
    first = ratings[ratings["repeat"] == 0].drop_duplicates(keys)
    again = ratings[ratings["repeat"] == 1].drop_duplicates(keys)
    both = first.merge(again, on=keys, suffixes=("_first", "_again"))
    agreements = []
    for construct in constructs:
        rows = both[both["construct"] == construct]
        if len(rows) < MIN_REPEATS:
            continue
        x, y = rows["z_first"].to_numpy(dtype=float), rows["z_again"].to_numpy(dtype=float)
        points = float((rows["value_first"] - rows["value_again"]).abs().mean())
        r = float(np.corrcoef(x, y)[0, 1]) if min(x.std(), y.std()) > 1e-9 else None
        people = rows["participant_id"].nunique()
        agreements.append(RepeatAgreement(construct, len(rows), people, r, points))
    return agreements


def spearman_brown(r: Floats) -> Floats:
    """Compute the reliability of the whole from the correlation of its halves: 2r / (1 + r)."""
    whole: Floats = 2.0 * r / (1.0 + r)
    return whole


def split_half(
    ratings: pd.DataFrame,
    constructs: Sequence[str],
    *,
    rng: np.random.Generator,
    seed: int,
    splits: int = SPLITS,
) -> list[SplitHalf]:
    """Compute the split-half reliability of stimulus means per construct, from ratings with ``z``.

    ``rng`` draws ``splits`` halvings of the participants, the same for every construct; ``seed`` is recorded.
    A split counts stimuli that both halves rated. Constructs with fewer than 4 participants, or without 3
    such stimuli in any split, are left out.
    """
    people = np.unique(ratings["participant_id"].to_numpy(dtype=str))
    if len(people) < MIN_PARTICIPANTS:
        return []
    half = np.zeros((splits, len(people)), dtype=bool)
    half[:, : len(people) // 2] = True
    half = rng.permuted(half, axis=1)
    reliabilities = []
    for construct in constructs:
        rows = ratings[ratings["construct"] == construct]
        table = rows.pivot_table(index="participant_id", columns="stimulus_id", values="z", aggfunc="mean")
        values = table.reindex(people).to_numpy(dtype=np.float64)
        r = split_correlations(values, half)
        r = r[np.isfinite(r)]
        if not r.size:
            continue
        whole = spearman_brown(np.maximum(r, -0.99))
        low, high = np.quantile(whole, [0.025, 0.975])
        reliabilities.append(
            SplitHalf(
                construct=construct,
                stimuli=values.shape[1],
                participants=len(people),
                splits=int(r.size),
                seed=seed,
                r=float(r.mean()),
                reliability=float(whole.mean()),
                low=float(low),
                high=float(high),
            )
        )
    return reliabilities


def split_correlations(values: Floats, half: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    """Correlate across stimuli the halves' means for each split (splits,); NaN where undefined.

    ``values`` (participants, stimuli) with NaN for what was not rated, ``half`` (splits, participants).
    """
    seen = np.isfinite(values).astype(np.float64)
    filled = np.where(seen > 0, values, 0.0)
    sides = half.astype(np.float64), (~half).astype(np.float64)
    counts = [side @ seen for side in sides]
    shared = (counts[0] > 0) & (counts[1] > 0)
    means = [
        np.where(shared, side @ filled / np.maximum(count, 1.0), 0.0)
        for side, count in zip(sides, counts, strict=True)
    ]
    number = shared.sum(axis=1)
    centred = [
        np.where(shared, mean - (mean.sum(axis=1) / np.maximum(number, 1))[:, None], 0.0) for mean in means
    ]
    product = (centred[0] * centred[1]).sum(axis=1)
    size = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    defined = (number >= MIN_STIMULI) & (size > 1e-12)
    return np.where(defined, product / np.where(defined, size, 1.0), np.nan)


@dataclass(frozen=True)
class Agreement(IntraclassCorrelation):
    """ICC(A,1) and ICC(A,k) of one construct, from the first rating of each image by each participant."""

    construct: str


def agreements(
    ratings: pd.DataFrame, constructs: Sequence[str], progress: Progress
) -> tuple[list[Agreement], dict[str, str]]:
    """Compute the ICC of each construct, on the scale itself; return also why a construct has none."""
    keys = ["participant_id", "stimulus_id", "construct"]
    first = ratings[ratings["repeat"] == 0].drop_duplicates(keys)
    computed: list[Agreement] = []
    absent: dict[str, str] = {}
    for number, construct in enumerate(constructs):
        progress.report(number / len(constructs), f"agreement of raters, {construct}")
        rows = first[first["construct"] == construct]
        people, stimuli = (rows[name].to_numpy(dtype=str) for name in keys[:2])
        try:
            icc = intraclass(rows["value"].to_numpy(dtype=np.float64), people, stimuli)
        except InputError as reason:
            absent[construct] = f"{reason.problem}; {reason.expected} are needed"
        else:
            computed.append(Agreement(**vars(icc), construct=construct))
    return computed, absent


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    rated = context.rated_profiles()
    rng = context.rng("reliability")
    halves = split_half(context.ratings, context.constructs, rng=rng, seed=context.settings.seed)
    repeats = repeat_agreement(context.ratings, context.constructs)
    icc, absent = agreements(context.ratings, context.constructs, Part(progress, 0.1, 1.0))
    if not halves and not repeats and not icc:
        raise NotApplicable("fewer than four participants and fewer than ten repeated ratings")
    units = count_units(context.ratings, rated)
    return {"units": units, "icc": icc, "icc_absent": absent, "split_half": halves, "repeats": repeats}


def _agreement_table(result: Result) -> Table:
    rows = tuple(
        (
            row["construct"],
            decimal(row["single"], 2) + (" †" if row["singular"] else ""),
            span(row["single_low"], row["single_high"], sign=""),
            decimal(row["average"], 2),
            span(row["average_low"], row["average_high"], sign=""),
            decimal(row["raters"], 1),
            percent(row["missing"]),
        )
        for row in result["icc"]
    )
    head = ("construct", "ICC(A,1)", "95 %", "ICC(A,k)", "95 %", "k", "cells without a rating")
    return Table(head, rows)


def _section(words: Vocabulary, title: str, result: Result) -> Section:
    halves = tuple(
        (
            row["construct"],
            decimal(row["reliability"], 2),
            span(row["low"], row["high"], sign=""),
            decimal(row["r"], 2),
            str(row["stimuli"]),
        )
        for row in result["split_half"]
    )
    repeats = tuple(
        (
            row["construct"],
            decimal(row["r"], 2, absent="not defined"),
            decimal(row["difference"], 1),
            str(row["pairs"]),
        )
        for row in result["repeats"]
    )
    half_head = ("construct", "reliability", "95 % of splits", "r of halves", "stimuli")
    repeat_head = ("construct", "r", "mean difference (points)", "pairs")
    tables = (
        _agreement_table(result),
        Table(half_head, halves, folded="Halves of the participants"),
        Table(repeat_head, repeats, folded="Repeated showings"),
    )
    return Section(
        title=title,
        paragraphs=(f"{units_text(result['units'], words)}.",),
        figures=(
            Picture(
                "reliability",
                "Filled: stimulus means of random halves of the participants, Spearman-Brown corrected, with "
                f"the central 95 % of splits. Hollow: first against second showing of {words.one} to one "
                "participant.",
            ),
        ),
        items=tuple(f"No ICC for {name}: {reason}." for name, reason in result["icc_absent"].items()),
        tables=tuple(table for table in tables if table.rows),
        notes=(
            f"ICC(A,1): how well one person’s rating stands for the {words.image}, differences "
            "between people "
            "counted as error; ICC(A,k): the same of a mean over k people, k being the harmonic mean of the "
            f"number of people per {words.image}. † A variance was estimated as zero.",
        ),
    )


def _headline(result: Result, _: float) -> str | None:
    """Say how well means over people stand for the stimuli, from the least to the most reliable construct."""
    if not result["icc"]:
        return None
    rows = sorted(result["icc"], key=lambda row: row["average"])
    ends = [f"{decimal(row['average'], 2)} for {row['construct']} ({_interval(row)})" for row in rows]
    start = "The intraclass correlation of means over people"
    return f"{start} is {ends[0]}." if len(ends) == 1 else f"{start} ranges from {ends[0]} to {ends[-1]}."


def _interval(row: Result) -> str:
    return f"95 % CI {span(row['average_low'], row['average_high'], sign='')}"


def _key_number(result: Result) -> KeyNumber | None:
    if not result["icc"]:
        return None
    averages, raters = ([row[name] for row in result["icc"]] for name in ("average", "raters"))
    value, people = (_from_to(numbers, digits) for numbers, digits in ((averages, 2), (raters, 0)))
    return KeyNumber("ICC of means", value, f"ICC(A,k), k = {people} people per stimulus")


def _from_to(numbers: Sequence[float], digits: int) -> str:
    return " to ".join(dict.fromkeys(decimal(end, digits) for end in (min(numbers), max(numbers))))


def _figures(result: Result) -> dict[str, Figure]:
    """Draw split-half reliability with its central 95 percent of splits (filled), repeats' r (hollow)."""
    halves = {row["construct"]: row for row in result["split_half"]}
    repeats = {row["construct"]: row for row in result["repeats"] if row["r"] is not None}
    names = list(dict.fromkeys([*halves, *repeats]))
    figure, axes = new_forest(names, 0.36, reference=None)
    lowest = 0.0
    for y, name in enumerate(names):
        if name in halves:
            row = halves[name]
            dot_with_interval(axes, y - 0.1, row["reliability"], row["low"], row["high"])
            lowest = min(lowest, row["low"])
        if name in repeats:
            r = repeats[name]["r"]
            dot_with_interval(axes, y + 0.16, r, None, None, color=SECOND, hollow=True)
            lowest = min(lowest, r)
    axes.set_xlim(max(-1.0, lowest) - 0.03, 1.03)
    axes.set_xlabel("reliability")
    return {"reliability": figure}


def _methods(settings: Result) -> str:
    return (
        "Agreement: ICC(A,1) and ICC(A,k) (McGraw and Wong, 1996) of the ratings on their scale, first "
        "showings only, from variance components with participants and stimuli random (REML), which need not "
        "meet in every cell; profile likelihood intervals. "
        f"Reliability: stimulus means of random halves of the participants ({SPLITS} splits, seed "
        f"{settings['seed']}), Spearman-Brown corrected; repeated showings within participants."
    )


def _worded(words: Vocabulary) -> Question:
    question = Question(
        name="reliability",
        title="How reliable are the ratings?",
        order=50,
        work=0.05,
        run=_run,
        section=partial(_section, words),
        methods=_methods,
        figures=_figures,
        in_words=_worded,
    )
    if words is not EXTERNAL:  # other questions have the first page
        return question
    return replace(question, headline=_headline, key_number=_key_number)


QUESTION = _worded(GUIDED)
