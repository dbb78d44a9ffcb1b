"""Linear models behind one interface: every region on every fold and on all rows, with the shared work done
once.

What a model chooses for itself (components, penalties, weights of feature spaces) is chosen inside the
training rows of each fold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from almond.encoding.models.bands import BandedFit, band_columns, draw_shares
from almond.encoding.models.folds import Fold
from almond.encoding.models.pls_cv import FamilyFit, fit_families
from almond.encoding.models.ridge_cv import relative, ridge_families
from almond.encoding.models.solvers.backend import Backend, make_backend
from almond.encoding.models.solvers.training_sets import make_plan
from almond.errors import InputError
from almond.progress import Progress, Silent
from almond.rng import generator
from almond.typing import Columns, Floats

InnerFolds = Callable[[], Sequence[Fold]]
"""Folds within the rows at hand, made only when there is something to choose."""

NOTICED = 1e-3
"""Relative error from which single precision is warned about."""
ROUNDING = 0.1
"""Of the condition number, what rounding of a sum of thousands reaches at most (measured, docs/speed.md)."""
OTHERWISE = (
    "single precision: of shares and penalties that do about equally well another may be chosen; "
    "use precision: float64"
)


@dataclass(frozen=True)
class Fitted:
    """Weights (D, V), intercept (V,), and what was chosen on the way (plain numbers)."""

    weights: Floats
    intercept: Floats
    chosen: dict[str, Any]

    def predict(self, predictors: Floats) -> Floats:
        return predictors @ self.weights + self.intercept


@dataclass(frozen=True)
class Problem:
    """Predictors ``x`` (n, D), one ``bold`` (n, V) with the ``columns`` of each region, folds over the rows,
    and ``inner``: the folds within the training rows of a fold, to choose on, as positions within them."""

    x: Floats
    bold: Floats
    columns: Sequence[Columns]
    folds: Sequence[Fold]
    inner: Callable[[Fold], Sequence[Fold]]


@dataclass(frozen=True)
class Solved:
    """One region: held-out predictions (n_test, V) per fold, what was chosen in each, the model of all rows,
    and what single precision may have cost (None when that is nothing to speak of)."""

    predictions: list[Floats]
    chosen_in_folds: list[dict[str, Any]]
    final: Fitted | None
    warning: str | None = None


class Estimator(Protocol):
    @property
    def name(self) -> str: ...

    def solve(self, problem: Problem, final: bool, backend: Backend, progress: Progress) -> list[Solved]:
        """Every region of a checked problem; see :func:`solve`."""

    def fit(self, x: Floats, ys: Sequence[Floats], inner: InnerFolds) -> list[Fitted]:
        """One model per region of all rows: x (n, D), each of ys (n, V_region)."""


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
    """Every region on every fold, and on all rows if ``final``.

    :raises InputError: rows of ``x`` and ``bold`` differ, a region without columns, neither folds nor
        ``final``, or a backend, device or precision that does not exist here.
    """
    x, bold = np.asarray(problem.x), np.asarray(problem.bold)
    if len(x) != len(bold):
        raise InputError("features", f"has {len(x)} rows for {len(bold)} volumes", f"{len(bold)} rows")
    if not problem.columns or any(len(chosen) == 0 for chosen in problem.columns):
        raise InputError("regions", "hold no voxels", "one or more voxels each")
    if not problem.folds and not final:
        raise InputError("folds", "are missing, and no final model is asked for", "something to fit")
    for values, name in ((x, "features"), (bold, "BOLD")):
        if not np.isfinite(values).all():
            raise InputError(name, "hold values that are not finite", "numbers")
    return estimator.solve(problem, final, make_backend(backend, device, precision), progress)


def _all_rows(estimator: Estimator, x: Floats, ys: Sequence[Floats], inner: InnerFolds) -> list[Fitted]:
    borders = np.cumsum([0, *(y.shape[1] for y in ys)])
    columns = [np.arange(first, last) for first, last in pairwise(borders)]
    problem = Problem(x, np.concatenate(ys, axis=1), columns, (), lambda _: inner())
    found = solve(estimator, problem, progress=Silent())
    return [one.final for one in found if one.final is not None]


@dataclass(frozen=True)
class Pls:
    """PLS with the candidate component numbers; with several, the number is chosen per region.

    The choice takes the number with the highest inner held-out r, averaged over voxels and folds; the smaller
    of equals.
    """

    candidates: tuple[int, ...]
    name: str = "pls"

    def fit(self, x: Floats, ys: Sequence[Floats], inner: InnerFolds) -> list[Fitted]:
        return _all_rows(self, x, ys, inner)

    def solve(self, problem: Problem, final: bool, backend: Backend, progress: Progress) -> list[Solved]:
        if not self.candidates or min(self.candidates) < 1:
            raise InputError("components", f"are {list(self.candidates)}", "whole numbers of 1 or more")
        inner = problem.inner if len(self.candidates) > 1 else None
        plan = make_plan(len(problem.x), problem.folds, inner, final)
        found = [Solved([], [], None) for _ in problem.columns]
        worst = [0.0] * len(found)
        parts = (problem.x, problem.bold, problem.columns)
        for one in fit_families(backend, *parts, plan, max(self.candidates), progress):
            number, region = self._choice(one), one.region
            picked = {"components": number}
            if number:
                worst[region] = max(worst[region], 1.0 / max(float(one.model.spread[number - 1]), 1e-30))
            if final and one.family == len(plan.families) - 1:
                model = Fitted(*one.model.coefficients(number), picked)
                found[region] = replace(found[region], final=model)
            else:
                found[region].predictions.append(one.model.predictions(number))
                found[region].chosen_in_folds.append(picked)
        return [
            replace(one, warning=_lost(backend, ratio, "PLS directions"))
            for one, ratio in zip(found, worst, strict=True)
        ]

    def _choice(self, fit: FamilyFit) -> int:
        candidates = np.array(sorted(self.candidates))
        gained = np.zeros(len(candidates))
        for curve in fit.inner:
            if len(curve):
                gained += curve[np.minimum(candidates, len(curve)) - 1]
        return min(int(candidates[gained.argmax()]), fit.model.n_components)


@dataclass(frozen=True)
class Ridge:
    """Ridge with candidate penalties as multiples of the mean eigenvalue of X'X, chosen per voxel."""

    factors: tuple[float, ...]
    name: str = "ridge"

    def fit(self, x: Floats, ys: Sequence[Floats], inner: InnerFolds) -> list[Fitted]:
        return _all_rows(self, x, ys, inner)

    def solve(self, problem: Problem, final: bool, backend: Backend, progress: Progress) -> list[Solved]:
        inner = problem.inner if len(self.factors) > 1 else None
        plan = make_plan(len(problem.x), problem.folds, inner, final)
        used, places = _union(problem.columns)
        found = [Solved([], [], None) for _ in places]
        grid = relative(sorted(self.factors))
        worst = 0.0
        for one in ridge_families(backend, problem.x, problem.bold[:, used], plan, grid, progress):
            worst = max(worst, one.condition)
            for region, chosen in enumerate(places):
                picked = {"penalty_median": float(np.median(one.penalties[chosen]))}
                if one.weights is not None and one.intercept is not None:
                    model = Fitted(one.weights[:, chosen], one.intercept[chosen], picked)
                    found[region] = replace(found[region], final=model)
                else:
                    found[region].predictions.append(one.predictions[:, chosen])
                    found[region].chosen_in_folds.append(picked)
        warning = _lost(backend, ROUNDING * worst, "ridge weights")
        return [replace(one, warning=warning) for one in found]


