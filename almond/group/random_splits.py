"""The random-region control of one model: from stored encoders to distributions, and the files on request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from almond.encoding.artifacts.catalogue import Stored
from almond.encoding.config.evaluation import RandomRegions
from almond.errors import InputError
from almond.group.model_summary import Judgement
from almond.group.performance import GroupMatrix, Places
from almond.group.random_regions import (
    NOWHERE,
    Control,
    Labels,
    control,
    export_part_betas,
    part_labels,
    performance_spread,
    random_labels,
    shuffled,
    target_accuracy,
    weight_dissimilarity,
    whole_encoder,
)
from almond.progress import Part, Progress
from almond.rng import generator
from almond.typing import Floats

LEAST_SHARE = 0.5
"""Share of a subregion's voxels that must lie in the whole region for the real split to be its own."""

IMAGES = 4
"""Images per part and subject that stand for images made for it; the published study has four or five."""


@dataclass(frozen=True)
class Split:
    """The whole region's voxels (V, 3), random labels (B, V), and the real ones (V,) where there are any."""

    matrix: GroupMatrix
    parts: int
    names: tuple[str, ...]
    labels: Labels
    real: Labels | None


def draw_split(judged: Judgement, settings: RandomRegions, subregions: Sequence[str], seed: int) -> Split:
    """The splits of the whole region; those of ``subregions`` are real when they lie inside it.

    :raises InputError: no voxelwise encoders of the region, or fewer voxels than parts.
    """
    matrix = judged.matrices.get(settings.of)
    if matrix is None:
        raise InputError("random regions", f"{settings.of} has no voxelwise encoders", "a fitted region")
    voxels = len(matrix.voxels)
    if voxels < 2 * settings.parts:
        raise InputError(
            "random regions", f"{voxels} voxels in {settings.parts} parts", "two or more per part"
        )
    rng = generator(seed, "random regions")
    real = _real(matrix.voxels, judged, subregions) if len(subregions) == settings.parts else None
    if real is None:
        labels = random_labels(voxels, settings.parts, settings.splits, rng)
        return Split(matrix, settings.parts, (), labels, None)
    return Split(matrix, settings.parts, tuple(subregions), shuffled(real, settings.splits, rng), real)


def _real(voxels: Places, judged: Judgement, subregions: Sequence[str]) -> Labels | None:
    parts = [judged.matrices[name].voxels for name in subregions if name in judged.matrices]
    if len(parts) < len(subregions):
        return None
    labels = part_labels(voxels, parts)
    shares = [(labels == number).sum() / len(part) for number, part in enumerate(parts)]
    return labels if min(shares) >= LEAST_SHARE else None


def random_regions(
    judged: Judgement,
    stored: Sequence[Stored],
    settings: RandomRegions,
    subregions: Sequence[str],
    features: Floats | None,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """JSON values: how much parts differ in performance, in weights and, with ``features`` (n, D) of images,
    in the accuracy with which targets are told; and the exported files where ``settings.export`` wants them.

    :raises InputError: see :func:`draw_split`.
    """
    split = draw_split(judged, settings, subregions, seed)
    whole = [one for one in stored if one.region == settings.of]
    encoders = []
    for index, one in enumerate(whole):
        progress.report(0.2 * index / len(whole), f"weights of {settings.of} of sub-{one.subject}")
        artifact = one.load()
        encoders.append(
            whole_encoder(one.subject, artifact.weights, artifact.voxels, split.matrix.voxels, features)
        )
    measures = {
        "performance_sd": performance_spread(split.matrix, split.parts),
        "weight_dissimilarity": weight_dissimilarity(encoders, split.parts),
    }
    images = 0 if features is None else min(IMAGES, len(features) // (2 * split.parts))
    if images and len(encoders) > 1:
        measures["target_accuracy"] = target_accuracy(encoders, split.parts, images=images)
    found: dict[str, Control] = {}
    for index, (name, measure) in enumerate(measures.items()):
        part = Part(progress, 0.2 + 0.5 * index / len(measures), 0.2 + 0.5 * (index + 1) / len(measures))
        found[name] = control(measure, split.labels, split.real, part)
    files = _export(whole, split, settings, Part(progress, 0.7, 1.0))
    return {
        "of": settings.of,
        "parts": split.parts,
        "splits": settings.splits,
        "voxels": int((split.labels[0] != NOWHERE).sum()),
        "real": list(split.names),
        "images_per_part": images,
        "measures": {name: one.to_json() for name, one in found.items()},
        "exported_files": files,
    }


def _export(whole: Sequence[Stored], split: Split, settings: RandomRegions, progress: Progress) -> int:
    if settings.export is None:
        return 0
    place = {tuple(voxel): column for column, voxel in enumerate(split.matrix.voxels.tolist())}

    def encoders() -> Iterator[tuple[str, Floats, Labels]]:
        for one in whole:
            artifact = one.load()
            own = artifact.voxels.tolist()
            rows = [row for row, voxel in enumerate(own) if tuple(voxel) in place]
            columns = [place[tuple(own[row])] for row in rows]
            yield one.subject, artifact.weights[:, rows], split.labels[:, columns]

    return export_part_betas(settings.export, encoders(), split.parts, progress)
