"""Fits of one subject: artifacts of the same inputs are reused, all others are fitted and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.artifacts import provenance
from almond.encoding.artifacts.artifact import EncoderArtifact, save_artifact
from almond.encoding.artifacts.fit_index import Entry, FittedRegion
from almond.encoding.config.encoding_models import ENCODING_MODELS
from almond.encoding.evaluation.cross_validate import CrossValidation, NoiseControl
from almond.encoding.evaluation.heldout import Engine, FoldScheme
from almond.encoding.evaluation.noise_ceiling import repeats_of
from almond.encoding.models.estimators import Estimator, Fitted
from almond.encoding.pipeline.design_matrix import SubjectData, read_subject
from almond.encoding.pipeline.encoders.base import SubjectModel
from almond.encoding.pipeline.inputs import Inputs, NoisePredictors
from almond.encoding.regions.resolve import Region
from almond.progress import Part, Progress
from almond.remarks import Remarks
from almond.typing import Columns, Floats


@dataclass(frozen=True)
class _Group:
    """Regions that one estimator fits; ``voxels`` is the number of the first region's."""

    estimator: Estimator
    voxels: int
    regions: list[Region]


@dataclass(frozen=True)
class SubjectFit:
    """The fits of all models that learn from one subject alone."""

    inputs: Inputs
    out: Path

    @cached_property
    def models(self) -> dict[str, SubjectModel]:
        """The configuration's models of one subject, by name."""
        loaded = {name: ENCODING_MODELS.load(name) for name in self.inputs.config.models}
        return {name: model for name, model in loaded.items() if isinstance(model, SubjectModel)}

    def entry(self, model: str, region: Region) -> Entry:
        """Return the entry of the fit index for exactly these inputs."""
        inputs = {
            "mask": region.digest,
            "config": self.inputs.config.settings(model),
            "provenance": self.inputs.provenance,
            **self.inputs.remarks.as_metrics(without=self._others(region)),
        }
        return Entry(self.out, self.inputs.subject, region.name, model, inputs)

    def _others(self, region: Region) -> list[str]:
        return [other.name for other in self.inputs.regions if other is not region]

    def run(self, progress: Progress) -> list[FittedRegion]:
        """Fit every model on every region that the index does not hold; BOLD is read once, if at all."""
        regions, subject = self.inputs.regions, self.inputs.subject
        keys = [(model, region.name) for model in self.models for region in regions]
        known = {
            (model, region.name): fitted
            for model in self.models
            for region in regions
            if (fitted := self.entry(model, region).find()) is not None
        }
        self.inputs.check_strict(
            *(Remarks.from_json(item.metrics.get("remarks", ())) for item in known.values())
        )
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
            self.inputs.check_strict(data.remarks)
            noise = self.inputs.noise()
            self.inputs.release()
            parts = [
                (model, group)
                for model, of_model in waiting.items()
                for group in self._groups(model, regions, data)
                if any(region in of_model for region in group.regions)
            ]
            for number, (model, group) in enumerate(parts):
                borders = [0.2 + 0.8 * place / len(parts) for place in (number, number + 1)]
                ready = self._fit(model, group, data, noise, Part(progress, *borders))
                for region, save in zip(group.regions, ready, strict=True):
                    if region in waiting[model]:
                        known[model, region.name] = save()
        progress.report(1.0, f"sub-{subject}: done")
        return [known[key] for key in keys]

    def _groups(self, model: str, regions: Sequence[Region], data: SubjectData) -> list[_Group]:
        """Put regions with equal estimators together: one call fits them."""
        groups: list[_Group] = []
        for region in regions:
            voxels = len(data.columns(region, self.inputs.subject))
            estimator = self.models[model].make_estimator(self.inputs.config, self.inputs.bands, voxels)
            group = next((group for group in groups if group.estimator == estimator), None)
            if group is None:
                group = _Group(estimator, voxels, [])
                groups.append(group)
            group.regions.append(region)
        return groups

    def _fit(
        self,
        model: str,
        group: _Group,
        data: SubjectData,
        noise: NoisePredictors | None,
        progress: Progress,
    ) -> list[Callable[[], FittedRegion]]:
        """Fit each region; return for each the call that saves it."""
        config = self.inputs.config
        columns = [data.columns(region, self.inputs.subject) for region in group.regions]
        bold, parts = data.bold, columns
        if config.target == "mean":
            bold = np.stack([data.bold[:, voxels].mean(axis=1) for voxels in columns], axis=1)
            parts = [np.array([place]) for place in range(len(columns))]
        control = None if noise is None else self._control(model, group.voxels, noise)
        results = self._cross_validation(group.estimator, data, bold, parts, control).run(progress)
        return [
            partial(self._save, model, region, data, fitted=fitted, columns=voxels, metrics=metrics)
            for region, voxels, (fitted, metrics) in zip(group.regions, columns, results, strict=True)
        ]

    def _cross_validation(
        self,
        estimator: Estimator,
        data: SubjectData,
        bold: Floats,
        columns: Sequence[Columns],
        noise: NoiseControl | None,
    ) -> CrossValidation:
        config, subject = self.inputs.config, self.inputs.subject
        return CrossValidation(
            subject=subject,
            estimator=estimator,
            x=data.x,
            bold=bold,
            columns=columns,
            scheme=FoldScheme.of(config, subject, data.lengths, data.tr),
            engine=Engine(config.backend, config.device, config.precision),
            seed=config.seed,
            noise=noise,
            repeats=repeats_of(config.repeats, self.inputs.scans) if config.repeats else None,
            permutations=config.permutations,
        )

    def _control(self, model: str, voxels: int, noise: NoisePredictors) -> NoiseControl:
        estimator = self.models[model].make_estimator(self.inputs.config, noise.bands, voxels)
        return NoiseControl(noise.x, estimator, noise.features, noise.time_constant)

    def _save(
        self,
        model: str,
        region: Region,
        data: SubjectData,
        *,
        fitted: Fitted,
        columns: Columns,
        metrics: dict[str, Any],
    ) -> FittedRegion:
        config, inputs = self.inputs.config, self.inputs
        dropped = dropped_voxels(region, data.voxels[columns])
        counts = {"n_voxels": len(columns), "n_dropped": len(dropped), "n_volumes": len(data.x)}
        remarks = Remarks([*inputs.remarks, *data.remarks]).as_metrics(without=self._others(region))
        weights, basis = response_weights(fitted.weights, inputs.card.dimension, config.hrf)
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
            metrics={**metrics, **counts, **region.notes(), **remarks, "chosen": fitted.hyperparameters},
            grid=inputs.grid_json,
            basis_weights=basis,
        )
        digest, path = save_artifact(self.out, artifact)
        self.entry(model, region).remember(digest)
        return FittedRegion(inputs.subject, region.name, model, digest, path, dict(artifact.metrics))


def dropped_voxels(region: Region, varying: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the region's voxels (K, 3) that are constant in a run and take no part."""
    known = {tuple(voxel) for voxel in varying.tolist()}
    dropped = [voxel for voxel in region.voxels.tolist() if tuple(voxel) not in known]
    return np.array(dropped, np.int64).reshape(-1, 3)


def response_weights(weights: Floats, dimension: int, hrf: str) -> tuple[Floats, Floats | None]:
    """Reduce weights (K D, V), rows k D + d, to those used for scores (D, V); also return all as (K, D, V).

    The sum over the delays of a finite impulse response; the canonical response of a basis with derivatives.
    None in place of the second where K is 1.
    """
    basis = weights.reshape(-1, dimension, weights.shape[1])
    if len(basis) == 1:
        return weights, None
    return (basis.sum(axis=0) if hrf == "fir" else basis[0].copy()), basis
