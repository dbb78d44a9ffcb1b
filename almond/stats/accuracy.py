"""How sure an accuracy is, and how high it could have been.

The interval of a classification's accuracy has themes and participants random. The templates count as given,
as is usual for cross-validation (Bayle et al., 2020, NeurIPS 33): the themes' part is the variance of what is
right, clustered by theme; the participants' part comes from leaving out a tenth of them at a time and
classifying anew. The attainable accuracy asks how well the ratings of one half of the participants tell which
image the other half saw: no classifier finds more than raters agree on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from almond.stats.classification import balanced_accuracy, check_design
from almond.stats.discriminant import Classifier, held_out_scores, shrinkage_lda
from almond.typing import Floats, Ints

GROUPS = 10
"""Parts of the participants that are left out one at a time."""

SPLITS = 200
MIN_PARTICIPANTS = 4


@dataclass(frozen=True)
class AccuracyInterval:
    """A 95 % interval of an accuracy: standard errors by themes and by participants, degrees of freedom."""

    low: float
    high: float
    se_themes: float
    se_people: float
    df: int


@dataclass(frozen=True)
class Attainable:
    """The share of images that one half of the participants recognises from the ratings of the other half.

    ``accuracy``: mean over ``splits``, each image compared with those of its own scene; ``chance``: one over
    the images of a scene; ``low`` and ``high``: the central 95 % of splits.
    """

    accuracy: float
    chance: float
    low: float
    high: float
    splits: int
    images: int


def accuracy_interval(
    ratings: Floats,
    targets: Sequence[str],
    themes: Sequence[str],
    *,
    rng: np.random.Generator,
    classifier: Classifier = shrinkage_lda,
) -> AccuracyInterval:
    """Compute the interval of a classifier's balanced accuracy, each theme held out in turn.

    :param ratings: (P, n, K) of P participants, two or more, and n images; NaN where an image was not rated.
    :param targets: (n,). :param themes: (n,). :param rng: draws which participants are left out together.
    :param classifier: the main one unless told.
    :raises InputError: a design that cannot be cross-validated over themes.
    """
    values = mean_profiles(ratings)
    labels, where, classes = check_design(values, targets, themes)
    right = _right(values, labels, where, len(classes), classifier)
    accuracy = float(np.mean([right[labels == index].mean() for index in range(len(classes))]))
    people, units = len(ratings), len(np.unique(where))
    se_themes = _theme_error(right, labels, where)
    groups = rng.permutation(people) % min(GROUPS, people)
    without = [
        _accuracy_without(ratings[groups != group], labels, where, len(classes), classifier)
        for group in np.unique(groups)
    ]
    # Delete-a-group jackknife (Kott, 2001, J. Off. Stat. 17, 521): (G - 1) / G sum (a_g - mean)^2
    spread = np.asarray(without) - np.mean(without)
    se_people = math.sqrt((len(without) - 1) / len(without) * float(spread @ spread))
    df = min(people, units) - 1
    low, high = share_interval(accuracy, se_themes**2 + se_people**2, df)
    return AccuracyInterval(low, high, se_themes, se_people, df)


def held_out_interval(values: Floats, targets: Sequence[str], themes: Sequence[str]) -> AccuracyInterval:
    """Compute the interval of the main classifier's balanced accuracy from values that no participant gave.

    :param values: (n, K) of n images. :param targets: (n,). :param themes: (n,), the only random factor.
    :raises InputError: a design that cannot be cross-validated over themes.
    """
    labels, where, classes = check_design(values, targets, themes)
    right = _right(values, labels, where, len(classes), shrinkage_lda)
    accuracy = float(np.mean([right[labels == index].mean() for index in range(len(classes))]))
    se, df = _theme_error(right, labels, where), len(np.unique(where)) - 1
    low, high = share_interval(accuracy, se**2, df)
    return AccuracyInterval(low, high, se, 0.0, df)


def mean_profiles(ratings: Floats) -> Floats:
    """Average ratings (P, n, K) over the participants who gave them -> (n, K); NaN where nobody did."""
    given = np.isfinite(ratings)
    count = given.sum(axis=0)
    total = np.where(given, ratings, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _right(
    values: Floats, labels: Ints, themes: NDArray[np.str_], classes: int, classifier: Classifier
) -> Floats:
    scores = held_out_scores(values, labels[None], themes, classes, classifier)
    return np.asarray(scores.argmax(axis=2)[0] == labels, np.float64)


def _accuracy_without(
    ratings: Floats, labels: Ints, themes: NDArray[np.str_], classes: int, classifier: Classifier
) -> float:
    """Classify the images that the remaining participants rated."""
    values = mean_profiles(ratings)
    rows = np.isfinite(values).all(axis=1)
    scores = held_out_scores(values[rows], labels[None, rows], themes[rows], classes, classifier)
    return float(balanced_accuracy(scores.argmax(axis=2), labels[None, rows], classes)[0])


def _theme_error(right: Floats, labels: Ints, themes: NDArray[np.str_]) -> float:
    """Return the standard error of the balanced accuracy, what is ``right`` (n,) clustered by theme."""
    classes = np.unique(labels)
    influence = np.zeros(len(right))
    for index in classes:
        members = labels == index
        influence[members] = (right[members] - right[members].mean()) / (members.sum() * len(classes))
    units = np.unique(themes, return_inverse=True)[1].reshape(-1)
    sums = np.bincount(units, influence)
    return math.sqrt(float(sums @ sums) * len(sums) / (len(sums) - 1))


def share_interval(share: float, variance: float, df: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of a share whose variance was estimated with ``df`` degrees of freedom.

    Clopper and Pearson's, with the number of independent trials that would have this variance: Korn &
    Graubard (1998), Surv. Methodol. 24, 193. Without variance there are as many trials as units, df + 1.
    """
    tail = (1.0 - level) / 2.0
    trials = float(df + 1)
    if variance > 0.0 and 0.0 < share < 1.0:
        effective = share * (1.0 - share) / variance
        wider = float(stats.norm.isf(tail) / stats.t.isf(tail, df))
        trials = effective * wider**2
    hits = share * trials
    low = float(stats.beta.ppf(tail, hits, trials - hits + 1.0)) if hits > 0.0 else 0.0
    high = float(stats.beta.isf(tail, hits + 1.0, trials - hits)) if hits < trials else 1.0
    return low, high


