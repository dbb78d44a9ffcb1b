"""Predict the responses of every subject's regions and voxels to every image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.artifacts.artifact import ENCODER, EncoderArtifact
from almond.encoding.artifacts.catalogue import Stored
from almond.encoding.features.card import FeatureSpaceCard
from almond.errors import InputError
from almond.norms.images import NormedSet
from almond.progress import Progress
from almond.stats.correlation import zscore
from almond.stats.leave_one_out import means_of_others
from almond.targets.target import raw_scores
from almond.typing import Floats

REGRESSORS = ("valence", "arousal", "interaction")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted responses to the images of each set.

    ``own[set][region]`` (S, n) is features . mean beta of the region without the intercept;
    ``others[set][region]`` the same by the mean of the mean betas of all *other* subjects (Jang & Kragel
    2025, ``predict_activations_IAPS_OASIS``).
    """

    subjects: tuple[str, ...]
    regions: tuple[str, ...]
    own: Mapping[str, Mapping[str, Floats]]
    others: Mapping[str, Mapping[str, Floats]]


@dataclass(frozen=True, eq=False)
class VoxelEffects:
    """Correlations of the predictions of one region's voxels with the ratings.

    ``voxels`` (V, 3) are the indices of the voxels that any subject has. ``r[set]`` (S, V, 3) is the
    correlation of a voxel's prediction with z valence, z arousal and their product, NaN where the subject
    has no such voxel. ``mean_z[set]`` (n, V) is the mean over subjects of the z-scored predictions.
    """

    voxels: NDArray[np.int64]
    r: Mapping[str, Floats]
    mean_z: Mapping[str, Floats]
    grid: Mapping[str, Any] | None


def select_encoders(stored: Sequence[Stored], model: str, regions: Sequence[str]) -> dict[str, list[Stored]]:
    """Return per region its encoders of one ``model``, in one order of subjects.

    :raises InputError: a region without encoders, fewer than two subjects, or one that lacks a region.
    """
    encoders_of = {
        region: sorted(
            (encoder for encoder in stored if encoder.model == model and encoder.region == region),
            key=lambda encoder: (len(encoder.subject), encoder.subject),
        )
        for region in regions
    }
    for region, encoders in encoders_of.items():
        if not encoders:
            raise InputError(
                "validation.regions", f"no {model} encoder of {region}", "a region that was fitted"
            )
    subjects = {region: [encoder.subject for encoder in encoders] for region, encoders in encoders_of.items()}
    first = subjects[regions[0]]
    for region, names in subjects.items():
        if names != first:
            raise InputError(
                "encoders", f"{region} has other subjects than {regions[0]}", "every region of every subject"
            )
    if len(first) < 2:
        raise InputError("encoders", f"{len(first)} subject", "two or more, to test over subjects")
    return encoders_of


def predict_sets(
    encoders: Mapping[str, Sequence[Stored]],
    sets: Sequence[NormedSet],
    card: FeatureSpaceCard,
    voxelwise: Sequence[str],
    *,
    progress: Progress,
) -> tuple[Predictions, dict[str, VoxelEffects]]:
    """Predict all regions' responses, and compute the voxels' effects of the regions in ``voxelwise``.

    Each artifact is loaded once and checked against its digest; one is in memory at a time.

    :param encoders: per region a list of encoders in one order of subjects: see :func:`select_encoders`.
    :param card: the feature space that every encoder must be of.
    :raises InputError: an encoder of another feature space.
    """
    regions = tuple(encoders)
    subjects = tuple(encoder.subject for encoder in encoders[regions[0]])
    betas: dict[str, list[Floats]] = {region: [] for region in regions}
    effects: dict[str, VoxelEffects] = {}
    total, done = len(regions) * len(subjects), 0
    for region in regions:
        collector = _VoxelCollector(sets) if region in voxelwise else None
        for encoder in encoders[region]:
            progress.report(done / total, f"sub-{encoder.subject} {region}: predictions")
            artifact = encoder.load()
            if artifact.feature_space.digest != card.digest:
                raise InputError(encoder.path, "was fitted on another feature space", card.name)
            betas[region].append(artifact.mean_weights)
            if collector is not None:
                collector.add(artifact, ENCODER.read(encoder.path).get("grid"))
            done += 1
        if collector is not None and collector.has_voxels:
            effects[region] = collector.finish()
    others = {region: list(means_of_others(np.stack(rows))) for region, rows in betas.items()}
    return Predictions(subjects, regions, _scores(betas, sets), _scores(others, sets)), effects


