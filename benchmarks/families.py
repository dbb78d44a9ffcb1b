"""What the two families of multi-subject encoders reach on simulated brains.

``python -m benchmarks.families --json`` prints one JSON object:

- ``learning_curve``: held-out r of a new subject's encoders against how many of its volumes they saw: the
  shared-subject model (space from the other subjects), the subject's own ridge and PLS;
- ``flow``: both stages of the flow model, ridge on the same held-out block, calibration of the samples;
- ``bent``: the same where responses bend and fluctuations depend on the stimulus.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from almond.encoding.bold.cleaning import standardised_courses
from almond.encoding.bold.select import subjects_of
from almond.encoding.config.fit_config import FitConfig, parse_config
from almond.encoding.config.multisubject import SharedSettings
from almond.encoding.models.folds import Fold, correlation, inner_folds, make_folds
from almond.encoding.models.pls import fit_pls
from almond.encoding.models.ridge import fit_ridge, relative_penalties
from almond.encoding.multisubject.flow_fit import fit_flow
from almond.encoding.multisubject.shared_fit import Spaces
from almond.encoding.multisubject.subject_arrays import SubjectArrays
from almond.encoding.pipeline.design_matrix import read_subject
from almond.encoding.pipeline.inputs import gather_inputs
from almond.progress import Silent
from almond.rng import generator
from almond.typing import Floats
from almond.world.brains import simulate_dataset
from almond.world.lab import REGIONS

VOLUMES = (60, 80, 100, 150, 200, 300, 600)
FACTORS = tuple(10.0**power for power in range(-3, 4))
COMPONENTS = (1, 2, 3, 4, 6, 8)
GAP = 10.0


def simulated(
    folder: Path, *, subjects: int, runs: int, volumes: int, seed: int, **settings: Any
) -> FitConfig:
    """A simulated data set, made once, and a configuration of the world's network on it."""
    root = folder / f"brains-{subjects}-{runs}-{volumes}-{seed}"
    if not root.exists():
        simulate_dataset(
            root, n_subjects=subjects, n_runs=runs, n_volumes=volumes, tr=1.5, seed=seed, progress=Silent()
        )
    mapping = {
        "dataset": str(root),
        "features": "world",
        "regions": {name: str(root / "derivatives" / "regions" / f"{name}.nii.gz") for name in REGIONS},
        "null_control": False,
        "output": str(folder / "out"),
        **settings,
    }
    return parse_config(mapping, folder)


def arrays(config: FitConfig) -> list[SubjectArrays]:
    found = []
    for subject in subjects_of(config):
        inputs = gather_inputs(config, subject, out=config.output, progress=Silent())
        data = read_subject(config, inputs.regions, inputs.scans, inputs.predictors, Silent())
        found.append(
            SubjectArrays(
                subject=subject,
                x=data.x,
                bold=data.bold,
                voxels=data.voxels,
                columns={region.name: data.columns(region, subject) for region in inputs.regions},
                lengths=data.lengths,
                tr=data.tr,
                feature_space=inputs.card,
                mask_digests={region.name: region.digest for region in inputs.regions},
            )
        )
    return found


def learning_curve(data: Sequence[SubjectArrays]) -> list[dict[str, Any]]:
    """Every subject is the new one once; means over subjects and five held-out blocks."""
    reached: dict[int, list[tuple[float, float, float]]] = {}
    for new in data:
        settings = SharedSettings(new_subjects=(new.subject,))
        spaces = Spaces(data, {one.subject: one.x for one in data}, settings, FACTORS, GAP)
        folds = make_folds("blocks", new.lengths, n_folds=5, gap=GAP, tr=new.tr).folds
        for fold in folds:
            space = spaces.without(new, fold.train)
            for count in VOLUMES:
                if count <= len(fold.train):
                    rows = following(fold, count)
                    shared = spaces.map(space, new, rows).predict(new.x[fold.test])
                    own = [peer(new, rows, fold.test) for peer in (by_ridge, by_pls)]
                    measured = new.bold[fold.test]
                    scores = [float(correlation(part, measured).mean()) for part in (shared, *own)]
                    reached.setdefault(count, []).append((scores[0], scores[1], scores[2]))
    return [_row(count, np.array(scores), len(data)) for count, scores in reached.items()]


def _row(count: int, scores: Floats, subjects: int) -> dict[str, Any]:
    gains = (scores[:, 0] - scores[:, 1:].max(axis=1)).reshape(subjects, -1).mean(axis=1)
    names = ("shared", "ridge", "pls")
    return {
        "volumes": count,
        **{name: round(float(value), 4) for name, value in zip(names, scores.mean(axis=0), strict=True)},
        "gain_over_better": round(float(gains.mean()), 4),
        "standard_error": round(float(gains.std(ddof=1) / np.sqrt(subjects)), 4),
        "subjects_gaining": int((gains > 0).sum()),
    }


def following(fold: Fold, count: int) -> NDArray[np.int64]:
    """The training volumes that follow the test block, going on at the beginning."""
    first = int(np.searchsorted(fold.train, fold.test[-1]))
    return np.sort(np.roll(fold.train, -first)[:count])


def _inner(one: SubjectArrays, rows: NDArray[np.int64]) -> list[Fold]:
    return inner_folds(Fold(rows, rows[:0]), one.lengths, n_folds=4, gap=GAP, tr=one.tr)


def by_ridge(one: SubjectArrays, rows: NDArray[np.int64], test: NDArray[np.int64]) -> Floats:
    x = one.x[rows]
    model = fit_ridge(x, one.bold[rows], relative_penalties(x, FACTORS), _inner(one, rows))
    return np.asarray(one.x[test] @ model.weights + model.intercept, np.float64)


