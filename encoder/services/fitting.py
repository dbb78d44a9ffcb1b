"""Fits: asked for, kept once, listed. ``encoder.services`` offers these to other apps."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from encoder.models import Encoder, EncoderVersion, FeatureSpace, Region
from jobs.models import Job
from jobs.services import enqueue


@transaction.atomic
def start_fit(*, encoder: Encoder, by: User | None, subjects: Sequence[str] | None = None) -> list[Job]:
    """One job per subject, or one for all where the model learns from all of them together. Asking twice
    gives the same jobs while they wait or run."""
    if encoder.model == Encoder.Model.IMPORTED:
        raise InputError(encoder, "holds weights fitted elsewhere", "an encoder with runs to fit")
    if encoder.of_all_subjects:
        return [_start_group_fit(encoder=encoder, by=by)]
    chosen = list(subjects) if subjects is not None else encoder.subjects
    unknown = sorted(set(chosen) - set(encoder.subjects))
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
        for subject in chosen
    ]
    record(verb="start_fit", subject=encoder, by=by, subjects=chosen)
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
    """The newest job of each subject of an encoder, or the newest of all subjects together."""
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
    """Keep one fitted artifact; the same artifact of the same encoder is kept once."""
    version, new = EncoderVersion.objects.get_or_create(
        encoder=encoder,
        digest=digest,
        subject=subject,
        region=region,
        defaults={
            "model": model,
            "path": str(path),
            "metrics": plain_numbers(dict(metrics)),
            "job": job,
        },
    )
    if new:
        record(verb="fit", subject=version, by=by, digest=digest)
    return version


def plain_numbers(value: Any) -> Any:
    """The same value with NaN and infinities as None, which JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): plain_numbers(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain_numbers(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@transaction.atomic
def start_drawing(*, encoder: Encoder, subject: str, by: User | None) -> Job:
    """Ask for the maps of a subject's newest fitted regions; what is drawn already stays."""
    return enqueue(
        kind="encoder.draw",
        arguments={"encoder": encoder.pk, "subject": subject},
        by=by,
        key=f"encoder.draw:{encoder.pk}:{subject}",
    )


def newest_versions(encoder: Encoder) -> list[EncoderVersion]:
    """The newest fitted artifact of each region and subject, by region, then subject."""
    newest: dict[tuple[int, str], EncoderVersion] = {}
    for version in encoder.versions.select_related("region").order_by("pk"):
        newest[version.region_id, version.subject] = version
    return [newest[key] for key in sorted(newest, key=lambda key: (key[0], natural(key[1])))]


def natural(name: str) -> tuple[int, str]:
    """Sorts 2 before 10."""
    return (int(name), name) if name.isdigit() else (10**9, name)


@transaction.atomic
def note_feature_space(
    *,
    space: FeatureSpace,
    digest: str,
    dimension: int | None,
    by: User | None,
    files: Mapping[str, str] | None = None,
) -> FeatureSpace:
    """Keep the digests and the dimension found when the feature space was first used.

    ``files`` are digests of what it depends on. A table keeps the digest of its file.
    """
    if space.kind == FeatureSpace.Kind.TABLE:
        digest = space.digest or digest
    if space.digest and space.digest != digest:
        raise InputError(
            space.name, "its weights or table changed since it was first used", "the same file as before"
        )
    known = {**(files or {}), **space.file_digests}
    if (space.digest, space.dimension, space.file_digests) != (digest, dimension, known):
        space.digest, space.dimension, space.file_digests = digest, dimension, known
        space.save(update_fields=["digest", "dimension", "file_digests"])
        record(verb="note", subject=space, by=by, digest=digest, dimension=dimension)
    return space


def described(folder: Path) -> dict[str, Any]:
    """What an artifact's own file says of it; ``{}`` where the folder is not on this server."""
    file = folder / "artifact.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def drawing_jobs(*, encoder: Encoder) -> dict[str, Job]:
    """The newest job of each subject's maps."""
    jobs = Job.objects.filter(kind="encoder.draw", arguments__encoder=encoder.pk).order_by("pk")
    return {job.arguments["subject"]: job for job in jobs}
