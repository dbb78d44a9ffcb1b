"""One target's score by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from almond.guidance.methods import Method
from almond.guidance.objectives.base import ObjectiveKind, one_target

METHOD = Method(
    summary="Climb the target's score, whatever happens to the others.",
    formula="V = d * s_t",
    reference="Energy of training-free guidance (Yu et al. 2023, FreeDoM).",
    cost="none beyond the rule's",
    fails="Scores that share features move along with it, in the target's direction.",
)


class Alone(ObjectiveKind):
    """Weight 1 for the target, none for the others."""

    def fields(self, target: str, others: Sequence[str], coefficients: Mapping[str, float]) -> dict[str, Any]:
        return {"objective": {target: 1.0}}

    def problems(self, objective: Mapping[str, float], others: Sequence[str]) -> Iterable[tuple[str, str]]:
        yield from super().problems(objective, others)
        yield from one_target(objective)


OBJECTIVE = Alone()
