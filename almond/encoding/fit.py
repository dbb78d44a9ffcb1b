"""From a configuration to fitted encoders on disk: one subject at a time, every region on the same folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond import __version__
from almond.digest import digest_array, digest_file
from almond.encoding.artifact import EncoderArtifact, save_artifact
from almond.encoding.bids import Run, find_runs, number_of_volumes, repetition_time
from almond.encoding.config import FitConfig, load_config, parse_config
from almond.encoding.crossval import Fold, Folds, make_folds
from almond.encoding.estimators import Estimator, Fitted, Pls, Ridge
from almond.encoding.evaluate import evaluate, fit_rows
from almond.encoding.index import Entry, FittedRegion
from almond.encoding.predictors import Predictors, Scan, conditions_of, gather
from almond.encoding.regions import Region, bold_grid, resolve
from almond.encoding.subject import SubjectData, read_subject
from almond.errors import InputError
from almond.progress import Part, Progress
from almond.rng import generator

__all__ = ["FitConfig", "FitReport", "FittedRegion", "fit", "fit_subject", "load_config", "parse_config"]


@dataclass(frozen=True)
class FitReport:
    """Everything fitted, and the mean over subjects of the held-out correlation, model -> region -> r."""

    artifacts: list[FittedRegion]
    metrics: dict[str, dict[str, float]]


def all_runs(config: FitConfig) -> list[Run]:
    """The runs that a configuration speaks of, of the subjects that it chooses."""
    if config.dataset is not None:
        return find_runs(config.dataset, config.task, config.subjects, config.entities)
    wanted = config.subjects
    runs = [
        Run(item.subject, item.run, item.bold, item.events, None, item.volumes)
        for item in config.runs
        if wanted is None or item.subject in wanted
    ]
    missing = sorted(set(wanted or ()) - {run.subject for run in runs})
    if missing:
        raise InputError("subjects", f"{missing[0]} has no run", "subjects that the runs name")
    return runs


def subjects_of(config: FitConfig) -> list[str]:
    """The subjects to fit, sorted."""
    return sorted({run.subject for run in all_runs(config)})


def fit(config: FitConfig, *, progress: Progress) -> FitReport:
    """Fit every subject into ``config.output``; what is there already is not fitted again."""
    subjects = subjects_of(config)
    fitted: list[FittedRegion] = []
    for number, subject in enumerate(subjects):
        part = Part(progress, number / len(subjects), (number + 1) / len(subjects))
        fitted += fit_subject(config, subject, out=config.output, progress=part)
    progress.report(1.0, f"{len(fitted)} encoders in {config.output}")
    return FitReport(fitted, summary(fitted))


def summary(fitted: Sequence[FittedRegion]) -> dict[str, dict[str, float]]:
    """Model -> region -> mean over subjects of the mean held-out r."""
    found: dict[str, dict[str, list[float]]] = {}
    for item in fitted:
        of_region = found.setdefault(item.model, {}).setdefault(item.region, [])
        of_region.append(float(item.metrics["heldout_r"]["mean"]))
    return {
        model: {region: float(np.mean(values)) for region, values in regions.items()}
        for model, regions in found.items()
    }


def fit_subject(config: FitConfig, subject: str, *, out: Path, progress: Progress) -> list[FittedRegion]:
    """Fit every region and model of one subject and write the artifacts below ``out``.

    A model that was fitted before from the same files, masks, features and settings is found in the index
    beside the artifacts, checked and returned; nothing is fitted twice, also after a stop in the middle.

    :raises InputError: anything about the files that does not fit; nothing is written for that subject then.
    """
    runs = all_runs(config)
    own = [run for run in runs if run.subject == subject]
    if not own:
        raise InputError("subjects", f"{subject} has no run", "a subject of the data set")
    progress.report(0.0, f"sub-{subject}: masks and runs")
    grid = bold_grid([run.bold for run in own])
    regions = list(resolve(config.regions, grid, subject=subject).values())
    scans = [Scan(run, number_of_volumes(run), repetition_time(run, config.tr)) for run in own]
    progress.report(0.02, f"sub-{subject}: features")
    conditions = conditions_of(runs) if config.features.kind == "events" else ()
    predictors = gather(
        config.features,
        scans,
        conditions=conditions,
        stimuli=config.dataset / "stimuli" if config.dataset else None,
        cache=out / "features",
        base=config.base,
    )
    provenance = _provenance(config, own, scans, predictors)
    job = _Job(config, subject, out, regions, predictors, provenance)
    return job.run(scans, Part(progress, 0.1, 1.0))


def _provenance(
    config: FitConfig, runs: Sequence[Run], scans: Sequence[Scan], predictors: Predictors
) -> dict[str, Any]:
    root = config.dataset or config.base
    digests = {path: digest_file(path) for path in {run.bold for run in runs}}
    return {
        "bold": {_relative(path, root): digest for path, digest in digests.items()},
        "runs": [
            {
                "run": scan.run.name,
                "volumes": scan.n_volumes,
                "tr": scan.tr,
                "bold": _relative(scan.run.bold, root),
            }
            for scan in scans
        ],
        "events": {
            _relative(run.events, root): digest_file(run.events) for run in runs if run.events is not None
        },
        "features": predictors.card.digest,
        "feature_rows": [digest_array(part.values) for part in predictors.runs],
        "preprocessing": {
            "detrend": config.detrend,
            "standardise": config.standardise,
            "hrf": config.hrf,
            "order": "features resampled to the TR, convolved, detrended as the BOLD is",
        },
        "code": f"almond {__version__}",
    }


def _relative(path: Path, root: Path) -> str:
    """Below the root where it is; otherwise the whole path, so that it can be found again."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


