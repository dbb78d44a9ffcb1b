"""What workers do for the analysis pages: write exports, analyse them. Reads rows only to write an export."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.utils import timezone

from almond.analysis.analyse import analyse_export
from almond.analysis.precision import primary_half_width
from almond.analysis.report import write_report
from almond.errors import InputError
from almond.evidence.export import write_export
from almond.evidence.verify import first_broken, verify
from almond.exchange.manifest import load_manifest
from almond.power.curve import run_power
from almond.power.report import write_power
from almond.progress import Part
from almond.report.pdf import NoPdf, load_weasyprint
from analysis import services
from analysis.models import AnalysisRun, Export, PowerRun, export_root, power_root, report_root
from analysis.services import gathering
from analysis.services.power import finish_power
from analysis.services.precision import record_precision
from encoder.folders import artifact_root, target_root
from jobs.services.execution import RunningJob
from ratings.services.exporting import StudyTables
from studies.models import Study
from studies.services.blind import finished_people


def export(job: RunningJob) -> dict[str, Any]:
    """Write the export of a study and walk its chain before anybody sees it."""
    row = Export.objects.select_related("study").get(pk=job.arguments["export"])
    if row.is_ready:
        return {"digest": row.digest}
    services.check_shown(row)
    folder = export_root() / f"{row.study.slug}-{row.pk}"
    job.report(0.0, "reading the study")
    write(row, folder, job)
    links = verify(folder, progress=Part(job, 0.5, 1.0))
    if broken := first_broken(links):
        raise InputError(folder.name, f"{broken.link} does not hold: {broken.problems[0]}")
    manifest = load_manifest(folder)
    services.finish_export(
        export=row,
        folder=folder.name,
        digest=str(manifest["digest"]),
        counts=manifest["counts"],
        by=job.job.requested_by,
    )
    job.log(f"{len(manifest['files'])} files, {sum(link.count for link in links)} things checked")
    return {"digest": manifest["digest"], "files": len(manifest["files"])}


def write(row: Export, folder: Path, job: RunningJob) -> None:
    """Write the folder anew; one left by an attempt that was stopped before its end is nobody's yet."""
    if folder.exists():
        shutil.rmtree(folder)
    plan, images = row.study.frozen_plan, row.study.planned_images()
    tables, people = StudyTables(row.study), list[dict[str, Any]]()
    job.report(0.2, f"writing {len(images)} images and their provenance")
    write_export(
        folder,
        plan=plan,
        participants=kept(tables.participants(), people),
        responses=tables.responses,
        events=tables.events,
        stimuli=gathering.stimulus_rows(images, plan.theme_of_scene),
        image_bytes=gathering.image_files(images),
        recipes=gathering.recipes(images),
        target_folder=target_root(),
        artifact_root=artifact_root(),
        meta=lambda: {
            "created": row.created_at.isoformat(),
            "publication": row.publication,
            "score_targets": gathering.score_targets(images),
            "collection": gathering.collection(row.study, people),
            "amendments": gathering.amendments(row.study),
            "excluded_by_hand": tables.excluded,
            "matching": gathering.matching(row.study),
            **gathering.facts(row.study),
        },
    )


def check_precision(job: RunningJob) -> dict[str, Any]:
    """Compute the half-width of a study's primary estimate from an export that nobody sees, and drop it."""
    study = Study.objects.get(pk=job.arguments["study"])
    number, finished = int(job.arguments["number"]), finished_people(study)
    home = export_root()
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".precision-") as scratch:
        folder = Path(scratch) / "export"
        write(Export(study=study, created_at=timezone.now()), folder, job)
        half_width = primary_half_width(folder, Part(job, 0.5, 1.0))
    row = record_precision(study=study, number=number, finished=finished, half_width=half_width)
    return {"number": number, "finished": finished, "half_width": row.half_width, "reached": row.reached}


def kept(rows: Iterable[dict[str, Any]], into: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Pass rows on and keep them, for what is counted from them afterwards."""
    for row in rows:
        into.append(row)
        yield row


def analyse(job: RunningJob) -> dict[str, Any]:
    """Analyse an export, from its folder alone, and write the report."""
    run = AnalysisRun.objects.select_related("export__study").get(pk=job.arguments["run"])
    if run.is_ready:
        return {"mode": run.mode}
    services.check_shown(run.export)
    if load_manifest(run.export.path)["digest"] != run.export.digest:
        raise InputError(run.export, "its folder is not the one that was written", run.export.digest)
    result = analyse_export(
        run.export.path,
        permutations=run.permutations,
        deposited=run.export.study.plan_digest,
        progress=Part(job, 0.0, 0.9),
    )
    folder = report_root() / f"{run.export.study.slug}-{run.pk}"
    write_report(result, folder, pdf=can_print(job))
    services.finish_analysis(
        run=run, folder=folder.name, mode=result.data["mode"], result=result.data, by=job.job.requested_by
    )
    for sentence in result.headline:
        job.log(sentence)
    return {"mode": result.data["mode"], **result.summary}


def can_print(job: RunningJob) -> bool:
    """Tell whether this machine can make PDFs; where it cannot, the job's log says what is missing."""
    try:
        load_weasyprint()
    except NoPdf as reason:
        job.log(f"Without report.pdf: {reason}")
        return False
    return True


def power(job: RunningJob) -> dict[str, Any]:
    """Simulate studies of a design; those of an interrupted attempt are kept in a file and not run again."""
    run = PowerRun.objects.select_related("study").filter(pk=job.arguments["run"]).first()
    if run is None:
        raise InputError("power analysis", "was deleted together with its draft", "a study that is there")
    if not run.is_ready:
        settings = run.power_settings()
        keep = power_root() / f"{run.pk}-{settings.digest[:12]}.jsonl"
        result = run_power(settings, keep=keep, progress=Part(job, 0.0, 0.97))
        folder = power_root() / f"{run.study.slug}-{run.pk}"
        write_power(result, folder)
        finish_power(run=run, folder=folder.name, result=result.data, by=job.job.requested_by)
        keep.unlink(missing_ok=True)
        for sentence in result.headline:
            job.log(sentence)
    return {"headline": run.headline}
