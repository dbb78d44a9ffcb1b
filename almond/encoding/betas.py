"""Mean weights ("mean betas") as CSV files under the published names, and encoders made of such files.

One file per subject and region, ``meanbeta_sub-<subject>_<region>_fc7_invert_imageFeatures.csv``: a header
``Var1`` and one weight per feature, the mean over the region's voxels without the intercept (Jang & Kragel
2025, ``generate_artificial_stim``, ``predict_activations_*``). A lab that was given such files starts with
them instead of BOLD.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from almond.digest import digest_bytes
from almond.encoding.artifact import EncoderArtifact, FeatureSpaceCard, save_artifact
from almond.encoding.settings_prediction import SUFFIX
from almond.errors import InputError
from almond.files import write_atomically

HEADER = "Var1"
MODEL = "imported"
SAFE = re.compile(r"[A-Za-z0-9.+-][A-Za-z0-9_.+-]*")
NOWHERE = np.full((1, 3), -1, np.int64)
"""The place of a mean over voxels: on no voxel."""


@dataclass(frozen=True)
class MeanBeta:
    """The weights (D,) of one file, with the SHA-256 of its bytes."""

    subject: str
    region: str
    weights: NDArray[np.float64]
    path: Path
    digest: str


def file_name(subject: str, region: str, suffix: str = SUFFIX) -> str:
    """``InputError`` for names that a file name cannot hold."""
    for what, text in (("subject", subject), ("region", region)):
        if not SAFE.fullmatch(text):
            raise InputError(what, f"{text!r} cannot be part of a file name", "letters, digits, _ . + -")
    return f"meanbeta_sub-{subject}_{region}_{suffix}.csv"


def export_betas(
    artifacts: Sequence[EncoderArtifact],
    folder: Path,
    *,
    suffix: str = SUFFIX,
    names: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write each artifact's mean weights into ``folder``; returns the files, sorted.

    ``names`` maps our regions to those in the files. Numbers are written so that reading gives them back to
    the last bit. A file that is there already with the same bytes stays; with others it is an error.

    :raises InputError: no artifacts, two of one subject and region, or a file with other weights.
    """
    if not artifacts:
        raise InputError("betas", "no encoder to export", "one or more fitted encoders")
    contents: dict[str, bytes] = {}
    for artifact in artifacts:
        region = (names or {}).get(artifact.region, artifact.region)
        name = file_name(artifact.subject, region, suffix)
        if name in contents:
            raise InputError("betas", f"two encoders would be {name}", "one model per subject and region")
        contents[name] = as_csv(artifact.mean_weights)
    for name, data in contents.items():
        path = folder / name
        if path.exists() and path.read_bytes() != data:
            raise InputError(path, "is there already with other weights", "an empty folder")
    for name, data in contents.items():
        write_atomically(folder / name, data)
    return sorted(folder / name for name in contents)


def as_csv(weights: NDArray[np.float64]) -> bytes:
    """A column ``Var1`` of weights (D,), each as the shortest text that reads back as the same number."""
    return "\n".join([HEADER, *(repr(float(weight)) for weight in weights), ""]).encode()


def read_betas(
    folder: Path, *, suffix: str = SUFFIX, names: Mapping[str, str] | None = None
) -> list[MeanBeta]:
    """Every file of mean weights in ``folder``, sorted by region and subject (2 before 10).

    ``names`` maps our regions to those in the files; regions that it does not name keep theirs. A file
    without the header ``Var1`` (MATLAB's ``csvwrite`` writes none) holds numbers from its first line on.

    :raises InputError: no folder, no such file, a file that does not hold one number a line, or of another
        length than the rest.
    """
    if not folder.is_dir():
        raise InputError(folder, "is not a folder", "a folder of mean weights")
    pattern = re.compile(rf"meanbeta_sub-([^_]+)_(.+)_{re.escape(suffix)}\.csv")
    ours = {theirs: name for name, theirs in (names or {}).items()}
    found = []
    for path in sorted(folder.iterdir()):
        match = pattern.fullmatch(path.name)
        if match:
            weights, digest = _read(path)
            region = ours.get(match[2], match[2])
            found.append(MeanBeta(match[1], region, weights, path, digest))
    if not found:
        raise InputError(folder, "holds no mean weights", f"files like {file_name('1', 'LB', suffix)}")
    _check(found)
    return sorted(found, key=lambda beta: (beta.region, len(beta.subject), beta.subject))


def _read(path: Path) -> tuple[NDArray[np.float64], str]:
    data = path.read_bytes()
    try:
        lines = data.decode("utf-8-sig").split()
        start = 1 if lines and lines[0].strip('"') == HEADER else 0
        weights = np.array([float(line) for line in lines[start:]])
    except ValueError as error:
        raise InputError(
            path, f"does not hold weights ({error})", f"{HEADER}, then one number a line"
        ) from error
    if len(weights) < 2 or not np.isfinite(weights).all():
        raise InputError(
            path, f"holds {len(weights)} weights or some that are no number", "a weight per feature"
        )
    return weights, digest_bytes(data)


def _check(betas: Sequence[MeanBeta]) -> None:
    seen: dict[tuple[str, str], Path] = {}
    first = betas[0]
    for beta in betas:
        other = seen.setdefault((beta.subject, beta.region), beta.path)
        if other != beta.path:
            raise InputError(beta.path, f"is a second file for {other.name}", "one per subject and region")
        if len(beta.weights) != len(first.weights):
            raise InputError(
                beta.path,
                f"holds {len(beta.weights)} weights, {first.path.name} {len(first.weights)}",
                "the same features in every file",
            )


def import_betas(betas: Sequence[MeanBeta], card: FeatureSpaceCard, root: Path) -> list[tuple[str, Path]]:
    """An artifact per file below ``root``: one column of weights, no intercept, on no voxel.

    :raises InputError: the files have another number of features than the feature space ``card``.
    """
    for beta in betas:
        if len(beta.weights) != card.dimension:
            raise InputError(
                beta.path,
                f"holds {len(beta.weights)} weights",
                f"the {card.dimension} features of {card.name}",
            )
    return [save_artifact(root, as_artifact(beta, card)) for beta in betas]


def as_artifact(beta: MeanBeta, card: FeatureSpaceCard) -> EncoderArtifact:
    """Mean weights as an encoder of one "voxel", the region's mean; nothing is known of its performance."""
    return EncoderArtifact(
        subject=beta.subject,
        region=beta.region,
        model=MODEL,
        feature_space=card,
        weights=beta.weights[:, None],
        intercept=np.zeros(1),
        voxels=NOWHERE,
        dropped=np.empty((0, 3), np.int64),
        mask_digest="",
        config={"imported": "mean weights over the region's voxels, without intercept"},
        provenance={"betas": {beta.path.name: beta.digest}},
        metrics={"n_voxels": 1},
    )
