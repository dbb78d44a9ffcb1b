"""Feature kind ``events``: a column per condition that is 1 while the condition lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from almond.encoding.features.specs import PredictorSpec
from almond.shapes import Text

if TYPE_CHECKING:
    from almond.encoding.features.run_features import Predictors, Presentation


class EventsSpec(PredictorSpec):
    """Conditions are the values of ``trial_type`` in the events tables."""

    kind: Literal["events"]
    conditions: Annotated[tuple[Text, ...], Field(min_length=1)] = ()
    """values of trial_type; all that occur in the data set where none are named"""

    def open_predictors(self, presentation: Presentation) -> Predictors:
        from almond.encoding.features.event_predictors import predictors_of_events

        conditions = self.conditions or tuple(presentation.conditions)
        return predictors_of_events(conditions, self.interval, presentation.scans, presentation.remarks)
