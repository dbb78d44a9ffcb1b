"""Jobs that read weights fitted elsewhere from files. Loads torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from almond.encoding.artifacts import mean_weights as betas
from almond.encoding.features.card import FeatureSpaceCard
from encoder import services
from encoder.folders import artifact_root
from encoder.models import Encoder, FeatureSpace
from encoder.runs.features import load_features
from jobs.services.execution import RunningJob


def import_betas(job: RunningJob) -> dict[str, Any]:
    """Record a version for each file of weights in the encoder's folder; existing versions stay."""
    encoder = Encoder.objects.get(pk=job.arguments["encoder"])
    files = encoder.config["weights"]
    weights = betas.read_betas(
        Path(encoder.dataset.root), suffix=files["suffix"], names=files.get("names") or None
    )
    job.report(0.3, "loading the feature space")
    card = card_of(encoder.feature_space, len(weights[0].weights))
    job.report(0.6, f"{len(weights)} files")
    stored = betas.import_betas(weights, card, artifact_root())
    regions = {region.name: region for region in encoder.regions.all()}
    for beta, (digest, path) in zip(weights, stored, strict=True):
        services.record_version(
            encoder=encoder,
            subject=beta.subject,
            region=regions[beta.region],
            model=betas.MODEL,
            digest=digest,
            path=path,
            metrics={"n_voxels": beta.weights.shape[1]},
            job=job.job,
            by=job.job.requested_by,
        )
    return {"artifacts": [digest for digest, _ in stored]}


def card_of(space: FeatureSpace, dimension: int) -> FeatureSpaceCard:
    """Describe the space of the weights: a network by itself, a table by the digest of its file."""
    if space.is_network:
        features = load_features(space)
        return FeatureSpaceCard(features.name, features.digest, features.dimension)
    return FeatureSpaceCard(space.name, space.digest, space.dimension or dimension)
