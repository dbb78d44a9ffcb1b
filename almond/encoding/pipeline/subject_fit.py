"""The models of one subject: what was fitted before is found again, the rest is fitted and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.artifacts import provenance
from almond.encoding.artifacts.artifact import EncoderArtifact, save_artifact
from almond.encoding.artifacts.fit_index import Entry, FittedRegion
from almond.encoding.config.model import FAMILIES
from almond.encoding.evaluation.cross_validate import Noise, Trial
from almond.encoding.evaluation.heldout import Design, Engine
from almond.encoding.evaluation.repeats import repeats_of
from almond.encoding.models.estimators import Fitted
from almond.encoding.models.folds import make_folds
from almond.encoding.pipeline.design_matrix import SubjectData, read_subject
from almond.encoding.pipeline.inputs import Inputs, NoisePredictors
from almond.encoding.pipeline.make_estimator import make_estimator, most_components
from almond.encoding.regions.resolve import Region
from almond.progress import Part, Progress
from almond.rng import generator
from almond.typing import Columns, Floats


@dataclass(frozen=True)
class Job:
    """Every model of one subject that learns from this subject alone."""

    inputs: Inputs
    out: Path

    @property
    def models(self) -> list[str]:
        return [model for model in self.inputs.config.models if model not in FAMILIES]

    def entry(self, model: str, region: Region) -> Entry:
        """Where it is remembered what was made from exactly these inputs."""
        inputs = {
            "mask": region.digest,
            "config": self.inputs.config.settings(model),
            "provenance": self.inputs.provenance,
        }
        return Entry(self.out, self.inputs.subject, region.name, model, inputs)

    def run(self, progress: Progress) -> list[FittedRegion]:
        """Every model on every region: found, or fitted and written. BOLD is read once, if at all."""
        regions, subject = self.inputs.regions, self.inputs.subject
        keys = [(model, region.name) for model in self.models for region in regions]
        known = {
            (model, region.name): found
            for model in self.models
            for region in regions
            if (found := self.entry(model, region).find()) is not None
        }
        waiting = {
            model: [region for region in regions if (model, region.name) not in known]
            for model in self.models
        }
        if any(waiting.values()):
            # All regions, also those that are known: the last bits of a region's numbers, and with them its
            # digest, depend on which regions are fitted beside it.
            data = read_subject(
                self.inputs.config,
                regions,
                self.inputs.scans,
                self.inputs.predictors,
                Part(progress, 0.0, 0.2),
            )
            noise = self.inputs.noise()
            self.inputs.release()
            parts = [
                (model, part)
                for model, of_model in waiting.items()
                for part in self._alike(model, regions, data)
                if any(region in of_model for region in part)
            ]
            for number, (model, part) in enumerate(parts):
                borders = [0.2 + 0.8 * place / len(parts) for place in (number, number + 1)]
                ready = self._fit(model, part, data, noise, Part(progress, *borders))
                for region, save in zip(part, ready, strict=True):
                    if region in waiting[model]:
                        known[model, region.name] = save()
        progress.report(1.0, f"sub-{subject}: done")
        return [known[key] for key in keys]

    def _alike(self, model: str, regions: Sequence[Region], data: SubjectData) -> list[list[Region]]:
        """Regions that one call fits: all of them, but for those with fewer voxels than components."""
        found: dict[int | None, list[Region]] = {}
        for region in regions:
            voxels = len(data.columns(region, self.inputs.subject))
            limit = most_components(self.inputs.config, voxels) if model == "pls" else None
            found.setdefault(limit, []).append(region)
        return list(found.values())

    def _fit(
        self,
        model: str,
        regions: Sequence[Region],
        data: SubjectData,
        noise: NoisePredictors | None,
        progress: Progress,
    ) -> list[Callable[[], FittedRegion]]:
        """Each region fitted, ready to be saved."""
        config = self.inputs.config
        columns = [data.columns(region, self.inputs.subject) for region in regions]
        bold, parts = data.bold, columns
        if config.target == "mean":
            bold = np.stack([data.bold[:, chosen].mean(axis=1) for chosen in columns], axis=1)
            parts = [np.array([place]) for place in range(len(columns))]
        results = self._trial(model, data, bold, parts, noise).run(progress)
        return [
            partial(self._save, model, region, data, fitted, chosen, metrics)
            for region, chosen, (fitted, metrics) in zip(regions, columns, results, strict=True)
        ]

    def _trial(
        self,
        model: str,
        data: SubjectData,
        bold: Floats,
        columns: Sequence[Columns],
        noise: NoisePredictors | None,
    ) -> Trial:
        config, subject = self.inputs.config, self.inputs.subject
        most = most_components(config, len(columns[0])) if model == "pls" else None
        folds = make_folds(
            config.crossvalidation,
            data.lengths,
            n_folds=config.folds,
            gap=config.gap,
            tr=data.tr,
            rng=generator(config.seed, "folds", subject),
        )
        return Trial(
            subject=subject,
            estimator=make_estimator(model, config, self.inputs.bands, most),
            x=data.x,
            bold=bold,
            columns=columns,
            design=Design(folds, data.lengths, config.gap, data.tr),
            engine=Engine(config.backend, config.device, config.precision),
            seed=config.seed,
            noise=None if noise is None else self._noise(model, most, noise),
            repeats=repeats_of(config.repeats, self.inputs.scans) if config.repeats else None,
            permutations=config.permutations,
        )

    def _noise(self, model: str, most: int | None, noise: NoisePredictors) -> Noise:
        estimator = make_estimator(model, self.inputs.config, noise.bands, most)
        return Noise(noise.x, estimator, noise.features, noise.time_constant)

    def _save(
        self,
        model: str,
        region: Region,
        data: SubjectData,
        fitted: Fitted,
        columns: Columns,
        metrics: dict[str, Any],
    ) -> FittedRegion:
        config, inputs = self.inputs.config, self.inputs
        dropped = dropped_voxels(region, data.voxels[columns])
        counts = {"n_voxels": len(columns), "n_dropped": len(dropped), "n_volumes": len(data.x)}
        weights, basis = responses(fitted.weights, inputs.card.dimension, config.hrf)
        artifact = EncoderArtifact(
            subject=inputs.subject,
            region=region.name,
            model=model,
            feature_space=inputs.card,
            weights=weights,
            intercept=fitted.intercept,
            voxels=data.voxels[columns],
            dropped=dropped,
            mask_digest=region.digest,
            config=config.settings(model),
            provenance={
                **inputs.provenance,
                "region": provenance.of_region(region, config.dataset or config.base),
                "engine": {"backend": config.backend, "device": config.device},
            },
            metrics={**metrics, **counts, **region.notes(), "chosen": fitted.chosen},
            grid=inputs.grid_json,
            basis_weights=basis,
        )
        digest, path = save_artifact(self.out, artifact)
        self.entry(model, region).remember(digest)
        return FittedRegion(inputs.subject, region.name, model, digest, path, dict(artifact.metrics))


def dropped_voxels(region: Region, kept: NDArray[np.int64]) -> NDArray[np.int64]:
    """The region's voxels (K, 3) that take no part."""
    known = {tuple(voxel) for voxel in kept.tolist()}
    dropped = [voxel for voxel in region.voxels.tolist() if tuple(voxel) not in known]
    return np.array(dropped, np.int64).reshape(-1, 3)


def responses(weights: Floats, dimension: int, hrf: str) -> tuple[Floats, Floats | None]:
    """From weights (K D, V), rows k D + d, the response (D, V) used for scores and all (K, D, V).

    The sum over the delays of a finite impulse response; the canonical response of a basis with derivatives.
    None in place of the second where K is 1.
    """
    basis = weights.reshape(-1, dimension, weights.shape[1])
    if len(basis) == 1:
        return weights, None
    return (basis.sum(axis=0) if hrf == "fir" else basis[0].copy()), basis
