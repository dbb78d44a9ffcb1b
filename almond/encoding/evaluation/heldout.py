"""Held-out performance of regions: the same folds for every region of a subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from almond.encoding.config.fit_config import FitConfig
from almond.encoding.models.estimators import Estimator, Problem, RegionFit, solve
from almond.encoding.models.folds import Fold, Folds, correlation, inner_folds, make_folds
from almond.progress import Progress
from almond.rng import generator
from almond.typing import Columns, Floats

INNER_FOLDS = 4


@dataclass(frozen=True)
class Engine:
    """What computes."""

    backend: str = "numpy"
    device: str = "cpu"
    precision: str = "float64"


@dataclass(frozen=True)
class FoldScheme:
    """How cross-validation splits the rows of a subject: runs of ``lengths`` volumes one after the other,
    ``gap`` in s."""

    folds: Folds
    lengths: tuple[int, ...]
    gap: float
    tr: float

    @classmethod
    def of(cls, config: FitConfig, subject: str, lengths: tuple[int, ...], tr: float) -> FoldScheme:
        """Split a subject's runs as the configuration says; random folds are drawn from its seed."""
        folds = make_folds(
            config.crossvalidation,
            lengths,
            n_folds=config.folds,
            gap=config.gap,
            tr=tr,
            rng=generator(config.seed, "folds", subject),
        )
        return cls(folds, lengths, config.gap, tr)

    def inner(self, fold: Fold) -> list[Fold]:
        """Split the training rows of a fold into blocks, on which hyperparameters are chosen."""
        return inner_folds(fold, self.lengths, n_folds=INNER_FOLDS, gap=self.gap, tr=self.tr)


def fit_regions(
    estimator: Estimator,
    x: Floats,
    bold: Floats,
    columns: Sequence[Columns],
    scheme: FoldScheme,
    *,
    final: bool,
    engine: Engine,
    progress: Progress,
) -> list[RegionFit]:
    """Predict every region in every fold, and fit the model of all rows if ``final``: one call, so that
    whatever the regions and folds share is computed once."""
    problem = Problem(x, bold, columns, scheme.folds.folds, scheme.inner)
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
    """Cross-validate a model on each region; return the metrics of :func:`heldout_metrics`, without controls.

    Hyperparameters are chosen within the training rows of a fold.

    :param x: predictors (n, D), the runs one after the other.
    :param ys: responses (n, V) of each region.
    :param lengths: volumes of each run; ``gap`` and ``tr`` in seconds.
    """
    borders = np.cumsum([0, *(y.shape[1] for y in ys)])
    columns = [np.arange(first, last) for first, last in pairwise(borders)]
    scheme = FoldScheme(folds, tuple(lengths), gap, tr)
    fits = fit_regions(
        estimator,
        x,
        np.concatenate(ys, axis=1),
        columns,
        scheme,
        final=False,
        engine=Engine(),
        progress=progress,
    )
    return [heldout_metrics(fit, y, folds, gap) for fit, y in zip(fits, ys, strict=True)]


def heldout_metrics(fit: RegionFit, measured: Floats, folds: Folds, gap: float) -> dict[str, Any]:
    """Return the metrics of one region with measured responses (n, V), as plain numbers.

    Per voxel and fold, over the held-out volumes: Pearson's r (0 where either does not vary), and
    R2 = 1 - sum (y - p)^2 / sum (y - mean y)^2 with the mean of the held-out volumes (below 0 where that mean
    would have done better; 0 for a voxel that does not vary). Each is averaged over the folds.
    """
    pairs = [
        (predicted, measured[fold.test]) for predicted, fold in zip(fit.predictions, folds.folds, strict=True)
    ]
    # r and R2 (folds, V).
    r = np.stack([correlation(*pair) for pair in pairs])
    r2 = np.stack([r_squared(*pair) for pair in pairs]).mean(axis=0)
    means = [[part.mean(axis=1, keepdims=True) for part in pair] for pair in pairs]
    per_voxel = r.mean(axis=0)
    return {
        "heldout_r": quartiles(per_voxel),
        "heldout_r_region_mean": float(np.mean([correlation(*pair)[0] for pair in means])),
        "heldout_r_folds": [float(value) for value in r.mean(axis=1)],
        "heldout_r_voxels": [round(float(value), 6) for value in per_voxel],
        "heldout_r2": quartiles(r2),
        "heldout_r2_voxels": [round(float(value), 6) for value in r2],
        "chosen_in_folds": [dict(hyperparameters) for hyperparameters in fit.fold_hyperparameters],
        "folds": {"kind": folds.kind, "number": len(folds.folds), "gap_seconds": gap},
        **({"warning": folds.warning} if folds.warning else {}),
    }


def mean_r(fit: RegionFit, measured: Floats, folds: Folds) -> float:
    """Return the held-out r averaged over folds and voxels: ``heldout_r.mean`` alone."""
    pairs = zip(fit.predictions, folds.folds, strict=True)
    return float(np.mean([correlation(predicted, measured[fold.test]).mean() for predicted, fold in pairs]))


def r_squared(predicted: Floats, measured: Floats) -> Floats:
    """Return R2 (V,) of predictions (n, V): see :func:`heldout_metrics`."""
    # R2 = 1 - sum (y - p)^2 / sum (y - mean y)^2.
    missed = ((measured - predicted) ** 2).sum(axis=0)
    total = ((measured - measured.mean(axis=0)) ** 2).sum(axis=0)
    share = np.divide(missed, total, out=np.ones_like(missed), where=total > 1e-12)
    return np.asarray(1.0 - share, np.float64)


def order_predictions(fit: RegionFit, folds: Folds, rows: int) -> Floats:
    """Put the held-out predictions (n, V) of all folds into the order of the volumes."""
    together = np.empty((rows, fit.predictions[0].shape[1]))
    for predicted, fold in zip(fit.predictions, folds.folds, strict=True):
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
