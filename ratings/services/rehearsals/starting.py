"""Asking for a rehearsal, and the simulated people that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from accounts.models import User
from almond.evidence.rehearsed.people import RehearsedPeople
from almond.evidence.rehearsed.settings import RehearsalSettings
from almond.shapes import read
from studies.models import Rehearsal, Study
from studies.services.rehearsing import make_rehearsal


def start_rehearsal(*, study: Study, asked: Mapping[str, Any], by: User | None) -> Rehearsal:
    """Let simulated people take part in a copy of a frozen study, in a job.

    :param asked: the fields of ``RehearsalSettings``.
    :raises InputError: the study is a draft, or is asked for what it cannot be.
    """
    settings = read(RehearsalSettings, dict(asked), source="rehearsal")
    if not study.is_draft:
        people_for(study, settings)
    return make_rehearsal(study=study, asked=settings.model_dump(mode="json"), by=by)


def settings_of(rehearsal: Rehearsal) -> RehearsalSettings:
    return read(RehearsalSettings, rehearsal.asked, source=str(rehearsal))


def people_for(study: Study, settings: RehearsalSettings) -> RehearsedPeople:
    """Return the simulated people of a study; ``InputError`` for an effect of what it does not ask."""
    return RehearsedPeople(
        plan=study.frozen_plan,
        lists=study.n_lists,
        psychology=settings.psychology,
        seed=settings.seed,
        attentive=settings.pages,
        measured=measured_of(study),
    )


@lru_cache(maxsize=2)
def people_of(rehearsal: int) -> RehearsedPeople:
    """Return the simulated people of a rehearsal by its number; nothing about them ever changes."""
    row = Rehearsal.objects.select_related("copy").get(pk=rehearsal)
    return people_for(row.copy, settings_of(row))


def measured_of(study: Study) -> dict[str, dict[str, float]]:
    """Return the scores and norms of a plan's images, by which photographs are rated."""
    return {
        name: {
            **{f"score_{score}": float(value) for score, value in row.scores.items() if value is not None},
            **{f"norm_{norm}": float(value) for norm, value in row.norms.items() if value is not None},
        }
        for name, row in study.planned_images().items()
    }