def _scores(betas: Mapping[str, Sequence[Floats]], sets: Sequence[NormedSet]) -> dict[str, dict[str, Floats]]:
    return {
        image_set.name: {region: image_scores(rows, image_set.features) for region, rows in betas.items()}
        for image_set in sets
    }


def image_scores(betas: Sequence[Floats], features: Floats) -> Floats:
    """Score (S, n) every image of ``features`` (n, D) by every one of S betas (D,)."""
    return np.stack([raw_scores(beta, features) for beta in betas])


class _VoxelCollector:
    """Collect the effects of several subjects' voxels on the union of their grid indices."""

    def __init__(self, sets: Sequence[NormedSet]) -> None:
        self.sets = sets
        self.regressors = {image_set.name: regressors(image_set) for image_set in sets}
        self.r: list[dict[str, Floats]] = []
        self.voxels: list[NDArray[np.int64]] = []
        self.sums: dict[str, dict[tuple[int, ...], Floats]] = {image_set.name: {} for image_set in sets}
        self.grids: list[Mapping[str, Any]] = []
        self.has_voxels = True

    def add(self, artifact: EncoderArtifact, grid: Mapping[str, Any] | None) -> None:
        """Add one subject's encoder; ``grid`` is None for encoders that do not say where they lie.

        Encoders of a region's mean, fitted or imported, have no voxels to map.
        """
        if artifact.weights.shape[1] != len(artifact.voxels) or (artifact.voxels < 0).any():
            self.has_voxels = False
        if not self.has_voxels:
            return
        self.voxels.append(artifact.voxels)
        if grid is not None:
            self.grids.append(grid)
        correlations = {}
        for image_set in self.sets:
            predicted = zscore(artifact.predict(image_set.features).T)
            correlations[image_set.name] = (
                predicted @ self.regressors[image_set.name] / (len(image_set.images) - 1)
            )
            sums = self.sums[image_set.name]
            for voxel, row in zip(map(tuple, artifact.voxels.tolist()), predicted, strict=True):
                sums[voxel] = sums[voxel] + row if voxel in sums else row
        self.r.append(correlations)

    def finish(self) -> VoxelEffects:
        """Return the effects of all subjects; ``InputError`` when their grids differ."""
        if self.grids and any(grid != self.grids[0] for grid in self.grids):
            raise InputError("encoders", "subjects lie on different grids", "one space for group maps")
        voxels = np.unique(np.concatenate(self.voxels), axis=0)
        column_of = {tuple(voxel): index for index, voxel in enumerate(voxels.tolist())}
        counts = np.zeros(len(voxels))
        columns = [[column_of[tuple(voxel)] for voxel in own.tolist()] for own in self.voxels]
        for own in columns:
            counts[own] += 1
        r = {}
        for image_set in self.sets:
            table = np.full((len(columns), len(voxels), len(REGRESSORS)), np.nan)
            for subject, own in enumerate(columns):
                table[subject, own] = self.r[subject][image_set.name]
            r[image_set.name] = table
        mean_z = {
            image_set.name: np.stack(
                [self.sums[image_set.name][tuple(voxel)] for voxel in voxels.tolist()], axis=1
            )
            / counts
            for image_set in self.sets
        }
        return VoxelEffects(voxels, r, mean_z, self.grids[0] if self.grids else None)


def regressors(image_set: NormedSet) -> Floats:
    """Return z valence, z arousal and their product, z-scored too (n, 3), which no correlation depends on."""
    valence, arousal = image_set.z_valence, image_set.z_arousal
    return np.stack([valence, arousal, zscore(valence * arousal)], axis=1)
