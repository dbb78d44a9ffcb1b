"""Fits of the flow model: both stages evaluated on held-out blocks, one artifact for all subjects."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from almond.digest import canonical_json, digest_json
from almond.encoding.artifacts.fit_index import FittedRegion
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.evaluation.heldout import FoldScheme, heldout_metrics
from almond.encoding.evaluation.noise_features import KIND
from almond.encoding.models.estimators import RegionFit
from almond.encoding.models.folds import Folds
from almond.encoding.multisubject.calibration import calibration_summary, calibration_sums, crps_of_gaussian
from almond.encoding.multisubject.flow_artifact import FLOW, FlowArtifact, save_flow
from almond.encoding.multisubject.flow_model import FlowModel
from almond.encoding.multisubject.flow_stages import StageSettings, train_first_stage, train_stages
from almond.encoding.multisubject.shared_fit import data_digests
from almond.encoding.multisubject.subject_arrays import SubjectArrays
from almond.errors import InputError
from almond.files.writing import write_atomically
from almond.progress import Part, Progress
from almond.rng import derive_seed
from almond.typing import Floats, Rows

Counts = dict[str, Floats]

MODEL = "flow"
SAMPLES = 100
"""Samples per held-out volume for the spread."""

VOLUMES_AT_ONCE = 100


@dataclass(frozen=True)
class HeldoutBlock:
    """Predictions of one subject in one held-out block: the mean of samples, the anchor alone and the anchor
    on noise features (T, V); ``pieces``: region -> calibration sums of voxels and of the region's mean."""

    predicted: Floats
    anchor: Floats
    noise: Floats | None
    pieces: dict[str, list[tuple[Counts, Counts]]]
    crps_gaussian: dict[str, float]


def fit_flow(
    config: FitConfig, subjects: Sequence[SubjectArrays], out: Path, progress: Progress
) -> list[FittedRegion]:
    """Train, evaluate on held-out blocks and write one artifact; every subject and region names it.

    A training that was stopped goes on from its checkpoints below ``out/checkpoints``, which are removed in
    the end. With ``evaluate: block`` the stored model never saw the held-out block; with ``folds`` it
    saw everything, and the metrics are those of models that did not.

    :raises InputError: random folds (a convolution needs volumes in their order), or too few volumes.
    """
    if config.crossvalidation == "random":
        raise InputError("crossvalidation", "is random, but flow convolves over time", "blocks or runs")
    inputs = {
        "model": MODEL,
        "config": config.settings(MODEL),
        "data": {arrays.subject: data_digests(arrays) for arrays in subjects},
        "convolved": config.hrf != "none",
    }
    key = digest_json(inputs)
    entry = out / "index" / f"{key}.json"
    known = FLOW.indexed(entry, out)
    if known is None:
        folder = out / "checkpoints" / key
        flow_fit = _FlowFit(config, subjects, folder)
        artifact = flow_fit.run(progress, digest_json(inputs["data"]))
        digest, _ = save_flow(out, artifact)
        write_atomically(entry, canonical_json({"artifact": digest}))
        shutil.rmtree(folder, ignore_errors=True)
        known = out / digest
    progress.report(1.0, f"flow: {len(subjects)} subjects")
    metrics = FLOW.read(known)["metrics"]
    return [
        FittedRegion(arrays.subject, region, MODEL, known.name, known, metrics[arrays.subject][region])
        for arrays in subjects
        for region in arrays.columns
    ]


