"""Predicted responses of every subject's regions to every image, and what voxels predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.artifacts.artifact import EncoderArtifact, read_artifact_json
from almond.encoding.artifacts.catalogue import Stored
from almond.encoding.features.card import FeatureSpaceCard
from almond.errors import InputError
from almond.norms.images import NormedSet
from almond.progress import Progress
from almond.stats.ttest import zscore
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
    """What the voxels of one region predict.

    ``voxels`` (V, 3) are the indices of the voxels that any subject has. ``r[set]`` (S, V, 3) is the
    correlation of a voxel's prediction with z valence, z arousal and their product, NaN where the subject
    has no such voxel. ``mean_z[set]`` (n, V) is the mean over subjects of the z-scored predictions.
    """

    voxels: NDArray[np.int64]
    r: Mapping[str, Floats]
    mean_z: Mapping[str, Floats]
    grid: Mapping[str, Any] | None


def choose(stored: Sequence[Stored], model: str, regions: Sequence[str]) -> dict[str, list[Stored]]:
    """Region -> its encoders in one order of subjects.

    :raises InputError: a region without encoders, fewer than two subjects, or one that lacks a region.
    """
    found = {
        region: sorted(
            (one for one in stored if one.model == model and one.region == region),
            key=lambda one: (len(one.subject), one.subject),
        )
        for region in regions
    }
    for region, encoders in found.items():
        if not encoders:
            raise InputError(
                "validation.regions", f"no {model} encoder of {region}", "a region that was fitted"
            )
    subjects = {region: [one.subject for one in encoders] for region, encoders in found.items()}
    first = subjects[regions[0]]
    for region, names in subjects.items():
        if names != first:
            raise InputError(
                "encoders", f"{region} has other subjects than {regions[0]}", "every region of every subject"
            )
    if len(first) < 2:
        raise InputError("encoders", f"{len(first)} subject", "two or more, to test over subjects")
    return found


def predict(
    encoders: Mapping[str, Sequence[Stored]],
    sets: Sequence[NormedSet],
    card: FeatureSpaceCard,
    voxelwise: Sequence[str],
    *,
    progress: Progress,
) -> tuple[Predictions, dict[str, VoxelEffects]]:
    """Predictions of all regions, and voxels' effects of the regions in ``voxelwise``.

    Each artifact is loaded once, checked against its digest, and let go.

    :raises InputError: an encoder of another feature space.
    """
    regions = tuple(encoders)
    subjects = tuple(one.subject for one in encoders[regions[0]])
    betas: dict[str, list[Floats]] = {region: [] for region in regions}
    effects: dict[str, VoxelEffects] = {}
    total, done = len(regions) * len(subjects), 0
    for region in regions:
        gathered = _Gathered(sets) if region in voxelwise else None
        for one in encoders[region]:
            progress.report(done / total, f"sub-{one.subject} {region}: predictions")
            artifact = one.load()
            if artifact.feature_space.digest != card.digest:
                raise InputError(one.path, "was fitted on another feature space", card.name)
            betas[region].append(artifact.mean_weights)
            if gathered is not None:
                gathered.add(artifact, read_artifact_json(one.path).get("grid"))
            done += 1
        if gathered is not None and gathered.has_voxels:
            effects[region] = gathered.finish()
    own = {one.name: {region: scores(betas[region], one.features) for region in regions} for one in sets}
    others = {
        one.name: {region: scores(leave_one_out(betas[region]), one.features) for region in regions}
        for one in sets
    }
    return Predictions(subjects, regions, own, others), effects


def scores(betas: Sequence[Floats], features: Floats) -> Floats:
    """(S, n): the score of every image by every beta."""
    return np.stack([raw_scores(beta, features) for beta in betas])


def leave_one_out(betas: Sequence[Floats]) -> list[Floats]:
    """For each subject the mean of all others' betas."""
    total = np.sum(betas, axis=0)
    return [np.asarray((total - beta) / (len(betas) - 1), np.float64) for beta in betas]


class _Gathered:
    """Voxels of several subjects brought onto one list."""

    def __init__(self, sets: Sequence[NormedSet]) -> None:
        self.sets = sets
        self.regressors = {one.name: regressors(one) for one in sets}
        self.r: list[dict[str, Floats]] = []
        self.voxels: list[NDArray[np.int64]] = []
        self.sums: dict[str, dict[tuple[int, ...], Floats]] = {one.name: {} for one in sets}
        self.grids: list[Mapping[str, Any]] = []
        self.has_voxels = True

    def add(self, artifact: EncoderArtifact, grid: Mapping[str, Any] | None) -> None:
        """One subject's encoder; ``grid`` is None for encoders that do not say where they lie.

        Encoders of a region's mean, fitted or imported, have no voxels to map.
        """
        if artifact.weights.shape[1] != len(artifact.voxels) or (artifact.voxels < 0).any():
            self.has_voxels = False
        if not self.has_voxels:
            return
        self.voxels.append(artifact.voxels)
        if grid is not None:
            self.grids.append(grid)
        found = {}
        for one in self.sets:
            predicted = zscore(artifact.predict(one.features).T)
            found[one.name] = predicted @ self.regressors[one.name] / (len(one.images) - 1)
            sums = self.sums[one.name]
            for voxel, row in zip(map(tuple, artifact.voxels.tolist()), predicted, strict=True):
                sums[voxel] = sums[voxel] + row if voxel in sums else row
        self.r.append(found)

    def finish(self) -> VoxelEffects:
        if self.grids and any(grid != self.grids[0] for grid in self.grids):
            raise InputError("encoders", "subjects lie on different grids", "one space for group maps")
        voxels = np.unique(np.concatenate(self.voxels), axis=0)
        place = {tuple(voxel): index for index, voxel in enumerate(voxels.tolist())}
        counts = np.zeros(len(voxels))
        columns = [[place[tuple(voxel)] for voxel in own.tolist()] for own in self.voxels]
        for own in columns:
            counts[own] += 1
        r = {}
        for one in self.sets:
            table = np.full((len(columns), len(voxels), len(REGRESSORS)), np.nan)
            for subject, own in enumerate(columns):
                table[subject, own] = self.r[subject][one.name]
            r[one.name] = table
        mean_z = {
            one.name: np.stack([self.sums[one.name][tuple(voxel)] for voxel in voxels.tolist()], axis=1)
            / counts
            for one in self.sets
        }
        return VoxelEffects(voxels, r, mean_z, self.grids[0] if self.grids else None)


def regressors(one: NormedSet) -> Floats:
    """z valence, z arousal and their product, itself z-scored (n, 3): a correlation does not see that."""
    return np.stack([one.z_valence, one.z_arousal, zscore(one.z_valence * one.z_arousal)], axis=1)
