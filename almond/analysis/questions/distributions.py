"""How are the ratings distributed, and which stimuli are rated high or low?

A description that needs no targets: values, ends of the scale, missing cells, means of stimuli, and how
constructs go together over stimuli. Nothing is tested, and no interval is given: people and stimuli are both
samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from almond.analysis.own_scales import PERCENT_ENDS, on_own_scales
from almond.analysis.questions.base import Context, Question, Result, count_units, units_text
from almond.analysis.vocabulary import GUIDED, Vocabulary
from almond.progress import Progress
from almond.report.document import Picture, Section, Table
from almond.report.figures_style import ACCENT, new_figure
from almond.report.wording import decimal, percent

BINS = 20
MOST_STEPS = 11
"""A scale with no more different values than this is drawn value by value."""

SHOWN = 3
MANY = 6
"""Constructs above which histograms are drawn lower: the first page of paper has half a page for them."""

MIN_STIMULI = 4


@dataclass(frozen=True)
class Distribution:
    """The ratings of one construct on its own scale, from ``low`` to ``high``.

    ``at_low`` and ``at_high`` are the shares of ratings at the ends. ``counts`` stand between ``edges``.
    ``per_person`` and ``per_stimulus``: the fewest and the most ratings.
    """

    construct: str
    low: float
    high: float
    ratings: int
    mean: float
    sd: float
    quartiles: tuple[float, float, float]
    at_low: float
    at_high: float
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    per_person: tuple[int, int]
    per_stimulus: tuple[int, int]


@dataclass(frozen=True)
class StimulusMean:
    """The mean and SD of a stimulus's ratings on one construct, on its own scale; SD None for one rating."""

    construct: str
    stimulus: str
    mean: float
    sd: float | None
    ratings: int


@dataclass(frozen=True)
class ConstructPair:
    """Pearson correlation of two constructs over the means of stimuli, None where one does not vary."""

    first: str
    second: str
    r: float | None
    stimuli: int


def describe_values(rows: pd.DataFrame, construct: str, ends: tuple[float, float]) -> Distribution:
    """Describe the ratings of one construct, in ``own``, between the ends of its scale."""
    own = rows["own"].to_numpy(dtype=np.float64)
    steps = np.unique(own)
    if 1 < len(steps) <= MOST_STEPS:
        width = float(np.diff(steps).min())
        count = round((ends[1] - ends[0]) / width) + 1
        edges = (
            ends[0] + width * (np.arange(count + 1) - 0.5)
            if count <= 2 * BINS
            else np.linspace(*ends, BINS + 1)
        )
    else:
        edges = np.linspace(ends[0], ends[1], BINS + 1)
    people, stimuli = (rows[name].value_counts() for name in ("participant_id", "stimulus_id"))
    return Distribution(
        construct=construct,
        low=ends[0],
        high=ends[1],
        ratings=len(own),
        mean=float(own.mean()),
        sd=float(own.std(ddof=1)) if len(own) > 1 else 0.0,
        quartiles=(float(np.quantile(own, 0.25)), float(np.median(own)), float(np.quantile(own, 0.75))),
        at_low=float((own == ends[0]).mean()),
        at_high=float((own == ends[1]).mean()),
        edges=tuple(map(float, edges)),
        counts=tuple(map(int, np.histogram(own, edges)[0])),
        per_person=(int(people.min()), int(people.max())),
        per_stimulus=(int(stimuli.min()), int(stimuli.max())),
    )


def stimulus_means(ratings: pd.DataFrame, constructs: Sequence[str]) -> list[StimulusMean]:
    """Compute the mean of every stimulus on every construct, highest first, from ratings with ``own``."""
    table = ratings.groupby(["construct", "stimulus_id"])["own"].agg(["mean", "std", "count"]).reset_index()
    means = []
    for construct in constructs:
        rows = table[table["construct"] == construct].sort_values(
            ["mean", "stimulus_id"], ascending=[False, True]
        )
        for _, name, mean, sd, count in rows.itertuples(index=False):
            deviation = float(sd) if count > 1 else None
            means.append(StimulusMean(construct, str(name), float(mean), deviation, int(count)))
    return means


