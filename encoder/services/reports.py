"""Reports over the subjects of an encoder: requested, checked, written by jobs. Changes are audited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from encoder.folders import report_root
from encoder.models import Encoder, EncoderReport
from encoder.services.fit_settings import report_settings
from jobs.models import FINISHED
from jobs.services import enqueue

JOBS = {"evaluation": "encoder.evaluate", "validation": "encoder.validate"}
"""Kind of report -> kind of job."""


@transaction.atomic
def start_report(
    *, name: str, encoder: Encoder, kind: str, settings: Mapping[str, Any], by: User | None
) -> EncoderReport:
    """Request statistics over the subjects of an encoder.

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
    """Check a report before it is requested.

    :raises InputError: an unknown kind, a name that is taken, a model without weights, a region that is not
        fitted for each of two or more subjects, or settings that are wrong.
    """
    if kind not in JOBS:
        raise InputError("kind", f"{kind!r} is no kind of report", f"one of {', '.join(JOBS)}")
    if EncoderReport.objects.filter(name=name).exists():
        raise InputError("name", f"{name} is the name of another report", "a name of its own")
    if not encoder.gives_weights:
        raise InputError("encoder", f"{encoder.model} has no weights per voxel", "another model")
    fitted = set(encoder.versions.values_list("subject", "region__name"))
    subjects = {subject for subject, _ in fitted}
    regions = regions_of(encoder)
    missing = [(who, region) for who in sorted(subjects) for region in regions if (who, region) not in fitted]
    if missing:
        who, region = missing[0]
        raise InputError("encoder", f"{region} of sub-{who} is not fitted", "every region of every subject")
    if len(subjects) < 2:
        raise InputError("encoder", f"only {len(subjects)} subject is fitted", "two or more subjects")
    report_settings(encoder, {str(kind): dict(settings)})


def regions_of(encoder: Encoder) -> list[str]:
    """List the names of an encoder's regions, in the order in which they were added."""
    return list(encoder.regions.order_by("pk").values_list("name", flat=True))


@transaction.atomic
def ask_for_report(*, report: EncoderReport, by: User | None) -> EncoderReport:
    """Enqueue the job of a report; one that is written already is written again, from what is fitted now."""
    report.job = enqueue(
        kind=JOBS[report.kind],
        arguments={"report": report.pk},
        by=by,
        key=f"encoder.report:{report.pk}",
    )
    report.save(update_fields=["job"])
    return report


@transaction.atomic
def finish_report(*, report: EncoderReport, sources: Sequence[str], by: User | None) -> EncoderReport:
    """Store the artifacts that a report was made of."""
    report.sources = list(sources)
    report.save(update_fields=["sources"])
    record(verb="write", subject=report, by=by, sources=len(sources))
    return report


def is_written(report: EncoderReport) -> bool:
    """Whether the job of a report has ended well at least once and does not run now."""
    job = report.job
    return bool(report.sources) and (job is None or job.state in FINISHED)
