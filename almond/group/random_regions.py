"""Compare anatomical subregions with random parcellations of the whole region's voxels.

The same parcellation serves every subject, as in ``make_random_subregions_betas_to_csv`` (Jang & Kragel
2025). Where the subregions lie inside the whole region, parts have their sizes, so that the anatomical
parcellation is one of those that may be drawn. A warning that belongs to every number here: subregions are
contiguous and BOLD is smooth, so that real parts differ more than scattered ones even where anatomy has no
influence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from almond.encoding.artifacts.mean_weight_files import as_csv
from almond.encoding.config.prediction import SUFFIX
from almond.errors import InputError
from almond.files.writing import new_folder, publish
from almond.group.performance import GroupMatrix
from almond.group.region_images.plsda import leave_one_subject_out_plsda
from almond.progress import Progress
from almond.significance import permutation_p
from almond.stats.correlation import zscore
from almond.stats.permutation import shuffles
from almond.typing import Floats, Indices

Labels = np.ndarray[Any, np.dtype[np.int16]]
UNASSIGNED = -1
"""The label of a voxel that takes no part."""


@dataclass(frozen=True)
class Control:
    """A measure of how much parts differ: the ``real`` subregions against random parcellations (B,).

    ``p`` = (1 + b) / (1 + B), b the random ones that reach the real one; None without real subregions.
    """

    null: Floats
    real: float | None
    p: float | None

    def to_json(self) -> dict[str, Any]:
        low, middle, high = (float(value) for value in np.quantile(self.null, [0.025, 0.5, 0.975]))
        counts, edges = np.histogram(self.null, bins=30)
        return {
            "real": self.real,
            "p": self.p,
            "splits": len(self.null),
            "random": {"mean": float(self.null.mean()), "median": middle, "low": low, "high": high},
            "histogram": {"counts": counts.tolist(), "edges": edges.tolist()},
        }


def part_labels(voxels: Indices, parts: Sequence[Indices]) -> Labels:
    """Label (V,) each of ``voxels`` (V, 3) by its part, ``UNASSIGNED`` in none or in several."""
    labels = np.full(len(voxels), UNASSIGNED, np.int16)
    row_of = {tuple(voxel): row for row, voxel in enumerate(voxels.tolist())}
    seen = np.zeros(len(voxels), np.int64)
    for number, part in enumerate(parts):
        rows = [row_of[tuple(voxel)] for voxel in part.tolist() if tuple(voxel) in row_of]
        labels[rows] = number
        seen[rows] += 1
    labels[seen > 1] = UNASSIGNED
    return labels


def random_labels(voxels: int, parts: int, count: int, rng: np.random.Generator) -> Labels:
    """Draw ``count`` parcellations (B, V) of ``voxels`` into ``parts`` whose sizes differ by one at most."""
    return shuffled_labels((np.arange(voxels) % parts).astype(np.int16), count, rng)


def shuffled_labels(labels: Labels, count: int, rng: np.random.Generator) -> Labels:
    """Shuffle ``labels`` (V,) ``count`` times among the voxels that have a part -> (B, V)."""
    rows = np.flatnonzero(labels != UNASSIGNED)
    parcellations = np.tile(labels, (count, 1))
    parcellations[:, rows] = shuffles(labels[rows], count, rng)
    return parcellations


def memberships(labels: Labels, parts: int) -> Floats:
    """Return indicators (V, k) of the parts."""
    indicators: Floats = (labels[:, None] == np.arange(parts)).astype(np.float64)
    return indicators


def control(
    measure: Callable[[Labels], float], parcellations: Labels, real: Labels | None, progress: Progress
) -> Control:
    """Apply ``measure`` to every random parcellation (B, V) and to the ``real`` subregions (V,)."""
    null = np.empty(len(parcellations))
    for index, labels in enumerate(parcellations):
        if index % 100 == 0:
            progress.report(
                index / len(parcellations), f"{index} of {len(parcellations)} random parcellations"
            )
        null[index] = measure(labels)
    null = null[np.isfinite(null)]
    if not len(null):
        raise InputError(
            "random regions", "no parcellation leaves every part a voxel", "fewer or larger parts"
        )
    if real is None:
        return Control(null, None, None)
    value = measure(real)
    return Control(null, value, permutation_p(null, value))


def performance_spread(matrix: GroupMatrix, parts: int) -> Callable[[Labels], float]:
    """Measure how parts differ in performance: the standard deviation of their mean z over subjects, voxels.

    A subject's part is the mean z of its voxels; a part that is empty in a subject is left out there.
    """
    present = np.isfinite(matrix.z).astype(np.float64)
    values = np.where(present > 0, matrix.z, 0.0)

    def measure(labels: Labels) -> float:
        hot = memberships(labels, parts)
        sizes = present @ hot
        sums = values @ hot
        means = np.divide(sums, sizes, out=np.full(sums.shape, np.nan), where=sizes > 0)
        if np.isnan(means).all(axis=0).any():
            return float("nan")
        return float(np.nanmean(means, axis=0).std(ddof=1))

    return measure


@dataclass(frozen=True)
class WholeEncoder:
    """One subject's encoder of the whole region on the group's voxels.

    ``gram`` (V, V): products of the voxels' weights, each weight vector centred over features; zero for a
    voxel that the subject lacks. ``present`` (V,). ``predictions`` (n, V) of a set of images, or None.
    """

    subject: str
    gram: Floats
    present: Floats
    predictions: Floats | None = None


def whole_encoder(
    subject: str, weights: Floats, own: Indices, voxels: Indices, features: Floats | None
) -> WholeEncoder:
    """Lay weights (D, v) at grid indices ``own`` (v, 3) on the group's ``voxels`` (V, 3)."""
    column_of = {tuple(voxel): column for column, voxel in enumerate(voxels.tolist())}
    pairs = [
        (column_of[tuple(voxel)], row) for row, voxel in enumerate(own.tolist()) if tuple(voxel) in column_of
    ]
    columns, rows = (np.array(part, np.intp) for part in zip(*pairs, strict=True))
    own_weights = weights[:, rows]
    centred = own_weights - own_weights.mean(axis=0)
    gram = np.zeros((len(voxels), len(voxels)))
    gram[np.ix_(columns, columns)] = centred.T @ centred
    present = np.zeros(len(voxels))
    present[columns] = 1.0
    if features is None:
        return WholeEncoder(subject, gram, present)
    predictions = np.zeros((len(features), len(voxels)))
    predictions[:, columns] = features @ own_weights
    return WholeEncoder(subject, gram, present, predictions)


