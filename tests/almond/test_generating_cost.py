"""The passes that are told beforehand are those that are made."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from almond.generating.cost import cost_of, schedule_curve
from almond.generating.expand import GuidanceGrid, recipes_of_scene
from almond.guidance.backends.analytic import AnalyticGenerator, BankRule
from almond.guidance.sampler import generate


class Brightness:
    names = ("light",)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(1, 2, 3))[:, None]


class Counting(AnalyticGenerator):
    """Counts forward and, by a hook on the gradient, backward passes of one image at a time."""

    def __init__(self) -> None:
        super().__init__(rule=BankRule(each=2))
        self.forward = self.backward = 0

    def predict(self, x: torch.Tensor, step: Any, condition: Any) -> Any:
        self.forward += 1
        if x.requires_grad:
            x.register_hook(self._count)
        return super().predict(x, step, condition)

    def _count(self, gradient: torch.Tensor) -> None:
        self.backward += 1


@pytest.mark.parametrize("rule", ["through", "x0"])
def test_passes_are_counted_as_they_are_made(rule: str) -> None:
    grid = GuidanceGrid(
        steps=6,
        strengths=(0.1, 0.2),
        window=(0.1, 0.8),
        directions=(1, -1),
        rules=(rule,),
        objectives=("alone",),
    )
    generator = Counting()
    planned = list(
        recipes_of_scene(
            "a street",
            1,
            grid,
            generator="analytic",
            generator_digest=generator.digest,
            targets=["light"],
            target_digests={},
        )
    )
    recipes = [image.recipe for image in planned]
    list(generate(recipes, generator=generator, scorer=Brightness(), batch=1))
    cost = cost_of(grid, scenes=1, targets=1)
    assert cost.images == len(planned)
    assert cost.passes == generator.forward + 2 * generator.backward


def test_the_curve_is_the_schedule_of_the_embedded_sampler() -> None:
    curve = schedule_curve(25, (0.02, 0.5), 0.5)
    steps = AnalyticGenerator(rule=BankRule(each=2)).scheduler.start(25).steps
    assert [step.alpha_bar for step in curve] == [step.level.alpha_bar for step in steps]
    peak = max(curve, key=lambda step: step.share)
    assert peak.alpha_bar == pytest.approx(0.26, abs=0.05)
    assert [step.number for step in curve] == list(range(1, 26))
