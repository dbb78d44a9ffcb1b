"""Evaluate images made for regions by one model's encoders: classified targets, on against off target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from almond.encoding.artifacts.catalogue import Stored
from almond.encoding.config.evaluation import StimuliSettings
from almond.errors import InputError
from almond.group.model_summary import Record
from almond.group.region_images.clusters import (
    ClusteredNull,
    ConfusionClusters,
    cluster_confusion,
    clustered_null,
)
from almond.group.region_images.images import TargetedImages, check_feature_space
from almond.group.region_images.on_off import ImagePredictions, crossed, joint, two_stage
from almond.group.region_images.plsda import PlsDa, leave_one_subject_out_plsda
from almond.progress import Part, Progress
from almond.rng import generator
from almond.stats.dissimilarity import compare, dissimilarity, of_labels, tsne_picture
from almond.stats.leave_one_out import means_of_others
from almond.typing import Floats

MOST_COMPARED = 600
"""Images up to which dissimilarity matrices are compared: permuting larger ones takes minutes."""


def predict_images(
    images: TargetedImages, stored: Sequence[Stored], settings: StimuliSettings, progress: Progress
) -> ImagePredictions:
    """Predict (E, n, R) by every subject's encoders: features times mean weights, no intercept.

    :raises InputError: a region or subject of the table without an encoder, or other features.
    """
    regions = settings.regions or tuple(dict.fromkeys(images.regions))
    subjects = tuple(dict.fromkeys(encoder.subject for encoder in stored))
    known = {(encoder.subject, encoder.region): encoder for encoder in stored}
    for region in regions:
        if any((subject, region) not in known for subject in subjects):
            raise InputError("stimuli", f"region {region} has no encoder in every subject", "fitted regions")
    stranger = next((name for name in images.subjects if name not in subjects), None)
    if stranger is not None:
        raise InputError("stimuli", f"were made for sub-{stranger}", f"subjects {', '.join(subjects)}")
    predictions = np.empty((len(subjects), len(images.images), len(regions)))
    for row, subject in enumerate(subjects):
        progress.report(row / len(subjects), f"predictions of sub-{subject}")
        for column, region in enumerate(regions):
            artifact = known[subject, region].load()
            check_feature_space(images, artifact)
            predictions[row, :, column] = images.features @ artifact.mean_weights
    return ImagePredictions(
        subjects,
        regions,
        predictions,
        images.regions,
        images.subjects,
        images.nuisance if images.nuisance.size else np.zeros((len(images.images), 0)),
        images.nuisance_names,
        images.scenes,
    )


def own_predictions(data: ImagePredictions) -> Floats:
    """Select each image's responses (n, R) by the subject for whom it was made, as published: circular."""
    return _of_target_subject(data, data.predictions)


def others_predictions(data: ImagePredictions) -> Floats:
    """Return each image's responses (n, R) by cross-subject weights: the mean of all other subjects'."""
    return _of_target_subject(data, means_of_others(data.predictions))


def _of_target_subject(data: ImagePredictions, values: Floats) -> Floats:
    """Select (n, R) from values (E, n, R) of every subject those of the subject an image was made for."""
    rows = [data.encoders.index(subject) for subject in data.target_subjects]
    return np.asarray(values[rows, np.arange(len(rows))], np.float64)


def evaluate_images(
    images: TargetedImages,
    stored: Sequence[Stored],
    settings: StimuliSettings,
    *,
    seed: int,
    record: Record,
    progress: Progress,
) -> dict[str, Any] | None:
    """Run every analysis of the images that can run; JSON values."""
    data = record.attempt(
        "images made for regions",
        lambda: predict_images(images, stored, settings, Part(progress, 0.0, 0.1)),
    )
    if data is None:
        return None
    analyses: dict[str, Any] = {
        "images": len(images.images),
        "regions": list(data.regions),
        "subjects": sorted(set(data.target_subjects)),
        "nuisance": list(data.nuisance_names),
        "classification": {},
    }
    weights = (("others", "cross-subject weights"), ("own", "own weights"))
    for index, (source, words) in enumerate(weights):
        x = others_predictions(data) if source == "others" else own_predictions(data)
        part = Part(progress, 0.1 + 0.3 * index, 0.4 + 0.3 * index)
        result = record.attempt(
            f"classification of targets by {words}",
            lambda x=x, part=part: classified(x, data, settings, seed, part),  # type: ignore[misc]
        )
        if result is not None:
            analyses["classification"][source] = result
    analyses["on_off"] = _on_off(data, record)
    analyses["geometry"] = record.attempt(
        "dissimilarity matrices", lambda: _geometry(images, data, settings, seed)
    )
    analyses["picture"] = record.attempt("t-SNE picture", lambda: _picture(data, seed))
    progress.report(1.0, f"{len(images.images)} images evaluated")
    return analyses


