"""The one loop: predict the clean latent, shift it, step; for every generator, rule and target.

``generate`` turns recipes into images. Recipes of one prompt, rule and window share batches; nothing in a
batch touches its neighbours but the floating-point order of matrix products.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from almond.errors import DigestMismatch, InputError
from almond.guidance.backends.base import Generator
from almond.guidance.finite_steps import Checked
from almond.guidance.guided_steps import GuidedSteps, named
from almond.guidance.objectives.objective import Objective, readers_of
from almond.guidance.objectives.references import References
from almond.guidance.recipe import Recipe
from almond.guidance.searches import SEARCHES
from almond.guidance.searches.context import SearchContext
from almond.guidance.trajectories import start_of, walk
from almond.progress import Progress, Silent
from almond.stimuli import lowlevel
from almond.typing import ImageArray


class DifferentiableScorer(Protocol):
    """A differentiable function from images to one standardised score per target, and nothing more."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, T)."""


@dataclass(frozen=True)
class Generated:
    """A finished image (H, W, 3) uint8 with its scores, low-level features, and what happened at every step.

    ``trace`` has one entry per step: ``step``, ``alpha_bar``, ``strength`` (0 outside the window),
    ``scores`` of the predicted clean image, ``gradient`` (RMS) and ``shift`` (RMS applied to the x0
    prediction). The scores outside the window are those of the last entry inside it only where ``scores`` is
    present. ``searched`` is what a search recorded: candidates, evaluations, resamplings.
    """

    recipe: Recipe
    image: ImageArray
    scores: dict[str, float]
    lowlevel: dict[str, float]
    trace: list[dict[str, Any]]
    searched: dict[str, Any] = field(default_factory=dict)


def generate(
    recipes: Sequence[Recipe],
    *,
    generator: Generator,
    scorer: DifferentiableScorer,
    progress: Progress | None = None,
    batch: int | None = None,
) -> Iterator[Generated]:
    """Generate the images of recipes, in the order of the recipes.

    A recipe for another generator or target version is a ``DigestMismatch``, one with a target that the
    scorer does not have an ``InputError``; both before the first image. ``progress`` is reported after every
    step.

    :raises InputError: a latent, gradient, image or score is not finite; it names generator, seed, step and
        settings. Images yielded before are whole.
    """
    report = progress or Silent()
    for recipe in recipes:
        check_recipe(recipe, generator, scorer)
    waiting: dict[int, Generated] = {}
    following, done = 0, 0
    references = References(generator, readers_of(scorer))
    for indices in recipe_batches(recipes, batch or generator.defaults.batch):
        members = [recipes[index] for index in indices]
        share = _Share(report, done / len(recipes), (done + len(indices)) / len(recipes), len(recipes))
        context = SearchContext(generator, scorer, references, share)
        waiting.update(zip(indices, SEARCHES.load(members[0].search)(members, context), strict=True))
        done += len(indices)
        while following in waiting:
            yield waiting.pop(following)
            following += 1


class _Share:
    """Progress of one batch as part of the whole."""

    def __init__(self, whole: Progress, start: float, stop: float, images: int) -> None:
        self.whole, self.start, self.stop, self.images = whole, start, stop, images

    def report(self, fraction: float, message: str = "") -> None:
        total = self.start + (self.stop - self.start) * fraction
        self.whole.report(total, f"{round(total * self.images)} of {self.images} images")


def check_recipe(recipe: Recipe, generator: Generator, scorer: DifferentiableScorer) -> None:
    """Check that the generator and the targets are those for which the recipe was written."""
    if recipe.generator_digest != generator.digest:
        raise DigestMismatch(f"generator {generator.name}", recipe.generator_digest, generator.digest)
    if recipe.text_release.share < 1.0 and not getattr(generator, "lowers_text", False):
        raise InputError("recipe.text_release", f"{generator.name} has no text guidance", "a share of 1")
    names = [*(name for name, weight in recipe.objective.items() if weight), *recipe.others]
    missing = [name for name in names if name not in scorer.names]
    if missing:
        raise InputError("recipe.objective", f"names {', '.join(missing)}", f"targets among {scorer.names}")
    digests: Mapping[str, str] = getattr(scorer, "digests", {})
    for name, digest in recipe.target_digests.items():
        if name in digests and digests[name] != digest:
            raise DigestMismatch(f"target {name}", digest, digests[name])


def recipe_batches(recipes: Sequence[Recipe], size: int) -> Iterator[list[int]]:
    """Yield indices of recipes that can run together, at most ``size``, in order of first appearance."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, recipe in enumerate(recipes):
        groups.setdefault((recipe.prompt, recipe.steps, recipe.search, *recipe.shared), []).append(index)
    for members in groups.values():
        for start in range(0, len(members), size):
            yield members[start : start + size]


def sample(
    recipes: Sequence[Recipe],
    generator: Generator,
    scorer: DifferentiableScorer,
    progress: Progress,
    *,
    references: References | None = None,
    candidates: Sequence[int] | None = None,
) -> list[Generated]:
    """Sample one batch from noise to images; all recipes share prompt, steps and ``Recipe.shared``.

    ``candidates`` (0 each) says from which noise of its seed an image starts.
    """
    numbers = list(candidates or [0] * len(recipes))
    objective = Objective(recipes, generator, scorer, references=references, candidates=numbers)
    start = start_of(generator, recipes, numbers)
    trajectory = generator.scheduler.start(recipes[0].steps)
    guided = GuidedSteps(recipes, generator, objective, start.condition)
    traces: list[list[dict[str, Any]]] = [[] for _ in recipes]
    checked = Checked(recipes, generator, scorer.names, len(trajectory.steps))
    x = start.latents
    for step, x0, x in walk(trajectory, start, guided.predict):
        for trace, entry in zip(traces, guided.entries, strict=True):
            trace.append(entry)
        checked.step(step, x0, x, guided.entries)
        progress.report((step.index + 1) / len(trajectory.steps))
    return finished_images(recipes, generator, scorer, x, traces=traces, checked=checked)


def finished_images(
    recipes: Sequence[Recipe],
    generator: Generator,
    scorer: DifferentiableScorer,
    x: torch.Tensor,
    *,
    traces: Sequence[list[dict[str, Any]]],
    checked: Checked,
    searched: Mapping[str, Any] | None = None,
) -> list[Generated]:
    """Round images to bytes and score those bytes: what a participant sees is what is scored."""
    with torch.no_grad():
        decoded = generator.decode(x)
        checked.images(decoded)
        pixels = (decoded * 255.0).round().to(torch.uint8)
        scores = scorer(pixels.to(torch.float32) / 255.0)
        checked.scores(scores)
    images: list[ImageArray] = list(np.ascontiguousarray(pixels.permute(0, 2, 3, 1).cpu().numpy()))
    return [
        Generated(
            recipe,
            image,
            named(scorer.names, scores[index]),
            lowlevel.measure(image),
            list(trace),
            dict(searched or {}),
        )
        for index, (recipe, image, trace) in enumerate(zip(recipes, images, traces, strict=True))
    ]


def pixels_of(images: Sequence[Generated]) -> torch.Tensor:
    """Return finished images as a batch (B, 3, H, W) in [0, 1]."""
    stacked = torch.from_numpy(np.stack([image.image for image in images]))
    return stacked.permute(0, 3, 1, 2).to(torch.float32) / 255.0