@dataclass(frozen=True)
class _Job:
    """The models of one subject."""

    config: FitConfig
    subject: str
    out: Path
    regions: list[Region]
    predictors: Predictors
    provenance: dict[str, Any]

    def index(self, model: str, region: Region) -> Entry:
        """Where it is remembered what was made from exactly these inputs."""
        inputs = {
            "mask": region.digest,
            "config": self.config.settings(),
            "provenance": self.provenance,
        }
        return Entry(self.out, self.subject, region.name, model, inputs)

    def run(self, scans: Sequence[Scan], progress: Progress) -> list[FittedRegion]:
        known = {
            (model, region.name): self.index(model, region).find()
            for model in self.config.models
            for region in self.regions
        }
        if any(found is None for found in known.values()):
            progress.report(0.0, f"sub-{self.subject}: reading BOLD")
            data = read_subject(self.config, self.regions, scans, self.predictors.runs)
            for number, model in enumerate(self.config.models):
                count = len(self.config.models)
                part = Part(progress, 0.2 + 0.8 * number / count, 0.2 + 0.8 * (number + 1) / count)
                waiting = [region for region in self.regions if known[model, region.name] is None]
                for made in self._fit(model, waiting, data, part):
                    known[model, made.region] = made
        progress.report(1.0, f"sub-{self.subject}: done")
        return [found for found in known.values() if found is not None]

    def _fit(
        self, model: str, regions: Sequence[Region], data: SubjectData, progress: Progress
    ) -> list[FittedRegion]:
        if not regions:
            return []
        columns = [data.columns(region, self.subject) for region in regions]
        ys = [data.bold[:, chosen] for chosen in columns]
        estimator = make_estimator(model, self.config)
        shared: dict[str, Any] = {"lengths": data.lengths, "gap": self.config.gap, "tr": data.tr}
        metrics = evaluate(
            estimator, data.x, ys, self._folds(data), progress=Part(progress, 0.0, 0.8), **shared
        )
        progress.report(0.8, f"sub-{self.subject}: final {model}")
        everything = np.arange(len(data.x))
        models = fit_rows(estimator, data.x, ys, Fold(everything, everything[:0]), **shared)
        return [
            self._save(model, region, data, fitted, chosen, found)
            for region, fitted, chosen, found in zip(regions, models, columns, metrics, strict=True)
        ]

    def _folds(self, data: SubjectData) -> Folds:
        config = self.config
        return make_folds(
            config.crossvalidation,
            data.lengths,
            n_folds=config.folds,
            gap=config.gap,
            tr=data.tr,
            rng=generator(config.seed, "folds", self.subject),
        )

    def _save(
        self,
        model: str,
        region: Region,
        data: SubjectData,
        fitted: Fitted,
        columns: NDArray[np.int64],
        metrics: dict[str, Any],
    ) -> FittedRegion:
        kept = {tuple(voxel) for voxel in data.voxels[columns].tolist()}
        dropped = [voxel for voxel in region.voxels.tolist() if tuple(voxel) not in kept]
        counts = {"n_voxels": len(columns), "n_dropped": len(dropped), "n_volumes": len(data.x)}
        artifact = EncoderArtifact(
            subject=self.subject,
            region=region.name,
            model=model,
            feature_space=self.predictors.card,
            weights=fitted.weights,
            intercept=fitted.intercept,
            voxels=data.voxels[columns],
            dropped=np.array(dropped, np.int64).reshape(-1, 3),
            mask_digest=region.digest,
            config=self.config.settings(),
            provenance=self.provenance,
            metrics={**metrics, **counts, "chosen": fitted.chosen},
        )
        digest, path = save_artifact(self.out, artifact)
        self.index(model, region).remember(digest)
        return FittedRegion(self.subject, region.name, model, digest, path, dict(artifact.metrics))


def make_estimator(model: str, config: FitConfig) -> Estimator:
    return Pls(config.components) if model == "pls" else Ridge(config.penalties)
