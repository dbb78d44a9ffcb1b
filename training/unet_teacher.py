"""The stage *teacher*: exact posterior means as targets, for pairs of captions at one noisy latent.

Mean squared error hardly learns what a word changes. The difference is small beside what no caption says, the
colours and positions of the layout, and as long as the network hardly reads the word, so is its gradient.
Between two captions at one latent the layout cancels. So the error of a pair is split into that of the mean
of the two predictions and that of their difference, relative to the true one (1 where the words are ignored),
and the difference is weighted so that both pull alike (:mod:`training.unet_balance`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from almond.guidance.levels import variance_preserving
from almond.world.scenes import ATTRIBUTES, Scene
from training.unet_captions import drawn_caption, likelihoods
from training.unet_families import Family, draw_family
from training.unet_lessons import SIDE, Lesson

Denoise = Callable[[torch.Tensor, torch.Tensor, list[str]], torch.Tensor]
"""Noisy latents (n, 16, h, w), times (n,) and captions to velocities."""

NEAR = 0.5
"""Share of families with one person near, beyond those drawn by chance."""
EMPTY = 0.12
"""Share of single captions that are empty."""
FLOOR = 0.3
"""Of the mean size of a batch's differences: what pairs that hardly differ are taken to differ by."""


@dataclass(frozen=True)
class TaughtBatch:
    """``noisy`` (B, 16, h, w) at ``times`` (B,); ``clean`` (k, B, 16, h, w) are the posterior means for the k
    = 1 or 2 ``captions`` of each (k lists of B)."""

    noisy: torch.Tensor
    times: torch.Tensor
    clean: torch.Tensor
    captions: tuple[list[str], ...]


class Teacher:
    """A pool of families, the oldest of which is replaced with every batch.

    :param abar: alpha-bars (1000,) of the schedule.
    """

    def __init__(self, rng: np.random.Generator, abar: torch.Tensor, size: int = 200) -> None:
        self.rng, self.abar, self.oldest = rng, abar, 0
        self.families = [self._family() for _ in range(size)]

    def _family(self) -> Family:
        near = self.rng.random() < NEAR
        return draw_family(self.rng, {"presence": "one", "distance": "near"} if near else {})

    def draw(self, lesson: Lesson, times: NDArray[np.int64]) -> TaughtBatch:
        """Draw noisy latents, captions and targets of a lesson."""
        self.families[self.oldest] = self._family()
        self.oldest = (self.oldest + 1) % len(self.families)
        noisy, clean, captions = zip(*[self._taught(lesson, int(time)) for time in times], strict=True)
        return TaughtBatch(
            torch.stack(noisy),
            torch.from_numpy(times),
            torch.stack(clean, 1),
            tuple(list(each) for each in zip(*captions, strict=True)),
        )

    def _taught(self, lesson: Lesson, time: int) -> tuple[torch.Tensor, torch.Tensor, tuple[str, ...]]:
        family = self.families[int(self.rng.integers(len(self.families)))]
        truth, other, captions = self._captions(lesson, family)
        level = variance_preserving(float(self.abar[time]))
        clean = family.latents[truth].float()
        noisy = level.signal * clean + level.noise * torch.randn_like(clean)
        means = family.posterior_means(noisy, level, likelihoods(captions, family.scenes))
        rows, columns = self._window(family, truth, other, lesson.side)
        return noisy[:, rows, columns], means[:, :, rows, columns], captions

    def _captions(self, lesson: Lesson, family: Family) -> tuple[int, Scene, tuple[str, ...]]:
        """Draw the scene that is seen and another of its family (without pairs the same), and captions."""
        while True:
            truth = int(self.rng.choice(len(family.scenes), p=family.prior))
            scene, seed = family.scenes[truth], self._seed()
            if not lesson.changed:
                return truth, scene, ("" if self.rng.random() < EMPTY else drawn_caption(scene, seed),)
            other = self._changed(lesson, family, scene)
            first, second = drawn_caption(scene, seed), drawn_caption(other, seed)
            if first != second:
                return truth, other, (first, second)

    def _changed(self, lesson: Lesson, family: Family, scene: Scene) -> Scene:
        names, chances = zip(*lesson.changed, strict=True)
        name = str(self.rng.choice(names, p=chances))
        present = {getattr(each, name) for each in family.scenes} - {getattr(scene, name)}
        values = [value for value in ATTRIBUTES[name] if value in present]
        change: dict[str, Any] = {name: values[int(self.rng.integers(len(values)))]}
        return dataclasses.replace(scene, **change)

    def _window(self, family: Family, truth: int, other: Scene, side: int) -> tuple[slice, slice]:
        """Choose a window around a cell that changes much, off its middle by up to a quarter."""
        if side == SIDE:
            return slice(None), slice(None)
        changed = family.latents[family.scenes.index(other)].float() - family.latents[truth].float()
        energy = changed.square().sum(0).flatten().double().numpy()
        cell = int(self.rng.choice(len(energy), p=energy / energy.sum()))
        off = self.rng.integers(-side // 4, side // 4 + 1, 2)
        starts = np.clip(np.array(divmod(cell, SIDE)) - side // 2 + off, 0, SIDE - side)
        return slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)

    def _seed(self) -> int:
        return int(self.rng.integers(2**31))


def taught_errors(denoise: Denoise, batch: TaughtBatch, abar: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Compute the mean squared error of velocities; of pairs that of their mean and that of their difference.

    The velocity is ``(sqrt(abar) x - x0) / sqrt(1 - abar)``. Errors of differences are relative to the true
    ones; a pair counts by ``1 / (own size + FLOOR of the mean size)``, so that faces count beside bodies.
    """
    level = abar[batch.times].view(-1, 1, 1, 1)
    many = len(batch.captions)
    words = [caption for captions in batch.captions for caption in captions]
    found = denoise(torch.cat([batch.noisy] * many), torch.cat([batch.times] * many), words)
    target = (level.sqrt() * batch.noisy - batch.clean) / (1.0 - level).sqrt()
    errors = found.reshape(target.shape) - target
    shared = errors.mean(0).square().mean()
    if many == 1:
        return (shared,)
    size = (target[0] - target[1]).square().mean((1, 2, 3))
    weight = 1.0 / (size + FLOOR * size.mean())
    apart = (errors[0] - errors[1]).square().mean((1, 2, 3))
    return shared, (weight * apart).sum() / (weight * size).sum()
