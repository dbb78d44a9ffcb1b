"""One target, with the others held where they would be without guidance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from almond.guidance.methods import Method, Setting
from almond.guidance.objectives.base import Height, ObjectiveKind, Terms, one_target

if TYPE_CHECKING:
    import torch

METHOD = Method(
    summary="Climb the target's score and take off the squared change of the others from the unguided "
    "prediction of the same step.",
    formula="V = d * s_t - mu * sum_{j in others} (s_j - s_j(unguided x0 of the same step))^2",
    reference="Quadratic penalty method (Nocedal & Wright 2006, ch. 17) on the other targets' scores.",
    cost="none beyond the rule's; one unguided trajectory per scene, shared by all its images",
    fails="It holds what the guiding scorer reads of the others; what other readers see of them may move. A "
    "target that shares all its features with a held one cannot move.",
    settings={
        "hold": Setting(
            meaning="mu: how strictly the other targets are held, per squared standard deviation",
            default=1.0,
            low=0.0,
            high=1000.0,
        )
    },
)


class Clamp(ObjectiveKind):
    """Weight 1 for the target; the others are held."""

    holds = True

    def fields(self, target: str, others: Sequence[str], coefficients: Mapping[str, float]) -> dict[str, Any]:
        return {"objective": {target: 1.0}, "objective_kind": "clamp", "others": tuple(others)}

    def problems(self, objective: Mapping[str, float], others: Sequence[str]) -> Iterable[tuple[str, str]]:
        yield from super().problems(objective, others)
        yield from one_target(objective)

    def climb(self, scores: torch.Tensor, terms: Terms) -> Height:
        height = super().climb(scores, terms)
        held = terms.change(scores).square().sum(dim=1)
        return Height(height.value - terms.settings["hold"] * held, height.share)


OBJECTIVE = Clamp()
