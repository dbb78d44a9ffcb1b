"""Jobs that fit encoders. Loads torch and nibabel: only workers import this package, never a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from almond.encoding.artifacts.fit_index import FittedRegion
from almond.encoding.pipeline.fit import fit_families, fit_subject
from encoder import services
from encoder.folders import artifact_root
from encoder.models import Encoder
from encoder.runs.features import check_spaces, note_spaces
from encoder.services import region_values
from encoder.services.fit_settings import settings_of
from encoder.services.fits import read_description
from jobs.services.execution import RunningJob


def fit(job: RunningJob) -> dict[str, Any]:
    """Fit every region of one subject; an artifact with the same inputs is used again."""
    encoder = Encoder.objects.get(pk=job.arguments["encoder"])
    files = check_inputs(encoder)
    subject = job.arguments["subject"]
    fitted = fit_subject(settings_of(encoder), subject, out=artifact_root(), progress=job)
    return store(encoder, fitted, files, job)


def fit_group(job: RunningJob) -> dict[str, Any]:
    """Fit a model to all subjects together."""
    encoder = Encoder.objects.get(pk=job.arguments["encoder"])
    files = check_inputs(encoder)
    fitted = fit_families(settings_of(encoder), out=artifact_root(), progress=job)
    return store(encoder, fitted, files, job)


def check_inputs(encoder: Encoder) -> dict[int, dict[str, str]]:
    """Check that masks, tables, weights and films are unchanged.

    Returns feature space -> path -> digest of its files.
    """
    for region in encoder.regions.select_related("dataset"):
        region_values.check_unchanged(region)
    return check_spaces(encoder)


def store(
    encoder: Encoder, fitted: Sequence[FittedRegion], files: dict[int, dict[str, str]], job: RunningJob
) -> dict[str, Any]:
    """Record a version for each fitted region, then enqueue a job for the maps of each subject."""
    regions = {region.name: region for region in encoder.regions.all()}
    if fitted:
        note_spaces(encoder, feature_card(fitted[0].path), files)
    for artifact in fitted:
        services.record_version(
            encoder=encoder,
            subject=artifact.subject,
            region=regions[artifact.region],
            model=artifact.model,
            digest=artifact.digest,
            path=artifact.path,
            metrics=artifact.metrics,
            job=job.job,
            by=job.job.requested_by,
        )
    for subject in dict.fromkeys(artifact.subject for artifact in fitted):
        services.start_drawing(encoder=encoder, subject=subject, by=job.job.requested_by)
    return {"artifacts": list(dict.fromkeys(artifact.digest for artifact in fitted))}


def feature_card(path: Path) -> dict[str, Any]:
    """Read name, digest and dimension of the feature space of an artifact."""
    card: dict[str, Any] = read_description(path)["feature_space"]
    return card
