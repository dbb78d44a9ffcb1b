"""Held-out performance of regions: the same folds for every region of a subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.crossval import Fold, Folds, correlation, inner_folds
from almond.encoding.estimators import Estimator, Fitted
from almond.progress import Progress

Matrix = NDArray[np.float64]

INNER_FOLDS = 4


def evaluate(
    estimator: Estimator,
    x: Matrix,
    ys: Sequence[Matrix],
    folds: Folds,
    *,
    lengths: Sequence[int],
    gap: float,
    tr: float,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Metrics of each region: correlations per fold and voxel, averaged over the folds.

    ``x`` (n, D) and ``ys`` (n, V) hold the runs of ``lengths`` volumes one after the other. Everything that
    is chosen is chosen within the training rows of a fold.
    """
    voxel_r: list[list[Matrix]] = [[] for _ in ys]
    mean_r: list[list[float]] = [[] for _ in ys]
    chosen: list[list[dict[str, Any]]] = [[] for _ in ys]
    for number, fold in enumerate(folds.folds):
        progress.report(number / len(folds.folds), f"{estimator.name}: fold {number + 1}")
        fitted = fit_rows(estimator, x, ys, fold, lengths=lengths, gap=gap, tr=tr)
        for region, (model, y) in enumerate(zip(fitted, ys, strict=True)):
            predicted, measured = model.predict(x[fold.test]), y[fold.test]
            voxel_r[region].append(correlation(predicted, measured))
            means = (part.mean(axis=1, keepdims=True) for part in (predicted, measured))
            mean_r[region].append(float(correlation(*means)[0]))
            chosen[region].append(model.chosen)
    return [
        _metrics(np.stack(voxels), means, picks, folds, gap)
        for voxels, means, picks in zip(voxel_r, mean_r, chosen, strict=True)
    ]


def fit_rows(
    estimator: Estimator,
    x: Matrix,
    ys: Sequence[Matrix],
    fold: Fold,
    *,
    lengths: Sequence[int],
    gap: float,
    tr: float,
) -> list[Fitted]:
    """Fit every region on the training rows of a fold."""

    def inner() -> list[Fold]:
        return inner_folds(fold, lengths, n_folds=INNER_FOLDS, gap=gap, tr=tr)

    return estimator.fit(x[fold.train], [y[fold.train] for y in ys], inner)


def _metrics(
    r: Matrix, region_mean_r: list[float], chosen: list[dict[str, Any]], folds: Folds, gap: float
) -> dict[str, Any]:
    """Plain numbers from r (folds, V)."""
    per_voxel = r.mean(axis=0)
    lower, median, upper = np.quantile(per_voxel, [0.25, 0.5, 0.75])
    metrics: dict[str, Any] = {
        "heldout_r": {
            "mean": float(per_voxel.mean()),
            "median": float(median),
            "lower_quartile": float(lower),
            "upper_quartile": float(upper),
        },
        "heldout_r_region_mean": float(np.mean(region_mean_r)),
        "heldout_r_folds": [float(value) for value in r.mean(axis=1)],
        "heldout_r_voxels": [round(float(value), 6) for value in per_voxel],
        "chosen_in_folds": chosen,
        "folds": {"kind": folds.kind, "number": len(folds.folds), "gap_seconds": gap},
    }
    if folds.warning:
        metrics["warning"] = folds.warning
    return metrics