def by_pls(one: SubjectArrays, rows: NDArray[np.int64], test: NDArray[np.int64]) -> Floats:
    """Per region, the number of components chosen by inner held-out r."""
    found = np.empty((len(test), one.bold.shape[1]))
    x, steps = one.x[rows], np.array(COMPONENTS) - 1
    for columns in one.columns.values():
        y = one.bold[rows][:, columns]
        gained = np.zeros(len(steps))
        for fold in _inner(one, rows):
            path = fit_pls(x[fold.train], y[fold.train], COMPONENTS[-1]).path(x[fold.test])
            gained += correlation(path, y[fold.test]).mean(axis=1)[np.minimum(steps, len(path) - 1)]
        weights, intercept = fit_pls(x, y, COMPONENTS[int(gained.argmax())]).coefficients()
        found[:, columns] = one.x[test] @ weights + intercept
    return found


def flow(
    config: FitConfig, data: Sequence[SubjectArrays], convolved: Sequence[SubjectArrays]
) -> dict[str, Any]:
    """The flow model, and ridge on convolved features, on the last block."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit_flow(config, data, Path(folder), Silent())
    seconds = time.perf_counter() - begun
    ridge = []
    for one in convolved:
        fold = make_folds("blocks", one.lengths, n_folds=5, gap=GAP, tr=one.tr).folds[-1]
        ridge.append(float(correlation(by_ridge(one, fold.train, fold.test), one.bold[fold.test]).mean()))
    metrics = [item.metrics for item in fitted]
    size = np.array([found["n_voxels"] for found in metrics], np.float64)

    def mean(*path: str) -> float:
        values = []
        for found in metrics:
            item: Any = found
            for key in path:
                item = item[key]
            values.append(float(item))
        return round(float(np.average(values, weights=size)), 4)

    names = ("voxels", "region_mean")
    return {
        "seconds": round(seconds, 1),
        "ridge_r": round(float(np.mean(ridge)), 4),
        "anchor_r": mean("anchor", "heldout_r"),
        "flow_r": mean("heldout_r", "mean"),
        "anchor_r2": mean("anchor", "heldout_r2"),
        "flow_r2": mean("heldout_r2", "mean"),
        "crps_flow": mean("calibration", "voxels", "crps"),
        "crps_gaussian_anchor": mean("calibration", "crps_gaussian_anchor"),
        "calibration": {
            name: {
                "spread_skill": mean("calibration", name, "spread_skill"),
                "coverage": {
                    level: mean("calibration", name, "coverage", level) for level in ("50", "80", "90")
                },
            }
            for name in names
        },
    }


def bent(data: Sequence[SubjectArrays], seed: int, *, seen: bool) -> list[SubjectArrays]:
    """Add to every voxel a part that is quadratic in one cause, and fluctuations that voxels share and that
    grow with it. ``seen``: the cause is what all brains answer to most, too; else the features' leading
    direction, to which no voxel answers in a linear way."""
    found = []
    for one in data:
        rng = generator(seed, "bent", one.subject)
        source = _answers(data) if seen else one.x
        left = np.linalg.svd(source - source.mean(axis=0), full_matrices=False)[0]
        cause = left[:, :1] * np.sign(left[0, 0]) * np.sqrt(len(left))
        load = rng.normal(1.0, 0.3, (1, one.bold.shape[1]))
        fluctuation = 0.6 * rng.standard_normal((len(cause), 1)) * np.exp(0.8 * np.clip(cause, -2.5, 2.5))
        bold = standardised_courses(one.bold + (fluctuation + 0.7 * (cause**2 - 1)) @ load)
        found.append(dataclasses.replace(one, bold=bold))
    return found


def _answers(data: Sequence[SubjectArrays]) -> Floats:
    """What ridge predicts of all subjects' voxels; they saw one film."""
    x = data[0].x
    model = fit_ridge(x, np.concatenate([one.bold for one in data], axis=1), relative_penalties(x, (10.0,)))
    return np.asarray(x @ model.weights, np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--subjects", type=int, default=8)
    parser.add_argument("--folder", type=Path, help="keep the simulated data sets here")
    parser.add_argument("--only", choices=("learning_curve", "flow", "bent"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        found = run(folder, arguments.seed, arguments.subjects, arguments.only)
    print(json.dumps(found) if arguments.json else json.dumps(found, indent=1))


def run(folder: Path, seed: int, subjects: int, only: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"seed": seed, "subjects": subjects}
    size: dict[str, Any] = {"subjects": subjects, "runs": 3, "volumes": 260, "seed": seed}
    if only != "bent":
        convolved = arrays(simulated(folder, **size))
    if only in (None, "learning_curve"):
        begun = time.perf_counter()
        found["learning_curve"] = learning_curve(convolved)
        found["learning_curve_seconds"] = round(time.perf_counter() - begun, 1)
        sys.stderr.write("learning curve done\n")
    if only in (None, "flow"):
        for name, settings in (("spm", {"kernel": 20}), ("none", {"kernel": 20})):
            config = simulated(folder, **size, hrf=name, flow=settings)
            found[f"flow_hrf_{name}"] = flow(config, arrays(config), convolved)
            sys.stderr.write(f"flow, hrf {name} done\n")
    if only in (None, "bent"):
        for runs in (3, 8):
            config = simulated(folder, subjects=4, runs=runs, volumes=400, seed=seed)
            straight = arrays(config)
            for seen in (True, False):
                data = bent(straight, seed, seen=seen)
                name = f"bent_{'seen' if seen else 'unseen'}_{runs * 400}_volumes"
                found[name] = flow(config, data, data)
            sys.stderr.write(f"bent, {runs} runs done\n")
    return found


if __name__ == "__main__":
    main()
