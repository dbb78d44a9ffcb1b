"""The two models behind one interface, with what they choose for themselves chosen inside the training
rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from almond.encoding.crossval import Fold, correlation
from almond.encoding.pls import fit_pls
from almond.encoding.ridge import fit_ridge, relative_penalties
from almond.progress import Progress

Matrix = NDArray[np.float64]
InnerFolds = Callable[[], Sequence[Fold]]
"""Folds within the rows at hand, made only when there is something to choose."""


@dataclass(frozen=True)
class Fitted:
    """Weights (D, V), intercept (V,), and what was chosen on the way (plain numbers)."""

    weights: Matrix
    intercept: Matrix
    chosen: dict[str, Any]

    def predict(self, predictors: Matrix) -> Matrix:
        return predictors @ self.weights + self.intercept


class Estimator(Protocol):
    @property
    def name(self) -> str: ...

    def fit(self, x: Matrix, ys: Sequence[Matrix], inner: InnerFolds) -> list[Fitted]:
        """One model per region: x (n, D), each of ys (n, V_region), sharing what they can."""


@dataclass(frozen=True)
class Pls:
    """PLS with the candidate component numbers; with several, the number is chosen per region.

    The choice takes the number with the highest inner held-out r, averaged over voxels and folds; the smaller
    of equals.
    """

    candidates: tuple[int, ...]
    name: str = "pls"

    def fit(self, x: Matrix, ys: Sequence[Matrix], inner: InnerFolds) -> list[Fitted]:
        folds = inner() if len(self.candidates) > 1 else ()
        return [self._fit_region(x, y, folds) for y in ys]

    def _fit_region(self, x: Matrix, y: Matrix, folds: Sequence[Fold]) -> Fitted:
        number = self._choose(x, y, folds) if folds else self.candidates[0]
        model = fit_pls(x, y, number)
        weights, intercept = model.coefficients()
        return Fitted(weights, intercept, {"components": model.n_components})

    def _choose(self, x: Matrix, y: Matrix, folds: Sequence[Fold]) -> int:
        candidates = np.array(sorted(self.candidates))
        gained = np.zeros(len(candidates))
        for fold in folds:
            model = fit_pls(x[fold.train], y[fold.train], int(candidates[-1]))
            reached = correlation(model.path(x[fold.test]), y[fold.test]).mean(axis=1)
            gained += reached[np.minimum(candidates, len(reached)) - 1]
        return int(candidates[gained.argmax()])


@dataclass(frozen=True)
class Ridge:
    """Ridge with candidate penalties as multiples of the mean eigenvalue of X'X, chosen per voxel."""

    factors: tuple[float, ...]
    name: str = "ridge"

    def fit(self, x: Matrix, ys: Sequence[Matrix], inner: InnerFolds) -> list[Fitted]:
        folds = inner() if len(self.factors) > 1 else ()
        penalties = relative_penalties(x, self.factors)
        model = fit_ridge(x, np.concatenate(ys, axis=1), penalties, folds)
        borders = np.cumsum([y.shape[1] for y in ys])[:-1]
        parts = zip(
            np.split(model.weights, borders, axis=1),
            np.split(model.intercept, borders),
            np.split(model.penalties, borders),
            strict=True,
        )
        return [
            Fitted(weights, intercept, {"penalty_median": float(np.median(chosen))})
            for weights, intercept, chosen in parts
        ]


@dataclass(frozen=True)
class Problem:
    """Predictors ``x`` (n, D), one ``bold`` (n, V) with the ``columns`` of each region, folds over the rows,
    and ``inner``: the folds within the training rows of a fold, to choose on."""

    x: Matrix
    bold: Matrix
    columns: Sequence[NDArray[np.int64]]
    folds: Sequence[Fold]
    inner: Callable[[Fold], Sequence[Fold]]


@dataclass(frozen=True)
class Solved:
    """One region: held-out predictions (n_test, V) per fold, what was chosen in each, the model of all
    rows."""

    predictions: list[Matrix]
    chosen_in_folds: list[dict[str, Any]]
    final: Fitted | None


def solve(
    estimator: Estimator,
    problem: Problem,
    *,
    final: bool = True,
    backend: str = "numpy",
    device: str = "cpu",
    precision: str = "float64",
    progress: Progress,
) -> list[Solved]:
    """Every region on every fold, and on all rows if ``final``."""
    x, found = problem.x, [Solved([], [], None) for _ in problem.columns]
    for number, fold in enumerate(problem.folds):
        progress.report(number / len(problem.folds), f"{estimator.name}: fold {number + 1}")
        ys = [problem.bold[np.ix_(fold.train, columns)] for columns in problem.columns]
        models = estimator.fit(x[fold.train], ys, partial(problem.inner, fold))
        for one, model in zip(found, models, strict=True):
            one.predictions.append(model.predict(x[fold.test]))
            one.chosen_in_folds.append(model.chosen)
    if not final:
        return found
    everything = np.arange(len(x))
    ys = [problem.bold[:, columns] for columns in problem.columns]
    models = estimator.fit(x, ys, lambda: problem.inner(Fold(everything, everything[:0])))
    return [dataclasses.replace(one, final=model) for one, model in zip(found, models, strict=True)]
