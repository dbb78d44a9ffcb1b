"""Natural images: do predicted responses, and published norms, go with how people rate the images?

Unit: the stimulus (its mean rating over participants). p by permuting stimuli, family-wise over all tests by
the largest absolute correlation; intervals by resampling stimuli. The association is one of these images: it
says nothing of what would happen if an image were changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from almond.errors import InputError
from almond.progress import Progress, Silent
from almond.significance import max_statistic_p, p_of_count, reaches
from almond.stats.permutation import draw_orders
from almond.typing import Floats

Rows = np.ndarray[Any, np.dtype[np.bool_]]

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
    usable = {name: values for name, values in predictors.items() if present(name, values, skipped)}
    complete: Floats = np.column_stack([ratings, *usable.values()])
    whole: Rows = np.asarray(np.isfinite(complete).all(axis=1))
    count = int(whole.sum())
    if count < MIN_STIMULI:
        raise InputError(
            "natural images", f"{count} rated stimuli with predictors", f"at least {MIN_STIMULI}"
        )
    outcomes = varying(dict(zip(constructs, ratings.T, strict=True)), whole, skipped)
    causes = varying(usable, whole, skipped)
    if not outcomes or not causes:
        raise InputError("natural images", "nothing varies over stimuli", "ratings and predictors that do")
    left, right = unit(np.column_stack(list(outcomes.values()))), unit(np.column_stack(list(causes.values())))
    observed = left.T @ right
    null = permuted(left, right, permutations, rng, progress or Silent())
    low, high = bootstrap(left, right, resamples, rng)
    size = np.abs(observed)
    reached = p_of_count(reaches(np.abs(null), size).sum(axis=0), permutations)
    family = max_statistic_p(np.abs(null).max(axis=(1, 2)), size)
    found = tuple(
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
    return NaturalResult(found, skipped, count, permutations, resamples, seed)


def present(name: str, values: Floats, skipped: dict[str, str]) -> bool:
    if np.isfinite(values).mean() > 0.5:
        return True
    skipped[name] = "absent for most stimuli"
    return False


def varying(columns: Mapping[str, Floats], rows: Rows, skipped: dict[str, str]) -> dict[str, Floats]:
    """The columns that vary over the chosen rows."""
    kept = {}
    for name, values in columns.items():
        chosen = values[rows]
        if np.ptp(chosen) > 1e-12 * max(1.0, float(np.abs(chosen).max())):
            kept[name] = chosen
        else:
            skipped[name] = "does not vary over stimuli"
    return kept


def unit(columns: Floats) -> Floats:
    """Columns with mean 0 and length 1, so that products are correlations; constant ones become 0.

    ``columns`` (..., n, K): the last axis but one runs over stimuli.
    """
    centred = columns - columns.mean(axis=-2, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=-2, keepdims=True))
    scaled: Floats = np.where(length > 1e-12, centred / np.where(length > 1e-12, length, 1.0), 0.0)
    return scaled


def permuted(
    left: Floats, right: Floats, permutations: int, rng: np.random.Generator, progress: Progress
) -> Floats:
    """Correlations (B, K, P) with whole rows of the predictors shuffled over stimuli."""
    found, done, count = [], 0, len(left)
    while done < permutations:
        size = min(BATCH, permutations - done)
        found.append(left.T @ right[draw_orders(size, count, rng)])
        done += size
        progress.report(done / permutations, f"{done} of {permutations} permutations")
    return np.concatenate(found)


def bootstrap(left: Floats, right: Floats, resamples: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Percentile intervals (95 percent) of the correlations over resampled stimuli."""
    rows = rng.integers(0, len(left), size=(resamples, len(left)))
    found = np.einsum("bnk,bnp->bkp", unit(left[rows]), unit(right[rows]), optimize=True)
    low, high = np.quantile(found, [0.025, 0.975], axis=0)
    return low, high
