"""Held-out performance from predictions, in the words of every other model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.crossval import Folds, correlation

Matrix = NDArray[np.float64]


def explained_variance(predicted: Matrix, measured: Matrix) -> Matrix:
    """R2 (V,) of predictions (n, V): 1 - squared error over squared deviation from the held-out mean.

    It is below 0 where the mean would have done better, and 0 for a voxel that does not vary.
    """
    missed = ((measured - predicted) ** 2).sum(axis=0)
    total = ((measured - measured.mean(axis=0)) ** 2).sum(axis=0)
    share = np.divide(missed, total, out=np.ones_like(missed), where=total > 1e-12)
    return np.asarray(1.0 - share, np.float64)


def heldout_metrics(
    pairs: Sequence[tuple[Matrix, Matrix]], chosen: Sequence[Mapping[str, Any]], folds: Folds, gap: float
) -> dict[str, Any]:
    """Metrics of one region from (predicted, measured) (n, V) of each fold; means over folds."""
    r = np.stack([correlation(predicted, measured) for predicted, measured in pairs])
    r2 = np.stack([explained_variance(predicted, measured) for predicted, measured in pairs])
    means = [[part.mean(axis=1, keepdims=True) for part in pair] for pair in pairs]
    found: dict[str, Any] = {
        "heldout_r": _quartiles(r.mean(axis=0)),
        "heldout_r_region_mean": float(np.mean([correlation(*pair)[0] for pair in means])),
        "heldout_r_folds": [float(value) for value in r.mean(axis=1)],
        "heldout_r_voxels": _rounded(r.mean(axis=0)),
        "heldout_r2": _quartiles(r2.mean(axis=0)),
        "heldout_r2_voxels": _rounded(r2.mean(axis=0)),
        "chosen_in_folds": [dict(item) for item in chosen],
        "folds": {"kind": folds.kind, "number": len(pairs), "gap_seconds": gap},
    }
    if folds.warning:
        found["warning"] = folds.warning
    return found


def _quartiles(values: Matrix) -> dict[str, float]:
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75])
    return {
        "mean": float(values.mean()),
        "median": float(median),
        "lower_quartile": float(lower),
        "upper_quartile": float(upper),
    }


def _rounded(values: Matrix) -> list[float]:
    return [round(float(value), 6) for value in values]
