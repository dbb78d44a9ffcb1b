"""The one loop: predict the clean latent, shift it, step; for every generator, rule and target.

``generate`` turns recipes into images. Recipes of one prompt and rule share batches. Nothing in a batch
touches its neighbours, and all batches of a generator have one shape, so that the bytes of an image follow
from its recipe, in whatever company and order it is made.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
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
from almond.guidance.photographs.pictured import check_pictures, pictured
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

    ``trace`` has one entry per step: ``step``, ``alpha_bar``, ``strength`` (0 outside the window), and where
    the strength is above 0 ``unit`` (what strengths are counted in), ``scores`` of the predicted clean image,
    ``gradient`` (RMS) and ``shift`` (RMS applied to the x0 prediction). ``searched`` is what a search
    recorded: candidates, evaluations, resamplings.
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

    ``batch`` is the number of images computed together; None is the generator's own, which its digest pins:
    with another number the last bits differ.

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
    size, one_scene = batch or generator.defaults.batch, generator.defaults.one_scene
    for indices in recipe_batches(recipes, size, one_scene=one_scene):
        members = [recipes[index] for index in indices]
        share = _Share(report, done / len(recipes), (done + len(indices)) / len(recipes), len(recipes))
        context = SearchContext(pictured(generator, members[0]), scorer, references, share, size)
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
    check_pictures(recipe, generator)
    for name, digest in recipe.target_digests.items():
        if name in digests and digests[name] != digest:
            raise DigestMismatch(f"target {name}", digest, digests[name])


def recipe_batches(recipes: Sequence[Recipe], size: int, *, one_scene: bool) -> Iterator[list[int]]:
    """Yield indices of recipes that can run together, at most ``size``, in order of first appearance.

    They share ``Recipe.begun``, with ``one_scene`` the seed, and the guided ones ``Recipe.shared``. Unguided
    ones follow the guided of their group, where most of them run by themselves, without gradients.
    """
    groups: dict[Hashable, dict[Hashable, list[int]]] = {}
    for index, recipe in enumerate(recipes):
        key = (recipe.begun, recipe.seed if one_scene else None)
        groups.setdefault(key, {}).setdefault(recipe.shared if recipe.guided else None, []).append(index)
    for kinds in groups.values():
        unguided = kinds.pop(None, [])
        last = next(reversed(kinds), None)
        for kind, guided in kinds.items():
            members = guided + unguided if kind == last else guided
            yield from _chunks(members, size)
        if not kinds:
            yield from _chunks(unguided, size)


def _chunks(members: list[int], size: int) -> Iterator[list[int]]:
    return (members[start : start + size] for start in range(0, len(members), size))


def sample(
    recipes: Sequence[Recipe], context: SearchContext, *, candidates: Sequence[int] | None = None
) -> list[Generated]:
    """Sample images in batches of the context's one shape, the last filled up with copies.

    The recipes share ``Recipe.begun``, the guided ones, which come first, ``Recipe.shared``. ``candidates``
    (0 each) says from which noise of its seed an image starts.
    """
    numbers = list(candidates or [0] * len(recipes))
    made: list[Generated] = []
    for first in range(0, len(recipes), context.batch):
        members = list(recipes[first : first + context.batch])
        noises = numbers[first : first + context.batch]
        copies = context.batch - len(members)
        whole = _sample_batch(members + members[-1:] * copies, noises + noises[-1:] * copies, context)
        made += whole[: len(members)]
    return made


def _sample_batch(
    recipes: Sequence[Recipe], candidates: Sequence[int], context: SearchContext
) -> list[Generated]:
    """Sample one batch from noise, or a picture, to images."""
    generator, scorer = context.generator, context.scorer
    objective = Objective(recipes, generator, scorer, references=context.references, candidates=candidates)
    start = start_of(generator, recipes, candidates)
    trajectory = generator.scheduler.start(recipes[0].steps)
    guided = GuidedSteps(recipes, generator, objective, start.condition)
    traces: list[list[dict[str, Any]]] = [[] for _ in recipes]
    checked = Checked(recipes, generator, scorer.names, len(trajectory.steps))
    x = start.latents
    for step, x0, x in walk(trajectory, start, guided.predict):
        for trace, entry in zip(traces, guided.entries, strict=True):
            trace.append(entry)
        if step.index == start.steps(trajectory)[0].index:
            for trace in traces:
                trace[0].update(start.remarks)
        checked.step(step, x0, x, guided.entries)
        context.progress.report((step.index + 1) / len(trajectory.steps))
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
