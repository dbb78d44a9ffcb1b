"""Places in the quotas of a study: taken with the answer by one conditional update each, so that no burst of
people exceeds one, and held as long as the slot of whoever answered.

A participant's row is locked before a quota's, and quotas in the order of their keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import F

from almond.design.flow.quotas import groups_answered, quota_groups
from almond.design.plan import PlannedBlock, StudyPlan
from almond.design.trials.pages.quota_lines import QuotaGroup
from ratings.models import Participant, QuotaCount, QuotaPlace
from studies.models import Study


def groups_of_answer(
    participant: Participant, block: PlannedBlock, values: Mapping[str, Any]
) -> list[QuotaGroup]:
    """Return the groups in which somebody's answer is; none of whoever is not counted."""
    return groups_answered(block, values) if participant.is_person else []


def take_places(participant: Participant, groups: Sequence[QuotaGroup], *, counted: bool) -> bool:
    """Take a place in each group, in the transaction of the answer; False where one is full.

    The caller then ends the visit, which gives the others back.

    :param counted: whether the participant holds a slot; else the groups are noted, and taken with it.
    """
    for count in counts_of(participant.study, groups):
        got = not counted or take_place(count.pk)
        QuotaPlace.objects.create(participant=participant, quota=count, full=not got)
        if not got:
            return False
    return True


def take_place(count: int) -> bool:
    """Take a place of a group if one is left."""
    free = QuotaCount.objects.filter(pk=count, taken__lt=F("most"))
    return free.update(taken=F("taken") + 1) == 1


def counts_of(study: Study, groups: Sequence[QuotaGroup]) -> list[QuotaCount]:
    """Return the rows of some groups in the order in which they are locked; made when first asked for."""
    keys = {group.key for group in groups}

    def rows() -> list[QuotaCount]:
        own = QuotaCount.objects.filter(study=study).order_by("pk")
        return [row for row in own if (row.block, row.field, row.name) in keys]

    stored = rows()
    if len(stored) < len(keys):
        QuotaCount.objects.bulk_create(
            [
                QuotaCount(
                    study_id=study.pk, block=group.block, field=group.field, name=group.name, most=group.most
                )
                for group in quota_groups(study.frozen_plan)
            ],
            ignore_conflicts=True,
        )
        stored = rows()
    return stored


def held_by(participant: Participant) -> list[int]:
    """Return the groups whose places go with somebody's slot, in the order in which they are locked."""
    places = QuotaPlace.objects.filter(participant=participant, full=False)
    return list(places.order_by("quota").values_list("quota", flat=True))


def give_places_back(participant: Participant) -> None:
    """Free the places of somebody who gives up their slot; that their answers are in these groups stays."""
    for count in held_by(participant):
        QuotaCount.objects.filter(pk=count).update(taken=F("taken") - 1)


def retake_places(participant: Participant) -> bool:
    """Take the places again that go with a slot; False where one is full, and the caller undoes the rest."""
    return all(take_place(count) for count in held_by(participant))


def quota_rows(study: Study) -> list[dict[str, Any]]:
    """List the groups of a frozen study: block, field, name, most, taken."""
    taken = {
        (row.block, row.field, row.name): row.taken for row in QuotaCount.objects.filter(study_id=study.pk)
    }
    return [
        {
            "block": group.block,
            "field": group.field,
            "name": group.name,
            "most": group.most,
            "taken": taken.get(group.key, 0),
        }
        for group in quota_groups(study.frozen_plan)
    ]


def quota_columns(plan: StudyPlan, people: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return what exports of plans with quotas say of each participant, by primary key; else nothing."""
    if not quota_groups(plan):
        return {}
    columns: dict[int, dict[str, Any]] = {pk: {"quota_groups": "", "quota_full": 0} for pk in people}
    rows = QuotaPlace.objects.filter(participant__in=list(columns)).order_by("quota")
    for pk, field, name, full in rows.values_list("participant", "quota__field", "quota__name", "full"):
        words = f"{field}: {name}"
        own = columns[pk]
        own["quota_groups"] = f"{own['quota_groups']}; {words}" if own["quota_groups"] else words
        own["quota_full"] = max(own["quota_full"], int(full))
    return columns
