"""What an export is made of, gathered from the rows: images with everything known about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from accounts.services import events_about
from almond.errors import InputError
from almond.exchange.amendments import Amendment
from almond.exchange.collection import Collection, EarlyLook, PrecisionLook
from almond.exchange.matching import Matching
from almond.shapes import read
from analysis.models import AnalysisRun, Export
from generation.models import Stimulus
from ratings.models import Participant
from ratings.services.flow import flow, log_facts
from studies.models import Study
from studies.services import UNREHEARSED

Row = dict[str, Any]


def stimulus_rows(images: Mapping[str, Stimulus], themes: Mapping[str, str]) -> list[Row]:
    """Rows of stimuli.csv. A measurement that only some images have is empty for the others.

    :param themes: theme of every base scene of the plan; images of other scenes say theirs themselves.
    """
    names = sorted({name for image in images.values() for name in measured(image)})
    return [
        {
            "stimulus_id": stimulus_id,
            "image_sha256": image.digest,
            "base_scene": image.base_scene,
            "theme": themes.get(image.base_scene, image.theme),
            "prompt": image.prompt,
            "seed": "" if image.seed is None else image.seed,
            "intended_target": image.intended_target,
            "direction": image.direction,
            "strength": image.strength,
            "recipe_digest": image.recipe_digest,
            **dict.fromkeys(names, ""),
            **measured(image),
        }
        for stimulus_id, image in images.items()
    ]


def measured(image: Stimulus) -> Row:
    """Scores, low-level features and norms by the names of their columns; only what was measured."""
    values = {
        **{f"score_{name}": value for name, value in image.scores.items()},
        **image.lowlevel,
        **{f"norm_{name}": value for name, value in image.norms.items()},
    }
    return {name: value for name, value in values.items() if value is not None}


def image_files(images: Mapping[str, Stimulus]) -> dict[str, tuple[str, Path]]:
    """Digest -> suffix and file of every image."""
    return {image.digest: (image.suffix, image.path) for image in images.values()}


def recipes(images: Mapping[str, Stimulus]) -> dict[str, Row]:
    """Digest -> recipe of every generated image."""
    return {image.recipe_digest: image.recipe_json for image in images.values() if image.recipe_digest}


def score_targets(images: Mapping[str, Stimulus]) -> dict[str, str]:
    """Map scores to the digests of their targets; ``InputError`` when two targets of one name gave scores."""
    digests: dict[str, str] = {}
    for image in images.values():
        for name, digest in image.score_digests.items():
            if digests.setdefault(name, digest) != digest:
                raise InputError(
                    f"score {name}", "was read with different targets in one study", "one target per score"
                )
    return digests


def matching(study: Study) -> Matching | None:
    """Say by whose scores the pairs of a study were matched; None for a study of natural images.

    :raises InputError: two targets of one name gave scores.
    """
    row = study.matched_set
    if row is None or row.frozen_at is None:
        return None
    said = {
        "name": row.name,
        "frozen_at": row.frozen_at.isoformat(),
        "scored_by": row.scored_by,
        "tolerance": row.tolerance,
    }
    digests = score_targets({str(image.pk): image for image in row.stimuli()})
    shape = read(Matching, {**said, "targets": {}}, source=f"matched set {row.name!r}")
    names = row.pairs.order_by("target").values_list("target", flat=True).distinct()
    known = {name: digests[shape.score_of(name)] for name in names if shape.score_of(name) in digests}
    return shape.model_copy(update={"targets": known})


def completed(row: Row) -> bool:
    """Tell from a row of participants.csv whether somebody answered all that was asked, to the end."""
    done: int = row["trials_done"] + row.get("trials_skipped", 0)
    return not row.get("ended_by") and done >= row["trials_planned"]


def collection(study: Study, participants: Sequence[Row]) -> Collection:
    """Say how far collecting data has come.

    :param participants: rows of participants.csv, from which those who finished are counted.
    """
    absent = study.participants.people().exclude(pk__in=Participant.objects.exported(study))
    done = [row["kind"] == "person" and completed(row) for row in participants]
    said = {
        "state": study.state,
        "planned": study.participants_planned,
        "finished": sum(done),
        "finished_and_withdrew": absent.filter(finished_at__isnull=False).count(),
        "closed_at": study.closed_at.isoformat() if study.closed_at else None,
        "rehearsal": study.rehearsal,
        "looks": tuple(looks(study)),
        "unlocked": unlocked(study),
        "unrehearsed": unrehearsed(study),
        "precision": tuple(precision_looks(study)),
    }
    return read(Collection, said, source=f"study {study.title!r}")


def precision_looks(study: Study) -> list[PrecisionLook]:
    """List the half-widths that were computed while the study collected."""
    return [
        PrecisionLook(
            at=row.at.isoformat(),
            number=row.number,
            finished=row.finished,
            half_width=row.half_width,
            reached=row.reached,
        )
        for row in study.precision_checks.order_by("number")
    ]


def looks(study: Study) -> list[EarlyLook]:
    """List the analyses of people's answers on exports from before the study was closed, in their order.

    An export at a planned look counts also where nobody analysed it here: whoever has it may do so elsewhere.
    """
    exports = Export.objects.filter(study=study, finished_at__isnull=False)
    if study.closed_at is not None:
        exports = exports.filter(created_at__lt=study.closed_at)
    return [look for export in exports.select_related("look").order_by("pk") for look in looks_at(export)]


def looks_at(export: Export) -> Iterator[EarlyLook]:
    """Yield the looks that an export from before the end was for, if people's answers were in it."""
    finished = finished_before(export) if export.look is None else export.look.finished
    runs = export.runs.filter(finished_at__isnull=False).order_by("pk")
    for at, analysed, mode in runs.values_list("finished_at", "result__sample__analysed", "mode"):
        if at is not None and mode != AnalysisRun.Mode.SIMULATED:
            yield EarlyLook(at=at.isoformat(), analysed=analysed, finished=finished)
    if export.look is not None and not runs:
        yield EarlyLook(at=export.look.at.isoformat(), analysed=finished, finished=finished)


def finished_before(export: Export) -> int:
    """Count people who had finished when an export was asked for."""
    people = export.study.participants.people()
    return int(people.filter(finished_at__lte=export.created_at).count())


def unlocked(study: Study) -> dict[str, Any] | None:
    """Say who unlocked a study before its end, when, why and with how many; None where nobody did."""
    row = study.unlockings.select_related("by").first()
    if row is None:
        return None
    return {"at": row.at.isoformat(), "by": row.author, "why": row.why, "finished": row.finished}


def unrehearsed(study: Study) -> Row | None:
    """Say when, by whom and why a study was opened that had passed no rehearsal; None where it had."""
    event = events_about(study, UNREHEARSED).first()
    if event is None:
        return None
    return {"at": event.at.isoformat(), "by": event.author, "why": event.detail["reason"]}


def amendments(study: Study) -> list[Amendment]:
    """List what was amended about a study since its plan was frozen."""
    return [row.shape() for row in study.amendments.select_related("by").order_by("pk")]


def facts(study: Study) -> Row:
    """What the manifest repeats about the study."""
    people = study.participants.all()
    return {
        "study": study.title,
        "slug": study.slug,
        "state": study.state,
        "plan_frozen_at": study.frozen_at.isoformat() if study.frozen_at else "",
        "simulated_participants": people.filter(kind="robot").count(),
        "participants": people.count(),
        "on_withdrawal": study.on_withdrawal,
        "flow": flow(study),
        "log": log_facts(study),
    }
