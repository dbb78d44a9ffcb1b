"""Problems for the tests of the engine: smooth predictors of low rank, BOLD that follows them, folds with
gaps."""

import numpy as np

from almond.encoding.models.estimators import Problem
from almond.encoding.models.folds import Fold, inner_folds, make_folds
from almond.rng import generator


def film(rows, features, voxels, *, seed=1, rank=25, level=3.0):
    """Predictors (rows, features) and BOLD (rows, voxels), both far from zero mean."""
    rng = generator(seed, "engine", rows, features, voxels)
    factors = np.stack(
        [np.convolve(course, np.ones(6) / 6, "same") for course in rng.standard_normal((rank, rows))], axis=1
    ) / np.sqrt(np.arange(1, rank + 1))
    x = factors @ rng.standard_normal((rank, features)) + 0.1 * rng.standard_normal((rows, features)) + level
    y = factors[:, :10] @ rng.standard_normal((10, voxels)) + 0.5 * rng.standard_normal((rows, voxels)) + 40
    return x, y


def problem(x, bold, columns, *, kind="blocks", n_folds=4, gap=4.0):
    """Two runs of equal length."""
    lengths = (len(x) // 2, len(x) - len(x) // 2)
    rng = generator(1, "engine folds")
    folds = make_folds(kind, lengths, n_folds=n_folds, gap=gap, tr=1.0, rng=rng).folds

    def inner(fold: Fold):
        return inner_folds(fold, lengths, n_folds=3, gap=gap, tr=1.0)

    return Problem(x, bold, columns, folds, inner)


def regions(voxels):
    """The whole, two overlapping parts out of order, one voxel."""
    every = np.arange(voxels)
    return [every, every[::-2].copy(), every[: voxels // 3], every[voxels // 2 : voxels // 2 + 1]]
