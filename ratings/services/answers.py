"""The bodies that browsers post, read strictly: every field known, every value in its range."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field, Strict

from almond.design.trials.base import Answer, Identifier, Milliseconds, PlannedTrial, TrialKind
from almond.shapes import AnyShape, OneOf, Shape, ShapeError, read, shown
from ratings.models import Event, Trial
from ratings.services.refusals import Malformed

LARGEST_BODY = 64 * 1024
LONGEST_NAME = 60
LARGEST_DETAIL = 1000
MOST_EVENTS = 200


def _small(detail: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(detail)) > LARGEST_DETAIL:
        raise ValueError(f"is {shown(detail)}, not a small object")
    return detail


class EventPost(Shape):
    """Something that happened around the answers, as a browser saw it."""

    event_id: Identifier
    kind: Annotated[str, OneOf(Event.KINDS)]
    trial_index: Annotated[int, Strict(), Field(ge=0, lt=100_000)] | None = None
    page_ms: Milliseconds
    detail: Annotated[dict[str, Any], AfterValidator(_small)] = {}


class EventsPost(Shape):
    events: Annotated[tuple[EventPost, ...], Field(max_length=MOST_EVENTS)]


def read_body(data: bytes, largest: int = LARGEST_BODY) -> dict[str, Any]:
    """Read the JSON object in a request's body of ``largest`` bytes at most."""
    if len(data) > largest:
        raise Malformed("body", f"has {len(data)} bytes", f"at most {largest}")
    try:
        body = json.loads(data)
        json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Malformed("body", "is not JSON", "a JSON object in UTF-8") from error
    if b"\\u0000" in data:
        raise Malformed("body", "holds a zero character", "text that can be stored")
    if not isinstance(body, dict):
        raise Malformed("body", f"is {shown(body)}", "a JSON object")
    for path, number in non_finite_numbers(body):
        raise Malformed(path.removeprefix("."), f"is {number}", "a finite number")
    return body


def non_finite_numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Yield dotted paths of numbers that are not finite, such as 1e999, at any depth."""
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from non_finite_numbers(part, f"{path}.{name}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from non_finite_numbers(part, f"{path}[{number}]")


def read_trial_id(body: Mapping[str, Any]) -> str:
    """Read which trial is answered; everything else depends on the kind of that trial."""
    name = body.get("trial_id")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise Malformed("trial_id", f"is {shown(name)}", f"a text of 1 to {LONGEST_NAME} characters")
    return name


def read_answer(body: Mapping[str, Any], kind: TrialKind) -> Answer:
    """Read the answer to a trial of some kind; not yet compared with the trial that was planned."""
    return read_post(kind.answer, body)


def read_events(body: Mapping[str, Any]) -> tuple[EventPost, ...]:
    return read_post(EventsPost, body).events


def read_post(shape: type[AnyShape], body: Mapping[str, Any]) -> AnyShape:
    """Read a body; ``Malformed`` names the first wrong field and says what is wrong with all."""
    try:
        return read(shape, body, source="body")
    except ShapeError as error:
        raise malformed(error.problems) from error


def malformed(problems: Sequence[str]) -> Malformed:
    """Refuse a body for its problems, each with its dotted path; the first one's field is named."""
    field, _, problem = problems[0].partition(": ")
    if len(problems) > 1:
        return Malformed(field, "; ".join([problem, *problems[1:]]))
    problem, _, expected = problem.partition(", not ")
    return Malformed(field, problem, expected or None)


def check_answer(answer: Answer, kind: TrialKind, trial: Trial, block: Any) -> None:
    """Compare an answer with the trial that was planned; ``Malformed`` names the field that does not fit."""
    for number, (seen, planned) in enumerate(zip(answer.images, trial.digests, strict=False)):
        if seen != planned:
            raise Malformed(f"images[{number}]", f"is {shown(seen)}", f"the image of this trial, {planned}")
    if len(answer.images) != len(trial.digests):
        raise Malformed("images", f"names {len(answer.images)}", f"{len(trial.digests)}, left to right")
    problems = kind.check(answer, PlannedTrial.from_json(trial.planned), block)
    if lines := [f"{path}: {problem}" for path, problem in problems]:
        raise malformed(lines)
