"""What was found out about a design before it is frozen: whether its tests hold their level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.design.identity import design_digest
from almond.design.level import level_problem
from almond.design.plan import StudyPlan
from almond.errors import InputError
from studies.models import DesignFinding, Study


@transaction.atomic
def store_finding(
    *, study: Study, digest: str, tests: Sequence[Mapping[str, Any]], headline: Sequence[str], by: User | None
) -> DesignFinding:
    """Keep what simulated studies of the design with this ``digest`` found."""
    row = DesignFinding.objects.create(
        study=study, design_digest=digest, tests=list(tests), headline=list(headline)
    )
    held = all(test["holds"] for test in tests)
    record(verb="simulate power", subject=study, by=by, design=digest, tests_hold_their_level=held)
    return row


def finding_about(study: Study, plan: StudyPlan) -> DesignFinding | None:
    """Return the newest finding about exactly this design of a study."""
    digest = design_digest(plan, study.n_lists)
    return DesignFinding.objects.filter(study=study, design_digest=digest).first()


def check_level(study: Study, plan: StudyPlan) -> None:
    """Refuse a design of which the newest simulation says that a primary test does not hold its level.

    Designs that nobody simulated pass, and so does a rehearsal, which is never confirmatory.

    :raises InputError: naming the test, how often it rejects, and the number that would do.
    """
    finding = None if study.rehearsal else finding_about(study, plan)
    problems = [text for test in finding.tests if (text := level_problem(test))] if finding else []
    if problems:
        raise InputError(f"study {study.title!r}", " ".join(problems), "tests that hold their level")
