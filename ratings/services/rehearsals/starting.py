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


def people_of(rehearsal: Rehearsal) -> RehearsedPeople:
    """Return the simulated people of a rehearsal, computed once in a process."""
    settings = settings_of(rehearsal)
    return known_people(rehearsal.copy_id, rehearsal.copy.plan_digest, settings.model_dump_json())


@lru_cache(maxsize=2)
def known_people(copy: int, plan_digest: str, settings: str) -> RehearsedPeople:
    """Return the people of a copy: of one plan with one set of settings they never change."""
    study = Study.objects.get(pk=copy, plan_digest=plan_digest)
    return people_for(study, RehearsalSettings.model_validate_json(settings))


def measured_of(study: Study) -> dict[str, dict[str, float]]:
    """Return the scores and norms of a plan's images, by which photographs are rated."""
    return {
        name: {
            **{f"score_{score}": float(value) for score, value in row.scores.items() if value is not None},
            **{f"norm_{norm}": float(value) for norm, value in row.norms.items() if value is not None},
        }
        for name, row in study.planned_images().items()
    }
