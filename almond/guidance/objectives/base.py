"""What objectives share: a value to climb, made from the scores of the predicted clean image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Terms:
    """What a batch of B images asks of T scores at one step.

    ``weights`` (B, T): the recipe's direction times its objective; ``direction`` (B,): +1, -1 or 0; ``held``
    (B, T): 1 for the other targets that the recipe names; ``base`` (B, T): scores of the unguided x0
    prediction of the same step, where the objective asks for them; ``settings``: (B,) by name.
    """

    weights: torch.Tensor
    direction: torch.Tensor
    held: torch.Tensor
    base: torch.Tensor | None
    settings: Mapping[str, torch.Tensor]

    def change(self, scores: torch.Tensor) -> torch.Tensor:
        """Return how far the held scores left the unguided ones (B, T); 0 for those that are not held."""
        if self.base is None:
            return scores.new_zeros(scores.shape)
        return (scores - self.base) * self.held


@dataclass(frozen=True)
class Height:
    """The ``value`` (B,) that is climbed, and the ``share`` (B,) in [0, 1] of the strength that is left."""

    value: torch.Tensor
    share: torch.Tensor


class ObjectiveKind(ABC):
    """A weighted sum of scores, and what the others override."""

    holds = False
    """Whether it holds other targets, which the recipe then names in ``others``."""

    @abstractmethod
    def fields(self, target: str, others: Sequence[str], coefficients: Mapping[str, float]) -> dict[str, Any]:
        """Return the fields of a recipe that guides ``target``.

        ``coefficients`` are those of the regression of its score on the others' (``partial`` alone uses
        them).
        """

    def problems(self, objective: Mapping[str, float], others: Sequence[str]) -> Iterable[tuple[str, str]]:
        """Yield (field, problem) where a recipe's weights are not those of this objective."""
        if others and not self.holds:
            yield "others", "are held by the objectives clamp and level only"
        if repeated := [name for name in others if objective.get(name)]:
            yield "others", f"are guided, too: {', '.join(repeated)}"

    def climb(self, scores: torch.Tensor, terms: Terms) -> Height:
        """Return the height of scores (B, T); differentiable in them."""
        value = (scores * terms.weights).sum(dim=1)
        return Height(value, value.new_ones(value.shape))


def one_target(objective: Mapping[str, float]) -> Iterable[tuple[str, str]]:
    """Yield a problem unless exactly one target has a weight."""
    if sum(1 for weight in objective.values() if weight) > 1:
        yield "objective", "has weights for several targets; this objective guides one"
