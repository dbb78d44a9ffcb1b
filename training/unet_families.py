"""Families of scenes that differ only in what captions name, and the exact posterior mean over one family.

A family has one layout, place, light, distance and nuisance; who is there, posture, expression, gaze and
object vary. For a noisy latent ``x`` and a caption its posterior mean is what the best denoiser that knew the
layout would predict: it has no sampling noise in what varies, and two captions at one ``x`` differ in it by
exactly what their words change.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from almond.guidance.levels import NoiseLevel
from almond.world.patches import load_codec
from almond.world.scenes import ATTRIBUTES, FREQUENCIES, Scene, draw_scene, render_many

LATENT = (16, 24, 24)
BODY = ("posture", "expression", "gaze")
"""What varies of the persons of a family."""
OBJECTS = 2
"""Objects of a family, beside none."""
SHINING = ("fire",)
"""Objects whose light falls on others."""
TOUCHED = 1
"""Grey levels beyond which a pixel is the object's."""


def encoded(pictures: NDArray[np.uint8]) -> torch.Tensor:
    """Encode pictures (n, 96, 96, 3) as latents (n, 16, 24, 24), in half precision."""
    return load_codec().encode(torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255.0).half()


@dataclass(frozen=True)
class Family:
    """Scenes (M), their latents (M, 16, 24, 24) in half precision and their probabilities (M,)."""

    scenes: tuple[Scene, ...]
    latents: torch.Tensor
    prior: NDArray[np.float64]

    def posterior_weights(
        self, x: torch.Tensor, level: NoiseLevel, likelihoods: NDArray[np.float64]
    ) -> torch.Tensor:
        """Compute the posterior (n, M) over the scenes for a noisy latent ``x`` (16, 24, 24) and n captions.

        ``likelihoods`` (n, M): how probable each caption is for each scene, up to a factor per caption.
        """
        latents = self.latents.float().flatten(1)
        # |x - signal z|^2 without |x|^2, which all scenes share
        distance = level.signal**2 * latents.square().sum(1) - 2.0 * level.signal * (latents @ x.flatten())
        with np.errstate(divide="ignore"):
            prior = torch.from_numpy(np.log(self.prior * likelihoods)).float()
        return (prior - distance / (2.0 * level.noise**2)).softmax(1)

    def posterior_means(
        self, x: torch.Tensor, level: NoiseLevel, likelihoods: NDArray[np.float64]
    ) -> torch.Tensor:
        """Compute the posterior mean (n, 16, 24, 24) of the clean latent for each caption."""
        weights = self.posterior_weights(x, level, likelihoods)
        return (weights @ self.latents.float().flatten(1)).reshape(-1, *LATENT)


def draw_family(rng: np.random.Generator, fixed: Mapping[str, str]) -> Family:
    """Draw a base scene with somebody in it, and render its family."""
    base = draw_scene(rng, fixed)
    if base.presence == "nobody":
        people = np.array(FREQUENCIES["presence"][1:])
        drawn = rng.choice(("one", "group"), p=people / people.sum())
        base = dataclasses.replace(base, presence=str(drawn))
    others = [value for value in ATTRIBUTES["object"] if value != "none"]
    objects = ["none", *(str(value) for value in rng.choice(others, OBJECTS, replace=False))]
    return family_of(base, objects)


def family_of(base: Scene, objects: list[str]) -> Family:
    """Render the family of a scene: nobody and every body, with each of the ``objects`` (first: none)."""
    combinations = list(itertools.product(*(ATTRIBUTES[name] for name in BODY)))
    bare = dataclasses.replace(base, object="none")
    people = [dataclasses.replace(bare, presence="nobody")]
    bodies: list[dict[str, Any]] = [dict(zip(BODY, values, strict=True)) for values in combinations]
    people += [dataclasses.replace(bare, **body) for body in bodies]
    drawn = render_many(people)
    pictures = np.concatenate([drawn, *(with_object(people, drawn, value) for value in objects[1:])])
    scenes = [dataclasses.replace(scene, object=value) for value in objects for scene in people]
    nobody, none = FREQUENCIES["presence"][0], FREQUENCIES["object"][0]
    by_people = np.array([nobody, *[(1.0 - nobody) / len(combinations)] * len(combinations)])
    by_object = np.array([none, *[(1.0 - none) / OBJECTS] * (len(objects) - 1)])
    prior = np.outer(by_object, by_people).ravel()
    return Family(tuple(scenes), encoded(pictures), prior / prior.sum())


def with_object(people: Sequence[Scene], drawn: NDArray[np.uint8], value: str) -> NDArray[np.uint8]:
    """Draw the scenes of a family with an object (P, H, W, 3), from their pictures without one.

    The object stands before everybody, and changes the same pixels as in the picture without anybody, which
    is the first of ``drawn``. One that gives light changes others too: all its pictures are rendered.
    """
    scenes = [dataclasses.replace(scene, object=value) for scene in people]
    if value in SHINING:
        return render_many(scenes)
    picture = render_many(scenes[:1])
    changed = np.abs(picture.astype(np.int16) - drawn[:1]).max(3, keepdims=True) > TOUCHED
    return np.where(changed, picture, drawn)
