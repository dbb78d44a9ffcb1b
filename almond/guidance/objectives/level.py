"""A wanted score, approached and not passed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from almond.guidance.methods import Method, Setting
from almond.guidance.objectives.base import Height, ObjectiveKind, Terms, one_target

if TYPE_CHECKING:
    import torch

METHOD = Method(
    summary="Approach a wanted score: the push is scaled by the distance of the predicted score from it, and "
    "dies at it. Other targets are held if the recipe names them.",
    formula="V = -(d * L - s_t)^2 / 2 - sum_{j in others} (s_j - s_j(unguided))^2 / 2; strength times "
    "min(1, largest distance / width)",
    reference="Quadratic loss of reconstruction guidance (Ho et al. 2022, Video Diffusion Models) on a "
    "score.",
    cost="none beyond the rule's; with others, one unguided trajectory per scene, shared by all its images",
    fails="Scores of the simulated world's generator move in steps (which object, not how much of it): with "
    "30 pictures the nearest one missed a level by .29 of the gap between five levels (median). Use a window "
    "that ends late, such as .02 to .9.",
    settings={
        "level": Setting(
            meaning="L: the wanted score, in standard deviations of the reference images from their mean; "
            "times the direction",
            default=1.0,
            low=-20.0,
            high=20.0,
        ),
        "width": Setting(
            meaning="distance from the level below which the push weakens, in standard deviations",
            default=0.5,
            low=0.001,
            high=20.0,
        ),
    },
)


class LevelObjective(ObjectiveKind):
    """Weight 1 for the target; the others are held if there are any."""

    holds = True

    def fields(self, target: str, others: Sequence[str], coefficients: Mapping[str, float]) -> dict[str, Any]:
        return {"objective": {target: 1.0}, "objective_kind": "level"}

    def problems(self, objective: Mapping[str, float], others: Sequence[str]) -> Iterable[tuple[str, str]]:
        yield from super().problems(objective, others)
        yield from one_target(objective)

    def climb(self, scores: torch.Tensor, terms: Terms) -> Height:
        signed = super().climb(scores, terms).value  # d * s_t, so that d * L - s_t is d * (L - d * s_t)
        distance = (terms.settings["level"] - signed) * terms.direction
        change = terms.change(scores)
        value = -0.5 * distance.square() - 0.5 * change.square().sum(dim=1)
        largest = distance.detach().abs().maximum(change.detach().abs().amax(dim=1))
        return Height(value, (largest / terms.settings["width"]).clamp(max=1.0))


OBJECTIVE = LevelObjective()
