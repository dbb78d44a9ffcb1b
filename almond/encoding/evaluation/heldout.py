"""Held-out performance of regions: the same folds for every region of a subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from almond.encoding.models.estimators import Estimator, Problem, Solved, solve
from almond.encoding.models.folds import Fold, Folds, correlation, inner_folds
from almond.progress import Progress
from almond.typing import Columns, Floats

INNER_FOLDS = 4


@dataclass(frozen=True)
class Engine:
    """What computes."""

    backend: str = "numpy"
    device: str = "cpu"
    precision: str = "float64"


@dataclass(frozen=True)
class Design:
    """How the rows of a subject are split: runs of ``lengths`` volumes one after the other, ``gap`` in s."""

    folds: Folds
    lengths: tuple[int, ...]
    gap: float
    tr: float

    def inner(self, fold: Fold) -> list[Fold]:
        """Blocks inside the training rows of a fold, to choose on."""
        return inner_folds(fold, self.lengths, n_folds=INNER_FOLDS, gap=self.gap, tr=self.tr)


def solved(
    estimator: Estimator,
    x: Floats,
    bold: Floats,
    columns: Sequence[Columns],
    design: Design,
    *,
    final: bool,
    engine: Engine,
    progress: Progress,
) -> list[Solved]:
    """Every region's predictions of every fold, and the model of all rows if ``final``: one call, so that
    whatever the regions and folds share is computed once."""
    problem = Problem(x, bold, columns, design.folds.folds, design.inner)
    return solve(
        estimator,
        problem,
        final=final,
        backend=engine.backend,
        device=engine.device,
        precision=engine.precision,
        progress=progress,
    )


def evaluate(
    estimator: Estimator,
    x: Floats,
    ys: Sequence[Floats],
    folds: Folds,
    *,
    lengths: Sequence[int],
    gap: float,
    tr: float,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Metrics of each region (see :func:`heldout_metrics`) without controls.

    ``x`` (n, D) and ``ys`` (n, V) hold the runs of ``lengths`` volumes one after the other. Everything that
    is chosen is chosen within the training rows of a fold.
    """
    borders = np.cumsum([0, *(y.shape[1] for y in ys)])
    columns = [np.arange(first, last) for first, last in pairwise(borders)]
    design = Design(folds, tuple(lengths), gap, tr)
    found = solved(
        estimator,
        x,
        np.concatenate(ys, axis=1),
        columns,
        design,
        final=False,
        engine=Engine(),
        progress=progress,
    )
    return [heldout_metrics(one, y, folds, gap) for one, y in zip(found, ys, strict=True)]


def heldout_metrics(found: Solved, measured: Floats, folds: Folds, gap: float) -> dict[str, Any]:
    """Plain numbers of one region with measured responses (n, V).

    Per voxel and fold, over the held-out volumes: Pearson's r (0 where either does not vary), and
    R2 = 1 - sum (y - p)^2 / sum (y - mean y)^2 with the mean of the held-out volumes (below 0 where that mean
    would have done better; 0 for a voxel that does not vary). Each is averaged over the folds.
    """
    pairs = [
        (predicted, measured[fold.test])
        for predicted, fold in zip(found.predictions, folds.folds, strict=True)
    ]
    r = np.stack([correlation(*pair) for pair in pairs])
    r2 = np.stack([explained(*pair) for pair in pairs]).mean(axis=0)
    means = [[part.mean(axis=1, keepdims=True) for part in pair] for pair in pairs]
    per_voxel = r.mean(axis=0)
    return {
        "heldout_r": quartiles(per_voxel),
        "heldout_r_region_mean": float(np.mean([correlation(*pair)[0] for pair in means])),
        "heldout_r_folds": [float(value) for value in r.mean(axis=1)],
        "heldout_r_voxels": [round(float(value), 6) for value in per_voxel],
        "heldout_r2": quartiles(r2),
        "heldout_r2_voxels": [round(float(value), 6) for value in r2],
        "chosen_in_folds": [dict(chosen) for chosen in found.chosen_in_folds],
        "folds": {"kind": folds.kind, "number": len(folds.folds), "gap_seconds": gap},
        **({"warning": folds.warning} if folds.warning else {}),
    }


def mean_r(found: Solved, measured: Floats, folds: Folds) -> float:
    """Held-out r averaged over folds and voxels: ``heldout_r.mean`` alone."""
    pairs = zip(found.predictions, folds.folds, strict=True)
    return float(np.mean([correlation(predicted, measured[fold.test]).mean() for predicted, fold in pairs]))


def explained(predicted: Floats, measured: Floats) -> Floats:
    """R2 (V,) of predictions (n, V): see :func:`heldout_metrics`."""
    missed = ((measured - predicted) ** 2).sum(axis=0)
    total = ((measured - measured.mean(axis=0)) ** 2).sum(axis=0)
    share = np.divide(missed, total, out=np.ones_like(missed), where=total > 1e-12)
    return np.asarray(1.0 - share, np.float64)


def in_order(found: Solved, folds: Folds, rows: int) -> Floats:
    """Held-out predictions (n, V) of every volume, each by the fold that held it out."""
    together = np.empty((rows, found.predictions[0].shape[1]))
    for predicted, fold in zip(found.predictions, folds.folds, strict=True):
        together[fold.test] = predicted
    return together


def quartiles(values: Floats) -> dict[str, float]:
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75])
    return {
        "mean": float(values.mean()),
        "median": float(median),
        "lower_quartile": float(lower),
        "upper_quartile": float(upper),
    }
