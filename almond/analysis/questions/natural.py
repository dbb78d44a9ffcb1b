"""Natural images: do predicted responses, and published norms, correlate with ratings of the images?

Unit: the stimulus (its mean rating over participants). p by permuting stimuli, family-wise over all tests by
the largest absolute correlation; intervals by resampling stimuli. The association is one of these images: it
says nothing of what would happen if an image were changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from almond.analysis.questions.base import Context, NotApplicable, Question, Result, count_units, units_text
from almond.errors import InputError
from almond.progress import Progress, Silent
from almond.report.document import KeyNumber, Picture, Section, Table
from almond.report.figures_style import dot_with_interval, new_forest
from almond.report.wording import p_cell, p_text, signed, span
from almond.significance import max_statistic_p, p_of_count, reaches
from almond.stats.permutation import draw_orders
from almond.typing import Floats

Mask = np.ndarray[Any, np.dtype[np.bool_]]

MIN_STIMULI = 5
BATCH = 1000
RESAMPLES = 2000


@dataclass(frozen=True)
class Association:
    """Pearson r of a stimulus-mean rating with a predictor over n stimuli, its interval and two p values.

    ``p`` for this pair alone, ``p_max`` family-wise over all pairs tested together.
    """

    construct: str
    predictor: str
    stimuli: int
    r: float
    low: float
    high: float
    p: float
    p_max: float


@dataclass(frozen=True)
class NaturalResult:
    associations: tuple[Association, ...]
    skipped: dict[str, str]
    stimuli: int
    permutations: int
    resamples: int
    seed: int


def associations(
    ratings: Floats,
    constructs: Sequence[str],
    predictors: Mapping[str, Floats],
    *,
    permutations: int,
    rng: np.random.Generator,
    seed: int,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> NaturalResult:
    """Correlate every construct with every predictor over stimuli.

    ``ratings`` (n, K) stimulus means; each predictor (n,), NaN where absent. All predictors are tested on the
    stimuli that have all of the usable ones, so that one permutation serves all. Predictors that are absent
    for more than half of the stimuli, or do not vary, and constructs that do not vary are ``skipped`` with
    the reason. ``rng`` draws permutations and resamples; ``seed`` is recorded. Raises ``InputError`` when
    fewer than five stimuli, or nothing to test, remain.
    """
    skipped: dict[str, str] = {}
    usable = {name: values for name, values in predictors.items() if _present(name, values, skipped)}
    complete: Floats = np.column_stack([ratings, *usable.values()])
    whole: Mask = np.asarray(np.isfinite(complete).all(axis=1))
    count = int(whole.sum())
    if count < MIN_STIMULI:
        raise InputError(
            "natural images", f"{count} rated stimuli with predictors", f"at least {MIN_STIMULI}"
        )
    outcomes = _varying(dict(zip(constructs, ratings.T, strict=True)), whole, skipped)
    causes = _varying(usable, whole, skipped)
    if not outcomes or not causes:
        raise InputError("natural images", "nothing varies over stimuli", "ratings and predictors that do")
    left, right = (
        _unit(np.column_stack(list(outcomes.values()))),
        _unit(np.column_stack(list(causes.values()))),
    )
    observed = left.T @ right
    null = _permuted(left, right, permutations, rng, progress or Silent())
    low, high = _bootstrap(left, right, resamples, rng)
    size = np.abs(observed)
    reached = p_of_count(reaches(np.abs(null), size).sum(axis=0), permutations)
    family = max_statistic_p(np.abs(null).max(axis=(1, 2)), size)
    pairs = tuple(
        Association(
            construct=construct,
            predictor=predictor,
            stimuli=count,
            r=float(observed[row, column]),
            low=float(low[row, column]),
            high=float(high[row, column]),
            p=float(reached[row, column]),
            p_max=float(family[row, column]),
        )
        for row, construct in enumerate(outcomes)
        for column, predictor in enumerate(causes)
    )
    return NaturalResult(pairs, skipped, count, permutations, resamples, seed)


def _present(name: str, values: Floats, skipped: dict[str, str]) -> bool:
    if np.isfinite(values).mean() > 0.5:
        return True
    skipped[name] = "absent for most stimuli"
    return False


def _varying(columns: Mapping[str, Floats], rows: Mask, skipped: dict[str, str]) -> dict[str, Floats]:
    """Select the columns that vary over the selected rows."""
    selected = {}
    for name, values in columns.items():
        column = values[rows]
        if np.ptp(column) > 1e-12 * max(1.0, float(np.abs(column).max())):
            selected[name] = column
        else:
            skipped[name] = "does not vary over stimuli"
    return selected


def _unit(columns: Floats) -> Floats:
    """Scale columns to mean 0 and length 1, so that products are correlations; constant ones become 0.

    ``columns`` (..., n, K): the last axis but one runs over stimuli.
    """
    centred = columns - columns.mean(axis=-2, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=-2, keepdims=True))
    scaled: Floats = np.where(length > 1e-12, centred / np.where(length > 1e-12, length, 1.0), 0.0)
    return scaled


def _permuted(
    left: Floats, right: Floats, permutations: int, rng: np.random.Generator, progress: Progress
) -> Floats:
    """Compute correlations (B, K, P) with whole rows of the predictors shuffled over stimuli."""
    correlations, done, count = [], 0, len(left)
    while done < permutations:
        size = min(BATCH, permutations - done)
        order = draw_orders(size, count, rng)
        correlations.append(left.T @ right[order])
        done += size
        progress.report(done / permutations, f"{done} of {permutations} permutations")
    return np.concatenate(correlations)


def _bootstrap(
    left: Floats, right: Floats, resamples: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Compute percentile intervals (95 percent) of the correlations over resampled stimuli."""
    rows = rng.integers(0, len(left), size=(resamples, len(left)))
    correlations = np.einsum("bnk,bnp->bkp", _unit(left[rows]), _unit(right[rows]), optimize=True)
    low, high = np.quantile(correlations, [0.025, 0.975], axis=0)
    return low, high