@dataclass(frozen=True)
class _FlowFit:
    config: FitConfig
    subjects: Sequence[SubjectArrays]
    folder: Path

    def run(self, progress: Progress, data_digest: str) -> FlowArtifact:
        config = self.config
        folds = [
            FoldScheme.of(config, arrays.subject, arrays.lengths, arrays.tr).folds for arrays in self.subjects
        ]
        counts = {len(subject_folds.folds) for subject_folds in folds}
        if len(counts) > 1:
            raise InputError("crossvalidation", "runs, but subjects differ in their number", "blocks")
        whole = config.flow.evaluate == "folds"
        numbers = list(range(counts.pop()))
        numbers = numbers if whole else numbers[-1:]
        trainings = len(numbers) + whole
        blocks: list[list[HeldoutBlock]] = []
        for place, number in enumerate(numbers):
            part = Part(progress, place / trainings, (place + 1) / trainings)
            model, of_fold = self._fold(folds, number, part)
            blocks.append(of_fold)
        if whole:
            rows = [np.arange(len(arrays.x)) for arrays in self.subjects]
            part = Part(progress, len(numbers) / trainings, 1.0)
            model = train_stages(self.subjects, rows, self._setting("whole"), part)
        used = [Folds(of.kind, tuple(of.folds[n] for n in numbers), of.warning) for of in folds]
        metrics = {
            arrays.subject: self._metrics(index, arrays, blocks, used[index], model)
            for index, arrays in enumerate(self.subjects)
        }
        return self._artifact(model, metrics, data_digest)

    def _setting(self, name: str) -> StageSettings:
        config = self.config
        device = config.device if config.backend == "torch" else "cpu"
        return StageSettings(config.flow, config.gap, config.hrf != "none", device, self.folder / name)

    def _fold(
        self, folds: Sequence[Folds], number: int, progress: Progress
    ) -> tuple[FlowModel, list[HeldoutBlock]]:
        """Train without the block of this number and predict it."""
        train = [subject_folds.folds[number].train for subject_folds in folds]
        setting = self._setting(f"fold-{number + 1}")
        model = train_stages(self.subjects, train, setting, Part(progress, 0.0, 0.7))
        noise = self._noise(train, number, Part(progress, 0.7, 0.9))
        blocks = []
        for index, (arrays, subject_folds) in enumerate(zip(self.subjects, folds, strict=True)):
            share = 0.9 + 0.1 * index / len(self.subjects)
            progress.report(share, f"sub-{arrays.subject}: samples of the held-out block")
            control = noise[index] if noise else None
            blocks.append(_predict_block(model, index, arrays, subject_folds.folds[number].test, control))
        return model, blocks

    def _noise(self, train: Sequence[Rows], number: int, progress: Progress) -> list[Floats] | None:
        """Predict by a first stage on noise features, where every subject brings some."""
        if any(arrays.null_x is None for arrays in self.subjects):
            return None
        subjects = [_with_noise(arrays) for arrays in self.subjects]
        return train_first_stage(subjects, train, self._setting(f"noise-{number + 1}"), progress)

    def _metrics(
        self,
        index: int,
        arrays: SubjectArrays,
        blocks: Sequence[Sequence[HeldoutBlock]],
        folds: Folds,
        model: FlowModel,
    ) -> dict[str, Any]:
        subject_blocks = [of_fold[index] for of_fold in blocks]
        temperature = round(model.parameters[index].temperature, 6)
        factors = len(model.parameters[index].covariance.variances)
        return {
            region: {
                **_region_metrics(arrays, region, subject_blocks, folds, self.config.gap),
                "n_voxels": len(columns),
                "n_dropped": len(arrays.dropped.get(region, ())),
                "n_volumes": len(arrays.x),
                **arrays.remarks.get(region, {}),
                "evaluate": self.config.flow.evaluate,
                "chosen": {"temperature": temperature, "factors": factors},
            }
            for region, columns in arrays.columns.items()
        }

    def _artifact(self, model: FlowModel, metrics: dict[str, Any], data_digest: str) -> FlowArtifact:
        first = self.subjects[0]
        return FlowArtifact(
            model=model,
            voxels={arrays.subject: arrays.voxels for arrays in self.subjects},
            columns={arrays.subject: arrays.columns for arrays in self.subjects},
            tr=first.tr,
            feature_space=asdict(first.feature_space),
            mask_digests=first.mask_digests,
            grid=first.grid,
            config=self.config.settings(MODEL),
            provenance={
                "subjects": {arrays.subject: dict(arrays.provenance) for arrays in self.subjects},
                "flow": self.config.flow.to_json(),
                "data": data_digest,
            },
            metrics=metrics,
        )


