"""Test whether classes of images have different rating profiles, with participants and themes both random.

Trials are y[p, i] (K), one participant's ratings of one image. A regression on class with an intercept for
every participant and every scene, both taken out first, gives S = M^(-1/2) X'y (C-1, K), M = X'X: the
differences between classes within scenes and people, in which Q = |S|^2 is the sum of squares between
classes, added over the K ratings. With V the two-way clustered covariance of S over participants and themes
(``almond.stats.two_way``),

    F = Q / tr V   on   f and f df   degrees of freedom,   f = (tr V)^2 / tr V^2

is Box's approximation (1954, Ann. Math. Stat. 25, 290 and 484) to a quadratic form in normal variables, as in
repeated-measures analysis of variance. Both traces in f are replaced by their unbiased estimates (Bai &
Saranadasa, 1996, Stat. Sinica 6, 311): with few units the plain ones, Greenhouse and Geisser's, are
conservative. f is the smallest of those of V and of its parts for participants and for themes. Q without the
trials that share a unit is the cross-validated distance between the classes' profiles, so that this is also
the test of whether they can be told apart in new people and new themes.

What a participant sees differently, for every participant another way, and what a prompt does with a target,
are noise here and not evidence: both are in V. A permutation of targets holds the participants fixed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from almond.errors import InputError
from almond.finite import require_finite
from almond.stats.two_way import TwoWayCovariance, two_way_covariance
from almond.typing import Floats, Ints

Labels = Sequence[Any] | NDArray[Any]


@dataclass(frozen=True)
class Trials:
    """Profiles ``values`` (n, K) of n trials with (n,) ``people``, ``scenes``, ``themes`` and ``classes``.

    Scenes lie within themes. A trial is one participant's ratings of one image, NaN where one was not given.
    """

    values: Floats
    people: Labels
    scenes: Labels
    themes: Labels
    classes: Labels


@dataclass(frozen=True)
class ProfileDifference:
    """The test that all classes have the same profile, participants and themes random.

    ``f`` on ``df1`` and ``df2``; ``share_people`` and ``share_themes`` are tr V with one factor alone, of the
    whole. ``limited``: p is the least that so few themes allow, the chance that all of them order the
    classes alike.
    """

    f: float
    df1: float
    df2: float
    p: float
    share_people: float
    share_themes: float
    participants: int
    themes: int
    limited: bool


def profile_difference(trials: Trials) -> ProfileDifference:
    """Test whether the mean profiles of the classes differ, in people and themes other than these.

    :raises InputError: infinite values, a rating that nobody gave, fewer than two classes, participants or
        themes, or classes that are not crossed with scenes.
    """
    values = np.asarray(trials.values, dtype=np.float64)
    rated = ~np.isnan(values)
    require_finite(np.where(rated, values, 0.0), "profiles: ratings", axes=("trial", "rating"))
    if not rated.any(axis=0).all():
        raise InputError("profiles", "nobody gave one of the ratings", "trials with every rating")
    classes = np.unique(np.asarray(trials.classes))
    if len(classes) < 2:
        raise InputError("profiles", f"{len(classes)} class", "at least two")
    codes = (_codes(trials.classes), _codes(trials.people), _codes(trials.scenes))
    scores = np.zeros((len(values), len(classes) - 1, values.shape[1]))
    contrasts = np.arange(len(classes) - 1)
    square = 0.0
    for rows, columns in _given_together(rated):
        part = values[np.ix_(rows, columns)]
        effects, scores[np.ix_(rows, contrasts, columns)] = between_classes(part, rows, codes)
        square += float((effects**2).sum())
    parts = two_way_covariance(scores.reshape(len(values), -1), trials.people, trials.themes)
    return box_test(square, parts, len(classes))


def _given_together(rated: NDArray[np.bool_]) -> list[tuple[NDArray[np.bool_], Ints]]:
    """Group the ratings (n, K) that were given in the same trials: they share one regression.

    Sorted, so that the order of the columns does not change how sums are rounded.
    """
    columns: dict[bytes, list[int]] = {}
    for column, rows in enumerate(rated.T):
        columns.setdefault(rows.tobytes(), []).append(column)
    return [(rated[:, same[0]], np.asarray(same)) for _, same in sorted(columns.items())]


def between_classes(
    values: Floats, rows: NDArray[np.bool_], codes: tuple[Ints, Ints, Ints]
) -> tuple[Floats, Floats]:
    """Return S (C-1, K) of some rows' ``values`` (m, K), and the scores (m, C-1, K) of the trials in it."""
    classes, people, scenes = codes
    width = int(classes.max())
    dummies = (classes[rows, None] == np.arange(width)).astype(np.float64)
    left = without_intercepts(np.hstack([dummies, values]), _codes(people[rows]), _codes(scenes[rows]))
    design = _orthonormal(left[:, :width])
    effects = design.T @ left[:, width:]
    residuals = left[:, width:] - design @ effects
    return effects, design[:, :, None] * residuals[:, None, :]


