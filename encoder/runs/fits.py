"""What workers do for the encoding pages: fits and targets. Maps, reports and weights in files have modules
of their own (``run_*``), loaded only for these jobs. No page loads any of them: they load torch, nibabel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from almond.encoding.artifacts.fit_index import FittedRegion
from almond.encoding.pipeline.fit import fit_families, fit_subject
from almond.progress import Part
from almond.targets.target import save_target
from encoder import services
from encoder.models import Encoder, Target, artifact_root, target_root
from encoder.runs.features import check_spaces, load_features, load_scorer, note_spaces
from encoder.runs.targets import reference_features, weigh
from encoder.services import region_values
from encoder.services.fit_settings import settings_of
from jobs.services.execution import RunningJob

__all__ = [
    "fit",
    "fit_group",
    "load_features",
    "load_scorer",
    "make_target",
]


def fit(job: RunningJob) -> dict[str, Any]:
    """Fit every region of one subject; what was fitted before from the same inputs is only found again."""
    encoder = Encoder.objects.get(pk=job.arguments["encoder"])
    files = check_inputs(encoder)
    subject = job.arguments["subject"]
    fitted = fit_subject(settings_of(encoder), subject, out=artifact_root(), progress=job)
    return keep(encoder, fitted, files, job)


def fit_group(job: RunningJob) -> dict[str, Any]:
    """Fit a model that learns from all subjects at once."""
    encoder = Encoder.objects.get(pk=job.arguments["encoder"])
    files = check_inputs(encoder)
    fitted = fit_families(settings_of(encoder), out=artifact_root(), progress=job)
    return keep(encoder, fitted, files, job)


def check_inputs(encoder: Encoder) -> dict[int, dict[str, str]]:
    """Masks, tables, weights and films are the bytes that they were; digests of the feature spaces' files."""
    for region in encoder.regions.select_related("dataset"):
        region_values.check_unchanged(region)
    return check_spaces(encoder)


def keep(
    encoder: Encoder, fitted: Sequence[FittedRegion], files: dict[int, dict[str, str]], job: RunningJob
) -> dict[str, Any]:
    """A version for each fitted region, then a job for the maps of each subject."""
    regions = {region.name: region for region in encoder.regions.all()}
    if fitted:
        note_spaces(encoder, feature_card(fitted[0].path), files)
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
    for subject in dict.fromkeys(one.subject for one in fitted):
        services.start_drawing(encoder=encoder, subject=subject, by=job.job.requested_by)
    return {"artifacts": list(dict.fromkeys(one.digest for one in fitted))}


def feature_card(path: Path) -> dict[str, Any]:
    """Name, digest and dimension of the feature space of an artifact."""
    card: dict[str, Any] = services.described(path)["feature_space"]
    return card


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
