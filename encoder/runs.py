"""What workers do for the encoding pages. The only module here that loads torch and nibabel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.digest import digest_file
from almond.encoding.artifact import EncoderArtifact, load_artifact
from almond.encoding.features import FeatureSpace as Features
from almond.encoding.features import ImageArray, load_table, world_features
from almond.encoding.fit import fit_subject
from almond.encoding.score import Target as Weights
from almond.encoding.score import contrast_target, load_target, region_target, save_target
from almond.encoding.scorer import Scorer
from almond.errors import DigestMismatch, InputError
from almond.progress import Part
from almond.rng import generator
from almond.stimuli.images import read_image
from almond.world.scenes import draw_scene, render
from encoder import services
from encoder.fit_settings import settings_of
from encoder.models import Encoder, EncoderVersion, FeatureSpace, Target, artifact_root, target_root
from jobs.execution import RunningJob

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg"}


def load_features(space: FeatureSpace) -> Features:
    """The network behind a feature space; ``InputError`` for a table, which knows only its own rows."""
    if space.kind != FeatureSpace.Kind.WORLD:
        raise InputError(
            space.name, "is a table and cannot look at new images", "a feature space with a network"
        )
    found = world_features()
    services.note_feature_space(space=space, digest=found.digest, dimension=found.dimension, by=None)
    return found


def load_scorer(targets: Sequence[Target]) -> Scorer:
    """A scorer of targets, named by their score names; each is checked against its digest."""
    if not targets:
        raise InputError("targets", "none were given", "one or more")
    return Scorer(
        load_features(targets[0].encoder.feature_space), [load_target(Path(t.path)) for t in targets]
    )


def fit(job: RunningJob) -> dict[str, Any]:
    """Fit every region of one subject; what was fitted before from the same inputs is only found again."""
    encoder = Encoder.objects.get(pk=job.arguments["encoder"])
    regions = {region.name: region for region in encoder.regions.all()}
    for region in regions.values():
        found = digest_file(Path(region.mask_path))
        if found != region.mask_digest:
            raise DigestMismatch(region.mask_path, region.mask_digest, found)
    if encoder.feature_space.kind == FeatureSpace.Kind.WORLD:
        load_features(encoder.feature_space)
    subject = job.arguments["subject"]
    fitted = fit_subject(settings_of(encoder), subject, out=artifact_root(), progress=job)
    for one in fitted:
        services.record_version(
            encoder=encoder,
            subject=one.subject,
            region=regions[one.region],
            model=one.model,
            digest=one.digest,
            path=one.path,
            metrics=one.metrics,
            job=job.job,
            by=job.job.requested_by,
        )
    return {"artifacts": [one.digest for one in fitted]}


def make_target(job: RunningJob) -> dict[str, Any]:
    """Average the weights of the target's subjects and standardise them on its reference images."""
    target = Target.objects.get(pk=job.arguments["target"])
    if target.digest:
        return {"digest": target.digest}
    reference = reference_features(target, Part(job, 0.0, 0.8))
    job.report(0.8, "averaging weights")
    made = weigh(target, reference)
    path = save_target(target_root(), made)
    services.finish_target(
        target=target, digest=made.digest, path=path, sources=made.sources, by=job.job.requested_by
    )
    return {"digest": made.digest}


def weigh(target: Target, reference: NDArray[np.floating[Any]]) -> Weights:
    """The target's weights: of one region, or of a sum of standardised regions."""
    names = {region: weight for region, weight in target.coefficients.items() if weight}
    if list(names.values()) == [1.0]:
        return region_target(target.score_name, artifacts_of(target, next(iter(names))), reference)
    parts = {
        region: (region_target(region, artifacts_of(target, region), reference), float(weight))
        for region, weight in names.items()
    }
    return contrast_target(target.score_name, parts, reference)


def artifacts_of(target: Target, region: str) -> list[EncoderArtifact]:
    """The newest artifact of each of the target's subjects, checked against its digest."""
    found = []
    for subject in target.subjects:
        versions = EncoderVersion.objects.filter(
            encoder=target.encoder, subject=subject, region__name=region
        ).order_by("-pk")
        version = versions.first()
        if version is None:
            raise InputError(target, f"{region} is not fitted for sub-{subject}", "fitted regions")
        found.append(load_artifact(Path(version.path)))
    return found


def reference_features(target: Target, part: Part) -> NDArray[np.floating[Any]]:
    """Features (n, D) of the images on which scores are standardised."""
    space, wanted = target.encoder.feature_space, target.reference
    if wanted["kind"] == "table":
        return np.asarray(load_table(Path(space.path)).values, np.float64)
    part.report(0.0, "loading the feature space")
    features = load_features(space)
    images = world_scenes(wanted, part) if wanted["kind"] == "world" else folder_images(wanted, part)
    return features.extract(images)


def world_scenes(wanted: dict[str, Any], part: Part) -> list[ImageArray]:
    """Scenes drawn at random from the whole simulated world."""
    rng = generator(int(wanted["seed"]), "reference scenes")
    scenes = []
    for number in range(int(wanted["scenes"])):
        part.report(number / int(wanted["scenes"]), "drawing reference scenes")
        scenes.append(render(draw_scene(rng)))
    return scenes


def folder_images(wanted: dict[str, Any], part: Part) -> list[ImageArray]:
    folder = Path(wanted["path"])
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if len(paths) < 2:
        raise InputError(folder, f"holds {len(paths)} images", "two or more to standardise scores on")
    images = []
    for number, path in enumerate(paths):
        part.report(number / len(paths), f"reading {path.name}")
        images.append(read_image(path))
    return images
