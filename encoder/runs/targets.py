"""Jobs that compute targets: mean weights, contrasts and axes, standardised on images. Loads torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.artifacts.artifact import EncoderArtifact, load_artifact
from almond.encoding.features.tables import load_table
from almond.errors import InputError
from almond.pictures.files import image_files
from almond.pictures.reading import read_image
from almond.progress import Part
from almond.rng import generator
from almond.targets.axes import image_axis, principal_axes, selective_target
from almond.targets.target import Target as Weights
from almond.targets.target import contrast_target, region_target, save_target
from almond.typing import ImageArray
from almond.world.scenes import draw_scene, render
from encoder import services
from encoder.folders import target_root
from encoder.models import EncoderVersion, Target
from encoder.runs.features import load_features
from jobs.services.execution import RunningJob

FloatMatrix = NDArray[np.floating[Any]]


def make_target(job: RunningJob) -> dict[str, Any]:
    """Average the weights of the target's subjects and standardise them on its reference images."""
    target = Target.objects.get(pk=job.arguments["target"])
    if target.digest:
        return {"digest": target.digest}
    reference = reference_features(target, Part(job, 0.0, 0.8))
    job.report(0.8, "averaging weights")
    weights = weigh(target, reference)
    path = save_target(target_root(), weights)
    services.finish_target(
        target=target, digest=weights.digest, path=path, sources=weights.sources, by=job.job.requested_by
    )
    return {"digest": weights.digest}


def weigh(target: Target, reference: FloatMatrix) -> Weights:
    """Compute a target's weights: of one region, of a sum of standardised regions, or along an axis."""
    if target.axis:
        return along_axis(target, reference)
    names = {region: weight for region, weight in target.coefficients.items() if weight}
    if list(names.values()) == [1.0]:
        return region_target(target.score_name, artifacts_of(target, next(iter(names))), reference)
    parts = {region: (of_region(target, region, reference), float(w)) for region, w in names.items()}
    return contrast_target(target.score_name, parts, reference)


def of_region(target: Target, region: str, reference: FloatMatrix) -> Weights:
    return region_target(region, artifacts_of(target, region), reference)


def along_axis(target: Target, reference: FloatMatrix) -> Weights:
    """Compute an axis.

    A principal component of the regions' scores, the part of one region's score that is uncorrelated with the
    others, or the discriminant between two sets of images.
    """
    axis: Mapping[str, Any] = target.axis
    if axis["method"] == "images":
        features = load_features(target.encoder.feature_space)
        low, high = (features.extract(read_folder(Path(axis[key]))) for key in ("low", "high"))
        return image_axis(target.score_name, low, high, reference, feature_space_digest=features.digest)
    regions = {name: of_region(target, name, reference) for name in target.coefficients}
    if axis["method"] == "selective":
        own = regions.pop(axis["of"])
        return selective_target(target.score_name, own, list(regions.values()), reference)
    axes = principal_axes(list(regions.values()), reference)
    number = int(axis.get("number", 1))
    if number > len(axes.targets):
        raise InputError(
            target, f"has {len(axes.targets)} axes with any variance", f"axis 1 to {len(axes.targets)}"
        )
    return replace(axes.targets[number - 1], name=target.score_name)


def artifacts_of(target: Target, region: str) -> list[EncoderArtifact]:
    """Load the newest artifact of each of the target's subjects, checked against its digest."""
    artifacts = []
    for subject in target.subjects:
        versions = EncoderVersion.objects.filter(
            encoder=target.encoder, subject=subject, region__name=region
        ).order_by("-pk")
        version = versions.first()
        if version is None:
            raise InputError(target, f"{region} is not fitted for sub-{subject}", "fitted regions")
        artifacts.append(load_artifact(Path(version.path)))
    return artifacts


def reference_features(target: Target, part: Part) -> FloatMatrix:
    """Compute features (n, D) of the images on which scores are standardised."""
    space, reference = target.encoder.feature_space, target.reference
    if reference["kind"] == "table":
        spec = space.spec
        table = load_table(Path(space.path), variable=spec.get("variable"), rows=spec.get("rows"))
        return np.asarray(table.values, np.float64)
    part.report(0.0, "loading the feature space")
    features = load_features(space)
    images = world_scenes(reference, part) if reference["kind"] == "world" else folder_images(reference, part)
    return features.extract(images)


def world_scenes(reference: dict[str, Any], part: Part) -> list[ImageArray]:
    """Draw scenes at random from the simulated world."""
    rng = generator(int(reference["seed"]), "reference scenes")
    scenes = []
    for number in range(int(reference["scenes"])):
        part.report(number / int(reference["scenes"]), "drawing reference scenes")
        scenes.append(render(draw_scene(rng)))
    return scenes


def folder_images(reference: dict[str, Any], part: Part) -> list[ImageArray]:
    return read_folder(Path(reference["path"]), part)


def read_folder(folder: Path, part: Part | None = None) -> list[ImageArray]:
    """Read every image of a folder, by name.

    :raises InputError: fewer than two images.
    """
    paths = image_files(folder)
    if len(paths) < 2:
        raise InputError(folder, f"holds {len(paths)} images", "two or more to standardise scores on")
    images = []
    for number, path in enumerate(paths):
        if part is not None:
            part.report(number / len(paths), f"reading {path.name}")
        images.append(read_image(path))
    return images
