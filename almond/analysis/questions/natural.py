"""Natural images: do predicted responses, and published norms, correlate with ratings of the images?

Unit: the theme, of which several images may show the same content; a value is an image's mean rating over
participants, who are held fixed. p by permuting whole themes, family-wise over all tests by the largest
absolute correlation; intervals by resampling themes. Counted by images, sixty pictures in fifteen themes of
four reject half of the true nulls. Nothing follows about what would happen if an image were changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from almond.analysis.equivalence import largest_correlation
from almond.analysis.questions.base import Context, NotApplicable, Question, Result, count_units, units_text
from almond.errors import InputError
from almond.progress import Progress, Silent
from almond.report.document import KeyNumber, Picture, Section, Table
from almond.report.figures_style import dot_with_interval, new_forest
from almond.report.wording import fixed, p_cell, p_text, signed, span
from almond.significance import max_statistic_p, p_of_count, reaches
from almond.stats.permutation import Order, theme_orders
from almond.typing import Floats, Ints

Mask = np.ndarray[Any, np.dtype[np.bool_]]

MIN_THEMES = 5
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
    themes: int
    permutations: int
    resamples: int
    seed: int


def associations(
    ratings: Floats,
    constructs: Sequence[str],
    predictors: Mapping[str, Floats],
    *,
    themes: Sequence[str],
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
    the reason. ``themes`` (n,) move as wholes. ``rng`` draws permutations and resamples; ``seed`` is
    recorded. Raises ``InputError`` when fewer than five themes, or nothing to test, remain.
    """
    skipped: dict[str, str] = {}
    usable = {name: values for name, values in predictors.items() if _present(name, values, skipped)}
    complete: Floats = np.column_stack([ratings, *usable.values()])
    whole: Mask = np.asarray(np.isfinite(complete).all(axis=1))
    theme = np.unique(np.asarray(themes, dtype=str)[whole], return_inverse=True)[1].reshape(-1)
    count, units = int(whole.sum()), len(np.unique(theme))
    if units < MIN_THEMES:
        problem = f"{count} rated stimuli with predictors, of {units} themes"
        raise InputError("natural images", problem, f"at least {MIN_THEMES} themes")
    outcomes = _varying(dict(zip(constructs, ratings.T, strict=True)), whole, skipped)
    causes = _varying(usable, whole, skipped)
    if not outcomes or not causes:
        raise InputError("natural images", "nothing varies over stimuli", "ratings and predictors that do")
    left, right = (_unit(np.column_stack(list(side.values()))) for side in (outcomes, causes))
    observed = left.T @ right
    orders = partial(theme_orders, theme, rng=rng)
    null = _permuted(left, right, permutations, orders, progress or Silent())
    low, high = _bootstrap(left, right, theme, resamples, rng)
    size = np.abs(observed)
    reached = p_of_count(reaches(np.abs(null), size).sum(axis=0), permutations)
    family = max_statistic_p(np.abs(null).max(axis=(1, 2)), size)
    tables = (observed, low, high, reached, family)
    pairs = tuple(
        Association(construct, predictor, count, *(float(table[row, column]) for table in tables))
        for row, construct in enumerate(outcomes)
        for column, predictor in enumerate(causes)
    )
    return NaturalResult(pairs, skipped, count, units, permutations, resamples, seed)


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
    left: Floats, right: Floats, permutations: int, orders: Callable[[int], Order], progress: Progress
) -> Floats:
    """Compute correlations (B, K, P) with rows of the predictors in the ``orders`` drawn."""
    correlations, done = [], 0
    while done < permutations:
        size = min(BATCH, permutations - done)
        # Scaled anew: where themes differ in size, some images come twice and others not at all.
        correlations.append(left.T @ _unit(right[orders(size)]))
        done += size
        progress.report(done / permutations, f"{done} of {permutations} permutations")
    return np.concatenate(correlations)