def attainable_accuracy(
    ratings: Floats, scenes: Sequence[str], *, rng: np.random.Generator, splits: int = SPLITS
) -> Attainable | None:
    """Recognise each image of a scene in one half's mean ratings from the other half's, over random halves.

    :param ratings: (P, n, K), NaN where an image was not rated. :param scenes: (n,).
    :param rng: draws the halves.
    :returns: None with fewer than four participants, or where no scene has two images that both halves rated.
    """
    people = len(ratings)
    if people < MIN_PARTICIPANTS:
        return None
    half = np.zeros((splits, people), dtype=bool)
    half[:, : people // 2] = True
    half = rng.permuted(half, axis=1)
    first, second = (half_means(ratings, side) for side in (half, ~half))
    where = np.asarray(scenes, dtype=str)
    hits, images, compared = np.zeros(splits), np.zeros(splits), []
    for rows in (np.flatnonzero(where == scene) for scene in np.unique(where)):
        found, seen = _recognised(first[:, rows], second[:, rows])
        if len(rows) > 1 and seen.any():
            hits, images = hits + found, images + seen * len(rows)
            compared.append(len(rows))
    if not compared:
        return None
    shares = hits[images > 0] / images[images > 0]
    low, high = np.quantile(shares, [0.025, 0.975])
    return Attainable(
        accuracy=float(shares.mean()),
        chance=len(compared) / sum(compared),
        low=float(low),
        high=float(high),
        splits=len(shares),
        images=sum(compared),
    )


def _recognised(first: Floats, second: Floats) -> tuple[Ints, NDArray[np.bool_]]:
    """Count per split the images (m, K) of one scene whose nearest profile in the other half is their own.

    ``first`` and ``second`` (splits, m, K); the second value is in which splits both halves rated all of
    them.
    """
    seen = np.asarray((np.isfinite(first) & np.isfinite(second)).all(axis=(1, 2)), np.bool_)
    one, other = _centred(first), _centred(second)
    distance = np.where(seen[:, None, None], ((one[:, :, None] - other[:, None, :]) ** 2).sum(axis=3), 0.0)
    own = distance.argmin(axis=2) == np.arange(first.shape[1])
    return own.sum(axis=1) * seen, seen


def half_means(ratings: Floats, half: NDArray[np.bool_]) -> Floats:
    """Average ratings (P, n, K) over each half (splits, P) -> (splits, n, K); NaN where it rated nothing."""
    given = np.isfinite(ratings)
    side = half.astype(np.float64)
    count = np.tensordot(side, given.astype(np.float64), axes=1)
    total = np.tensordot(side, np.where(given, ratings, 0.0), axes=1)
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def _centred(profiles: Floats) -> Floats:
    """Subtract each scene's mean profile from its images (splits, m, K)."""
    centred: Floats = profiles - profiles.mean(axis=1, keepdims=True)
    return centred
