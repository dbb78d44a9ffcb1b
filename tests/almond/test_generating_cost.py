"""The passes that are told beforehand are those that are made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from almond.generating.cost import cost_of, schedule_curve
from almond.generating.expand import GuidanceGrid, Planned, recipes_of_scene
from almond.guidance.backends.analytic import AnalyticGenerator, BankRule
from almond.guidance.methods import TRAJECTORIES, declared
from almond.guidance.sampler import generate
from almond.guidance.searches import SEARCHES


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
        self.forward += x.shape[0]
        if x.requires_grad:
            x.register_hook(self._count)
        return super().predict(x, step, condition)

    def _count(self, gradient: torch.Tensor) -> None:
        self.backward += gradient.shape[0]


FEW_STEPS = GuidanceGrid(
    steps=6, strengths=(0.1, 0.2), window=(0.1, 0.8), directions=(1, -1), objectives=("alone",)
)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"rules": ("x0",)},
        {"penalties": {"colour": 1.0}},
        {"search": "best-of", "settings": {"candidates": 3.0}},
        {"search": "best-of", "settings": {"candidates": 2.0}, "penalties": {"colour": 1.0}},
        {"search": "beam", "settings": {"width": 1.0, "branches": 3.0}},
        {"search": "smc", "settings": {"particles": 2.0}, "penalties": {"colour": 1.0}},
        {"search": "initial-noise", "settings": {"iterations": 2.0}},
        {
            "search": "cma-es",
            "settings": {"candidates": 4.0, "iterations": 2.0, "dimensions": 3.0},
            "penalties": {"colour": 1.0},
        },
    ],
    ids=lambda changes: "-".join(str(value) for value in changes.values()) or "usual",
)
def test_passes_are_counted_as_they_are_made(changes: dict[str, Any]) -> None:
    grid = replace(FEW_STEPS, **changes)
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


def test_a_search_that_climbs_by_itself_takes_no_strength() -> None:
    grid = replace(FEW_STEPS, search="cma-es")
    assert grid.images_of_scene(2) == 1 + 2 * 2
    (guided,) = [image.recipe for image in planned_of(replace(grid, directions=(1,))) if image.target]
    assert (guided.strength, guided.direction, guided.guided) == (0.0, 1, False)
    unguided = next(image.recipe for image in planned_of(grid))
    assert unguided == next(image.recipe for image in planned_of(FEW_STEPS))


def planned_of(grid: GuidanceGrid) -> list[Planned]:
    return list(
        recipes_of_scene(
            "a street",
            1,
            grid,
            generator="analytic",
            generator_digest="",
            targets=["light"],
            target_digests={},
        )
    )


@pytest.mark.parametrize("name", SEARCHES.names())
def test_every_search_says_what_its_trajectories_are(name: str) -> None:
    method = declared(SEARCHES, name)
    assert method.trajectory in TRAJECTORIES
    assert set(method.times) <= set(method.settings)


def test_the_curve_is_the_schedule_of_the_embedded_sampler() -> None:
    curve = schedule_curve(25, (0.02, 0.5), 0.5)
    steps = AnalyticGenerator(rule=BankRule(each=2)).scheduler.start(25).steps
    assert [step.alpha_bar for step in curve] == [step.level.alpha_bar for step in steps]
    peak = max(curve, key=lambda step: step.share)
    assert peak.alpha_bar == pytest.approx(0.26, abs=0.05)
    assert [step.number for step in curve] == list(range(1, 26))
