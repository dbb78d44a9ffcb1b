"""Any direction in the space of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from almond.guidance.methods import Method
from almond.guidance.objectives.base import ObjectiveKind

METHOD = Method(
    summary="Climb the weighted sum of scores that the recipe writes down: a principal axis, a contrast, a "
    "region.",
    formula="V = d * sum_t w_t s_t",
    reference="Energy of training-free guidance (Yu et al. 2023, FreeDoM) with a linear readout.",
    cost="none beyond the rule's",
    fails="Scores outside the axis move along: in the simulated world a push along the first principal axis "
    "moved the second by 1.7 SD. Read the selectivity matrix beside it.",
)


class Axis(ObjectiveKind):
    """Weights as written."""

    def fields(self, target: str, others: Sequence[str], coefficients: Mapping[str, float]) -> dict[str, Any]:
        return {"objective": {target: 1.0, **dict(coefficients)}}


OBJECTIVE = Axis()