def classified(
    x: Floats, data: ImagePredictions, settings: StimuliSettings, seed: int, progress: Progress
) -> dict[str, Any]:
    """Classify targets, cluster the confusions, and test both by permuting targets; JSON values."""
    components = settings.components or x.shape[1]
    result = leave_one_subject_out_plsda(x, data.target_regions, data.target_subjects, components)
    clusters = cluster_confusion(result.predicted, result.true, len(result.classes))
    null = None
    if settings.permutations:
        null = clustered_null(
            x,
            result.true,
            data.target_subjects,
            components,
            clusters,
            permutations=settings.permutations,
            rng=generator(seed, "permuted targets"),
            progress=progress,
        )
    return _classification_json(result, clusters, null)


def _classification_json(
    result: PlsDa, clusters: ConfusionClusters, null: ClusteredNull | None
) -> dict[str, Any]:
    solution = clusters.solution
    return {
        "classes": list(result.classes),
        "components": result.components,
        "accuracy": result.accuracy,
        "confusion": result.confusion.tolist(),
        "levels": [
            {
                "number": level.number,
                "accuracy": level.accuracy,
                "members": list(level.members),
                "p": list(level.p),
            }
            for level in clusters.levels
        ],
        "clusters": None if solution is None else _solution(result.classes, solution.members),
        "number": clusters.number,
        "merged_accuracy": None if solution is None else solution.accuracy,
        "null": None
        if null is None
        else {
            "permutations": len(null.accuracy),
            "accuracy": float(null.accuracy.mean()),
            "merged_accuracy": float(null.merged.mean()),
            "p": null.p,
            "p_merged": null.p_merged,
            "p_number": null.p_number,
        },
    }


def _solution(classes: Sequence[str], members: Sequence[int]) -> list[list[str]]:
    groups: dict[int, list[str]] = {}
    for name, member in zip(classes, members, strict=True):
        groups.setdefault(member, []).append(name)
    return list(groups.values())


def _on_off(data: ImagePredictions, record: Record) -> dict[str, Any]:
    tests: dict[str, Any] = {}
    for name, own in (("published", True), ("other_subjects", False)):
        rows = record.attempt(
            f"on- versus off-target, two stages ({name})",
            lambda own=own: two_stage(data, own=own),  # type: ignore[misc]
        )
        tests[name] = None if rows is None else [row.to_json() for row in rows]
    mixed = record.attempt("on- versus off-target, mixed model", lambda: crossed(data))
    tests["mixed"] = None if mixed is None else [row.to_json() for row in mixed]
    whole = record.attempt("on- versus off-target, all regions in one model", lambda: joint(data))
    tests["joint"] = None if whole is None else whole.to_json()
    return tests


def _geometry(
    images: TargetedImages, data: ImagePredictions, settings: StimuliSettings, seed: int
) -> dict[str, Any]:
    if len(images.images) > MOST_COMPARED:
        raise InputError("dissimilarity", f"{len(images.images)} images", f"at most {MOST_COMPARED}")
    matrices = {"features": dissimilarity(images.features)}
    if images.pixels is not None:
        matrices["pixels"] = dissimilarity(images.pixels)
    if len(data.regions) > 2:
        matrices["predictions (own)"] = dissimilarity(own_predictions(data))
        matrices["predictions (others)"] = dissimilarity(others_predictions(data))
    matrices["target region"] = of_labels(data.target_regions)
    matrices["target subject"] = of_labels(data.target_subjects)
    count = max(settings.permutations, 1)
    rows = compare(matrices, permutations=count, rng=generator(seed, "mantel"))
    return {"names": list(matrices), "permutations": count, "comparisons": [asdict(row) for row in rows]}


def _picture(data: ImagePredictions, seed: int) -> dict[str, Any]:
    x, y = tsne_picture(others_predictions(data), generator(seed, "t-SNE")).T
    return {"x": x.tolist(), "y": y.tolist(), "regions": list(data.target_regions)}
