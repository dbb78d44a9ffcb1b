"""The embedded generators, and where guidance acts well in each. Light: torch is loaded with a generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from almond.registry import Registry

if TYPE_CHECKING:
    from almond.guidance.backends.base import Generator

GENERATORS: Registry[Callable[[], Generator]] = Registry(
    "generator",
    {
        "analytic": ("almond.guidance.backends.analytic:AnalyticGenerator", "closed-form denoiser"),
        "small-unet": ("almond.guidance.backends.small_unet:load_small_unet", "small diffusion model"),
    },
)
"""What comes with Almond, under the names that recipes use: generators of the simulated world, which know its
words alone. Any other generator is the folder of a diffusers pipeline."""

DEFAULT_GENERATOR = "analytic"


@dataclass(frozen=True)
class Defaults:
    """Steps, window (alpha-bar) and strengths with which a generator was calibrated, and its batches.

    ``batch`` is the one number of images that are computed together: a batch with fewer is filled with
    copies, for matrix products of another shape round differently, and a denoiser that chooses between
    pictures makes 73 grey levels of a last bit. ``one_scene``: the images of a batch share their seed, too.
    A generator for which ``batch`` is above 1 has it in its digest.
    """

    steps: int
    window: tuple[float, float]
    ramp: float
    strengths: tuple[float, ...]
    batch: int = 1
    one_scene: bool = False


CALIBRATED = {
    "analytic": Defaults(
        steps=25, window=(0.02, 0.5), ramp=0.0, strengths=(0.12, 0.25), batch=8, one_scene=True
    ),
    "small-unet": Defaults(steps=25, window=(0.05, 0.6), ramp=0.0, strengths=(0.5, 1.0)),
}
"""Swept on the example lab's prompts, scored by a held-out network: stronger or later guidance moved its
score less, or left the known scenes."""

UNCALIBRATED = Defaults(steps=30, window=(0.2, 0.6), ramp=0.0, strengths=(0.5, 1.0))
"""Where to start with another model: FreeDoM's middle stage (Yu et al. 2023), in units of the text
guidance."""


def defaults_of(generator: str) -> Defaults:
    """Return the defaults of a generator by its name (see ``almond.guidance.backends.load``)."""
    return CALIBRATED.get(generator, UNCALIBRATED)


def known_generators(others: str) -> str:
    """List the embedded generators and what else may be named, in the words of a form or an error."""
    return f"{', '.join(GENERATORS.names())}, or {others}"