def _codes(labels: Labels) -> Ints:
    codes: Ints = np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1)
    return codes


def without_intercepts(columns: Floats, people: Ints, scenes: Ints) -> Floats:
    """Return ``columns`` (n, d) less their least-squares intercepts of every participant and every scene.

    ``people`` and ``scenes`` (n,) are codes 0, 1, ...
    """
    n_people, n_scenes = int(people.max()) + 1, int(scenes.max()) + 1
    # The normal equations of the two sets of indicators: counts on the diagonal, the cross-table beside it.
    table = np.bincount(people * n_scenes + scenes, minlength=n_people * n_scenes).reshape(n_people, n_scenes)
    normal = np.block([[np.diag(table.sum(axis=1)), table], [table.T, np.diag(table.sum(axis=0))]])
    sums = np.stack(
        [np.r_[np.bincount(people, c, n_people), np.bincount(scenes, c, n_scenes)] for c in columns.T], axis=1
    )
    intercepts = np.linalg.lstsq(normal.astype(np.float64), sums, rcond=1e-10)[0]
    left: Floats = columns - intercepts[people] - intercepts[n_people + scenes]
    return left


def _orthonormal(design: Floats) -> Floats:
    """Return ``design M^(-1/2)``: its columns with unit length and at right angles, without order."""
    lengths, axes = np.linalg.eigh(design.T @ design)
    if lengths[0] <= 1e-9 * max(float(lengths[-1]), 1.0):
        raise InputError(
            "profiles", "classes cannot be compared within scenes", "scenes crossed with classes"
        )
    turned: Floats = design @ (axes / np.sqrt(lengths)) @ axes.T
    return turned


def box_test(square: float, parts: TwoWayCovariance, classes: int) -> ProfileDifference:
    """Compare the sum of squares between classes with its variance by Box's approximation."""
    whole = parts.whole()
    trace = float(np.trace(whole))
    estimates = (
        (whole, parts.df),
        (parts.people, parts.n_people - 1.0),
        (parts.themes, parts.n_themes - 1.0),
    )
    freedom = min(effective_dimensions(covariance, df) for covariance, df in estimates)
    f = square / trace if trace > 0 else math.inf if square > 0 else 0.0
    least = float(math.factorial(classes)) ** (1 - parts.fewest)
    p = float(stats.f.sf(f, freedom, freedom * parts.df))
    return ProfileDifference(
        f=f,
        df1=freedom,
        df2=freedom * parts.df,
        p=max(p, least),
        share_people=float(np.trace(parts.people)) / trace if trace > 0 else 0.0,
        share_themes=float(np.trace(parts.themes)) / trace if trace > 0 else 0.0,
        participants=parts.n_people,
        themes=parts.n_themes,
        limited=p < least,
    )


def effective_dimensions(covariance: Floats, df: float) -> float:
    """Estimate (tr V)^2 / tr V^2, 1 to d, without bias in either trace, from an estimate (d, d) of V.

    :param df: degrees of freedom behind the estimate.
    """
    trace, squares = float(np.trace(covariance)), float((covariance**2).sum())
    if df < 1.5 or trace <= 0.0:
        return 1.0
    # For df V ~ Wishart: E tr V^2 = (1 + 1/df) tr S^2 + (tr S)^2 / df, E (tr V)^2 = (tr S)^2 + 2 tr S^2 / df.
    scale = df / ((df - 1.0) * (df + 2.0))
    own = df * scale * (squares - trace**2 / df)
    whole = (df + 1.0) * scale * (trace**2 - 2.0 * squares / (df + 1.0))
    ratio = whole / own if own > 0.0 else math.inf
    return float(min(max(ratio, 1.0), len(covariance)))
