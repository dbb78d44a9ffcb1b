"""The stop rule by precision: when the half-width is to be computed, and what came of it."""

from __future__ import annotations

from typing import Any

from almond.design.preregistration import Precision
from jobs.models import Job
from jobs.services import enqueue
from studies.models import Study
from studies.services.blind import finished_people


def rule_of(study: Study) -> Precision | None:
    """Return the rule of precision of a study's plan; None of a plan without one."""
    stated = study.frozen_plan.preregistration
    return None if stated is None else stated.stopping.precision


def ask_for_precision(study: Study) -> Job | None:
    """Let a job compute the half-width where as many have finished as the plan says, once for each number."""
    rule = rule_of(study)
    if rule is None or study.rehearsal:
        return None
    finished = finished_people(study)
    number = finished - finished % rule.every
    key = f"precision of study {study.pk} with {number}"
    if not 0 < number < study.participants_planned or Job.objects.filter(key=key).exists():
        return None
    arguments = {"study": study.pk, "number": number}
    return enqueue(kind="analysis.precision", arguments=arguments, by=None, key=key)


def precision_numbers(study: Study) -> dict[str, Any] | None:
    """Return what the monitor shows of the rule: the limit, the checks so far, and when the next is."""
    rule = rule_of(study)
    if rule is None:
        return None
    rows = list(
        study.precision_checks.order_by("number").values("number", "finished", "half_width", "reached")
    )
    after = (rows[-1]["number"] if rows else 0) + rule.every
    reached = next((row for row in rows if row["reached"]), None)
    return {
        "limit": rule.half_width,
        "every": rule.every,
        "then": rule.then,
        "checks": rows,
        "last": rows[-1] if rows else None,
        "reached": reached,
        "next": after if reached is None and after < study.participants_planned else None,
    }
