"""Run the random-region control of one model: from encoders to distributions, and files on request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from almond.encoding.artifacts.catalogue import Stored
from almond.encoding.config.evaluation import RandomRegions
from almond.errors import InputError
from almond.group.model_summary import ModelPerformance
from almond.group.performance import GroupMatrix
from almond.group.random_regions import (
    UNASSIGNED,
    Control,
    Labels,
    control,
    export_part_betas,
    part_labels,
    performance_spread,
    random_labels,
    shuffled_labels,
    target_accuracy,
    weight_dissimilarity,
    whole_encoder,
)
from almond.progress import Part, Progress
from almond.rng import generator
from almond.typing import Floats, Indices

LEAST_SHARE = 0.5
"""Share of each subregion's voxels that must lie in the whole region for subregions to be parts of it."""

IMAGES = 4
"""Images per part and subject that stand for images made for it; the published study has four or five."""


@dataclass(frozen=True)
class Parcellations:
    """The whole region's voxels (V, 3), random labels (B, V), and the real ones (V,) where there are any."""

    matrix: GroupMatrix
    parts: int
    names: tuple[str, ...]
    labels: Labels
    real: Labels | None


def draw_parcellations(
    model: ModelPerformance, settings: RandomRegions, subregions: Sequence[str], seed: int
) -> Parcellations:
    """Draw parcellations of the whole region; ``subregions`` are the real one when they lie inside it.

    :raises InputError: no voxelwise encoders of the region, or fewer voxels than parts.
    """
    matrix = model.matrices.get(settings.of)
    if matrix is None:
        raise InputError("random regions", f"{settings.of} has no voxelwise encoders", "a fitted region")
    voxels = len(matrix.voxels)
    if voxels < 2 * settings.parts:
        raise InputError(
            "random regions", f"{voxels} voxels in {settings.parts} parts", "two or more per part"
        )
    rng = generator(seed, "random regions")
    real = _real(matrix.voxels, model, subregions) if len(subregions) == settings.parts else None
    if real is None:
        labels = random_labels(voxels, settings.parts, settings.splits, rng)
        return Parcellations(matrix, settings.parts, (), labels, None)
    return Parcellations(
        matrix, settings.parts, tuple(subregions), shuffled_labels(real, settings.splits, rng), real
    )


def _real(voxels: Indices, model: ModelPerformance, subregions: Sequence[str]) -> Labels | None:
    parts = [model.matrices[name].voxels for name in subregions if name in model.matrices]
    if len(parts) < len(subregions):
        return None
    labels = part_labels(voxels, parts)
    shares = [(labels == number).sum() / len(part) for number, part in enumerate(parts)]
    return labels if min(shares) >= LEAST_SHARE else None


def random_regions(
    model: ModelPerformance,
    stored: Sequence[Stored],
    settings: RandomRegions,
    *,
    subregions: Sequence[str],
    features: Floats | None,
    seed: int,
    progress: Progress,
) -> dict[str, Any]:
    """Measure how parts differ in performance, in weights and in the classification of targets; JSON values.

    Mean weights of the random parts are exported where ``settings.export`` names a folder.

    :param features: (n, D) of the images by which targets are classified, or None.
    :raises InputError: see :func:`draw_parcellations`.
    """
    parcellations = draw_parcellations(model, settings, subregions, seed)
    whole = [encoder for encoder in stored if encoder.region == settings.of]
    encoders = []
    for index, encoder in enumerate(whole):
        progress.report(0.2 * index / len(whole), f"weights of {settings.of} of sub-{encoder.subject}")
        artifact = encoder.load()
        encoders.append(
            whole_encoder(
                encoder.subject, artifact.weights, artifact.voxels, parcellations.matrix.voxels, features
            )
        )
    measures = {
        "performance_sd": performance_spread(parcellations.matrix, parcellations.parts),
        "weight_dissimilarity": weight_dissimilarity(encoders, parcellations.parts),
    }
    images = 0 if features is None else min(IMAGES, len(features) // (2 * parcellations.parts))
    if images and len(encoders) > 1:
        measures["target_accuracy"] = target_accuracy(encoders, parcellations.parts, images=images)
    controls: dict[str, Control] = {}
    for index, (name, measure) in enumerate(measures.items()):
        part = Part(progress, 0.2 + 0.5 * index / len(measures), 0.2 + 0.5 * (index + 1) / len(measures))
        controls[name] = control(measure, parcellations.labels, parcellations.real, part)
    files = _export(whole, parcellations, settings, Part(progress, 0.7, 1.0))
    return {
        "of": settings.of,
        "parts": parcellations.parts,
        "splits": settings.splits,
        "voxels": int((parcellations.labels[0] != UNASSIGNED).sum()),
        "real": list(parcellations.names),
        "images_per_part": images,
        "measures": {name: measured.to_json() for name, measured in controls.items()},
        "exported_files": files,
    }


def _export(
    whole: Sequence[Stored], parcellations: Parcellations, settings: RandomRegions, progress: Progress
) -> int:
    if settings.export is None:
        return 0
    column_of = {tuple(voxel): column for column, voxel in enumerate(parcellations.matrix.voxels.tolist())}

    def encoders() -> Iterator[tuple[str, Floats, Labels]]:
        for encoder in whole:
            artifact = encoder.load()
            own = artifact.voxels.tolist()
            rows = [row for row, voxel in enumerate(own) if tuple(voxel) in column_of]
            columns = [column_of[tuple(own[row])] for row in rows]
            yield encoder.subject, artifact.weights[:, rows], parcellations.labels[:, columns]

    return export_part_betas(settings.export, encoders(), parcellations.parts, progress)
