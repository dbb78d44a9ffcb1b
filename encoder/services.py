"""Every change to datasets, encoders and targets: who did it is written down, work is handed to jobs."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.digest import digest_file
from almond.errors import InputError
from encoder.fit_settings import DEFAULTS, fit_settings
from encoder.layout import check_layout, check_mask_file
from encoder.models import Dataset, Encoder, EncoderVersion, FeatureSpace, Region, Target
from jobs.models import Job
from jobs.services import enqueue

REFERENCE_SCENES = 400


@transaction.atomic
def create_dataset(
    *, name: str, root: Path | str, by: User | None, kind: str = Dataset.Kind.MEASURED, description: str = ""
) -> Dataset:
    """Add a BIDS folder; ``InputError`` when it is none."""
    layout = check_layout(Path(root))
    dataset = Dataset.objects.create(
        name=name,
        root=str(root),
        kind=kind,
        description=description,
        subjects=list(layout.subjects),
        runs=layout.runs,
    )
    record(verb="create", subject=dataset, by=by, root=str(root), runs=layout.runs)
    return dataset


@transaction.atomic
def add_region(*, dataset: Dataset, name: str, mask_path: Path | str, by: User | None) -> Region:
    """Add a mask to a dataset; its digest is kept, so that a changed mask is noticed when it is used."""
    check_region(dataset=dataset, name=name, mask_path=Path(mask_path))
    region = Region.objects.create(
        dataset=dataset, name=name, mask_path=str(mask_path), mask_digest=digest_file(Path(mask_path))
    )
    record(verb="create", subject=region, by=by, mask=region.mask_digest)
    return region


def check_region(*, dataset: Dataset, name: str, mask_path: Path) -> None:
    """``InputError`` for no name, one that the dataset has already, or a file that is no mask."""
    check_region_name(name)
    if dataset.regions.filter(name=name).exists():
        raise InputError("name", f"{dataset} already has a region {name}", "a name of its own")
    check_mask_file(mask_path)


def check_region_name(name: str) -> None:
    longest = Region._meta.get_field("name").max_length or 0
    if not name.strip() or len(name) > longest or not name.isprintable():
        raise InputError("name", f"{name[:longest]!r} cannot name a region", f"1 to {longest} characters")


@transaction.atomic
def create_feature_space(
    *, name: str, by: User | None, kind: str = FeatureSpace.Kind.WORLD, path: Path | str = ""
) -> FeatureSpace:
    """Add a feature space. What a table holds is checked against the runs when it is used."""
    digest = ""
    if kind == FeatureSpace.Kind.TABLE:
        digest = digest_file(check_table_file(Path(path)))
    space = FeatureSpace.objects.create(name=name, kind=kind, path=str(path), digest=digest)
    record(verb="create", subject=space, by=by, digest=digest)
    return space


def check_table_file(path: Path) -> Path:
    if path.suffix not in {".csv", ".tsv", ".npy", ".npz"} or not os.path.isfile(path):
        raise InputError(path, "is not a table of features", "a .csv, .tsv, .npy or .npz file on this server")
    return path


@transaction.atomic
def create_encoder(
    *,
    name: str,
    dataset: Dataset,
    feature_space: FeatureSpace,
    regions: Iterable[Region],
    by: User | None,
    model: str = Encoder.Model.PLS,
    config: Mapping[str, Any] | None = None,
) -> Encoder:
    """Describe an encoding model; nothing is fitted yet. ``config`` adds to or replaces the defaults."""
    chosen = list(regions)
    settings = {**DEFAULTS, **(config or {})}
    check_encoder(
        name=name,
        dataset=dataset,
        feature_space=feature_space,
        regions=chosen,
        model=model,
        config=settings,
    )
    encoder = Encoder.objects.create(
        name=name, dataset=dataset, feature_space=feature_space, model=model, config=settings
    )
    encoder.regions.set(chosen)
    record(verb="create", subject=encoder, by=by, model=model, config=settings)
    return encoder


def check_encoder(
    *,
    name: str,
    dataset: Dataset,
    feature_space: FeatureSpace,
    regions: Sequence[Region],
    model: str,
    config: Mapping[str, Any],
) -> None:
    """``InputError`` for no regions, those of another dataset, or settings that cannot be fitted."""
    strangers = [region.name for region in regions if region.dataset_id != dataset.pk]
    if strangers:
        raise InputError(
            "regions", f"{', '.join(strangers)} belong to another dataset", f"regions of {dataset}"
        )
    if not regions:
        raise InputError("regions", "none were chosen", "one or more")
    fit_settings(
        name=name, dataset=dataset, feature_space=feature_space, regions=regions, model=model, config=config
    )


@transaction.atomic
def start_fit(*, encoder: Encoder, by: User | None, subjects: Sequence[str] | None = None) -> list[Job]:
    """One job per subject. Asking twice gives the same jobs while they wait or run."""
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


def fit_jobs(*, encoder: Encoder) -> list[Job]:
    """The newest job of each subject of an encoder."""
    newest: dict[str, Job] = {}
    for job in Job.objects.filter(kind="encoder.fit", arguments__encoder=encoder.pk).order_by("pk"):
        newest[job.arguments["subject"]] = job
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
        defaults={
            "subject": subject,
            "region": region,
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
def make_target(
    *,
    name: str,
    encoder: Encoder,
    by: User | None,
    role: str = Target.Role.GUIDE,
    subjects: Sequence[str] | None = None,
    coefficients: Mapping[str, float] | None = None,
    reference: Mapping[str, Any] | None = None,
) -> Target:
    """Describe a target and hand its making to a job.

    ``coefficients`` is region -> weight and defaults to the region called ``name``; ``subjects`` defaults to
    all that were fitted; ``reference`` is ``{"kind": "world", "scenes": n, "seed": s}`` (the default),
    ``{"kind": "folder", "path": folder of images}`` or ``{"kind": "table"}`` (the encoder's own table).
    """
    parts = dict(coefficients or {name: 1.0})
    chosen = list(subjects) if subjects is not None else fitted_subjects(encoder)
    standard = dict(reference or default_reference(encoder))
    check_target(name=name, encoder=encoder, role=role, subjects=chosen, coefficients=parts)
    check_reference(encoder=encoder, kind=standard["kind"])
    target = Target.objects.create(
        name=name,
        encoder=encoder,
        kind=Target.Kind.REGION if len(parts) == 1 else Target.Kind.CONTRAST,
        role=role,
        subjects=chosen,
        coefficients=parts,
        reference=standard,
    )
    record(verb="create", subject=target, by=by, coefficients=parts, subjects=chosen, role=role)
    return ask_for_target(target=target, by=by)


@transaction.atomic
def ask_for_target(*, target: Target, by: User | None) -> Target:
    """Hand the making of a target to a job; a target that was made stays as it is."""
    if target.digest:
        raise InputError(target, "is already made", "a target that is still waiting")
    target.job = enqueue(
        kind="encoder.make_target",
        arguments={"target": target.pk},
        by=by,
        key=f"encoder.make_target:{target.pk}",
    )
    target.save(update_fields=["job"])
    record(verb="make_target", subject=target, by=by)
    return target


def default_reference(encoder: Encoder) -> dict[str, Any]:
    if encoder.feature_space.kind == FeatureSpace.Kind.TABLE:
        return {"kind": "table"}
    return {"kind": "world", "scenes": REFERENCE_SCENES, "seed": 0}


def check_reference(*, encoder: Encoder, kind: str) -> None:
    """``InputError`` when scores could not be standardised: a table cannot look at images, a network has no
    rows."""
    has_table = encoder.feature_space.kind == FeatureSpace.Kind.TABLE
    if has_table != (kind == "table"):
        raise InputError(
            "reference kind",
            f"{kind} does not go with the feature space {encoder.feature_space}",
            "its own table" if has_table else "scenes or a folder of images",
        )


def fitted_subjects(encoder: Encoder) -> list[str]:
    return sorted(set(encoder.versions.values_list("subject", flat=True)))


def check_target(
    *, name: str, encoder: Encoder, role: str, subjects: Sequence[str], coefficients: Mapping[str, float]
) -> None:
    """``InputError`` when a weight is not there to be used, or a judge would share a subject with a guide."""
    if not name.isidentifier():
        raise InputError("name", f"{name!r} cannot head a column", "letters, digits and underscores")
    if name.endswith("_judge"):
        raise InputError(
            "name", f"{name!r} ends like the score of a judge", "a name that does not end in _judge"
        )
    if not subjects:
        raise InputError("subjects", "none were chosen or fitted", f"subjects fitted by {encoder}")
    if not coefficients or not any(coefficients.values()):
        raise InputError("coefficients", "no region has a weight", "region -> weight, one or more not 0")
    if not all(math.isfinite(weight) for weight in coefficients.values()):
        raise InputError("coefficients", f"{dict(coefficients)}", "a finite number for each region")
    fitted = set(encoder.versions.values_list("subject", "region__name"))
    missing = [(who, where) for who in subjects for where in coefficients if (who, where) not in fitted]
    if missing:
        who, where = missing[0]
        raise InputError(
            "coefficients", f"{where} is not fitted for sub-{who}", f"regions fitted by {encoder}"
        )
    other = Target.Role.JUDGE if role == Target.Role.GUIDE else Target.Role.GUIDE
    for rival in encoder.targets.filter(role=other):
        shared = sorted(set(subjects) & set(rival.subjects))
        if shared:
            raise InputError(
                "subjects",
                f"sub-{', sub-'.join(shared)} already serve the {other} {rival.name}",
                "a judge whose subjects did not guide",
            )


@transaction.atomic
def finish_target(
    *, target: Target, digest: str, path: Path | str, sources: Sequence[str], by: User | None
) -> Target:
    """Keep what the job made: the digest and file of the weights, and the artifacts that they came from."""
    target.digest, target.path, target.sources = digest, str(path), list(sources)
    target.save(update_fields=["digest", "path", "sources"])
    record(verb="make", subject=target, by=by, digest=digest)
    return target


@transaction.atomic
def note_feature_space(*, space: FeatureSpace, digest: str, dimension: int, by: User | None) -> FeatureSpace:
    """Keep the digest and dimension found when the feature space was first used."""
    if space.digest and space.digest != digest:
        raise InputError(
            space.name, "its weights or table changed since it was first used", "the same file as before"
        )
    if (space.digest, space.dimension) != (digest, dimension):
        space.digest, space.dimension = digest, dimension
        space.save(update_fields=["digest", "dimension"])
        record(verb="note", subject=space, by=by, digest=digest, dimension=dimension)
    return space
