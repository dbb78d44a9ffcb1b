"""Fitted encoders on disk: a folder named by the digest of what is in it.

``<root>/<digest>/weights.npz`` holds ``weights`` (D, V) float64 in BOLD units per feature unit, ``intercept``
(V,), ``voxels`` (V, 3) grid indices of the region's voxels and ``dropped`` (K, 3), those that were constant
in a run and take no part. With delays or derivatives there is ``basis_weights`` (K, D, V) too, one (D, V) for
each; ``weights`` is then the response to a feature by which scores are made (the sum over delays; the
canonical response without its derivatives). A model of the region's mean has one column of weights for all
its voxels.
``artifact.json`` says what they are and where they came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.artifacts.folder import ArtifactFolder
from almond.encoding.features.card import FeatureSpaceCard
from almond.errors import InputError
from almond.files.arrays import read_npz
from almond.files.writing import npz_bytes
from almond.finite import require_finite

ENCODER = ArtifactFolder("almond-encoder/1", "weights.npz", "the folder of a fitted encoder")
ARRAYS = ("weights", "intercept", "voxels", "dropped")
BASIS = "basis_weights"


@dataclass(frozen=True)
class EncoderArtifact:
    """The fitted model of one region of one subject; ``digest`` is set once it is on disk."""

    subject: str
    region: str
    model: str
    feature_space: FeatureSpaceCard
    weights: NDArray[np.float64]
    intercept: NDArray[np.float64]
    voxels: NDArray[np.int64]
    dropped: NDArray[np.int64]
    mask_digest: str
    config: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    grid: Mapping[str, Any] | None = None
    basis_weights: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        dimension, voxels = self.weights.shape
        if dimension != self.feature_space.dimension:
            raise InputError(
                "weights", f"has {dimension} rows", f"one per feature ({self.feature_space.dimension})"
            )
        of_mean = self.is_mean and self.voxels.ndim == 2 and self.voxels.shape[1] == 3
        if self.intercept.shape != (voxels,) or not (of_mean or self.voxels.shape == (voxels, 3)):
            raise InputError(
                "weights",
                f"{voxels} voxels, but intercept {self.intercept.shape} and voxels {self.voxels.shape}",
                "one intercept and three indices per voxel",
            )
        if self.basis_weights is not None and self.basis_weights.shape[1:] != (dimension, voxels):
            raise InputError(
                "basis_weights", f"has shape {self.basis_weights.shape}", f"(K, {dimension}, {voxels})"
            )
        name = f"sub-{self.subject} {self.region}"
        require_finite(self.weights, f"{name}: weights", axes=("feature", "voxel"))
        require_finite(self.intercept, f"{name}: intercept", axes=("voxel",))
        if self.basis_weights is not None:
            require_finite(self.basis_weights, f"{name}: basis weights", axes=("basis", "feature", "voxel"))

    @property
    def is_mean(self) -> bool:
        """Whether this models the mean over the region's voxels instead of each voxel."""
        return self.config.get("target") == "mean" and self.weights.shape[1] == 1

    @property
    def mean_weights(self) -> NDArray[np.float64]:
        """The mean over voxels of the weights (D,), without the intercept: the region's "mean beta"."""
        return np.asarray(self.weights.mean(axis=1), np.float64)

    def predict(self, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Predict the response (n, V) to features (n, D)."""
        return np.asarray(features, np.float64) @ self.weights + self.intercept

    def to_json(self) -> dict[str, Any]:
        card = self.feature_space
        return {
            "format": ENCODER.format,
            "subject": self.subject,
            "region": self.region,
            "model": self.model,
            "feature_space": {"name": card.name, "digest": card.digest, "dimension": card.dimension},
            "mask_digest": self.mask_digest,
            **({"grid": dict(self.grid)} if self.grid is not None else {}),
            "config": dict(self.config),
            "provenance": dict(self.provenance),
            "metrics": dict(self.metrics),
        }


def save_artifact(root: Path, artifact: EncoderArtifact) -> tuple[str, Path]:
    """Write an artifact under its digest and return both; the same artifact twice is written once."""
    arrays = {name: getattr(artifact, name) for name in ARRAYS}
    if artifact.basis_weights is not None:
        arrays[BASIS] = artifact.basis_weights
    return ENCODER.save(root, artifact.to_json(), npz_bytes(arrays))


def load_artifact(path: Path) -> EncoderArtifact:
    """Read an artifact's folder.

    :raises DigestMismatch: its bytes are not those for which the folder is named.
    :raises InputError: it is no such folder, or of another format.
    """
    meta = ENCODER.checked(path)
    arrays: dict[str, Any] = dict(read_npz(path / ENCODER.weights, (*ARRAYS, BASIS)))
    del meta["format"]
    card = FeatureSpaceCard(**meta.pop("feature_space"))
    return EncoderArtifact(**meta, **arrays, feature_space=card, digest=path.name)
