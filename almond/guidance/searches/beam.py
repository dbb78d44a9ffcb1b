"""Beam search: the best candidates go on in several copies, which noise then parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from almond.guidance.methods import Method, Setting
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated
from almond.guidance.schedule import Window
from almond.guidance.schedulers import Step
from almond.guidance.searches.context import SearchContext
from almond.guidance.searches.population import Population

METHOD = Method(
    summary="Width times branches candidates form together; every few steps inside the window the best go "
    "on, each in as many copies as there are branches.",
    formula="every n steps: keep the `width` largest V(x0 prediction), copy each `branches` times; at the "
    "end argmax V",
    reference="Fernandes et al. 2025 and Oshima et al. 2025 (beam search for diffusion models)",
    cost="width times branches times the passes of one image",
    fails="Early predictions are blurred means: what is dropped there may have become the best. Copies "
    "share all that was settled when they parted, so that late choices are among likes.",
    times=("width", "branches"),
    trajectory="population",
    settings={
        "width": Setting(meaning="candidates that go on", default=2.0, low=1.0, high=256.0, whole=True),
        "branches": Setting(meaning="copies of each", default=4.0, low=1.0, high=256.0, whole=True),
        "every": Setting(meaning="steps between choices", default=3.0, low=1.0, high=1000.0, whole=True),
        "eta": Setting(
            meaning="noise of a step, as a share of DDPM's; 0 leaves copies alike",
            default=1.0,
            low=0.0,
            high=1.0,
        ),
    },
)


class Beam:
    """Keep the best ``width`` of K candidates every few steps inside a window (anywhere if it is closed)."""

    def __init__(self, *, width: int, branches: int, every: int, window: Window) -> None:
        self.width, self.branches, self.every, self.window = width, branches, every, window
        self.values = torch.zeros(width * branches)
        self.record: dict[str, Any] = {}
        self.choices = 0

    def choose(self, step: Step, values: torch.Tensor) -> torch.Tensor | None:
        self.values = values
        open_here = self.window.closed or self.window.holds(step.level.alpha_bar)
        chosen_here = open_here and step.index > 0 and step.index % self.every == 0
        self.record = {"best": float(values.max()), "chosen": chosen_here}
        if not chosen_here:
            return None
        self.choices += 1
        best = values.topk(self.width).indices.repeat_interleave(self.branches)
        self.values = values[best]
        return best

    def moved(self, log_ratio: torch.Tensor) -> None:
        """Do nothing: a beam samples no law."""

    def final(self) -> int:
        return int(self.values.argmax())

    def summary(self) -> Mapping[str, Any]:
        return {"choices": self.choices, "values": self.values.tolist()}


def search(recipes: Sequence[Recipe], context: SearchContext) -> list[Generated]:
    """Return the best candidate of each recipe's beam."""
    made = []
    for recipe in recipes:
        settings = recipe.full_settings
        width, branches = int(settings["width"]), int(settings["branches"])
        beam = Beam(
            width=width, branches=branches, every=int(settings["every"]), window=recipe.schedule.window
        )
        made.append(Population(recipe, context, width * branches, settings["eta"]).evolve(beam))
    return made
