"""Scenes to train the small diffusion model on: drawn at random, or in variants that differ in one word."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from almond.digest import digest_json
from almond.rng import generator
from almond.world.patches import codec_digest, load_codec
from almond.world.prompts import caption, parse_prompt
from almond.world.scenes import ATTRIBUTES, Scene, draw_scene, render_many

NULL_SHARE = 0.1
"""Share of captions left empty, so that the network also learns to draw without words."""
LATENT = (16, 24, 24)
VARIED = ("expression", "expression", "gaze", "posture", "object")
"""What the variants of a base scene change, one attribute each; expressions are the hardest, so twice."""
CHANGED = 0.02
"""Mean squared difference of latents above which a cell counts as changed."""


def encoded(scenes: Sequence[Scene]) -> torch.Tensor:
    """Latents (n, 16, 24, 24) of scenes, in half precision."""
    images = torch.from_numpy(render_many(scenes)).permute(0, 3, 1, 2).float() / 255.0
    return load_codec().encode(images).half()


@dataclass(frozen=True)
class Batch:
    """``seen`` (B, 16, 24, 24) is what noise is added to, ``clean`` what is to be predicted; ``weights``
    (B, 1, 24, 24) of the squared error.

    ``seen`` differs from ``clean`` only in attributes that the caption names.
    """

    seen: torch.Tensor
    clean: torch.Tensor
    weights: torch.Tensor
    captions: list[str]


class RandomScenes:
    """Random scenes, the oldest of which are replaced while training goes on."""

    def __init__(self, rng: np.random.Generator, size: int = 5000, renewed: int = 4) -> None:
        self.rng, self.renewed, self.oldest = rng, renewed, 0
        self.latents = torch.empty(size, *LATENT, dtype=torch.float16)
        self.scenes: list[Scene] = [draw_scene(rng) for _ in range(size)]
        for start in range(0, size, 100):
            self._encode(range(start, min(size, start + 100)))

    def _encode(self, places: Sequence[int]) -> None:
        self.latents[list(places)] = encoded([self.scenes[place] for place in places])

    def draw(self, swaps: NDArray[np.bool_]) -> Batch:
        """Draw a batch; there are no variants, so that ``swaps`` says only how many."""
        places = [(self.oldest + offset) % len(self.scenes) for offset in range(self.renewed)]
        for place in places:
            self.scenes[place] = draw_scene(self.rng)
        self._encode(places)
        self.oldest = (places[-1] + 1) % len(self.scenes)
        chosen = self.rng.integers(0, len(self.scenes), len(swaps))
        clean = self.latents[torch.from_numpy(chosen)].float()
        captions = [
            "" if self.rng.random() < NULL_SHARE else caption(self.scenes[place], self.rng)
            for place in chosen
        ]
        return Batch(clean, clean, torch.ones(len(clean), 1, *LATENT[1:]), captions)


@dataclass(frozen=True)
class Emphasis:
    """Share of base scenes with one person near; error weights beyond 1 where variants differ (body, object)
    and where expressions do (head)."""

    near: float = 0.4
    changed: float = 2.0
    head: float = 30.0


class Variants:
    """Base scenes, each with one variant per entry of ``VARIED``, rendered once into a file of ``folder``.

    A batch pairs a scene with another variant of it that differs only in what the caption names. At high
    noise the two are nearly as likely to have given the noisy latent, so that the better estimate comes from
    the words: without the pairs the network reads expressions off the noisy latent and never learns them.

    :param step: updates done before, so that a resumed run draws other batches.
    """

    def __init__(self, folder: Path, seed: int, bases: int, *, step: int, emphasis: Emphasis) -> None:
        rng = generator(seed, "unet-variants")
        self.rng, self.emphasis = generator(seed, "unet-variant-batches", step), emphasis
        self.groups = [variants_of(draw_scene(rng, self._fixed(rng)), rng) for _ in range(bases)]
        self.latents = self._rendered(folder, seed)

    def _fixed(self, rng: np.random.Generator) -> dict[str, str]:
        return {"presence": "one", "distance": "near"} if rng.random() < self.emphasis.near else {}

    def _rendered(self, folder: Path, seed: int) -> NDArray[np.float16]:
        key = digest_json(
            {"seed": seed, "codec": codec_digest(), "varied": VARIED, "near": self.emphasis.near}
        )
        path = folder / f"variants-{len(self.groups)}-{key[:12]}.npy"
        if not path.exists():
            partial = path.with_suffix(".partial")
            shape = (len(self.groups), 1 + len(VARIED), *LATENT)
            found = np.lib.format.open_memmap(partial, "w+", np.float16, shape)
            for index, group in enumerate(self.groups):
                found[index] = encoded_group(group)
            found.flush()
            partial.replace(path)
        latents: NDArray[np.float16] = np.load(path, mmap_mode="r")
        return latents

    def draw(self, swaps: NDArray[np.bool_]) -> Batch:
        """Draw a batch; where ``swaps``, another variant is seen than the caption describes."""
        pairs = [self._pair(bool(swap)) for swap in swaps]
        seen, clean, weights, captions = zip(*pairs, strict=True)
        return Batch(torch.stack(seen), torch.stack(clean), torch.stack(weights), list(captions))

    def _pair(self, swap: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, str]:
        at = int(self.rng.integers(len(self.groups)))
        group = self.groups[at]
        target = int(self.rng.integers(len(group)))
        words = "" if self.rng.random() < NULL_SHARE else caption(group[target], self.rng)
        source = self._source(group, target, words) if swap and words else target
        latents = torch.from_numpy(self.latents[at].astype(np.float32))
        return latents[source], latents[target], self._weights(latents), words

    def _source(self, group: Sequence[Scene], target: int, words: str) -> int:
        """Choose among the variants that differ from the target in named attributes only."""
        named = set(parse_prompt(words).fixed)
        free = [name for name in set(VARIED) if name not in named]
        fitting = [
            index
            for index, scene in enumerate(group)
            if all(getattr(scene, name) == getattr(group[target], name) for name in free)
        ]
        return fitting[int(self.rng.integers(len(fitting)))]

    def _weights(self, latents: torch.Tensor) -> torch.Tensor:
        """(1, 24, 24) of one group of latents."""
        changed = (latents[1:] - latents[0]).square().mean(1) > CHANGED
        return (
            1.0 + self.emphasis.changed * changed.any(0) + self.emphasis.head * changed[:2].any(0)
        ).unsqueeze(0)


def variants_of(base: Scene, rng: np.random.Generator) -> list[Scene]:
    """List the base scene, then one scene per entry of ``VARIED`` with another value of that attribute."""
    group = [base]
    for name in VARIED:
        others = [value for value in ATTRIBUTES[name] if value != getattr(base, name)]
        change: dict[str, Any] = {name: others[int(rng.integers(len(others)))]}
        group.append(dataclasses.replace(base, **change))
    return group


def encoded_group(group: Sequence[Scene]) -> NDArray[np.float16]:
    """Latents (1 + variants, 16, 24, 24). Where nobody is there only objects show: the rest are copies."""
    if group[0].presence != "nobody":
        return encoded(group).numpy()
    drawn = encoded([group[0], group[-1]]).numpy()
    return np.stack([drawn[0]] * len(VARIED) + [drawn[1]])