def part_mean_weights(encoder: WholeEncoder, labels: Labels, parts: int) -> Floats | None:
    """Return columns (V, k) that average over a part's voxels in this subject; None when a part is empty."""
    hot = memberships(labels, parts) * encoder.present[:, None]
    sizes = hot.sum(axis=0)
    return None if (sizes == 0).any() else hot / sizes


def weight_dissimilarity(encoders: Sequence[WholeEncoder], parts: int) -> Callable[[Labels], float]:
    """Measure 1 - the mean correlation over features of the parts' mean weights, averaged over subjects."""
    upper = np.triu_indices(parts, 1)

    def measure(labels: Labels) -> float:
        dissimilarities = []
        for encoder in encoders:
            mean = part_mean_weights(encoder, labels, parts)
            if mean is not None:
                products = mean.T @ encoder.gram @ mean
                lengths = np.sqrt(np.diag(products))
                dissimilarities.append(1.0 - float((products / np.outer(lengths, lengths))[upper].mean()))
        return float(np.mean(dissimilarities)) if dissimilarities else float("nan")

    return measure


def target_accuracy(
    encoders: Sequence[WholeEncoder], parts: int, *, images: int, components: int | None = None
) -> Callable[[Labels], float]:
    """Measure how well targets are classified from predictions by ``leave_one_subject_out_plsda``.

    For each subject and part the ``images`` with the highest predicted response of that part against the mean
    of the others stand for images made for it. Predictors are the parts' predictions by that subject's
    weights, z-scored over images; ``components`` defaults to one per part, as published (4).
    """

    def measure(labels: Labels) -> float:
        x, targets, subjects = [], [], []
        for encoder in encoders:
            mean = part_mean_weights(encoder, labels, parts)
            if mean is None or encoder.predictions is None:
                continue
            scores = zscore(encoder.predictions @ mean, axis=0)
            ahead = scores - (scores.sum(axis=1, keepdims=True) - scores) / (parts - 1)
            best = np.argsort(-ahead, axis=0, kind="stable")[:images]
            x.append(scores[best.T.ravel()])
            targets += list(np.repeat(np.arange(parts), images))
            subjects += [encoder.subject] * (parts * images)
        if len(x) < 2:
            return float("nan")
        return leave_one_subject_out_plsda(np.vstack(x), targets, subjects, components or parts).accuracy

    return measure


def part_betas(weights: Floats, labels: Labels, parts: int) -> Floats | None:
    """Average the weights (D, k) of each part of (D, v) with labels (v,); None when a part is empty."""
    hot = memberships(labels, parts)
    sizes = hot.sum(axis=0)
    return None if (sizes == 0).any() else np.asarray(weights @ hot / sizes, np.float64)


def beta_name(part: int, subject: str, iteration: int, suffix: str = SUFFIX) -> str:
    """Return the published name of a random part's file; parts and iterations count from 1."""
    return f"meanbeta_region{part}_sub-{subject}_{suffix}_iteration_{iteration}.csv"


def export_part_betas(
    folder: Path, encoders: Iterator[tuple[str, Floats, Labels]], parts: int, progress: Progress
) -> int:
    """Write the mean weights of every part, subject and parcellation; return the number of files.

    :param folder: a new or empty folder; it gets all files or none.
    :param encoders: yields (subject, weights (D, v), labels (B, v)).
    :raises InputError: the folder holds something, or a part is empty in a subject.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(folder, "is not empty", "a new folder for the mean weights of random regions")
    count = 0
    with new_folder(folder.parent) as scratch:
        for subject, weights, parcellations in encoders:
            for iteration, labels in enumerate(parcellations, start=1):
                betas = part_betas(weights, labels, parts)
                if betas is None:
                    raise InputError(
                        f"sub-{subject}", f"parcellation {iteration} leaves a part empty", "fewer parts"
                    )
                for part in range(parts):
                    name = beta_name(part + 1, subject, iteration)
                    (scratch / name).write_bytes(as_csv(betas[:, part]))
                    count += 1
                progress.report(iteration / len(parcellations), f"sub-{subject}: parcellation {iteration}")
        publish(scratch, folder)
    return count
