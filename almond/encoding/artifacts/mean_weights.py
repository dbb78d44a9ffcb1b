"""Weights in files under the published names: mean weights ("mean betas") out, encoders made of files in.

One file per subject and region (Jang & Kragel 2025). ``meanbeta_sub-<subject>_<region>_<suffix>.csv``: a
header ``Var1`` and one weight per feature, the mean over the region's voxels without the intercept
(``generate_artificial_stim``, ``predict_activations_*``). ``beta_sub-<subject>_<region>_<suffix>.mat``: the
variable ``b``, (1 + D, V), every voxel's coefficients with the intercept first
(``develop_encoding_models_*``). A lab that was given such files starts with them instead of BOLD.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from almond.digest import digest_file
from almond.encoding.artifacts.artifact import EncoderArtifact, save_artifact
from almond.encoding.artifacts.mean_weight_files import HEADER, as_csv, file_name
from almond.encoding.config.prediction import SUFFIX
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.features.matlab import read_variable
from almond.errors import InputError
from almond.files.folders import normalised, visible
from almond.files.text import read_text
from almond.files.writing import write_atomically
from almond.finite import require_finite
from almond.naming import natural
from almond.tables import LINE_ENDS, TextColumn

VARIABLE = "b"
MODEL = "imported"


@dataclass(frozen=True)
class Beta:
    """The weights (D, V) and intercept (V,) of one file, with the SHA-256 of its bytes; V is 1 for a mean."""

    subject: str
    region: str
    weights: NDArray[np.float64]
    intercept: NDArray[np.float64]
    path: Path
    digest: str


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


def read_betas(folder: Path, *, suffix: str = SUFFIX, names: Mapping[str, str] | None = None) -> list[Beta]:
    """Read every file of weights in ``folder``, sorted by region and subject (2 before 10).

    ``names`` maps our regions to those in the files; regions that it does not name keep theirs. A CSV file
    without the header ``Var1`` (MATLAB's ``csvwrite`` writes none) holds numbers from its first line on.

    :raises InputError: no folder, no such file, a file that does not hold weights, two for one subject and
        region, or one with another number of features than the rest.
    """
    if not folder.is_dir():
        raise InputError(folder, "is not a folder", "a folder of mean weights")
    end = re.escape(suffix)
    pattern = re.compile(rf"meanbeta_sub-([^_]+)_(.+)_{end}\.csv|beta_sub-([^_]+)_(.+)_{end}\.mat")
    ours = {theirs: name for name, theirs in (names or {}).items()}
    betas = []
    for path in visible(folder.iterdir()):
        match = pattern.fullmatch(normalised(path.name))
        if match:
            subject, theirs = match[1] or match[3], match[2] or match[4]
            weights, intercept = _read_csv(path) if path.suffix == ".csv" else _read_mat(path)
            region = ours.get(theirs, theirs)
            betas.append(Beta(subject, region, weights, intercept, path, digest_file(path)))
    if not betas:
        raise InputError(folder, "holds no weights", f"files like {file_name('1', 'LB', suffix)}")
    _check(betas)
    return sorted(betas, key=lambda beta: (beta.region, natural(beta.subject)))


def _read_csv(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lines = [line.strip() for line in LINE_ENDS.split(read_text(path).rstrip())]
    start = 1 if lines[0].strip('"') == HEADER else 0
    rows = range(start + 1, len(lines) + 1)
    column = TextColumn(path, HEADER, rows, tuple(lines[start:]))
    weights = column.numbers(what=f"{HEADER}, then one weight a line")
    return _checked(weights[:, None], path), np.zeros(1)


def _read_mat(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    coefficients = read_variable(path, VARIABLE)
    if coefficients.ndim != 2:
        raise InputError(
            path, f"{VARIABLE} has shape {coefficients.shape}", "1 + features rows, a column per voxel"
        )
    return _checked(coefficients[1:], path), _checked(coefficients[:1], path, least=1)[0]


def _checked(weights: NDArray[np.float64], path: Path, least: int = 2) -> NDArray[np.float64]:
    if len(weights) < least:
        raise InputError(path, f"holds {len(weights)} weights", "a weight per feature")
    require_finite(weights, path, "a weight per feature; NaN is no number", axes=("weight", "voxel"))
    return weights


def _check(betas: Sequence[Beta]) -> None:
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


def import_betas(betas: Sequence[Beta], card: FeatureSpaceCard, root: Path) -> list[tuple[str, Path]]:
    """Save an artifact per file below ``root``, on no voxel of a grid.

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


def as_artifact(beta: Beta, card: FeatureSpaceCard) -> EncoderArtifact:
    """Make an encoder of the weights of a file; where its voxels lie and how well it performs is not known.

    Indices of -1 stand for voxels without a place.
    """
    voxels = beta.weights.shape[1]
    return EncoderArtifact(
        subject=beta.subject,
        region=beta.region,
        model=MODEL,
        feature_space=card,
        weights=beta.weights,
        intercept=beta.intercept,
        voxels=np.full((voxels, 3), -1, np.int64),
        dropped=np.empty((0, 3), np.int64),
        mask_digest="",
        config={"imported": beta.path.name},
        provenance={"betas": {beta.path.name: beta.digest}},
        metrics={"n_voxels": voxels},
    )
