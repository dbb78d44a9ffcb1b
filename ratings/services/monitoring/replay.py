"""What a participant saw and answered, trial by trial. While a study is blind: what was shown, and how long.

Answers are drawn from the columns that their kind declares, so that any kind can be replayed. Nothing says
what an image was made for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.columns import RESPONSE as SHARED
from almond.design.trials.columns import SINCE, Column
from almond.design.trials.responses import PlannedTrial
from almond.design.trials.responses import Response as Answered
from ratings.models import Participant, Response
from ratings.services.monitoring.quality import Given, Measures
from ratings.services.visits.branching import standing
from studies.amendments import is_blind
from studies.services.visit import shown_images

UNTOLD = {
    *(column.name for column in (*SHARED, *SINCE)),
    *("stimulus_id", "image_sha256", "base_scene", "theme", "intended_target", "direction", "strength"),
    *("left_stimulus", "right_stimulus", "left_sha256", "right_sha256", "pair_id", "high_side", "aligned"),
    *("rt_ms", "received_at", "repeat", "position"),
}
"""Columns that are shown otherwise, or say what an image was made for."""
SPAN = re.compile(r"(-?[\d.]+) to (-?[\d.]+)")


@dataclass(frozen=True)
class ShownPicture:
    """A picture as it was shown; ``chosen`` where it was the answer."""

    address: str
    width: int
    height: int
    chosen: bool


@dataclass(frozen=True)
class DrawnValue:
    """A number on its scale: ``percent`` of the way from ``low`` to ``high``, which have words."""

    label: str
    low: str
    high: str
    percent: float
    text: str


@dataclass(frozen=True)
class ReplayedTrial:
    """One trial. ``values`` and ``said`` are empty while the answer is hidden, or there is none."""

    number: int
    block: str
    kind: str
    questions: Sequence[str]
    pictures: Sequence[ShownPicture]
    answered: bool
    skipped: bool
    failed: bool
    rt_ms: float | None
    received_at: datetime | None
    late: bool
    marks: Sequence[str]
    other_images: bool
    values: Sequence[DrawnValue]
    said: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Replay:
    """A participant's trials; ``hidden`` says why no answers are shown, empty where they are."""

    trials: Sequence[ReplayedTrial]
    hidden: str


def replay_of(participant: Participant) -> Replay:
    """Read a participant's trials in order, with their answers where these may be seen."""
    plan = participant.study.frozen_plan
    rows = list(participant.trials.order_by("index").select_related("response"))
    planned = [PlannedTrial.from_json(row.planned) for row in rows]
    images = shown_images({name for trial in planned for name in trial.stimuli})
    hidden = why_hidden(participant)
    responses = [getattr(row, "response", None) for row in rows]
    failed = failed_trials(plan, rows, responses) if participant.erased_at is None else set()
    skipped = standing(participant).skipped
    trials = []
    for row, trial, response in zip(rows, planned, responses, strict=True):
        told = response is not None and not hidden
        values, said = drawn(plan, trial, response) if told and response is not None else ([], [])
        chosen = {"left": 0, "right": 1}.get(response.chosen) if told and response is not None else None
        pictures = [
            ShownPicture(
                reverse("stimulus_image", args=[digest, images[digest].suffix]),
                images[digest].width,
                images[digest].height,
                place == chosen,
            )
            for place, digest in enumerate(row.digests)
            if digest in images
        ]
        trials.append(
            ReplayedTrial(
                number=row.index + 1,
                block=row.block,
                kind=row.kind,
                questions=questions_of(plan, trial),
                pictures=pictures,
                answered=response is not None,
                skipped=row.index in skipped,
                failed=row.index in failed,
                values=values,
                said=said,
                **course_of(response, row.digests, erased=participant.erased_at is not None),
            )
        )
    return Replay(trials, hidden)


def why_hidden(participant: Participant) -> str:
    """Say why somebody's answers are not shown; empty where they are."""
    if participant.erased_at is not None:
        return "The answers are erased."
    if is_blind(participant.study):
        return "What was answered is hidden until the study is closed."
    return ""


