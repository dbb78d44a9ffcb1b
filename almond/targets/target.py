"""Targets: directions in feature space, and the scores of images along them.

The predicted response of a region to an image x is S(x) = features(x) . mean beta, without the intercept
(Jang & Kragel 2025, ``generate_artificial_stim``, ``predict_*``). It is standardised against a reference set
of images, so that scores of regions compare: score = (S(x) - mean) / sd.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.digest import canonical_json, digest_array, digest_bytes, digest_json
from almond.encoding.artifacts.artifact import EncoderArtifact
from almond.errors import DigestMismatch, InputError
from almond.files.arrays import read_npz
from almond.files.writing import npz_bytes, write_atomically
from almond.finite import require_finite

FORMAT = "almond-target/1"


@dataclass(frozen=True, eq=False)
class Target:
    """Weights (D,) with the mean and standard deviation of the raw score over the reference images.

    ``sources`` are the digests of the artifacts that it was made of, sorted.
    """

    name: str
    weights: NDArray[np.float64]
    mean: float
    sd: float
    feature_space_digest: str
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        weights = np.ascontiguousarray(self.weights, np.float64)
        if weights.ndim != 1:
            raise InputError(f"target {self.name}", f"its weights have shape {weights.shape}", "shape (D,)")
        require_finite(weights, f"target {self.name}: weights", axes=("feature",))
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd > 0):
            raise InputError(
                f"target {self.name}",
                f"its score over the reference images has mean {self.mean} and sd {self.sd}",
                "reference images in which the score varies",
            )
        weights.setflags(write=False)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "sources", tuple(sorted(set(self.sources))))

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "name": self.name,
            "dimension": len(self.weights),
            "weights": digest_array(self.weights),
            "mean": self.mean,
            "sd": self.sd,
            "feature_space_digest": self.feature_space_digest,
            "sources": list(self.sources),
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, which holds the digest of the weights."""
        return digest_json(self.to_json())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Target) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def raw_scores(weights: NDArray[np.float64], features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Compute features (n, D) . weights (D,); features of another width, or not finite, are refused."""
    values = np.asarray(features, np.float64)
    if values.ndim != 2 or values.shape[1] != len(weights):
        raise InputError("features", f"has shape {values.shape}", f"(n, {len(weights)})")
    require_finite(values, "features", axes=("image", "feature"))
    return np.asarray(values @ weights, np.float64)


def scores(target: Target, features: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Compute scores (n,) of features (n, D); 0 is the mean of the reference images, 1 their sd."""
    return (raw_scores(target.weights, features) - target.mean) / target.sd


def standardised_target(
    name: str,
    weights: NDArray[np.float64],
    reference_features: NDArray[np.floating[Any]],
    *,
    feature_space_digest: str,
    sources: Sequence[str],
) -> Target:
    """Make a target from weights (D,), with mean and sd (ddof 1) over 2 or more reference features (n, D)."""
    if len(reference_features) < 2:
        raise InputError(f"target {name}", f"{len(reference_features)} reference images", "two or more")
    raw = raw_scores(weights, reference_features)
    return Target(
        name, weights, float(raw.mean()), float(raw.std(ddof=1)), feature_space_digest, tuple(sources)
    )


def region_target(
    name: str, artifacts: Sequence[EncoderArtifact], reference_features: NDArray[np.floating[Any]]
) -> Target:
    """Make a region's target: mean beta over the voxels within, then over, the artifacts (subjects).

    Every subject counts the same, however many voxels it has.

    :raises InputError: no artifacts, or of different feature spaces.
    """
    if not artifacts:
        raise InputError(f"target {name}", "no fitted encoder was given", "one or more artifacts")
    spaces = {artifact.feature_space.digest for artifact in artifacts}
    if len(spaces) > 1:
        raise InputError(f"target {name}", "its encoders use different feature spaces", "one feature space")
    weights = np.mean([artifact.mean_weights for artifact in artifacts], axis=0)
    return standardised_target(
        name,
        weights,
        reference_features,
        feature_space_digest=spaces.pop(),
        sources=[artifact.digest for artifact in artifacts],
    )


def contrast_target(
    name: str,
    parts: Mapping[str, tuple[Target, float]],
    reference_features: NDArray[np.floating[Any]],
) -> Target:
    """Make a weighted sum of *standardised* targets, standardised again: sum_k c_k (S_k - mean_k) / sd_k.

    ``parts`` maps a name to a target and its coefficient c_k.
    """
    terms = [(target, coefficient) for target, coefficient in parts.values() if coefficient]
    if not terms:
        raise InputError(f"target {name}", "no part has a weight", "one or more parts with a weight not 0")
    spaces = {target.feature_space_digest for target, _ in terms}
    if len(spaces) > 1:
        raise InputError(f"target {name}", "its parts use different feature spaces", "one feature space")
    weights = np.sum([coefficient * target.weights / target.sd for target, coefficient in terms], axis=0)
    sources = [source for target, _ in terms for source in target.sources]
    return standardised_target(
        name, weights, reference_features, feature_space_digest=spaces.pop(), sources=sources
    )


def save_target(folder: Path, target: Target) -> Path:
    """Write ``<digest>.npz`` (weights), then ``<digest>.json``; returns the path of the JSON."""
    path = folder / f"{target.digest}.json"
    write_atomically(path.with_suffix(".npz"), npz_bytes({"weights": target.weights}))
    write_atomically(path, canonical_json(target.to_json()))
    return path


def load_target(path: Path) -> Target:
    """Read a target from its JSON file, with the weights beside it.

    :raises DigestMismatch: the JSON is not what its name promises, or the weights not what the JSON does.
    :raises InputError: it is not a target.
    """
    try:
        data = path.read_bytes()
        meta = json.loads(data)
        weights = np.asarray(read_npz(path.with_suffix(".npz"))["weights"], np.float64)
    except (OSError, ValueError, KeyError, InputError) as error:
        raise InputError(path, f"cannot be read as a target ({error})", "a JSON file and its .npz") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise InputError(path, "is not a target", FORMAT)
    if digest_bytes(data) != path.stem:
        raise DigestMismatch(path, path.stem, digest_bytes(data))
    if digest_array(weights) != meta["weights"]:
        raise DigestMismatch(path.with_suffix(".npz"), meta["weights"], digest_array(weights))
    return Target(
        meta["name"],
        weights,
        meta["mean"],
        meta["sd"],
        meta["feature_space_digest"],
        tuple(meta["sources"]),
    )
