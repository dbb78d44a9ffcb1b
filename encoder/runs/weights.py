"""Weights that somebody else fitted, from files into encoders. Loads torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from almond.encoding.artifacts import mean_weights as betas
from almond.encoding.features.card import FeatureSpaceCard
from encoder import services
from encoder.models import Encoder, FeatureSpace, artifact_root
from encoder.runs.features import load_features
from jobs.services.execution import RunningJob


def import_betas(job: RunningJob) -> dict[str, Any]:
    """A version for each file of weights in the encoder's folder; what is kept already stays so."""
    encoder = Encoder.objects.get(pk=job.arguments["encoder"])
    given = encoder.config["weights"]
    found = betas.read_betas(
        Path(encoder.dataset.root), suffix=given["suffix"], names=given.get("names") or None
    )
    job.report(0.3, "loading the feature space")
    card = card_of(encoder.feature_space, len(found[0].weights))
    job.report(0.6, f"{len(found)} files")
    made = betas.import_betas(found, card, artifact_root())
    regions = {region.name: region for region in encoder.regions.all()}
    for beta, (digest, path) in zip(found, made, strict=True):
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
    return {"artifacts": [digest for digest, _ in made]}


def card_of(space: FeatureSpace, dimension: int) -> FeatureSpaceCard:
    """Which space the weights belong to. A network says so itself; a table by the digest of its file."""
    if space.is_network:
        found = load_features(space)
        return FeatureSpaceCard(found.name, found.digest, found.dimension)
    return FeatureSpaceCard(space.name, space.digest, space.dimension or dimension)