def _with_noise(arrays: SubjectArrays) -> SubjectArrays:
    values = {name: getattr(arrays, name) for name in arrays.__dataclass_fields__}
    return SubjectArrays(**{**values, "x": arrays.null_x})


def _predict_block(
    model: FlowModel, index: int, arrays: SubjectArrays, test: Rows, noise: Floats | None
) -> HeldoutBlock:
    """Predict and sample the held-out volumes; the features around them may be seen, as a film is."""
    measured = arrays.bold[test]
    predicted = model.predict(arrays.x, arrays.subject, arrays.lengths)[test]
    anchor = model.predict_anchor(arrays.x, arrays.subject, arrays.lengths)[test]
    pieces = _pieces(model, arrays, test)
    own = model.parameters[index]
    # Standard deviation of the residuals in units of the BOLD, for the CRPS of a Gaussian around the anchor.
    deviation = (own.covariance.deviation * own.scale).cpu().numpy().astype(np.float64)
    gaussian = {}
    for region, columns in arrays.columns.items():
        crps = crps_of_gaussian(anchor[:, columns], deviation[columns], measured[:, columns])
        gaussian[region] = float(crps.mean())
    return HeldoutBlock(predicted, anchor, noise[test] if noise is not None else None, pieces, gaussian)


def _pieces(model: FlowModel, arrays: SubjectArrays, test: Rows) -> dict[str, list[tuple[Counts, Counts]]]:
    """Sample the held-out volumes, some at a time: all of a long block would fill the memory."""
    pieces: dict[str, list[tuple[Counts, Counts]]] = {region: [] for region in arrays.columns}
    for number, rows in enumerate(np.array_split(test, -(-len(test) // VOLUMES_AT_ONCE))):
        seed = derive_seed(model.seed, "judge", number)
        samples = model.sample(
            arrays.x, arrays.subject, SAMPLES, seed=seed, lengths=arrays.lengths, rows=rows
        )
        for region, columns in arrays.columns.items():
            drawn, here = samples[:, :, columns], arrays.bold[rows][:, columns]
            # Samples and responses averaged over the region's voxels: calibration of the region's mean.
            means = (part.mean(axis=-1, keepdims=True) for part in (drawn, here))
            pieces[region].append((calibration_sums(drawn, here), calibration_sums(*means)))
    return pieces


def _region_metrics(
    arrays: SubjectArrays, region: str, blocks: Sequence[HeldoutBlock], folds: Folds, gap: float
) -> dict[str, Any]:
    columns = arrays.columns[region]

    def metrics(kind: str) -> dict[str, Any]:
        solved = RegionFit([getattr(block, kind)[:, columns] for block in blocks], [], None)
        return heldout_metrics(solved, arrays.bold[:, columns], folds, gap)

    report, anchor = metrics("predicted"), metrics("anchor")
    report["anchor"] = {
        "heldout_r": anchor["heldout_r"]["mean"],
        "heldout_r2": anchor["heldout_r2"]["mean"],
        "heldout_r_region_mean": anchor["heldout_r_region_mean"],
    }
    voxels, of_mean = zip(*(part for block in blocks for part in block.pieces[region]), strict=True)
    report["calibration"] = {
        "voxels": calibration_summary(voxels),
        "region_mean": calibration_summary(of_mean),
        "crps_gaussian_anchor": float(np.mean([block.crps_gaussian[region] for block in blocks])),
    }
    if arrays.null_x is not None and all(block.noise is not None for block in blocks):
        report["null_control"] = {
            "heldout_r": metrics("noise")["heldout_r"]["mean"],
            "features": int(arrays.null_x.shape[1]),
            "kind": f"{KIND}, first stage",
        }
    return report
