"""Compare the geometry of people's ratings with that of models, such as predicted responses, by RSA.

Every participant has a matrix of dissimilarities between images; so has every model. A model's score is the
mean over participants of rho-a (``rank_pairs``), over pairs of images of different themes. Whole themes are
permuted for p (participants fixed). Intervals have participants and themes random: the dual bootstrap of
Schütt et al. (2023, eLife 12, e82566), whose naive variance counts measurement noise too often, corrected as
rsatoolbox does,

    var = P/(P-1) var_people + T/(T-1) var_themes - P T / ((P-1) (T-1)) (var_both - var_people - var_themes)

at least each of the first two terms and at most var_both; t with min(P, T) - 1 degrees of freedom, its p not
below what so few units allow (``almond.stats.two_way``). The noise ceiling is what the best possible model
could reach: participants against the mean of all (upper), against the mean of the others (lower), of ranks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from almond.errors import InputError
from almond.significance import permutation_p
from almond.stats.geometry.rank_pairs import (
    distances,
    midranks,
    pairs_between,
    rho_a_of,
    weighted_centred,
)
from almond.stats.permutation import Labels, Order
from almond.stats.ttest import half_width
from almond.stats.two_way import least_p
from almond.typing import Floats, Ints

LEAST_PAIRS = 10
"""Pairs of images that a participant must have rated to count."""
CELLS = 2_000_000
"""Weights that are ranked at once."""


@dataclass(frozen=True)
class ModelScore:
    """Mean rho-a of one model over participants: interval and one-sided p_t with participants and themes
    random, one-sided p by permuting themes with participants fixed."""

    model: str
    rho: float
    se: float
    low: float
    high: float
    df: int
    p: float
    p_t: float


@dataclass(frozen=True)
class ScoreDifference:
    """The score of one model minus that of another, with its interval and two-sided p_t."""

    first: str
    second: str
    difference: float
    se: float
    low: float
    high: float
    df: int
    p_t: float


@dataclass(frozen=True)
class NoiseCeiling:
    """Mean rho-a of participants with the mean ranks of the others (``lower``) and of all (``upper``)."""

    lower: float
    upper: float


@dataclass(frozen=True)
class Similarity:
    """Scores of all models, their differences from the first, and the noise ceiling."""

    scores: tuple[ModelScore, ...]
    differences: tuple[ScoreDifference, ...]
    ceiling: NoiseCeiling
    participants: int
    themes: int
    pairs: int
    resamples: int


class RatedPairs:
    """Dissimilarities (P, m) of P participants over the m pairs of images of different themes; NaN for none.

    :param rows: (P, m) in the order of ``pairs_between(themes)``. :param themes: (n,).
    :raises InputError: fewer than two participants with ten pairs that differ.
    """

    def __init__(self, rows: Floats, themes: Labels) -> None:
        self.theme = np.unique(np.asarray(themes), return_inverse=True)[1].reshape(-1)
        self.first, self.second = pairs_between(self.theme)
        rated = np.isfinite(rows)
        enough = np.array(
            [
                seen.sum() >= LEAST_PAIRS and np.ptp(row[seen]) > 0
                for row, seen in zip(rows, rated, strict=True)
            ],
            dtype=bool,
        )
        self.rows, self.rated = rows[enough], rated[enough]
        if len(self.rows) < 2:
            raise InputError(
                "dissimilarities",
                f"{len(self.rows)} participants rated enough pairs of images",
                "two or more",
            )

    @classmethod
    def of_ratings(cls, cube: Floats, themes: Labels) -> RatedPairs:
        """Measure distances between the ratings (P, n, K), NaN for none, that both images of a pair have."""
        first, second = pairs_between(themes)
        return cls(np.stack([distances(person, first, second) for person in cube]), themes)

    def of_model(self, values: Floats) -> Floats:
        """Compute a model's dissimilarities (m,) of the same pairs from (n, D)."""
        return distances(values, self.first, self.second)

    def correlate(self, models: Sequence[Floats], times: Floats) -> Floats:
        """Compute rho-a (B, P, models) of every participant when themes come ``times`` (B, T) times."""
        scores = np.empty((len(times), len(self.rows), len(models)))
        size = max(1, CELLS // len(self.first))
        for start in range(0, len(times), size):
            part = times[start : start + size]
            weights = part.T[self.theme[self.first]] * part.T[self.theme[self.second]]
            scores[start : start + size] = self._correlate(models, weights)
        return scores

    def _correlate(self, models: Sequence[Floats], weights: Floats) -> Floats:
        ranked: dict[bytes, list[Floats]] = {}
        scores = np.empty((weights.shape[1], len(self.rows), len(models)))
        mine = weights
        for person, (row, seen) in enumerate(zip(self.rows, self.rated, strict=True)):
            key = seen.tobytes()
            if key not in ranked:  # participants who rated the same images share the models' ranks
                mine = weights[seen]
                ranked = {key: [weighted_centred(midranks(model[seen], mine), mine) for model in models]}
            own = midranks(row[seen], mine)
            for number, model in enumerate(ranked[key]):
                scores[:, person, number] = np.einsum("mb,mb->b", own, model)
        return scores

    def ceiling(self) -> NoiseCeiling:
        """Compute the noise ceiling from ranks scaled by the number of pairs, centred on 0."""
        scaled = np.zeros(self.rows.shape)
        for person, (row, seen) in enumerate(zip(self.rows, self.rated, strict=True)):
            ranks = midranks(row[seen], np.ones((int(seen.sum()), 1)))[:, 0]
            scaled[person, seen] = (ranks - (len(ranks) + 1) / 2) / len(ranks)
        total, count = scaled.sum(axis=0), self.rated.sum(axis=0)
        lower, upper = [], []
        for person, seen in enumerate(self.rated):
            shared = seen & (count > 1)
            if shared.sum() < LEAST_PAIRS:
                continue
            own, others = self.rows[person, shared], total[shared] - scaled[person, shared]
            lower.append(rho_a_of(own, others / (count[shared] - 1)))
            upper.append(rho_a_of(own, total[shared] / count[shared]))
        if not lower:
            raise InputError("noise ceiling", "participants rated different images", "images in common")
        return NoiseCeiling(float(np.mean(lower)), float(np.mean(upper)))

    def permuted(self, models: Sequence[Floats], orders: Iterable[Order]) -> Floats:
        """Compute the models' scores (1 + B, models), as they are and with images in each order.

        Ranks of all pairs stand for those of the pairs that a participant rated; with complete ratings the
        scores are mean rho-a.
        """
        whole = np.ones((len(self.first), 1))
        template = self._mean_ranks()
        images = len(self.theme)
        matrices = []
        for model in models:
            matrix = np.zeros((images, images))
            matrix[self.first, self.second] = midranks(model, whole)[:, 0]
            matrices.append((matrix + matrix.T).ravel())
        scores = [np.array([[matrix[self.first * images + self.second] @ template for matrix in matrices]])]
        size = max(1, CELLS // len(self.first))
        for batch in orders:
            for start in range(0, len(batch), size):
                order = batch[start : start + size]
                place = order[:, self.first].astype(np.intp) * images + order[:, self.second]
                scores.append(np.stack([matrix.take(place) @ template for matrix in matrices], axis=1))
        return np.concatenate(scores)

    def _mean_ranks(self) -> Floats:
        """Average participants' centred ranks (m,), scaled so that products with ranks are mean rho-a."""
        template = np.zeros(len(self.first))
        for row, seen in zip(self.rows, self.rated, strict=True):
            count = int(seen.sum())
            ranks = midranks(row[seen], np.ones((count, 1)))[:, 0]
            share = count / len(self.first)
            template[seen] += 12.0 * share * (ranks - (count + 1) / 2) / (count**3 - count)
        return template / len(self.rows)


def representational_similarity(
    rated: RatedPairs,
    models: Mapping[str, Floats],
    orders: Iterable[Order],
    *,
    resamples: int,
    rng: np.random.Generator,
) -> Similarity:
    """Score every model (n, D), the first against all others, with p values, intervals and noise ceiling.

    :param orders: batches of orders (B, n) of images, whole themes together.
    :raises InputError: a model whose images do not differ.
    """
    apart = [rated.of_model(values) for values in models.values()]
    for name, model in zip(models, apart, strict=True):
        if np.ptp(model) <= 10.0**-10:
            raise InputError(f"dissimilarities of {name}", "do not differ", "images that do")
    people, themes = len(rated.rows), int(rated.theme.max()) + 1
    times = np.concatenate([np.ones((1, themes)), _drawn_themes(themes, resamples, rng)])
    scores = rated.correlate(apart, times)
    drawn = np.stack(
        [np.bincount(row, minlength=people) for row in rng.integers(0, people, (resamples, people))]
    )
    null = rated.permuted(apart, orders)
    spread = _dual_spread(scores, drawn / people, themes)
    observed, df = scores[0].mean(axis=0), min(people, themes) - 1
    rows = tuple(
        _score(name, float(observed[k]), spread[k], df, permutation_p(null[1:, k], float(null[0, k])))
        for k, name in enumerate(models)
    )
    names = list(models)
    differences = tuple(
        _difference((names[0], names[k]), scores[:, :, 0] - scores[:, :, k], drawn / people, (themes, df))
        for k in range(1, len(names))
    )
    return Similarity(rows, differences, rated.ceiling(), people, themes, len(rated.first), resamples)


def _drawn_themes(themes: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Draw how often (B, T) each theme comes; fewer than three different ones are drawn anew."""
    drawn: list[Ints] = []
    while len(drawn) < resamples:
        row = np.bincount(rng.integers(0, themes, themes), minlength=themes)
        if np.count_nonzero(row) >= 3:
            drawn.append(row)
    return np.stack(drawn).astype(np.float64)


def _dual_spread(scores: Floats, shares: Floats, themes: int) -> Floats:
    """Compute standard errors (models,) from scores (1 + B, P, models), row 0 as they are.

    :param shares: (B, P) share of the resampled participants that each is.
    """
    people = scores.shape[1]
    by_theme = np.nanmean(scores[1:], axis=1).var(axis=0, ddof=1)
    by_people = (shares @ scores[0]).var(axis=0, ddof=1)
    both = np.einsum("bp,bpk->bk", shares, np.nan_to_num(scores[1:])).var(axis=0, ddof=1)
    of_people, of_themes = people / (people - 1), themes / (themes - 1)
    variance = of_people * by_people + of_themes * by_theme
    variance -= of_people * of_themes * (both - by_people - by_theme)
    variance = np.maximum(variance, np.maximum(of_people * by_people, of_themes * by_theme))
    return np.asarray(np.sqrt(np.minimum(variance, both)), np.float64)


def _score(name: str, rho: float, se: float, df: int, p: float) -> ModelScore:
    reach = half_width(float(se), df)
    p_t = float(stats.t.sf(rho / se, df)) if se > 0 else float(rho <= 0)
    p_t = max(p_t, least_p(df + 1) / 2.0)
    return ModelScore(name, rho, float(se), rho - reach, rho + reach, df, p, p_t)


def _difference(
    names: tuple[str, str], scores: Floats, shares: Floats, sizes: tuple[int, int]
) -> ScoreDifference:
    themes, df = sizes
    se = float(_dual_spread(scores[:, :, None], shares, themes)[0])
    value, reach = float(scores[0].mean()), half_width(se, df)
    p_t = float(2.0 * stats.t.sf(abs(value) / se, df)) if se > 0 else float(value == 0)
    p_t = max(p_t, least_p(df + 1))
    return ScoreDifference(*names, value, se, value - reach, value + reach, df, p_t)
