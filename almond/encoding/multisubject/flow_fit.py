"""Fits of the flow model: held-out blocks, both stages judged on them, one artifact for all subjects."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from almond.digest import canonical_json, digest_json
from almond.encoding.artifacts.fit_index import FittedRegion
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.evaluation.heldout import heldout_metrics
from almond.encoding.evaluation.noise_features import KIND
from almond.encoding.models.estimators import Solved
from almond.encoding.models.folds import Folds, make_folds
from almond.encoding.multisubject.calibration import crps_of_gaussian, piece, summary
from almond.encoding.multisubject.flow_artifact import FlowArtifact, is_intact_flow, read_flow_json, save_flow
from almond.encoding.multisubject.flow_model import FlowModel
from almond.encoding.multisubject.flow_stages import Setting, train_first_stage, train_stages
from almond.encoding.multisubject.interface import SubjectArrays
from almond.encoding.multisubject.shared_fit import digests
from almond.errors import InputError
from almond.files import write_atomically
from almond.progress import Part, Progress
from almond.rng import derive_seed
from almond.typing import Floats, Rows

Counts = dict[str, Floats]

MODEL = "flow"
SAMPLES = 100
"""Samples per held-out volume for the spread."""

VOLUMES_AT_ONCE = 100


@dataclass(frozen=True)
class Judged:
    """Of one subject in one held-out block: the mean of samples, the anchor alone and the anchor on noise
    features (T, V); ``pieces``: region -> calibration of voxels and of the region's mean."""

    predicted: Floats
    anchor: Floats
    noise: Floats | None
    pieces: dict[str, list[tuple[Counts, Counts]]]
    crps_gaussian: dict[str, float]


def fit_flow(
    config: FitConfig, subjects: Sequence[SubjectArrays], out: Path, progress: Progress
) -> list[FittedRegion]:
    """Train, judge on held-out blocks and write one artifact; every subject and region names it.

    A training that was stopped goes on from its checkpoints below ``out/checkpoints``, which are removed in
    the end. With ``evaluate: block`` the model that is kept never saw the held-out block; with ``folds`` it
    saw everything, and the metrics are those of models that did not.

    :raises InputError: random folds (a convolution needs volumes in their order), or too few volumes.
    """
    if config.crossvalidation == "random":
        raise InputError("crossvalidation", "is random, but flow convolves over time", "blocks or runs")
    inputs = {
        "model": MODEL,
        "config": config.settings(MODEL),
        "data": {one.subject: digests(one) for one in subjects},
        "convolved": config.hrf != "none",
    }
    key = digest_json(inputs)
    known = _find(out, key)
    if known is None:
        folder = out / "checkpoints" / key
        job = _Job(config, subjects, folder)
        artifact = job.run(progress, digest_json(inputs["data"]))
        digest, _ = save_flow(out, artifact)
        write_atomically(out / "index" / f"{key}.json", canonical_json({"artifact": digest}))
        shutil.rmtree(folder, ignore_errors=True)
        known = out / digest
    progress.report(1.0, f"flow: {len(subjects)} subjects")
    metrics = read_flow_json(known)["metrics"]
    return [
        FittedRegion(one.subject, region, MODEL, known.name, known, metrics[one.subject][region])
        for one in subjects
        for region in one.columns
    ]


def _find(out: Path, key: str) -> Path | None:
    entry = out / "index" / f"{key}.json"
    if not entry.is_file():
        return None
    folder = out / str(json.loads(entry.read_bytes())["artifact"])
    return folder if is_intact_flow(folder) else None


