"""The prediction of one step: unguided where the window is closed, shifted by the rule where it is open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from almond.guidance.backends.base import Condition, Generator
from almond.guidance.objectives.objective import Objective
from almond.guidance.recipe import Recipe
from almond.guidance.rules import RULES
from almond.guidance.rules.base import Guided, tilted
from almond.guidance.schedulers import Step
from almond.guidance.trajectories import released


class GuidedSteps:
    """The steps of one batch. ``entries`` holds what the last step recorded, one per image."""

    def __init__(
        self, recipes: Sequence[Recipe], generator: Generator, objective: Objective, condition: Condition
    ) -> None:
        self.recipes, self.generator, self.objective, self.condition = (
            recipes,
            generator,
            objective,
            condition,
        )
        self.entries: list[dict[str, Any]] = []

    def predict(self, x: torch.Tensor, step: Step) -> torch.Tensor:
        """Predict the clean latent of a step, guided where the window is open."""
        alpha_bar = step.level.alpha_bar
        strengths = [recipe.schedule.weight(alpha_bar) if recipe.guided else 0.0 for recipe in self.recipes]
        self.entries = [
            {"step": step.index, "alpha_bar": alpha_bar, "strength": value} for value in strengths
        ]
        condition = released(self.condition, self.recipes[0], step)
        if not any(strengths):
            with torch.no_grad():
                return self.generator.predict(x, step, condition).x0
        guided = self._guide(x, step, condition, torch.tensor(strengths).to(x.device))
        for index, entry in enumerate(self.entries):
            if not strengths[index]:
                continue
            entry["unit"] = self.generator.unit_kind
            entry["scores"] = named(self.objective.scorer.names, guided.scores[index])
            entry["gradient"] = float(guided.gradient[index])
            entry["shift"] = float(guided.shift[index])
        return guided.x0

    def _guide(self, x: torch.Tensor, step: Step, condition: Condition, strength: torch.Tensor) -> Guided:
        rule = RULES.load(self.recipes[0].rule)
        length = {"length": tilted} if self.recipes[0].strength_unit == "law" else {}
        return rule(
            self.generator,
            condition,
            x,
            step,
            objective=self.objective.at(step.index),
            strength=strength,
            settings={name: values.to(x.device) for name, values in self.objective.settings.items()},
            **length,
        )


def named(names: Sequence[str], values: torch.Tensor) -> dict[str, float]:
    """Map names to numbers."""
    return {name: float(value) for name, value in zip(names, values, strict=True)}
