"""Diagnoses: asked for, drawn and read in a job, kept with their verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.diagnosis.settings import DiagnosisSettings
from almond.errors import InputError
from encoder.models import Target
from generation.diagnoses import KEPT_DAYS, Diagnosis, picture_root
from generation.models import ImageSet
from generation.services.checks import check_recipe, check_source
from jobs.models import Job
from jobs.services import enqueue

KIND = "generation.diagnose"
MOST_PICTURES = 5000


@transaction.atomic
def start_diagnosis(
    *,
    name: str,
    targets: Iterable[Target],
    settings: DiagnosisSettings,
    by: User | None,
    judges: Iterable[Target] | None = None,
    image_set: ImageSet | None = None,
    film_folder: str = "",
    keep_days: int | None = KEPT_DAYS,
) -> Diagnosis:
    """Ask for a diagnosis of guides, and draw and read its pictures in a job.

    :param judges: held-out targets, one for each guide and of the same name; None is those of the guides'
        encoders, if nobody in them guides.
    :param keep_days: days after its end for which its pictures are kept; None for ever.
    :raises InputError: names what is wrong with targets, judges, settings or the folder of frames.
    """
    guides = list(targets)
    check_diagnosis(guides=guides, settings=settings)
    readers = held_out_judges(guides) if judges is None else list(judges)
    check_judges(guides, readers)
    folder = str(check_source(Path(film_folder), "folder")) if film_folder else ""
    row = Diagnosis.objects.create(
        name=name,
        settings=settings.model_dump(mode="json"),
        image_set=image_set,
        film_folder=folder,
        keep_days=keep_days,
    )
    row.targets.set(guides)
    row.judges.set(readers)
    record(verb="request", subject=row, by=by, targets=[target.name for target in guides])
    return _enqueue(row, by)


def check_diagnosis(*, guides: Sequence[Target], settings: DiagnosisSettings) -> None:
    """Check guides and settings together.

    :raises InputError: what a recipe of these would be refused for; guides of several feature spaces; more
        pictures than ``MOST_PICTURES``.
    """
    for prompt in settings.prompts:
        check_recipe(
            prompt=prompt,
            generator=settings.generator,
            seeds=settings.unguided_seeds,
            targets=guides,
            strengths=settings.strengths,
            window=settings.window,
            ramp=settings.ramp,
            steps=settings.steps,
            rule=settings.rule,
            objective=settings.objective,
            settings={},
        )
    if len({target.encoder.feature_space_id for target in guides}) > 1:
        raise InputError("targets", "belong to several feature spaces", "guides of one feature space")
    if (count := picture_count(settings, len(guides))) > MOST_PICTURES:
        raise InputError("prompts", f"make {count} pictures", f"at most {MOST_PICTURES}: fewer seeds")


def picture_count(settings: DiagnosisSettings, guides: int) -> int:
    """Count the pictures of a diagnosis."""
    prompts, late = len(settings.prompts), int(settings.window[1] < 1.0)
    guided = guides * len(settings.seeds) * (len(settings.directions) * len(settings.strengths) + late)
    between = 10 * min(settings.interpolations, prompts)
    return prompts * (len(settings.unguided_seeds) + guided) + between


def saturation_warnings(
    *, generator: str, rule: str, objective: str, targets: Sequence[Target], strengths: Sequence[float]
) -> list[str]:
    """Warn of strengths beyond which a diagnosis saw no gain, as its judge read the pictures.

    For each target the newest finished diagnosis of the same generator, rule and objective counts.
    """
    rows = Diagnosis.objects.filter(
        finished_at__isnull=False, settings__generator=generator, settings__rule=rule
    ).filter(settings__objective=objective)
    said: dict[tuple[Diagnosis, float | None], list[str]] = {}
    for target in targets:
        row = rows.filter(targets=target).order_by("-finished_at").first()
        if row is None or not (judged := row.dose_of(target.name)):
            continue
        most: float | None = judged["saturation"]
        tested = max(row.settings["strengths"])
        if max(strengths, default=0.0) > (most or 0.0) and (most is None or most < tested):
            said.setdefault((row, most), []).append(target.name)
    return [
        f"{', '.join(names)}: in the diagnosis “{row}” "
        + ("no strength moved the judge." if most is None else f"nothing was gained beyond {most:g}.")
        for (row, most), names in said.items()
    ]


def held_out_judges(guides: Sequence[Target]) -> list[Target]:
    """Find the judge of every guide among its encoder's; none where one lacks or shares a guiding subject."""
    judges: list[Target] = []
    for guide in guides:
        fair = Target.objects.judges().filter(Q(of_guide=None) | Q(of_guide=guide))
        judges += fair.filter(encoder=guide.encoder, name=guide.name)[:1]
    guiding = {subject for guide in guides for subject in guide.subjects}
    shared = any(guiding & set(judge.subjects) for judge in judges)
    return [] if shared or len(judges) < len(guides) else judges