def course_of(response: Response | None, digests: Sequence[str], *, erased: bool) -> dict[str, Any]:
    """Return how an answer came: its time, its arrival, and what is implausible about it."""
    if response is None or erased:
        received = response.received_at if response is not None else None
        return {"rt_ms": None, "received_at": received, "late": False, "marks": (), "other_images": False}
    return {
        "rt_ms": response.rt_ms,
        "received_at": response.received_at,
        "late": response.late,
        "marks": [Response.MARKS.get(mark, mark) for mark in response.marks],
        "other_images": list(response.digests) != list(digests),
    }


def failed_trials(plan: StudyPlan, rows: Sequence[Any], responses: Sequence[Response | None]) -> set[int]:
    """Return the indices of the trials of failed checks."""
    given = [
        Given(row.index, row.block, response.values, response.chosen)
        for row, response in zip(rows, responses, strict=True)
        if response is not None
    ]
    failed = Measures(plan).failed_checks(given)
    return {index for places in failed.values() for index in places}


def questions_of(plan: StudyPlan, trial: PlannedTrial) -> list[str]:
    """Return what a trial asked, in the words of the plan."""
    if trial.question:
        return [trial.question]
    asked = {construct.name: construct.question for construct in plan.constructs}
    return [asked[name] for name in trial.constructs if asked.get(name)]


def drawn(
    plan: StudyPlan, trial: PlannedTrial, response: Response
) -> tuple[list[DrawnValue], list[tuple[str, str]]]:
    """Return an answer as numbers on their scales, and all else in words, from the columns of its kind."""
    kind = TRIAL_KINDS.load(trial.kind)
    own = [column for column in kind.table.columns if column.name not in UNTOLD]
    shared = {"response_id": str(response.response_id), "trial_id": response.trial.name}
    answer = Answered(trial, response.digests, response.values, response.chosen, shared)
    values: list[DrawnValue] = []
    said: list[tuple[str, str]] = []
    ends = {construct.name: (construct.low, construct.high) for construct in plan.constructs}
    rows = kind.rows(plan, answer)
    several = len(rows) > 1
    for place, row in enumerate(rows, start=1):
        texts = [cell for _, cell in text_cells(row, own)]
        label = texts[0] if texts else f"picture {place}" if several else ""
        if several and len(texts) > 1:  # what is answered, and the answer
            said.append((label, ", ".join(texts[1:])))
        for column in own:
            cell = row.get(column.name)
            span = SPAN.fullmatch(column.range)
            if cell in (None, "") or column.type == "text":
                continue
            if span and column.type in ("number", "integer") and isinstance(cell, int | float):
                ends_in_words = ends.get(str(row.get("construct")), ("", ""))
                values.append(placed(float(cell), label or column.name, span, ends_in_words))
            else:
                said.append((f"{label}, {column.name}" if several else column.name, told(cell, column)))
    # Of one row its texts stand beside its numbers; of several they name them.
    if rows and not several and not values:
        said = [*text_cells(rows[0], own), *said]
    return values, said


def placed(value: float, label: str, span: re.Match[str], words: tuple[str, str]) -> DrawnValue:
    """Put a value on its scale."""
    low, high = float(span[1]), float(span[2])
    share = (value - low) / (high - low) if high > low else 0.0
    return DrawnValue(
        label=label,
        low=words[0] or f"{low:g}",
        high=words[1] or f"{high:g}",
        percent=round(100 * min(max(share, 0.0), 1.0), 2),
        text=f"{value:.4g}",
    )


def text_cells(row: Mapping[str, Any], columns: Sequence[Column]) -> Iterator[tuple[str, str]]:
    """Yield the names and cells of a row's columns of text that are not empty."""
    for column in columns:
        if column.type == "text" and row.get(column.name):
            yield column.name, str(row[column.name])


def told(cell: Any, column: Column) -> str:
    """Put a cell in words: a flag as yes or no, a number short."""
    if column.type == "flag":
        return "yes" if cell else "no"
    return f"{cell:g}" if isinstance(cell, int | float) else str(cell)
