"""Where a participant stands in a study that branches: the server decides, from the answers it has stored.

Of studies that do not branch nothing is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from almond.design.flow.branching import Standing, branches, deciding_blocks, standing_of
from almond.design.plan import StudyPlan
from almond.design.trials.base import PlannedTrial
from ratings.models import Participant, Response, Trial

NOWHERE = Standing()


class HasKey(Protocol):
    """Whoever has a primary key."""

    @property
    def pk(self) -> int: ...


def standing(participant: Participant) -> Standing:
    """Return which trials a participant is not asked any more, and what ended their visit."""
    plan = participant.study.frozen_plan
    return standings(plan, [participant.pk])[participant.pk] if branches(plan) else NOWHERE


def standings(plan: StudyPlan, people: Iterable[int]) -> dict[int, Standing]:
    """Return the same of several participants of one study, by primary key; three statements."""
    pks = list(people)
    if not branches(plan):
        return dict.fromkeys(pks, NOWHERE)
    trials: dict[int, list[PlannedTrial]] = {pk: [] for pk in pks}
    rows = Trial.objects.filter(participant__in=pks).order_by("participant", "index")
    for pk, index, block, kind in rows.values_list("participant", "index", "block", "kind"):
        trials[pk].append(PlannedTrial(index, block, kind))
    answers = answers_of(pks)
    for pk, index, values in deciding_answers(plan, pks):
        answers[pk][index] = values
    return {pk: standing_of(plan, trials[pk], answers[pk]) for pk in pks}


def skipped_columns(plan: StudyPlan, batches: Iterable[Sequence[HasKey]]) -> dict[int, dict[str, Any]]:
    """Return what exports of plans that branch say of each participant; nothing where nothing branches."""
    columns: dict[int, dict[str, Any]] = {}
    for people in batches if branches(plan) else ():
        for pk, now in standings(plan, [person.pk for person in people]).items():
            columns[pk] = {"trials_skipped": len(now.skipped), "ended_by": now.ended_by or ""}
    return columns


def answers_of(pks: Iterable[int]) -> dict[int, dict[int, Mapping[str, Any]]]:
    """Return which trials were answered, by participant; what was answered is left out."""
    found: dict[int, dict[int, Mapping[str, Any]]] = defaultdict(dict)
    rows = Response.objects.filter(trial__participant__in=list(pks)).order_by()
    for pk, index in rows.values_list("trial__participant", "trial__index"):
        found[pk][index] = {}
    return found


def deciding_answers(plan: StudyPlan, pks: Iterable[int]) -> Iterable[tuple[int, int, Mapping[str, Any]]]:
    """Read what was answered in the blocks on which it depends what is asked: participant, index, values."""
    rows = Response.objects.filter(
        trial__participant__in=list(pks), trial__block__in=deciding_blocks(plan)
    ).order_by()
    return rows.values_list("trial__participant", "trial__index", "values")


def an_earlier_trial_is_open(participant: Participant, index: int) -> bool:
    """Tell whether a trial before this one is asked and not answered yet."""
    open_before = participant.trials.filter(index__lt=index, response__isnull=True)
    indices = set(open_before.values_list("index", flat=True))
    return bool(indices - standing(participant).skipped)
