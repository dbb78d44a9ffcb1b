"""Statistics over the subjects of an encoder, as reports. Loads nibabel, statsmodels, matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from almond.encoding.artifacts.artifact import ENCODER
from almond.encoding.artifacts.catalogue import Stored
from almond.group.evaluate import evaluate_group
from almond.group.sections import evaluation_answers
from almond.norms.sections import validation_answers
from almond.norms.validate import validate_norms
from encoder import services
from encoder.models import Encoder, EncoderReport
from encoder.services.fit_settings import report_settings
from jobs.services.execution import RunningJob

Analysis = Callable[..., dict[str, Any]]
Answers = Callable[[dict[str, Any]], list[str]]


def evaluate(job: RunningJob) -> dict[str, Any]:
    """Performance, maps and subregions over subjects: ``almond.group``."""
    return _write(job, evaluate_group, evaluation_answers)


def validate(job: RunningJob) -> dict[str, Any]:
    """Predicted responses to images with published norms: ``almond.norms``."""
    return _write(job, validate_norms, validation_answers)


def _write(job: RunningJob, analyse: Analysis, answers: Answers) -> dict[str, Any]:
    report = EncoderReport.objects.select_related("encoder").get(pk=job.arguments["report"])
    config = report_settings(report.encoder, report.config)
    stored = stored_of(report.encoder)
    found = analyse(config, stored, out=Path(report.path), progress=job)
    services.finish_report(report=report, sources=[one.digest for one in stored], by=job.job.requested_by)
    return {"answers": list(answers(found))}


def stored_of(encoder: Encoder) -> list[Stored]:
    """The newest artifact of each region and subject, as statistics take them."""
    found = []
    for version in services.newest_versions(encoder):
        path = Path(version.path)
        meta = ENCODER.read(path)
        found.append(
            Stored(
                version.subject,
                version.region.name,
                version.model,
                version.digest,
                path,
                meta["metrics"],
                meta["config"],
            )
        )
    return found
