"""Power analyses: the design as it stands now is simulated, and what is found is told to the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.design.identity import design_digest
from almond.design.plan import StudyPlan
from almond.design.power_settings import check_settings
from almond.errors import InputError
from almond.world.rater_model import RaterModel
from analysis.models import PowerRun
from jobs.services import enqueue
from studies.models import Study
from studies.services.findings import store_finding
from studies.services.plans import build_plan


def plan_now(study: Study) -> StudyPlan:
    """Return the frozen plan, or the one that freezing now would make; ``InputError`` says what it lacks."""
    return build_plan(study) if study.is_draft else study.frozen_plan


@transaction.atomic
def request_power(
    *,
    study: Study,
    people: Sequence[int],
    themes: Sequence[int],
    effects: Sequence[float],
    studies: int,
    seed: int,
    raters: RaterModel,
    by: User | None,
) -> PowerRun:
    """Ask for simulated studies of a design; ``InputError`` for what cannot be simulated."""
    plan = plan_now(study)
    numbers = {"people": list(people), "themes": list(themes), "effects": list(effects)}
    asked: dict[str, Any] = {**numbers, "studies": studies, "seed": seed, "lists": study.n_lists}
    check_settings(plan, raters, **asked)
    run = PowerRun.objects.create(
        study=study,
        plan=plan.to_json(),
        design_digest=design_digest(plan, study.n_lists),
        asked={**asked, "raters": raters.model_dump(mode="json")},
        requested_by=by,
    )
    run.job = enqueue(kind="analysis.power", arguments={"run": run.pk}, by=by)
    run.save(update_fields=["job"])
    record(verb="request", subject=run, by=by, study=study.pk, design=run.design_digest)
    return run


@transaction.atomic
def finish_power(*, run: PowerRun, folder: str, result: Mapping[str, Any], by: User | None) -> PowerRun:
    """Keep a power analysis, and tell its study whether the tests of this design hold their level."""
    run.folder, run.result, run.finished_at = folder, dict(result), timezone.now()
    run.save(update_fields=["folder", "result", "finished_at"])
    store_finding(
        study=run.study, digest=run.design_digest, tests=result["level"], headline=result["headline"], by=by
    )
    return run


def stale_reason(run: PowerRun) -> str:
    """Say why a power analysis is not of the study's design as it stands now; empty where it is."""
    try:
        now = design_digest(plan_now(run.study), run.study.n_lists)
    except InputError as error:
        return f"The study as it stands now cannot be simulated: {error}"
    return "" if run.design_digest == now else "The study was edited since: its design is another one now."
