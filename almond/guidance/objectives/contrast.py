"""One target rather than the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from almond.guidance.methods import Method
from almond.guidance.objectives.base import ObjectiveKind

METHOD = Method(
    summary="Climb the target's score minus the mean of the others'.",
    formula="V = d * (s_t - mean_{j != t} s_j)",
    reference="Contrast of regions, as in AMOD's stimuli for one nucleus against the others.",
    cost="none beyond the rule's",
    fails="Half of what it asks for is that the others fall, and they do: it answers “this region rather "
    "than the others”, never “this region and nothing else”.",
)
ROUNDING = 1e-6


class Contrast(ObjectiveKind):
    """Weight 1 for the target, -1/n for each of the n others."""

    def fields(self, target: str, others: Sequence[str], coefficients: Mapping[str, float]) -> dict[str, Any]:
        return {"objective": {target: 1.0, **{other: -1.0 / len(others) for other in others}}}

    def problems(self, objective: Mapping[str, float], others: Sequence[str]) -> Iterable[tuple[str, str]]:
        yield from super().problems(objective, others)
        if len(objective) > 1 and abs(sum(objective.values())) > ROUNDING * len(objective):
            yield (
                "objective",
                f"has weights that sum to {sum(objective.values()):g}; those of a contrast sum to 0",
            )


OBJECTIVE = Contrast()