def construct_pairs(ratings: pd.DataFrame, constructs: Sequence[str]) -> list[ConstructPair]:
    """Correlate every two constructs over the means of stimuli that have ratings on both, four or more."""
    means = ratings.pivot_table(index="stimulus_id", columns="construct", values="own", aggfunc="mean")
    pairs = []
    for number, first in enumerate(constructs):
        for second in constructs[number + 1 :]:
            both = means[[first, second]].dropna().to_numpy(dtype=np.float64)
            if len(both) < MIN_STIMULI:
                continue
            varies = bool((both.std(axis=0) > 1e-9).all())
            r = float(np.corrcoef(both.T)[0, 1]) if varies else None
            pairs.append(ConstructPair(first, second, r, len(both)))
    return pairs


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    rated = context.rated_profiles()
    ratings, scales = on_own_scales(context.data, context.ratings)
    distributions = []
    for construct in context.constructs:
        rows = ratings[ratings["construct"] == construct]
        distributions.append(describe_values(rows, construct, scales.get(construct, PERCENT_ENDS)))
    return {
        "units": count_units(context.ratings, rated),
        "distributions": distributions,
        "stimulus_means": stimulus_means(ratings, context.constructs),
        "construct_pairs": construct_pairs(ratings, context.constructs),
    }


def _section(words: Vocabulary, title: str, result: Result) -> Section:
    values = tuple(
        (
            row["construct"],
            f"{row['low']:g} to {row['high']:g}",
            str(row["ratings"]),
            decimal(row["mean"], 2),
            decimal(row["sd"], 2),
            " / ".join(f"{quartile:g}" for quartile in row["quartiles"]),
            f"{percent(row['at_low'])}, {percent(row['at_high'])}",
            " to ".join(map(str, row["per_person"])),
            " to ".join(map(str, row["per_stimulus"])),
        )
        for row in result["distributions"]
    )
    head = (
        "construct",
        "scale",
        "ratings",
        "mean",
        "SD",
        "quartiles",
        "at its ends",
        "per person",
        "per stimulus",
    )
    pairs = tuple(
        (f"{row['first']}, {row['second']}", decimal(row["r"], 2, absent="not defined"), str(row["stimuli"]))
        for row in result["construct_pairs"]
    )
    tables = (
        Table(head, values),
        Table(("constructs", "r over stimuli", "stimuli"), pairs, folded="Constructs together"),
    )
    return Section(
        title=title,
        paragraphs=(f"{units_text(result['units'], words)}.",),
        figures=(
            Picture("distributions", "Ratings of each construct on its own scale.", small=len(values) > MANY),
        ),
        items=tuple(_extremes(result, row["construct"]) for row in result["distributions"]),
        tables=tuple(table for table in tables if table.rows),
    )


def _extremes(result: Result, construct: str) -> str:
    """Name the stimuli with the highest and the lowest means."""
    rows = [row for row in result["stimulus_means"] if row["construct"] == construct]
    named = [f"{row['stimulus']} ({row['mean']:.2f}, {row['ratings']} ratings)" for row in rows]
    if len(named) < 2 * SHOWN:
        return f"{construct.capitalize()}, means of stimuli from high to low: {', '.join(named)}."
    return (
        f"{construct.capitalize()}, highest means: {', '.join(named[:SHOWN])}; "
        f"lowest: {', '.join(reversed(named[-SHOWN:]))}."
    )


def _figures(result: Result) -> dict[str, Figure]:
    """Draw one histogram per construct."""
    rows = result["distributions"]
    columns = min(3, len(rows))
    lines = -(-len(rows) // columns)
    figure = new_figure(0.4 + (1.5 if len(rows) <= MANY else 1.05) * lines)
    panels = figure.subplots(lines, columns, squeeze=False)
    for number, axes in enumerate(panels.ravel()):
        if number >= len(rows):
            axes.set_visible(False)
            continue
        row = rows[number]
        edges = np.array(row["edges"])
        axes.bar(edges[:-1], row["counts"], width=0.9 * np.diff(edges), align="edge", color=ACCENT)
        axes.set_title(row["construct"])
        axes.set_xticks([row["low"], row["high"]])
        axes.set_yticks([])
    return {"distributions": figure}


def _methods(_: Result) -> str:
    return (
        "Distributions: all ratings on the scale on which they were given; means of stimuli over first "
        "showings and repeats alike, correlated between constructs over stimuli."
    )


def _worded(words: Vocabulary) -> Question:
    return Question(
        name="distributions",
        title="How are the ratings distributed?",
        order=45,
        work=0.03,
        run=_run,
        section=partial(_section, words),
        methods=_methods,
        figures=_figures,
        in_words=_worded,
    )


QUESTION = _worded(GUIDED)
