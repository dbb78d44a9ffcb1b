"""What was done otherwise than planned, in three kinds: sample, exclusions, analysis; and the amendments.

*Sample*: when collecting ended, how many are analysed, and who saw answers before the end. *Exclusions*: the
rules by which people and responses are left out. *Analysis*: permutations, seed and error level.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pandas as pd

from almond.analysis.questions.base import Settings
from almond.analysis.registration.amendments import amendment_rows
from almond.analysis.registration.label import unplanned_looks
from almond.analysis.sample import Sample
from almond.analysis.study_data import StudyData
from almond.design.preregistration import StoppingRule
from almond.exchange.amendments import amendments_of
from almond.exchange.collection import Collection, collection_of
from almond.exchange.hand_exclusions import entries_in, holding

KINDS = ("sample", "exclusions", "analysis")
"""What a deviation, or an amendment, may be about."""

Row = dict[str, Any]


def list_deviations(data: StudyData, settings: Settings, sample: Sample) -> list[Row]:
    """List differences from the plan, by kind: rows with ``kind``, ``what``, ``planned`` and ``done``.

    Whoever finished counts for the sample, also where a planned rule left them out of the analysis.

    Nothing of an external export, whose plan is not known. Of a rehearsal only numbers and settings: its
    stopping rule is about people.
    """
    if data.external:
        return []
    plan = data.plan
    rows = [
        *_of_the_number(data, sample),
        *_of_collecting(data),
        *(
            _row("exclusions", rule.name, "applied", rule.problem or "applied")
            for rule in sample.rules
            if rule.planned
        ),
        *_by_hand(data, sample),
        _row("analysis", "permutations", plan.analysis.permutations, settings.permutations),
        _row("analysis", "seed", plan.seed, settings.seed),
        _row("analysis", "alpha", plan.analysis.alpha, settings.alpha),
    ]
    return [row for row in rows if row["planned"] != row["done"]]


def _by_hand(data: StudyData, sample: Sample) -> Iterator[Row]:
    """Yield who was excluded by hand where the plan does not say it: whom, why, by whom and when."""
    entries = holding(entries_in(data.manifest))
    for rule in sample.rules:
        if not rule.planned:
            told = "; ".join(
                f"{person}: {why.rstrip('.')}, by {entries[person].author} on {entries[person].at[:10]}"
                for person, why in rule.caught.items()
            )
            yield _row("exclusions", rule.name, "nobody", f"{len(rule.caught)} left out ({told})")


def _of_the_number(data: StudyData, sample: Sample) -> Iterator[Row]:
    """Yield how many finished, and were to; where precision was reached as planned, fewer are none."""
    planned, finished = data.plan.participants, len(sample.finished)
    collection = collection_of(data.manifest)
    rule = data.plan.preregistration.stopping if data.plan.preregistration else StoppingRule()
    precise = rule.precision is not None and collection is not None and collection.precise is not None
    if not (precise and finished <= planned):
        yield _row("sample", "participants", planned, finished)


def _row(kind: str, what: str, planned: Any, done: Any) -> Row:
    return {"kind": kind, "what": what, "planned": planned, "done": done}


def _of_collecting(data: StudyData) -> Iterator[Row]:
    """Yield how collecting people's data went otherwise than planned, as far as the manifest tells."""
    collection = collection_of(data.manifest)
    people = "kind" not in data.participants or (data.participants["kind"] == "person").any()
    if collection is None or collection.rehearsal or not people:
        return
    rule = data.plan.preregistration.stopping if data.plan.preregistration else StoppingRule()
    yield from _of_the_end(rule, data.plan.participants, collection)
    planned = f"with {', '.join(map(str, rule.looks))} participants" if rule.looks else "none"
    for look in unplanned_looks(data.plan, collection):
        done = f"with {look.participants} participants on {look.at[:10]}"
        yield _row("sample", "looks before the end", planned, done)
    if collection.unlocked is not None:
        yield _row("sample", "blind until the end", "yes", f"unlocked {collection.unlocked.words}")
    if collection.unrehearsed is not None:
        yield _row("sample", "rehearsed before it was opened", "yes", collection.unrehearsed.words)


def _of_the_end(rule: StoppingRule, number: int, collection: Collection) -> Iterator[Row]:
    """Yield that collecting ended earlier or later than the stopping rule says, on another day, or not."""
    finished = collection.finished + collection.finished_and_withdrew
    by_number = f"with {number} who have finished"
    planned = by_number if rule.date is None else f"on {rule.date}"
    if collection.state != "closed":
        yield _row(
            "sample", "end of collecting", planned, f"not ended, {collection.state}: {finished} have finished"
        )
        return
    day = (collection.closed_at or "")[:10]
    as_ruled = finished == number if rule.date is None else day == rule.date
    if rule.precision is not None and collection.precise is not None:
        as_ruled = finished <= number
    if not as_ruled:
        when = _earlier(finished < number if rule.date is None else day < rule.date)
        done = f"{when}, {f'on {day}, ' if day else ''}with {finished} who have finished"
        yield _row("sample", "end of collecting", planned, done)


def _earlier(earlier: bool) -> str:
    return "earlier" if earlier else "later"


def list_amendments(data: StudyData) -> list[Row]:
    """List the amendments of the plan, each with its date relative to the first response (``when``)."""
    return amendment_rows(amendments_of(data.manifest), first_response(data))


def first_response(data: StudyData) -> datetime | None:
    """Return when the first of the responses in the export was received; None where none has a time."""
    times = [_earliest(frame) for frame in (data.ratings, data.choices)]
    return min((time for time in times if time is not None), default=None)


def _earliest(frame: pd.DataFrame) -> datetime | None:
    told = [str(text) for text in set(frame["received_at"]) if text] if "received_at" in frame else []
    return min((datetime.fromisoformat(text) for text in told), default=None)
