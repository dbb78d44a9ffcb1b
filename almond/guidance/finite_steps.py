"""Refuse what is not finite at every step of the sampling loop, and say what it came from and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from almond.errors import InputError
from almond.finite import not_finite
from almond.guidance.backends.base import Generator
from almond.guidance.recipe import Recipe
from almond.guidance.schedulers import Step

GUIDED = "a lower strength, or a window that leaves out the step"
DENOISED = "weights saved in float32, and the prediction type and scheduler that the model was trained with"
DECODED = (
    "a decoder whose numbers fit its precision: half precision overflows; save the autoencoder in float32, "
    "or take one made for it (SDXL's `force_upcast` marks one that is not)"
)
WHOLE = (
    "a picture: a decoder and denoiser of one model, the text scale and scheduler that it was trained for; "
    "with guidance a lower strength"
)
GREY_LEVEL = 1 / 255
SCORED = "an encoder and a network whose weights give a number for every image"


class Checked:
    """The checks of one batch of recipes that share prompt, steps, rule and window."""

    def __init__(
        self, recipes: Sequence[Recipe], generator: Generator, targets: Sequence[str], steps: int
    ) -> None:
        self.recipes, self.generator, self.targets, self.steps = recipes, generator, targets, steps

    def step(
        self, step: Step, x0: torch.Tensor, after: torch.Tensor, entries: Sequence[Mapping[str, Any]]
    ) -> None:
        """Check the predicted clean latent, the latent ``after``, and what guidance recorded in the trace."""
        at = f"step {step.index + 1} of {self.steps} (alpha-bar {step.level.alpha_bar:.3g})"
        expected = f"{DENOISED}; with guidance, {GUIDED}"
        self._each(x0, at, "predicted clean latent", expected)
        for index, entry in enumerate(entries):
            if "scores" in entry:
                scores, sizes = list(entry["scores"].values()), [entry["gradient"], entry["shift"]]
                problem = not_finite(scores, [self.targets])
                self.refuse(index, at, "score of the predicted image", problem, f"{DECODED}; or {SCORED}")
                problem = not_finite(sizes, [("gradient", "shift")])
                self.refuse(index, at, "guidance", problem, f"{GUIDED}; or {DECODED}")
        self._each(after, at, "latent after the scheduler", expected)

    def images(self, images: torch.Tensor) -> None:
        """Check decoded images (B, 3, H, W): finite, and more than one colour."""
        at = f"after step {self.steps} of {self.steps}"
        self._each(images, at, "decoded image", DECODED)
        pixels = images.detach().flatten(2)
        spread = (pixels.amax(dim=2) - pixels.amin(dim=2)).amax(dim=1)
        for index, width in enumerate(spread.tolist()):
            problem = "is blank: all its pixels have one colour" if width < GREY_LEVEL else None
            self.refuse(index, at, "decoded image", problem, WHOLE)

    def scores(self, scores: torch.Tensor) -> None:
        """Check the scores (B, T) of finished images."""
        at = f"after step {self.steps} of {self.steps}"
        self._each(scores, at, "score of the image", SCORED, axes=[self.targets])

    def _each(
        self,
        values: torch.Tensor,
        at: str,
        what: str,
        expected: str,
        axes: Sequence[str | Sequence[str]] = ("channel", "row", "column"),
    ) -> None:
        if bool(values.isfinite().all()):
            return
        for index, own in enumerate(values.detach().double().cpu().numpy()):
            self.refuse(index, at, what, not_finite(own, axes), expected)

    def refuse(self, index: int, at: str, what: str, problem: str | None, expected: str) -> None:
        """Raise for a recipe of the batch if there is a problem."""
        if problem:
            recipe = self.recipes[index]
            raise InputError(
                f"generator {self.generator.name}, seed {recipe.seed}, {at}, {self._settings(recipe)}",
                f"{what}: {problem}; no image was made",
                expected,
            )

    def _settings(self, recipe: Recipe) -> str:
        scheduler = self.generator.scheduler
        parts = [scheduler.name]
        if prediction := getattr(scheduler, "prediction", None):
            parts.append(str(prediction))
        if recipe.guided:
            low, high = recipe.window
            parts.append(f"guidance strength {recipe.strength:g} by rule {recipe.rule}")
            parts.append(f"window {low:g} to {high:g}")
        else:
            parts.append("not guided")
        return ", ".join(parts)
