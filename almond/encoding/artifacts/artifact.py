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

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.arrays import read_npz
from almond.digest import canonical_json, digest_files
from almond.encoding.features.card import FeatureSpaceCard
from almond.errors import DigestMismatch, InputError
from almond.files import new_folder, npz_bytes, write_atomically

FORMAT = "almond-encoder/1"
FILES = ("artifact.json", "weights.npz")
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
            "format": FORMAT,
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
    with new_folder(root) as scratch:
        write_atomically(scratch / "weights.npz", npz_bytes(arrays))
        write_atomically(scratch / "artifact.json", canonical_json(artifact.to_json()))
        return keep_under_digest(root, scratch, FILES)


def keep_under_digest(root: Path, scratch: Path, names: Sequence[str]) -> tuple[str, Path]:
    """Rename a complete scratch folder to the digest of its files ``names``; returns digest and path."""
    digest = digest_files({name: scratch / name for name in names})
    path = root / digest
    if path.exists() and not is_intact(path, names):
        shutil.rmtree(path)  # damaged since: here are the bytes that its name promises
    if not path.exists():
        scratch.rename(path)
    return digest, path


def is_intact(path: Path, names: Sequence[str] = FILES) -> bool:
    """Tell whether an artifact's folder holds the bytes for which it is named."""
    files = {name: path / name for name in names}
    return all(file.is_file() for file in files.values()) and digest_files(files) == path.name


def load_artifact(path: Path) -> EncoderArtifact:
    """Read an artifact's folder.

    :raises DigestMismatch: its bytes are not those for which the folder is named.
    :raises InputError: it is no such folder, or of another format.
    """
    meta = read_artifact_json(path)
    digest = digest_files({name: path / name for name in FILES})
    if digest != path.name:
        raise DigestMismatch(path, path.name, digest)
    arrays: dict[str, Any] = dict(read_npz(path / "weights.npz", (*ARRAYS, BASIS)))
    del meta["format"]
    card = FeatureSpaceCard(**meta.pop("feature_space"))
    return EncoderArtifact(**meta, **arrays, feature_space=card, digest=digest)


def read_artifact_json(path: Path) -> dict[str, Any]:
    """Read the description alone, without checking digests: for lists and pages.

    :raises InputError: it is no artifact of this format.
    """
    missing = [name for name in FILES if not (path / name).is_file()]
    if missing:
        raise InputError(path, f"has no {' and no '.join(missing)}", "the folder of a fitted encoder")
    try:
        meta: dict[str, Any] = json.loads((path / "artifact.json").read_bytes())
    except ValueError as error:
        raise InputError(path / "artifact.json", f"is not JSON ({error})", FORMAT) from error
    if meta.get("format") != FORMAT:
        raise InputError(path, f"has format {meta.get('format')!r}", FORMAT)
    return meta
