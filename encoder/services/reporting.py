"""Reports over subjects and weights brought in from elsewhere. ``encoder.services`` offers these too."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.encoding.config.prediction import SUFFIX
from almond.errors import InputError
from encoder.folders import report_root
from encoder.models import Dataset, Encoder, EncoderReport, FeatureSpace, Region
from encoder.services.fit_settings import report_settings
from jobs.models import FINISHED
from jobs.services import enqueue

JOBS = {
    EncoderReport.Kind.EVALUATION: "encoder.evaluate",
    EncoderReport.Kind.VALIDATION: "encoder.validate",
}


@transaction.atomic
def start_report(
    *, name: str, encoder: Encoder, kind: str, settings: Mapping[str, Any], by: User | None
) -> EncoderReport:
    """Ask for statistics over the subjects of an encoder.

    ``settings`` is the section ``evaluation`` or ``validation`` of a configuration.
    """
    check_report(name=name, encoder=encoder, kind=kind, settings=settings)
    report = EncoderReport.objects.create(
        name=name, encoder=encoder, kind=kind, config={str(kind): dict(settings)}
    )
    report.path = str(report_root() / f"{report.pk}-{kind}")
    report.save(update_fields=["path"])
    record(verb="create", subject=report, by=by, kind=kind, settings=dict(settings))
    return ask_for_report(report=report, by=by)


def check_report(*, name: str, encoder: Encoder, kind: str, settings: Mapping[str, Any]) -> None:
    """``InputError`` when fewer than two subjects are fitted, ``ShapeError`` for settings that are wrong."""
    if EncoderReport.objects.filter(name=name).exists():
        raise InputError("name", f"{name} is the name of another report", "a name of its own")
    if encoder.model == Encoder.Model.FLOW:
        raise InputError("encoder", "flow gives samples and no weights per voxel", "another model")
    fitted = set(encoder.versions.values_list("subject", "region__name"))
    subjects = {subject for subject, _ in fitted}
    regions = regions_of(encoder)
    missing = [(who, where) for who in sorted(subjects) for where in regions if (who, where) not in fitted]
    if missing:
        who, where = missing[0]
        raise InputError("encoder", f"{where} of sub-{who} is not fitted", "every region of every subject")
    if len(subjects) < 2:
        raise InputError("encoder", f"{len(subjects)} subject is fitted", "two or more subjects")
    report_settings(encoder, {str(kind): dict(settings)})


def regions_of(encoder: Encoder) -> list[str]:
    return list(encoder.regions.order_by("pk").values_list("name", flat=True))


@transaction.atomic
def ask_for_report(*, report: EncoderReport, by: User | None) -> EncoderReport:
    """Hand a report to a job; one that is written is written anew, from what is fitted now."""
    report.job = enqueue(
        kind=JOBS[EncoderReport.Kind(report.kind)],
        arguments={"report": report.pk},
        by=by,
        key=f"encoder.report:{report.pk}",
    )
    report.save(update_fields=["job"])
    return report


@transaction.atomic
def finish_report(*, report: EncoderReport, sources: Sequence[str], by: User | None) -> EncoderReport:
    """Keep which artifacts it was made of."""
    report.sources = list(sources)
    report.save(update_fields=["sources"])
    record(verb="write", subject=report, by=by, sources=len(sources))
    return report


def is_written(report: EncoderReport) -> bool:
    job = report.job
    return bool(report.sources) and (job is None or job.state in FINISHED)


def weights_in(folder: Path, *, suffix: str, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """(subject, region) of every file of weights in a folder, from their names alone.

    :raises InputError: no folder, or none with a file named so.
    """
    if not os.path.isdir(folder):
        raise InputError("folder", "is not a folder on this server", "a folder of mean weights")
    end = re.escape(suffix)
    pattern = re.compile(rf"(?:meanbeta_sub-([^_]+)_(.+)_{end}\.csv|beta_sub-([^_]+)_(.+)_{end}\.mat)")
    ours = {theirs: name for name, theirs in names.items()}
    found = set()
    for file in sorted(os.listdir(folder)):
        if match := pattern.fullmatch(file):
            theirs = match[2] or match[4]
            found.add((match[1] or match[3], ours.get(theirs, theirs)))
    if not found:
        raise InputError("folder", "holds no weights", f"files like meanbeta_sub-1_LB_{suffix}.csv")
    return sorted(found)


@transaction.atomic
def import_weights(
    *,
    name: str,
    folder: Path | str,
    feature_space: FeatureSpace,
    by: User | None,
    suffix: str = SUFFIX,
    names: Mapping[str, str] | None = None,
) -> Encoder:
    """An encoder of weights in files named as in the published analysis; a job reads them.

    ``names`` maps our regions to those in the files.
    """
    ours = dict(names or {})
    check_import(name=name, folder=Path(folder), suffix=suffix, names=ours)
    found = weights_in(Path(folder), suffix=suffix, names=ours)
    subjects = sorted({subject for subject, _ in found})
    dataset = Dataset.objects.create(
        name=name,
        root=str(folder),
        kind=Dataset.Kind.WEIGHTS,
        subjects=subjects,
        description="Weights that were fitted elsewhere; their BOLD runs are not here.",
    )
    encoder = Encoder.objects.create(
        name=name,
        dataset=dataset,
        feature_space=feature_space,
        model=Encoder.Model.IMPORTED,
        config={"weights": {"suffix": suffix, "names": ours}},
    )
    for region in sorted({region for _, region in found}):
        encoder.regions.add(dataset.regions.create(name=region, kind=Region.Kind.WEIGHTS))
    record(verb="create", subject=encoder, by=by, folder=str(folder), files=len(found))
    ask_for_import(encoder=encoder, by=by)
    return encoder


def ask_for_import(*, encoder: Encoder, by: User | None) -> None:
    enqueue(
        kind="encoder.import_betas",
        arguments={"encoder": encoder.pk},
        by=by,
        key=f"encoder.import_betas:{encoder.pk}",
    )


def check_import(*, name: str, folder: Path, suffix: str, names: Mapping[str, str]) -> None:
    """``InputError`` for a name that is taken, or a folder without weights."""
    if Encoder.objects.filter(name=name).exists() or Dataset.objects.filter(name=name).exists():
        raise InputError("name", f"{name} is the name of another encoder or dataset", "a name of its own")
    longest = Region._meta.get_field("name").max_length or 0
    for _, region in weights_in(folder, suffix=suffix, names=names):
        if len(region) > longest:
            raise InputError("names", f"{region[:longest]}… is too long", f"1 to {longest} characters")
