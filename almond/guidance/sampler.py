"""The one loop: predict the clean latent, shift it, step; for every generator, rule and target.

``generate`` turns recipes into images. Recipes of one prompt and rule share batches. Nothing in a batch
touches its neighbours, and all batches of a generator have one shape, so that the bytes of an image follow
from its recipe, in whatever company and order it is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from almond.errors import DigestMismatch, InputError
from almond.guidance.backends.base import Condition, Generator
from almond.guidance.finite_steps import Checked
from almond.guidance.recipe import Recipe
from almond.guidance.rules import RULES
from almond.guidance.schedulers import Step
from almond.guidance.starting import check_start, start_of, steps_from
from almond.progress import Progress, Silent
from almond.rng import derive_seed
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
    present.
    """

    recipe: Recipe
    image: ImageArray
    scores: dict[str, float]
    lowlevel: dict[str, float]
    trace: list[dict[str, Any]]


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
    size, one_scene = batch or generator.defaults.batch, generator.defaults.one_scene
    for indices in recipe_batches(recipes, size, one_scene=one_scene):
        members = [recipes[index] for index in indices]
        copies = members[-1:] * (size - len(members))
        share = _Share(report, done / len(recipes), (done + len(indices)) / len(recipes), len(recipes))
        made = sample([*members, *copies], generator, scorer, share)
        waiting.update(zip(indices, made, strict=False))
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
    missing = [name for name, weight in recipe.objective.items() if weight and name not in scorer.names]
    if missing:
        raise InputError("recipe.objective", f"names {', '.join(missing)}", f"targets among {scorer.names}")
    digests: Mapping[str, str] = getattr(scorer, "digests", {})
    check_start(recipe.start, generator)
    for name, digest in recipe.target_digests.items():
        if name in digests and digests[name] != digest:
            raise DigestMismatch(f"target {name}", digest, digests[name])


def recipe_batches(recipes: Sequence[Recipe], size: int, *, one_scene: bool) -> Iterator[list[int]]:
    """Yield indices of recipes that can run together, at most ``size``, in order of first appearance.

    They share prompt, steps and start, with ``one_scene`` the seed, and the guided ones their rule;
    directions, strengths, objectives and windows may differ. Unguided ones follow the guided of their
    group, where most of them run by themselves, without gradients.
    """
    groups: dict[tuple[Any, ...], dict[str | None, list[int]]] = {}
    for index, recipe in enumerate(recipes):
        start = recipe.start.digest if recipe.start else None
        key = (recipe.prompt, recipe.steps, recipe.seed if one_scene else None, start)
        groups.setdefault(key, {}).setdefault(recipe.rule if recipe.guided else None, []).append(index)
    for rules in groups.values():
        unguided = rules.pop(None, [])
        last = next(reversed(rules), None)
        for rule, guided in rules.items():
            members = guided + unguided if rule == last else guided
            yield from _chunks(members, size)
        if not rules:
            yield from _chunks(unguided, size)


def _chunks(members: list[int], size: int) -> Iterator[list[int]]:
    return (members[start : start + size] for start in range(0, len(members), size))


def sample(
    recipes: Sequence[Recipe], generator: Generator, scorer: DifferentiableScorer, progress: Progress
) -> list[Generated]:
    """Sample one batch from noise to images; all share prompt and steps, the guided ones their rule."""
    first, seeds = recipes[0], [recipe.seed for recipe in recipes]
    noise = [torch.Generator().manual_seed(derive_seed(seed, "sampler noise")) for seed in seeds]
    weights = objective_weights(recipes, scorer.names)
    trajectory = generator.scheduler.start(first.steps)
    x, steps = torch.stack([generator.initial_latent(seed) for seed in seeds]), trajectory.steps
    if first.start is None:
        condition, x = generator.encode_prompt(first.prompt, seeds), x * trajectory.initial_scale
    else:
        condition, clean = start_of(generator, first.start).encode_start(first.start, first.prompt, seeds)
        steps = steps_from(first.start, steps)
        x = steps[0].level.signal * clean + steps[0].level.noise * x
    traces: list[list[dict[str, Any]]] = [[] for _ in recipes]
    checked = Checked(recipes, generator, scorer.names, len(trajectory.steps))
    for step in steps:
        x0, entries = _predict(
            recipes, generator, scorer, condition=condition, x=x, step=step, weights=weights
        )
        for trace, entry in zip(traces, entries, strict=True):
            trace.append(entry)
        with torch.no_grad():
            x = trajectory.advance(x, x0, step, noise)
        checked.step(step, x0, x, entries)
        progress.report((step.index + 1) / len(trajectory.steps))
    return _finish(recipes, generator, scorer, x, traces=traces, checked=checked)


def objective_weights(recipes: Sequence[Recipe], names: Sequence[str]) -> torch.Tensor:
    """Return the signed objective (B, T) of every recipe."""
    rows = [[recipe.direction * recipe.objective.get(name, 0.0) for name in names] for recipe in recipes]
    return torch.tensor(rows, dtype=torch.float32)


def _predict(
    recipes: Sequence[Recipe],
    generator: Generator,
    scorer: DifferentiableScorer,
    *,
    condition: Condition,
    x: torch.Tensor,
    step: Step,
    weights: torch.Tensor,
) -> tuple[torch.Tensor, list[dict[str, Any]]]:
    """Predict the clean latent of a step, guided where the window is open, and one trace entry per image."""
    alpha_bar = step.level.alpha_bar
    strengths = [recipe.schedule.weight(alpha_bar) if recipe.guided else 0.0 for recipe in recipes]
    entries: list[dict[str, Any]] = [
        {"step": step.index, "alpha_bar": alpha_bar, "strength": value} for value in strengths
    ]
    if not any(strengths):
        with torch.no_grad():
            return generator.predict(x, step, condition).x0, entries
    guide = RULES.load(next(recipe.rule for recipe in recipes if recipe.guided))
    strength = torch.tensor(strengths)
    guided = guide(generator, condition, x, step, score=scorer, weights=weights, strength=strength)
    for index, entry in enumerate(entries):
        if not strengths[index]:
            continue
        entry["scores"] = _named(scorer.names, guided.scores[index])
        entry["gradient"] = float(guided.gradient[index])
        entry["shift"] = float(guided.shift[index])
    return guided.x0, entries


def _finish(
    recipes: Sequence[Recipe],
    generator: Generator,
    scorer: DifferentiableScorer,
    x: torch.Tensor,
    *,
    traces: Sequence[list[dict[str, Any]]],
    checked: Checked,
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
        Generated(recipe, image, _named(scorer.names, scores[index]), lowlevel.measure(image), list(trace))
        for index, (recipe, image, trace) in enumerate(zip(recipes, images, traces, strict=True))
    ]


def _named(names: Sequence[str], values: torch.Tensor) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}