@dataclass(frozen=True)
class Banded:
    """Ridge with a penalty per feature space and voxel, through himalaya
    (:mod:`almond.encoding.models.banded`).

    ``bands``: the columns of each space, side by side (predictors with K basis responses repeat them K
    times). ``factors``: penalties as multiples of each space's mean eigenvalue. ``draws`` shares of the
    spaces are tried, the same for every fold and seed. ``chosen`` reports per band the median over voxels of
    its share and of himalaya's delta = log(share / penalty), and the mean length of its weights.
    """

    bands: Mapping[str, slice]
    factors: tuple[float, ...]
    seed: int = 0
    draws: int = 30
    name: str = "banded"

    def fit(self, x: Floats, ys: Sequence[Floats], inner: InnerFolds) -> list[Fitted]:
        return _all_rows(self, x, ys, inner)

    def solve(self, problem: Problem, final: bool, backend: Backend, progress: Progress) -> list[Solved]:
        from almond.encoding.models.banded import fit_banded  # loading himalaya takes seconds

        columns = band_columns(self.bands, problem.x.shape[1])
        shares = draw_shares(len(columns), self.draws, generator(self.seed, "banded"))
        used, places = _union(problem.columns)
        everything = np.arange(len(problem.x))
        wanted = (*problem.folds, *([Fold(everything, everything[:0])] if final else ()))
        found = [Solved([], [], None, OTHERWISE if backend.precision == "float32" else None) for _ in places]
        for number, fold in enumerate(wanted):
            progress.report(number / len(wanted), f"banded: {number + 1} of {len(wanted)} row sets")
            model = fit_banded(
                np.asarray(problem.x[fold.train], backend.precision),
                np.asarray(problem.bold[np.ix_(fold.train, used)], backend.precision),
                list(columns.values()),
                folds=problem.inner(fold),
                factors=self.factors,
                shares=shares,
                backend=backend.himalaya,
            )
            for region, chosen in enumerate(places):
                fitted = self._of_region(model, columns, chosen)
                if number < len(problem.folds):
                    found[region].predictions.append(fitted.predict(problem.x[fold.test]))
                    found[region].chosen_in_folds.append(fitted.chosen)
                else:
                    found[region] = replace(found[region], final=fitted)
        return found

    def _of_region(self, model: BandedFit, columns: Mapping[str, Columns], chosen: Columns) -> Fitted:
        weights = model.weights[:, chosen]
        bands = {
            name: {
                "share_median": float(np.median(model.shares[index, chosen])),
                "delta_median": float(np.median(model.deltas[index, chosen])),
                "weights_length_mean": float(np.linalg.norm(weights[rows], axis=0).mean()),
            }
            for index, (name, rows) in enumerate(columns.items())
        }
        picked = {"penalty_median": float(np.median(model.penalties[chosen])), "bands": bands}
        return Fitted(weights, model.intercept[chosen], picked)


def _union(columns: Sequence[Columns]) -> tuple[Columns, list[Columns]]:
    """The voxels of all regions, and the places of each region's among them."""
    used = np.unique(np.concatenate(columns))
    return used, [np.searchsorted(used, chosen) for chosen in columns]


def _lost(backend: Backend, ratio: float, what: str) -> str | None:
    """What rounding may have done where numbers of a size enter that is ``ratio`` times what matters."""
    loss = backend.epsilon * ratio
    if backend.epsilon < 1e-10 or not loss > NOTICED:
        return None
    return f"single precision: {what} may be off by up to {loss:.0e} of their length; use precision: float64"
