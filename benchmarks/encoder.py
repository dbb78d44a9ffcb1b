"""One subject's encoders at the scale of a film: ours beside scikit-learn's PLS and himalaya's ridge.

``python -m benchmarks.encoder --json`` prints one JSON object. Every job runs in a fresh process with the
same data and the same number of threads. scikit-learn's 30 fits take long: ``--peer-fits N`` measures N of
the six of each region and counts the others as their mean; ``--full`` measures all. himalaya is measured
whole.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from himalaya.backend import set_backend
from himalaya.ridge import RidgeCV
from sklearn.cross_decomposition import PLSRegression
from sklearn.exceptions import ConvergenceWarning

from almond.encoding.models.folds import Fold
from almond.encoding.models.pls_cv import fit_nested_pls, heldout_r
from almond.encoding.models.ridge import fit_ridge, relative_penalties
from almond.encoding.models.solvers.open_backend import make_backend
from almond.encoding.models.solvers.training_sets import make_training_sets
from almond.progress import Silent
from almond.typing import Floats
from benchmarks.encoder_data import (
    Scale,
    Spent,
    contiguous,
    in_child,
    leave,
    parsed,
    regions,
    show,
    simulated,
    surroundings,
    timed,
)


@dataclass(frozen=True)
class Settings(Scale):
    peer_fits: int = 1
    full: bool = False
    backend: str = "numpy"
    device: str = "cpu"
    precision: str = "float64"


def pls_ours(settings: Settings, out: Path) -> None:
    """Every region, every fold, all rows, every number of components."""
    x, y = simulated(settings)
    places = list(regions(settings.voxels).values())
    folds = contiguous(settings.rows, settings.folds)

    def work() -> tuple[dict[str, Floats], dict[str, Floats]]:
        engine = make_backend(settings.backend, settings.device, settings.precision)
        training = make_training_sets(settings.rows, folds, None, final=True)
        curves, weights = {}, {}
        for fit in fit_nested_pls(
            engine, x, y, places, training, components=settings.components, progress=Silent()
        ):
            if fit.fold == len(folds):
                weights[f"weights_{fit.region}"] = fit.model.coefficients(settings.components)[0]
            else:
                measured = y[np.ix_(folds[fit.fold].test, places[fit.region])]
                name = f"curve_{fit.region}_{fit.fold}"
                curves[name] = heldout_r(fit.model.scores, fit.model.y_loadings, measured)
        return curves, weights

    spent, (curves, weights) = timed(work)
    norms = {f"{name}_length": np.linalg.norm(found, axis=0) for name, found in weights.items()}
    leave(out, {**asdict(spent), "fits": len(curves) + len(weights)}, **curves, **norms)


def pls_peer(settings: Settings, out: Path) -> None:
    """scikit-learn, one fit per region and row set; all numbers of components from one fit."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    x, y = simulated(settings)
    every = np.arange(settings.rows)
    sets = [*contiguous(settings.rows, settings.folds), Fold(every, every[:0])]
    measured = sets if settings.full else sets[: settings.peer_fits]
    curves: dict[str, Floats] = {}
    seconds: dict[str, list[float]] = {}
    processor: dict[str, list[float]] = {}
    for region, (name, places) in enumerate(regions(settings.voxels).items()):
        for index, one in enumerate(measured):
            spent, model = _peer_fit(settings, x[one.train], y[np.ix_(one.train, places)])
            seconds.setdefault(name, []).append(spent.seconds)
            processor.setdefault(name, []).append(spent.processor_seconds)
            sys.stderr.write(
                f"scikit-learn: {name}, fit {index + 1} of {len(measured)}: {spent.seconds:.1f} s\n"
            )
            if len(one.test):
                scores = (x[one.test] - x[one.train].mean(axis=0)) @ model.x_rotations_
                found = heldout_r(scores.T, model.y_loadings_.T, y[np.ix_(one.test, places)])
                curves[f"curve_{region}_{index}"] = found
    report = {"seconds": seconds, "processor_seconds": processor, "measured_per_region": len(measured)}
    leave(out, report, **curves)


def _peer_fit(settings: Settings, x: Floats, y: Floats) -> tuple[Spent, Any]:
    model = PLSRegression(settings.components, scale=False)
    return timed(lambda: model.fit(x, y))


def _ridge_data(settings: Settings) -> tuple[Floats, Floats, Floats]:
    x, y = simulated(settings)
    dtype = settings.precision
    penalties = relative_penalties(x, np.logspace(-3, 3, settings.penalties).tolist())
    return x.astype(dtype, copy=False), y.astype(dtype, copy=False), penalties


def ridge_ours(settings: Settings, out: Path) -> None:
    x, y, penalties = _ridge_data(settings)
    folds = contiguous(settings.rows, settings.folds)
    engine = {name: getattr(settings, name) for name in ("backend", "device", "precision")}
    spent, model = timed(lambda: fit_ridge(x, y, penalties, folds, **engine))
    predicted = x[:500] @ model.weights + model.intercept
    leave(out, asdict(spent), penalties=model.penalties, predicted=predicted, measured=y[:500])


