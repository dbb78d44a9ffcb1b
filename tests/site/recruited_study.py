"""Studies that recruit and pay: a recruiter with settings, codes by outcome, payments."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ratings.models import EndPage, RecruitingPlan
from studies.models import Study


def recruit_by(
    study: Study,
    recruiter: str = "link",
    *,
    codes: Mapping[str, str] | None = None,
    pay: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    **fields: Any,
) -> Study:
    """Give a study its recruiter; ``codes`` and ``pay`` are by outcome, ``settings`` the recruiter's own."""
    row = {"recruiter": recruiter, "parameters": dict(settings or {}), **fields}
    RecruitingPlan.objects.update_or_create(study=study, defaults=row)
    for outcome in {**(codes or {}), **(pay or {})}:
        values: dict[str, Any] = {"code": (codes or {}).get(outcome, "")}
        if pay and outcome in pay:
            values["pay"] = Decimal(pay[outcome])
        EndPage.objects.update_or_create(study=study, outcome=outcome, defaults=values)
    return Study.objects.get(pk=study.pk)