FAMILIES = {"scores": "predicted responses", "norms": "published norms"}
"""Predictors that are tested together, each family by itself; columns are named score_... and norm_..."""


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    stimuli = context.data.stimuli.set_index("stimulus_id")
    if (stimuli["intended_target"] != "").any():
        raise NotApplicable(
            "the stimuli have intended targets; this test is for images that were not manipulated"
        )
    rated = context.rated_profiles()
    families = {"scores": context.data.score_columns, "norms": context.data.norm_columns}
    if not any(families.values()):
        raise NotApplicable("stimuli.csv holds neither predicted scores nor norms")
    rows = stimuli.loc[list(rated.stimuli)]
    results = {
        family: associations(
            rated.values,
            rated.constructs,
            {name: rows[name].to_numpy(dtype=np.float64) for name in columns},
            permutations=context.settings.permutations,
            rng=context.rng("natural", family),
            seed=context.settings.seed,
            progress=progress,
        )
        if columns
        else None
        for family, columns in families.items()
    }
    return {
        "units": count_units(context.ratings, rated),
        "unit": "stimulus (mean standardised rating)",
        **results,
    }


def _p(result: Result) -> float | None:
    """Take the family-wise p of the strongest correlation with a predicted response."""
    return min(row["p_max"] for row in result["scores"]["associations"]) if result["scores"] else None


def _strongest(result: Result) -> tuple[str, Result]:
    """Return the name of the predictor, and the row, of the largest correlation with a predicted response."""
    row = max(result["scores"]["associations"], key=lambda row: abs(float(row["r"])))
    return _predictor(row), row


def _predictor(row: Result) -> str:
    return str(row["predictor"]).split("_", 1)[1]


def _headline(result: Result, alpha: float) -> str | None:
    if not result["scores"]:
        return None
    name, row = _strongest(result)
    start = (
        "Predicted responses correlated with how people rated the images"
        if row["p_max"] <= alpha
        else "Predicted responses did not correlate with how people rated the images beyond chance"
    )
    count = len(result["scores"]["associations"])
    strongest = f"strongest for {name} and {row['construct']}, r = {row['r']:.2f}"
    return f"{start}: {strongest}, {p_text(row['p_max'])} over all {count} pairs."


def _key_number(result: Result) -> KeyNumber | None:
    if not result["scores"]:
        return None
    name, row = _strongest(result)
    return KeyNumber("strongest correlation", signed(row["r"]), f"{name} with {row['construct']}")


def _section(title: str, result: Result) -> Section:
    tables, figures, notes = [], [], []
    for family, words in FAMILIES.items():
        test = result[family]
        if not test:
            continue
        rows = tuple(
            (
                _predictor(row),
                row["construct"],
                signed(row["r"]),
                span(row["low"], row["high"]),
                p_cell(row["p"]),
                p_cell(row["p_max"]),
            )
            for row in test["associations"]
        )
        head = (words, "rating", "r", "95 % interval", "p", "p family-wise")
        tables.append(Table(head, rows, text=(0, 1)))
        caption = f"Mean ratings of images against {words}; intervals by resampling images."
        figures.append(Picture(family, caption))
        notes += [f"{name} was not tested: {reason}." for name, reason in test["skipped"].items()]
        notes.append(
            f"{words.capitalize()}: B = {test['permutations']} permutations of {test['stimuli']} "
            f"stimuli, {test['resamples']} resamples, seed {test['seed']}."
        )
    return Section(
        title=title,
        paragraphs=(f"{units_text(result['units'])}.",),
        figures=tuple(figures),
        tables=tuple(tables),
        notes=tuple(notes),
    )


def _figures(result: Result) -> dict[str, Figure]:
    return {name: _forest(result[name]["associations"]) for name in FAMILIES if result[name]}


def _forest(rows: Sequence[Result]) -> Figure:
    """Draw the correlations with each predictor, one row per pair, grouped by predictor."""
    ordered = sorted(rows, key=lambda row: (row["predictor"], row["construct"]))
    figure, axes = new_forest([f"{_predictor(row)} · {row['construct']}" for row in ordered], 0.27)
    for y, row in enumerate(ordered):
        dot_with_interval(axes, y, row["r"], row["low"], row["high"], size=6.0)
    axes.set_xlim(-1.03, 1.03)
    axes.set_xlabel("correlation over stimuli, 95 % interval")
    return figure


def _methods(settings: Result) -> str:
    return (
        "Natural images: Pearson correlations over stimuli of mean standardised ratings with predicted "
        f"scores and with norms; p by permuting stimuli (B = {settings['permutations']} permutations, seed "
        f"{settings['seed']}), family-wise by the largest absolute correlation; intervals by resampling "
        "stimuli."
    )


QUESTION = Question(
    name="natural",
    title="Do predicted responses correlate with ratings of natural images?",
    order=40,
    work=0.1,
    run=_run,
    section=_section,
    methods=_methods,
    figures=_figures,
    p=_p,
    headline=_headline,
    key_number=_key_number,
)
