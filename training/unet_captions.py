"""Captions for training: a scene in words, and how probable such words are for other scenes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from almond.rng import generator
from almond.world.prompts import caption, parse_prompt
from almond.world.scenes import Scene

NAMED = 0.7
"""Chance of each attribute to be named."""
ANOTHER = 0.25
"""Chance of each phrase to be said in another way."""
OTHER_WORDS = {
    "a group of people": ("people", "three people"),
    "a person": ("a man", "a woman", "someone"),
    "nobody": ("no one",),
    "with raised arms": ("arms raised",),
    "smiling": ("happy",),
    "neutral": ("calm",),
    "afraid": ("fearful", "scared"),
    "far away": ("far", "in the distance"),
    "near": ("nearby", "close up"),
    "a room": ("a bedroom", "a living room"),
    "a doorway": ("an entrance", "a door"),
    "a street": ("a road",),
    "a park": ("a garden",),
    "by day": ("in daylight", "sunny"),
    "at dusk": ("in dim light",),
    "at night": ("night",),
}
"""Other ways to say what ``caption`` writes; ``parse_prompt`` reads them alike."""


def drawn_caption(scene: Scene, seed: int) -> str:
    """Write a caption; scenes with the same seed get the same attributes named in the same manner."""
    rng = generator(seed, "unet-caption")
    text = caption(scene, rng, keep=NAMED)
    for words, others in OTHER_WORDS.items():
        said_otherwise, chosen = rng.random() < ANOTHER, int(rng.integers(len(others)))
        if said_otherwise:
            text = text.replace(words, others[chosen], 1)
    return text


def likelihoods(captions: Sequence[str], scenes: Sequence[Scene]) -> NDArray[np.float64]:
    """Compute how probable each caption is for each scene (n, M), up to a factor for each caption.

    A scene that a caption contradicts has 0. A caption without an object is less probable for a scene that
    has one, for an object may be named and its absence is not. The empty caption fits every scene.
    """
    return np.stack([_likelihood(text, scenes) for text in captions])


def _likelihood(text: str, scenes: Sequence[Scene]) -> NDArray[np.float64]:
    if not text:
        return np.ones(len(scenes))
    fixed = parse_prompt(text).fixed
    agrees = np.array([all(getattr(scene, name) == fixed[name] for name in fixed) for scene in scenes])
    unnamed = np.array([scene.object != "none" and "object" not in fixed for scene in scenes])
    return np.where(agrees, np.where(unnamed, 1.0 - NAMED, 1.0), 0.0)
