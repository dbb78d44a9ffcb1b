"""A posted response, read strictly: every field known, every value in its range."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from almond.design.reading import shown
from ratings.models import Event, Trial
from ratings.services.refusals import Malformed

LARGEST_BODY = 64 * 1024
LONGEST_RT = 24 * 60 * 60 * 1000.0
MOST_EVENTS = 200
FIELDS = {"response_id", "trial_id", "rt_ms", "images", "values", "chosen"}
EVENT_FIELDS = {"event_id", "kind", "trial_index", "page_ms", "detail"}
MILLISECONDS = f"a number of milliseconds from 0 to {LONGEST_RT:.0f}"


@dataclass(frozen=True)
class Answer:
    """What a browser says about one trial; not yet compared with the trial that was planned."""

    response_id: uuid.UUID
    trial_id: str
    rt_ms: float
    digests: tuple[str, ...]
    values: Mapping[str, Any] | None
    chosen: str | None


def read_body(data: bytes) -> dict[str, Any]:
    """The JSON object in a request's body."""
    if len(data) > LARGEST_BODY:
        raise Malformed("body", f"has {len(data)} bytes", f"at most {LARGEST_BODY}")
    try:
        found = json.loads(data, parse_constant=refuse_constant)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Malformed("body", "is not JSON", "a JSON object in UTF-8") from error
    if b"\\u0000" in data:
        raise Malformed("body", "holds a zero character", "text that can be stored")
    if not isinstance(found, dict):
        raise Malformed("body", f"is {shown(found)}", "a JSON object")
    return found


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def read_answer(body: Mapping[str, Any]) -> Answer:
    check_fields(body, FIELDS, "body")
    return Answer(
        response_id=read_uuid(body, "response_id"),
        trial_id=read_text(body, "trial_id", 60),
        rt_ms=read_milliseconds(body, "rt_ms"),
        digests=read_digests(body),
        values=body.get("values"),
        chosen=body.get("chosen"),
    )


def check_fields(body: Mapping[str, Any], known: set[str], where: str) -> None:
    for name in sorted(set(body) - known):
        raise Malformed(where, f"has an unknown field {shown(name)}", f"only {', '.join(sorted(known))}")


def read_uuid(body: Mapping[str, Any], name: str) -> uuid.UUID:
    value = body.get(name)
    try:
        return uuid.UUID(value if isinstance(value, str) and len(value) == 36 else "")
    except ValueError as error:
        raise Malformed(name, f"is {shown(value)}", "a UUID of 36 characters") from error


def read_text(body: Mapping[str, Any], name: str, longest: int) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest or "\x00" in value:
        raise Malformed(name, f"is {shown(value)}", f"a text of 1 to {longest} characters")
    return value


def is_number(value: object) -> bool:
    """A finite number that a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def read_milliseconds(body: Mapping[str, Any], name: str) -> float:
    value = body.get(name)
    if not is_number(value) or not 0 <= float(str(value)) <= LONGEST_RT:
        raise Malformed(name, f"is {shown(value)}", MILLISECONDS)
    return float(str(value))


def read_digests(body: Mapping[str, Any]) -> tuple[str, ...]:
    value = body.get("images")
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Malformed("images", f"is {shown(value)}", "the SHA-256 of every image shown, left to right")
    return tuple(value)


def check_answer(answer: Answer, trial: Trial) -> None:
    """Whether an answer fits the trial that was planned; ``Malformed`` names the field that does not."""
    for number, (seen, planned) in enumerate(zip(answer.digests, trial.digests, strict=False)):
        if seen != planned:
            raise Malformed(f"images[{number}]", f"is {shown(seen)}", f"the image of this trial, {planned}")
    if len(answer.digests) != len(trial.digests):
        raise Malformed("images", f"names {len(answer.digests)}", f"{len(trial.digests)}, left to right")
    if trial.kind == "rating":
        check_values(answer, trial.planned["constructs"])
    else:
        check_choice(answer)


def check_values(answer: Answer, constructs: list[str]) -> None:
    if answer.chosen is not None:
        raise Malformed("chosen", f"is {shown(answer.chosen)}", "nothing: this trial is a rating")
    if not isinstance(answer.values, Mapping):
        raise Malformed("values", f"is {shown(answer.values)}", "a number from 0 to 100 for each construct")
    for name in sorted(set(answer.values) - set(constructs)):
        raise Malformed(f"values.{name[:60]}", "is not asked here", ", ".join(constructs))
    for name in constructs:
        value = answer.values.get(name)
        if not is_number(value) or not 0 <= float(str(value)) <= 100:
            raise Malformed(f"values.{name}", f"is {shown(value)}", "a number from 0 to 100")


def check_choice(answer: Answer) -> None:
    if answer.values is not None:
        raise Malformed("values", f"is {shown(answer.values)}", "nothing: this trial is a choice")
    if answer.chosen not in ("left", "right"):
        raise Malformed("chosen", f"is {shown(answer.chosen)}", "left or right")


def read_events(body: Mapping[str, Any]) -> list[Event]:
    """The events of a batch, not yet anybody's; ``Malformed`` names the first that is wrong."""
    check_fields(body, {"events"}, "body")
    found = body.get("events")
    if not isinstance(found, list) or len(found) > MOST_EVENTS:
        raise Malformed("events", f"is {shown(found)}", f"a list of at most {MOST_EVENTS} events")
    return [read_event(item, f"events[{number}]") for number, item in enumerate(found)]


def read_event(value: object, where: str) -> Event:
    if not isinstance(value, Mapping):
        raise Malformed(where, f"is {shown(value)}", "an object")
    check_fields(value, EVENT_FIELDS, where)
    if value.get("kind") not in Event.KINDS:
        raise Malformed(f"{where}.kind", f"is {shown(value.get('kind'))}", ", ".join(Event.KINDS))
    index = value.get("trial_index")
    if index is not None and (
        not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < 100_000
    ):
        raise Malformed(f"{where}.trial_index", f"is {shown(index)}", "the number of a trial, or nothing")
    detail = value.get("detail", {})
    if not isinstance(detail, Mapping) or len(json.dumps(detail)) > 1000:
        raise Malformed(f"{where}.detail", f"is {shown(detail)}", "a small object")
    return Event(
        event_id=read_uuid(value, "event_id"),
        kind=value["kind"],
        trial_index=index,
        page_ms=read_milliseconds(value, "page_ms"),
        detail=dict(detail),
    )
