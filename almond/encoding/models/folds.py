"""Which volumes are held out together.

BOLD is autocorrelated and the haemodynamic response smears every stimulus over some 20 s. Volumes next to
each other are near copies, and a model tested on the neighbours of its training volumes is tested on what it
saw. The default is therefore contiguous blocks, with the volumes within ``gap`` seconds of a block left out
of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from almond.errors import InputError

KINDS = ("blocks", "runs", "random")

RANDOM_WARNING = (
    "random folds put neighbouring volumes into training and test; with autocorrelated BOLD even features "
    "without any relation to the stimuli reach high held-out correlations (noise features reached a mean r "
    "of .30 on real data, against .01 with contiguous blocks)"
)


@dataclass(frozen=True)
class Fold:
    """Row numbers of the training and of the test volumes."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True)
class Folds:
    """The folds of one subject, shared by all its regions; ``warning`` says when not to trust them."""

    kind: str
    folds: tuple[Fold, ...]
    warning: str | None = None


def make_folds(
    kind: str,
    lengths: Sequence[int],
    *,
    n_folds: int,
    gap: float,
    tr: float,
    rng: np.random.Generator | None = None,
) -> Folds:
    """Split runs of the given lengths (in volumes), concatenated in order, into folds.

    ``blocks``: ``n_folds`` contiguous blocks of nearly equal length, cut at run borders where they cross one;
    training volumes within ``gap`` seconds of a test volume *of the same run* are left out. ``runs``: one run
    held out at a time. ``random``: every volume for itself, as AMOD does; needs ``rng``; comes with a
    warning.

    :raises InputError: fewer volumes than folds, one run only with ``runs``, or a gap that leaves no
        training.
    """
    runs = np.repeat(np.arange(len(lengths)), lengths)
    if kind == "runs":
        if len(lengths) < 2:
            raise InputError("crossvalidation", "leaves runs out, but there is one run only", "blocks")
        return Folds(kind, tuple(_fold(runs == run) for run in range(len(lengths))))
    if not 2 <= n_folds <= len(runs):
        raise InputError("folds", f"is {n_folds} for {len(runs)} volumes", f"between 2 and {len(runs)}")
    if kind == "random":
        if rng is None:
            raise InputError("crossvalidation", "random folds need a generator of random numbers", "rng")
        label = rng.permutation(np.arange(len(runs)) % n_folds)
        return Folds(kind, tuple(_fold(label == fold) for fold in range(n_folds)), RANDOM_WARNING)
    if kind != "blocks":
        raise InputError("crossvalidation", f"is {kind!r}", f"one of {', '.join(KINDS)}")
    # Row i belongs to block floor(i n_folds / n); the gap is ceil(gap / TR) volumes.
    label = np.arange(len(runs)) * n_folds // len(runs)
    width = int(np.ceil(gap / tr - 1e-9))
    return Folds(kind, tuple(_block(label == fold, runs, width) for fold in range(n_folds)))


def _fold(test: NDArray[np.bool_]) -> Fold:
    return Fold(np.flatnonzero(~test), np.flatnonzero(test))


def _block(test: NDArray[np.bool_], runs: NDArray[np.int64], width: int) -> Fold:
    near = test.copy()
    for run in np.unique(runs[test]):
        rows = np.flatnonzero(runs == run)
        inside = rows[test[rows]]
        near[max(rows[0], inside[0] - width) : min(rows[-1], inside[-1] + width) + 1] = True
    train = np.flatnonzero(~near)
    if len(train) < 2:
        raise InputError(
            "gap", f"of {width} volumes leaves nothing to train on", "fewer folds or a shorter gap"
        )
    return Fold(train, np.flatnonzero(test))


def inner_folds(fold: Fold, lengths: Sequence[int], *, n_folds: int, gap: float, tr: float) -> list[Fold]:
    """Split the training rows of a fold into contiguous blocks, as positions *within* those rows.

    The gap is kept in time, not in positions: volumes removed around the outer test block count.
    """
    runs = np.repeat(np.arange(len(lengths)), lengths)[fold.train]
    width = int(np.ceil(gap / tr - 1e-9))
    label = np.arange(len(fold.train)) * n_folds // len(fold.train)
    folds = []
    for index in range(n_folds):
        test = label == index
        near = test.copy()
        for run in np.unique(runs[test]):
            times = fold.train[test & (runs == run)]
            # Rows of the same run within ``width`` volumes of the block neither train nor test.
            near |= (runs == run) & (fold.train >= times[0] - width) & (fold.train <= times[-1] + width)
        if (~near).sum() >= 2 and test.sum() >= 2:
            folds.append(Fold(np.flatnonzero(~near), np.flatnonzero(test)))
    if not folds:
        raise InputError("gap", f"of {gap:g} s leaves nothing to choose with", "a shorter gap or fewer folds")
    return folds


def correlation(predicted: NDArray[np.float64], measured: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Pearson's r per column over the second-last axis; 0 where either does not vary.

    Shapes (..., n, V) and (n, V) -> (..., V).
    """
    # r = sum p m / sqrt(sum p^2 sum m^2) of centred p and m.
    p = predicted - predicted.mean(axis=-2, keepdims=True)
    m = measured - measured.mean(axis=-2, keepdims=True)
    scale = np.sqrt((p**2).sum(axis=-2) * (m**2).sum(axis=-2))
    product = (p * m).sum(axis=-2)
    r = np.divide(product, scale, out=np.zeros_like(product), where=scale > 1e-12)
    return np.asarray(r, np.float64)
