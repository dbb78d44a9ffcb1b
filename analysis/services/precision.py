"""Keeping what a look at precision found, and ending the study where its plan says so."""

from __future__ import annotations

from django.db import transaction

from studies import services as study_services
from studies.amendments import PrecisionCheck
from studies.models import Study
from studies.services.blind import keep, locked


@transaction.atomic
def record_precision(*, study: Study, number: int, finished: int, half_width: float) -> PrecisionCheck:
    """Write down a half-width; a study that is precise enough is closed or paused, as its plan says.

    The first entry for a number of participants stays.
    """
    current = locked(study)
    before = current.precision_checks.filter(number=number).first()
    if before is not None:
        return before
    stated = current.frozen_plan.preregistration
    rule = stated.stopping.precision if stated is not None else None
    reached = rule is not None and half_width <= rule.half_width
    row = PrecisionCheck(
        study=current, number=number, finished=finished, half_width=half_width, reached=reached, by=None
    )
    keep("precision", current, row, None)
    if rule is not None and reached and current.is_live:
        if rule.then == "close":
            study_services.close(study=current, by=None)
        elif rule.then == "pause":
            study_services.pause(study=current, by=None)
    return row