def _bootstrap(
    left: Floats, right: Floats, theme: Ints, resamples: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Compute percentile intervals (95 percent) of the correlations over resampled themes."""
    units = int(theme.max()) + 1
    drawn = rng.integers(0, units, size=(resamples, units))
    times = np.stack([np.bincount(row, minlength=units) for row in drawn])[:, theme].astype(np.float64)
    # Weighted correlations: an image counts as often as its theme was drawn.
    total = times.sum(axis=1)[:, None]
    means = [times @ side / total for side in (left, right)]
    lengths = [
        np.sqrt(np.maximum(times @ side**2 - total * mean**2, 0.0))
        for side, mean in zip((left, right), means, strict=True)
    ]
    products = np.einsum("bn,nk,np->bkp", times, left, right, optimize=True)
    products -= total[:, :, None] * means[0][:, :, None] * means[1][:, None, :]
    size = lengths[0][:, :, None] * lengths[1][:, None, :]
    defined = size > 1e-12
    correlations = np.where(defined, products / np.where(defined, size, 1.0), 0.0)
    low, high = np.quantile(correlations, [0.025, 0.975], axis=0)
    return low, high


FAMILIES = {"scores": "predicted responses", "norms": "published norms"}
"""Predictors that are tested together, each family by itself; columns are named score_... and norm_..."""


def _families(
    context: Context, progress: Progress, resamples: int = RESAMPLES
) -> dict[str, NaturalResult | None]:
    """Correlate ratings with the predictors of each family; None where stimuli.csv holds none of it."""
    stimuli = context.data.stimuli.set_index("stimulus_id")
    if (stimuli["intended_target"] != "").any():
        raise NotApplicable(context.words.made)
    rated = context.rated_profiles()
    families = {"scores": context.data.score_columns, "norms": context.data.norm_columns}
    if not any(families.values()):
        raise NotApplicable("stimuli.csv holds neither predicted scores nor norms")
    rows = stimuli.loc[list(rated.stimuli)]
    return {
        family: associations(
            rated.values,
            rated.constructs,
            {name: rows[name].to_numpy(dtype=np.float64) for name in columns},
            themes=rated.themes,
            permutations=context.settings.permutations,
            rng=context.rng("natural", family),
            seed=context.settings.seed,
            resamples=resamples,
            progress=progress,
        )
        if columns
        else None
        for family, columns in families.items()
    }


def _run(context: Context, progress: Progress) -> dict[str, Any]:
    unit = "theme (mean standardised ratings of its images)"
    results = _families(context, progress)
    return {"units": count_units(context.ratings, context.profiles), "unit": unit, **results}


def _confirm(context: Context) -> float | None:
    """Compute the p value alone: without the intervals, which are drawn after the permutations."""
    tests = _families(context, Silent(), resamples=1).values()
    return next((min(pair.p_max for pair in test.associations) for test in tests if test), None)


def _primary(result: Result) -> tuple[str, Result] | None:
    """Return the family that answers the question, with its test: predicted responses, else norms."""
    return next(((family, result[family]) for family in FAMILIES if result[family]), None)


def _p(result: Result) -> float | None:
    """Take the family-wise p of the strongest correlation."""
    primary = _primary(result)
    return min(row["p_max"] for row in primary[1]["associations"]) if primary else None


def _strongest(test: Result) -> tuple[str, Result]:
    """Return the name of the predictor, and the row, of the largest correlation."""
    row = max(test["associations"], key=lambda row: abs(float(row["r"])))
    return _predictor(row), row


def _predictor(row: Result) -> str:
    return str(row["predictor"]).split("_", 1)[1]


def _headline(result: Result, alpha: float) -> str | None:
    primary = _primary(result)
    if primary is None:
        return None
    family, test = primary
    name, row = _strongest(test)
    what = FAMILIES[family].capitalize()
    start = (
        f"{what} correlated with how people rated the images"
        if row["p_max"] <= alpha
        else f"{what} did not correlate with how people rated the images beyond chance"
    )
    count = len(test["associations"])
    strongest = f"strongest for {name} and {row['construct']}, r = {fixed(row['r'], 2)}"
    pairs = f"over all {count} pairs" if count > 1 else "for the only pair"
    return f"{start}: {strongest}, {p_text(row['p_max'])} {pairs}."


def _key_number(result: Result) -> KeyNumber | None:
    primary = _primary(result)
    if primary is None:
        return None
    name, row = _strongest(primary[1])
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
        caption = f"Mean ratings of images against {words}; intervals by resampling themes."
        figures.append(Picture(family, caption))
        notes += [f"{name} was not tested: {reason}." for name, reason in test["skipped"].items()]
        notes.append(
            f"{words.capitalize()}: B = {test['permutations']} permutations of {test['themes']} themes with "
            f"{test['stimuli']} stimuli, {test['resamples']} resamples, seed {test['seed']}."
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
        "scores and with norms; p by permuting themes as wholes, all images of one content together "
        f"(B = {settings['permutations']} permutations, seed {settings['seed']}), family-wise by the largest "
        "absolute correlation; intervals by resampling themes. Participants are held fixed."
    )


QUESTION = Question(
    name="natural",
    title="Do predicted responses correlate with ratings of natural images?",
    order=40,
    work=0.1,
    run=_run,
    confirm=_confirm,
    section=_section,
    methods=_methods,
    figures=_figures,
    p=_p,
    estimate=largest_correlation,
    headline=_headline,
    key_number=_key_number,
)
