"""The part of a target's score that the others do not predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from almond.guidance.methods import Method
from almond.guidance.objectives.base import ObjectiveKind

METHOD = Method(
    summary="Climb the residual of the target's score after its regression on the others', fitted to "
    "unguided images.",
    formula="V = d * (s_t - sum_{j != t} b_j s_j), b = argmin |s_t - a - sum_j b_j s_j|^2 over unguided "
    "images",
    reference="Partial regression (Frisch & Waugh 1933; Lovell 1963).",
    cost="none beyond the rule's; the coefficients need at least 30 scored unguided images",
    fails="A residual may rise because the others fall. In the simulated world the others moved .78 SD for a "
    "shift of 1.80, with clamp .26 for 1.97.",
)
FEWEST_IMAGES = 30
"""Unguided images that a regression on a handful of scores is fitted to, at the least."""


class Partial(ObjectiveKind):
    """Weight 1 for the target, minus its regression coefficient for each other."""

    def fields(self, target: str, others: Sequence[str], coefficients: Mapping[str, float]) -> dict[str, Any]:
        return {"objective": {target: 1.0, **{other: -coefficients[other] for other in others}}}


OBJECTIVE = Partial()
