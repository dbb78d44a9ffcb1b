"""How long a visit takes and what it pays, as a study's page says it: as planned, then as measured."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from django.db.models import F

from almond.design.plan import StudyPlan
from studies.models import Study
from studies.services.information import information_of
from studies.services.presentation import estimated_minutes

LEAST_MEASURED = 5
"""From so many people on, the time that they took is said in place of the plan's."""
MOST_MEASURED = 1000


@dataclass(frozen=True)
class VisitFigures:
    """``minutes`` of a visit: the median of ``measured`` people who finished last, or else of the plan.

    ``payment`` is what participants are told; ``pay`` what recruiting pays for a finished visit.
    """

    planned: int
    minutes: float
    measured: int
    payment: str
    pay: Decimal | None
    currency: str

    @property
    def per_hour(self) -> Decimal | None:
        """What a finished visit pays for an hour at this pace, to the cent."""
        if self.pay is None:
            return None
        return (self.pay * 60 / Decimal(str(max(self.minutes, 0.1)))).quantize(Decimal("0.01"))


def visit_figures(study: Study, plan: StudyPlan) -> VisitFigures:
    """Return what is known of a visit's length and pay."""
    planned = estimated_minutes(plan)
    took = minutes_taken(study)
    measured = took if len(took) >= LEAST_MEASURED else []
    minutes = median(measured) if measured else float(planned)
    paid = study.end_pages.filter(outcome="finished").values_list("pay", flat=True).first()
    currency = getattr(getattr(study, "recruiting", None), "currency", "")
    told = information_of(study).payment
    return VisitFigures(planned, minutes, len(measured), told, paid, currency)


def minutes_taken(study: Study) -> list[float]:
    """List the minutes from consent to the last answer of people who finished, at most the last thousand."""
    people = study.participants.filter(kind="person", finished_at__isnull=False).order_by("-finished_at")
    rows = people.annotate(took=F("finished_at") - F("consented_at")).values_list("took", flat=True)
    return [took.total_seconds() / 60 for took in rows[:MOST_MEASURED]]