def ridge_peer(settings: Settings, out: Path) -> None:
    """himalaya's RidgeCV, all of it."""
    set_backend("numpy")
    x, y, penalties = _ridge_data(settings)
    splits = [(fold.train, fold.test) for fold in contiguous(settings.rows, settings.folds)]
    alphas = penalties.astype(settings.precision)
    model = RidgeCV(
        alphas=alphas, cv=splits, fit_intercept=True, solver_params={"n_alphas_batch": 1, "warn": False}
    )
    spent, _ = timed(lambda: model.fit(x, y))
    predicted = x[:500] @ model.coef_ + model.intercept_
    leave(out, asdict(spent), penalties=np.asarray(model.best_alphas_), predicted=predicted)


CHILDREN = {one.__name__: one for one in (pls_ours, pls_peer, ridge_ours, ridge_peer)}


def _child(task: str, settings: Settings, threads: int) -> tuple[dict[str, Any], dict[str, Floats]]:
    sys.stderr.write(f"{task}\n")
    return in_child("benchmarks.encoder", task, settings, threads)


def compare_pls(settings: Settings, threads: int) -> dict[str, Any]:
    ours, mine = _child("pls_ours", settings, threads)
    peer, theirs = _child("pls_peer", settings, threads)
    fits = settings.folds + 1
    whole, used = (
        sum(float(np.mean(spent)) * fits for spent in peer[kind].values())
        for kind in ("seconds", "processor_seconds")
    )
    shared = [name for name in theirs if name in mine]
    first = max(float(np.abs(mine[name][0] - theirs[name][0]).max()) for name in shared)
    last = max(float(np.abs(mine[name][-1].mean() - theirs[name][-1].mean())) for name in shared)
    measured = peer["measured_per_region"]
    spent = {name: [round(one, 1) for one in of] for name, of in peer["seconds"].items()}
    return {
        "seconds": round(ours["seconds"], 2),
        "processor_seconds": round(ours["processor_seconds"], 2),
        "peak_mb": round(ours["peak_mb"]),
        "fits": ours["fits"],
        "peer": "scikit-learn PLSRegression(scale=False)",
        "peer_seconds": round(whole, 1),
        "peer_seconds_measured": spent,
        "peer_fits_measured": measured * len(peer["seconds"]),
        "peer_fits_counted_as_their_mean": (fits - measured) * len(peer["seconds"]),
        "peer_peak_mb": round(peer["peak_mb"]),
        "heldout_r_with_1_component_differs_by_at_most": first,
        f"mean_heldout_r_with_{settings.components}_components_differs_by_at_most": last,
        "speedup_in_processor_time": round(used / ours["processor_seconds"], 1),
        "speedup": round(whole / ours["seconds"], 1),
    }


def compare_ridge(settings: Settings, threads: int) -> dict[str, Any]:
    ours, mine = _child("ridge_ours", settings, threads)
    peer, theirs = _child("ridge_peer", settings, threads)
    same = np.isclose(mine["penalties"], theirs["penalties"], rtol=1e-4)
    found: dict[str, Any] = {
        "seconds": round(ours["seconds"], 2),
        "processor_seconds": round(ours["processor_seconds"], 2),
        "peak_mb": round(ours["peak_mb"]),
        "peer": f"himalaya RidgeCV, {settings.precision}, numpy",
        "peer_seconds": round(peer["seconds"], 1),
        "peer_folds_measured": settings.folds,
        "peer_folds_counted": 0,
        "peer_peak_mb": round(peer["peak_mb"]),
        "speedup_in_processor_time": round(peer["processor_seconds"] / ours["processor_seconds"], 1),
        "speedup": round(peer["seconds"] / ours["seconds"], 1),
        "voxels_with_the_same_penalty": f"{int(same.sum())} of {len(same)}",
    }
    if same.any():
        scale = theirs["predicted"][:, same].std()
        difference = np.abs(mine["predicted"][:, same] - theirs["predicted"][:, same]).max() / scale
        found["predictions_with_the_same_penalty_differ_by_at_most"] = float(difference)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in asdict(Settings()).items():
        if isinstance(value, bool):
            parser.add_argument(f"--{name}", action="store_true")
        else:
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--only", choices=("pls", "ridge"))
    arguments = parsed(parser, CHILDREN, Settings)
    if arguments is None:
        return
    settings = replace(Settings(), **{name: getattr(arguments, name) for name in asdict(Settings())})
    report: dict[str, Any] = {"scale": asdict(settings), **surroundings(arguments.threads)}
    for name, compare in (("pls", compare_pls), ("ridge", compare_ridge)):
        if arguments.only in (None, name):
            report[name] = compare(settings, arguments.threads)
            report[f"{name}_speedup"] = report[name]["speedup"]
    parts = [report[name] for name in ("pls", "ridge") if name in report]
    report["peak_mb"] = max(part["peak_mb"] for part in parts)
    report["seconds"] = round(sum(part["seconds"] for part in parts), 2)
    show(report, arguments)


if __name__ == "__main__":
    main()