@dataclass(frozen=True)
class _Job:
    config: FitConfig
    subjects: Sequence[SubjectArrays]
    folder: Path

    def run(self, progress: Progress, data_digest: str) -> FlowArtifact:
        config = self.config
        folds = [
            make_folds(config.crossvalidation, one.lengths, n_folds=config.folds, gap=config.gap, tr=one.tr)
            for one in self.subjects
        ]
        counts = {len(found.folds) for found in folds}
        if len(counts) > 1:
            raise InputError("crossvalidation", "runs, but subjects differ in their number", "blocks")
        whole = config.flow.evaluate == "folds"
        numbers = list(range(counts.pop()))
        numbers = numbers if whole else numbers[-1:]
        trainings = len(numbers) + whole
        judged: list[list[Judged]] = []
        for place, number in enumerate(numbers):
            part = Part(progress, place / trainings, (place + 1) / trainings)
            model, found = self._fold(folds, number, part)
            judged.append(found)
        if whole:
            rows = [np.arange(len(one.x)) for one in self.subjects]
            part = Part(progress, len(numbers) / trainings, 1.0)
            model = train_stages(self.subjects, rows, self._setting("whole"), part)
        used = [Folds(found.kind, tuple(found.folds[n] for n in numbers), found.warning) for found in folds]
        metrics = {
            one.subject: self._metrics(index, one, judged, used[index], model)
            for index, one in enumerate(self.subjects)
        }
        return self._artifact(model, metrics, data_digest)

    def _setting(self, name: str) -> Setting:
        config = self.config
        device = config.device if config.backend == "torch" else "cpu"
        return Setting(config.flow, config.gap, config.hrf != "none", device, self.folder / name)

    def _fold(
        self, folds: Sequence[Folds], number: int, progress: Progress
    ) -> tuple[FlowModel, list[Judged]]:
        """Train without the block of this number and judge on it."""
        train = [found.folds[number].train for found in folds]
        setting = self._setting(f"fold-{number + 1}")
        model = train_stages(self.subjects, train, setting, Part(progress, 0.0, 0.7))
        noise = self._noise(train, number, Part(progress, 0.7, 0.9))
        judged = []
        for index, (one, found) in enumerate(zip(self.subjects, folds, strict=True)):
            share = 0.9 + 0.1 * index / len(self.subjects)
            progress.report(share, f"sub-{one.subject}: samples of the held-out block")
            control = noise[index] if noise else None
            judged.append(_judge(model, index, one, found.folds[number].test, control))
        return model, judged

    def _noise(self, train: Sequence[Rows], number: int, progress: Progress) -> list[Floats] | None:
        """Predictions of a first stage on noise features, where every subject brings some."""
        if any(one.null_x is None for one in self.subjects):
            return None
        subjects = [_with_noise(one) for one in self.subjects]
        return train_first_stage(subjects, train, self._setting(f"noise-{number + 1}"), progress)

    def _metrics(
        self,
        index: int,
        one: SubjectArrays,
        judged: Sequence[Sequence[Judged]],
        folds: Folds,
        model: FlowModel,
    ) -> dict[str, Any]:
        blocks = [found[index] for found in judged]
        temperature = round(model.voices[index].temperature, 6)
        factors = len(model.voices[index].spread.variances)
        return {
            region: {
                **_region_metrics(columns, one, region, blocks, folds, self.config.gap),
                "n_voxels": len(columns),
                "n_dropped": len(one.dropped.get(region, ())),
                "n_volumes": len(one.x),
                "evaluate": self.config.flow.evaluate,
                "chosen": {"temperature": temperature, "factors": factors},
            }
            for region, columns in one.columns.items()
        }

    def _artifact(self, model: FlowModel, metrics: dict[str, Any], data_digest: str) -> FlowArtifact:
        first = self.subjects[0]
        return FlowArtifact(
            model=model,
            voxels={one.subject: one.voxels for one in self.subjects},
            columns={one.subject: one.columns for one in self.subjects},
            tr=first.tr,
            feature_space=asdict(first.feature_space),
            mask_digests=first.mask_digests,
            grid=first.grid,
            config=self.config.settings(MODEL),
            provenance={
                "subjects": {one.subject: dict(one.provenance) for one in self.subjects},
                "flow": self.config.flow.to_json(),
                "data": data_digest,
            },
            metrics=metrics,
        )


def _with_noise(one: SubjectArrays) -> SubjectArrays:
    values = {name: getattr(one, name) for name in one.__dataclass_fields__}
    return SubjectArrays(**{**values, "x": one.null_x})


def _judge(model: FlowModel, index: int, one: SubjectArrays, test: Rows, noise: Floats | None) -> Judged:
    """Predictions and samples of the held-out volumes; the features around them may be seen, as a film is."""
    measured = one.bold[test]
    predicted = model.predict(one.x, one.subject, one.lengths)[test]
    anchor = model.predict_anchor(one.x, one.subject, one.lengths)[test]
    pieces = _pieces(model, one, test)
    voice = model.voices[index]
    spread = (voice.spread.deviation * voice.scale).cpu().numpy().astype(np.float64)
    gaussian = {}
    for region, columns in one.columns.items():
        own = crps_of_gaussian(anchor[:, columns], spread[columns], measured[:, columns])
        gaussian[region] = float(own.mean())
    return Judged(predicted, anchor, noise[test] if noise is not None else None, pieces, gaussian)


def _pieces(model: FlowModel, one: SubjectArrays, test: Rows) -> dict[str, list[tuple[Counts, Counts]]]:
    """Samples of the held-out volumes, some volumes at a time: all of a long block would fill the memory."""
    found: dict[str, list[tuple[Counts, Counts]]] = {region: [] for region in one.columns}
    for number, rows in enumerate(np.array_split(test, -(-len(test) // VOLUMES_AT_ONCE))):
        seed = derive_seed(model.seed, "judge", number)
        samples = model.sample(one.x, one.subject, SAMPLES, seed=seed, lengths=one.lengths, rows=rows)
        for region, columns in one.columns.items():
            drawn, here = samples[:, :, columns], one.bold[rows][:, columns]
            means = (part.mean(axis=-1, keepdims=True) for part in (drawn, here))
            found[region].append((piece(drawn, here), piece(*means)))
    return found


def _region_metrics(
    columns: Rows, one: SubjectArrays, region: str, blocks: Sequence[Judged], folds: Folds, gap: float
) -> dict[str, Any]:
    def metrics(kind: str) -> dict[str, Any]:
        solved = Solved([getattr(block, kind)[:, columns] for block in blocks], [], None)
        return heldout_metrics(solved, one.bold[:, columns], folds, gap)

    found, anchor = metrics("predicted"), metrics("anchor")
    found["anchor"] = {
        "heldout_r": anchor["heldout_r"]["mean"],
        "heldout_r2": anchor["heldout_r2"]["mean"],
        "heldout_r_region_mean": anchor["heldout_r_region_mean"],
    }
    voxels, of_mean = zip(*(part for block in blocks for part in block.pieces[region]), strict=True)
    found["calibration"] = {
        "voxels": summary(voxels),
        "region_mean": summary(of_mean),
        "crps_gaussian_anchor": float(np.mean([block.crps_gaussian[region] for block in blocks])),
    }
    if one.null_x is not None and all(block.noise is not None for block in blocks):
        found["null_control"] = {
            "heldout_r": metrics("noise")["heldout_r"]["mean"],
            "features": int(one.null_x.shape[1]),
            "kind": f"{KIND}, first stage",
        }
    return found