def check_judges(guides: Sequence[Target], judges: Sequence[Target]) -> None:
    """Check that judges are one for each guide, ready, and of nobody who guided.

    :raises InputError: names the judge and what is wrong.
    """
    if not judges:
        return
    if sorted(judge.name for judge in judges) != sorted(guide.name for guide in guides):
        names = ", ".join(guide.name for guide in guides)
        raise InputError("judges", "are not one for each guide", f"judges called {names}, or none")
    guiding = {subject for guide in guides for subject in guide.subjects}
    for judge in judges:
        if judge.role != Target.Role.JUDGE or not judge.digest:
            raise InputError("judges", f"{judge} is no judge that has been made", "held-out targets")
        if shared := guiding & set(judge.subjects):
            raise InputError(
                "judges", f"{judge} holds sub-{min(shared)}, who guided", "judges of other subjects"
            )


@transaction.atomic
def resume_diagnosis(*, diagnosis: Diagnosis, by: User | None) -> Diagnosis:
    """Go on after a failed or cancelled job, at the first missing picture.

    :raises InputError: the diagnosis is finished.
    """
    if diagnosis.is_ready:
        raise InputError(diagnosis, "is finished", "one that failed or was cancelled")
    record(verb="resume", subject=diagnosis, by=by)
    return _enqueue(diagnosis, by)


def _enqueue(diagnosis: Diagnosis, by: User | None) -> Diagnosis:
    diagnosis.job = enqueue(
        kind=KIND, arguments={"diagnosis": diagnosis.pk}, by=by, key=f"{KIND}:{diagnosis.pk}"
    )
    diagnosis.save(update_fields=["job"])
    return diagnosis


@transaction.atomic
def finish_diagnosis(
    *,
    diagnosis: Diagnosis,
    folder: str,
    verdict: str,
    result: Mapping[str, Any],
    by: User | None,
    pictures: Sequence[str] = (),
) -> Diagnosis:
    """Keep the verdict with its report; ``pictures`` are the digests of their recipes."""
    diagnosis.folder, diagnosis.verdict, diagnosis.result = folder, verdict, dict(result)
    diagnosis.finished_at, diagnosis.pictures = timezone.now(), list(pictures)
    diagnosis.save(update_fields=["folder", "verdict", "result", "finished_at", "pictures"])
    record(verb="finish", subject=diagnosis, by=by, verdict=verdict)
    return diagnosis


@transaction.atomic
def prune_pictures(*, dry_run: bool = False) -> int:
    """Remove pictures of diagnoses whose days are over, but none that another one still keeps.

    Nothing is removed while a diagnosis waits or runs, which may be reading them. Returns how many go.
    """
    if Job.objects.active().filter(kind=KIND).exists():
        return 0
    finished = list(Diagnosis.objects.filter(finished_at__isnull=False).exclude(pictures=[]))
    now = timezone.now()
    due = [row for row in finished if row.kept_until is not None and row.kept_until <= now]
    wanted = {digest for row in finished if row not in due for digest in row.pictures}
    paths = [
        path
        for digest in sorted({digest for row in due for digest in row.pictures} - wanted)
        if (path := picture_root() / digest[:2] / f"{digest}.png").is_file()
    ]
    if dry_run:
        return len(paths)
    for path in paths:
        path.unlink()
    for row in due:
        record(verb="prune", subject=row, by=None, pictures=len(row.pictures))
        row.pictures = []
        row.save(update_fields=["pictures"])
    return len(paths)
