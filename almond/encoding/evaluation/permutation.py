"""Permutation by block: BOLD moved against the predictors, the whole cross-validation repeated each time.

Which rows of the BOLD belong to which rows of the predictors is exchanged in whole blocks, so that both keep
their autocorrelation, and nothing but the relation between them is lost. The predictors and the folds stay as
they are: whatever a model computes of these alone is computed once for all permutations of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.evaluation.heldout import mean_r
from almond.encoding.models.estimators import RegionFit
from almond.encoding.models.folds import Folds
from almond.progress import Progress
from almond.significance import permutation_p
from almond.typing import Columns, Floats

Solver = Callable[[Floats, Sequence[Columns]], list[RegionFit]]
"""BOLD (n, V) and the columns of each region -> predictions of each region."""

BATCH_BYTES = 128 << 20
"""Of the permuted BOLD that is fitted at a time."""


def permutation_test(
    solve: Solver,
    bold: Floats,
    columns: Sequence[Columns],
    folds: Folds,
    reached: Sequence[float],
    *,
    lengths: Sequence[int],
    least: int,
    number: int,
    rng: np.random.Generator,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Return per region ``p`` = (1 + b) / (1 + n) with b of n permutations reaching the region's mean
    held-out r.

    Also the mean, standard deviation and largest of the permuted r. The same permutations serve every region.

    :param solve: fits permuted BOLD.
    :param reached: mean held-out r of each region.
    :param lengths: volumes of each run; ``least``: by how many at least a run is rotated.
    :param number: of permutations.
    """
    used = np.unique(np.concatenate(columns))
    places = [np.searchsorted(used, voxels) for voxels in columns]
    batch = max(1, BATCH_BYTES // (bold.itemsize * len(bold) * len(used)))
    permuted = np.empty((number, len(columns)))
    for first in range(0, number, batch):
        progress.report(first / number, f"permutation {first + 1} of {number}")
        rows = [shifted_rows(rng, lengths, least) for _ in range(min(batch, number - first))]
        moved = np.concatenate([bold[np.ix_(order, used)] for order in rows], axis=1)
        every = [index * len(used) + place for index in range(len(rows)) for place in places]
        scores = [
            mean_r(fit, moved[:, voxels], folds)
            for fit, voxels in zip(solve(moved, every), every, strict=True)
        ]
        permuted[first : first + len(rows)] = np.reshape(scores, (len(rows), len(columns)))
    return [_described(of_region, real) for of_region, real in zip(permuted.T, reached, strict=True)]


def _described(permuted: Floats, reached: float) -> dict[str, Any]:
    return {
        "p": permutation_p(permuted, reached),
        "n": len(permuted),
        "heldout_r": {
            "mean": float(permuted.mean()),
            "sd": float(permuted.std()),
            "largest": float(permuted.max()),
        },
    }


def shifted_rows(rng: np.random.Generator, lengths: Sequence[int], least: int) -> NDArray[np.int64]:
    """Draw row numbers (n,) that move BOLD against predictors in blocks, the blocks being the runs.

    Each run is rotated by its own random number of volumes, at least ``least`` either way (a quarter of the
    run where that is less), and runs of equal length change places at random. Neighbours stay neighbours, so
    that the autocorrelation stays; only when things happened is lost.
    """
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    rows = []
    for source in _permuted_runs(rng, lengths):
        length = lengths[source]
        margin = min(least, length // 4)
        shift = int(rng.integers(margin, length - margin + 1)) if length > 1 else 0
        rows.append(starts[source] + (np.arange(length) + shift) % length)
    return np.concatenate(rows).astype(np.int64)


def _permuted_runs(rng: np.random.Generator, lengths: Sequence[int]) -> list[int]:
    order = list(range(len(lengths)))
    for length in sorted(set(lengths)):
        same = [run for run in range(len(lengths)) if lengths[run] == length]
        for place, source in zip(same, rng.permutation(same).tolist(), strict=True):
            order[place] = source
    return order
