"""Fits and their maps: requested, recorded once, listed. Changes are audited."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from almond.finite import nulled
from almond.naming import natural
from encoder.models import Encoder, EncoderVersion, Region
from jobs.models import Job
from jobs.services import enqueue


@transaction.atomic
def start_fit(*, encoder: Encoder, by: User | None, subjects: Sequence[str] | None = None) -> list[Job]:
    """Enqueue one job per subject, or one job where the model is fitted to all subjects together.

    While a job waits or runs, another request returns the same job.

    :raises InputError: weights fitted elsewhere, or subjects that the dataset does not have.
    """
    if encoder.is_imported:
        raise InputError(encoder, "holds weights fitted elsewhere", "an encoder with runs to fit")
    if encoder.of_all_subjects:
        return [_start_group_fit(encoder=encoder, by=by)]
    selected = list(subjects) if subjects is not None else encoder.subjects
    unknown = sorted(set(selected) - set(encoder.subjects))
    if unknown:
        raise InputError(
            "subjects", f"{', '.join(unknown)} are not in {encoder.dataset}", "subjects of the dataset"
        )
    jobs = [
        enqueue(
            kind="encoder.fit",
            arguments={"encoder": encoder.pk, "subject": subject},
            by=by,
            key=f"encoder.fit:{encoder.pk}:{subject}",
        )
        for subject in selected
    ]
    record(verb="start_fit", subject=encoder, by=by, subjects=selected)
    return jobs


def _start_group_fit(*, encoder: Encoder, by: User | None) -> Job:
    job = enqueue(
        kind="encoder.fit_group",
        arguments={"encoder": encoder.pk},
        by=by,
        key=f"encoder.fit_group:{encoder.pk}",
    )
    record(verb="start_fit", subject=encoder, by=by, subjects=encoder.subjects)
    return job


def fit_jobs(*, encoder: Encoder) -> list[Job]:
    """List the newest job of each subject of an encoder, or the newest of all subjects together."""
    newest: dict[str, Job] = {}
    kinds = ["encoder.fit", "encoder.fit_group", "encoder.import_betas"]
    for job in Job.objects.filter(kind__in=kinds, arguments__encoder=encoder.pk).order_by("pk"):
        newest[job.arguments.get("subject", "")] = job
    return [newest[subject] for subject in sorted(newest)]


@transaction.atomic
def record_version(
    *,
    encoder: Encoder,
    subject: str,
    region: Region,
    model: str,
    digest: str,
    path: Path | str,
    metrics: Mapping[str, Any],
    job: Job | None,
    by: User | None,
) -> EncoderVersion:
    """Store one fitted artifact; the same artifact of the same encoder is stored once."""
    version, new = EncoderVersion.objects.get_or_create(
        encoder=encoder,
        digest=digest,
        subject=subject,
        region=region,
        defaults={
            "model": model,
            "path": str(path),
            "metrics": nulled(dict(metrics)),
            "job": job,
        },
    )
    if new:
        record(verb="fit", subject=version, by=by, digest=digest)
    return version


def read_description(folder: Path) -> dict[str, Any]:
    """Return what ``artifact.json`` of an artifact says, or ``{}`` where its folder is not on this server."""
    file = folder / "artifact.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


@transaction.atomic
def start_drawing(*, encoder: Encoder, subject: str, by: User | None) -> Job:
    """Enqueue the job that draws the maps of a subject's newest fitted regions; existing maps stay."""
    return enqueue(
        kind="encoder.draw",
        arguments={"encoder": encoder.pk, "subject": subject},
        by=by,
        key=f"encoder.draw:{encoder.pk}:{subject}",
    )


def newest_versions(encoder: Encoder) -> list[EncoderVersion]:
    """List the newest fitted artifact of each region and subject, by region, then subject."""
    newest: dict[tuple[int, str], EncoderVersion] = {}
    for version in encoder.versions.select_related("region").order_by("pk"):
        newest[version.region_id, version.subject] = version
    return [newest[key] for key in sorted(newest, key=lambda key: (key[0], natural(key[1])))]


def drawing_jobs(*, encoder: Encoder) -> dict[str, Job]:
    """Return subject -> the newest job that draws its maps."""
    jobs = Job.objects.filter(kind="encoder.draw", arguments__encoder=encoder.pk).order_by("pk")
    return {job.arguments["subject"]: job for job in jobs}
