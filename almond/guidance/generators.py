"""The embedded generators, and where guidance acts well in each. Light: torch is loaded with a generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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

WITHOUT_EMBEDDED_PROMPT = ("analytic",)
"""Generators whose prompt is no tensor: the bank of scenes that it names stands for it."""


@dataclass(frozen=True)
class Defaults:
    """Steps, window (alpha-bar) and strengths with which a generator was calibrated, and its batches.

    ``batch`` is the one number of images that are computed together: a batch with fewer is filled with
    copies, for matrix products of another shape round differently, and a denoiser that chooses between
    pictures makes 73 grey levels of a last bit. ``one_scene``: the images of a batch share their seed, too.
    A generator for which ``batch`` is above 1 has it in its digest. Stronger guidance than ``saturation``
    moves other readers' scores no further; None where nobody has looked.
    """

    steps: int
    window: tuple[float, float]
    ramp: float
    strengths: tuple[float, ...]
    batch: int = 1
    saturation: float | None = None
    one_scene: bool = False

    def with_steps(self, steps: int) -> Defaults:
        """Return the same defaults with another number of steps."""
        return replace(self, steps=steps)


CALIBRATED = {
    "analytic": Defaults(
        steps=25,
        window=(0.02, 0.5),
        ramp=0.0,
        strengths=(0.03, 0.06, 0.12),
        batch=8,
        one_scene=True,
        saturation=0.25,
    ),
    "small-unet": Defaults(steps=25, window=(0.0, 0.06), ramp=0.0, strengths=(1.0, 2.0)),
}
"""Swept on the example lab's prompts, scored by a held-out network: stronger or later guidance moved its
score less, or left the known scenes."""

UNCALIBRATED = Defaults(steps=30, window=(0.2, 0.6), ramp=0.0, strengths=(0.5, 1.0))
"""Where to start with another model: FreeDoM's middle stage (Yu et al. 2023), in units of the text
guidance."""


def defaults_of(generator: str) -> Defaults:
    """Return the defaults of a generator by its name (see ``almond.guidance.backends.load``)."""
    return CALIBRATED.get(generator, UNCALIBRATED)


def beyond_saturation(generator: str, strengths: Sequence[float]) -> str:
    """Warn, in the words of a form, of strengths beyond the saturation of a generator; empty where there are
    none, or nobody knows it."""
    most = defaults_of(generator).saturation
    beyond = [strength for strength in strengths if most is not None and strength > most]
    if not beyond:
        return ""
    listed = ", ".join(f"{value:g}" for value in beyond)
    return (
        f"Strength {listed}: beyond {most:g}, guidance of {generator} moves what other readers see no "
        "further, for some targets less."
    )


def known_generators(others: str) -> str:
    """List the embedded generators and what else may be named, in the words of a form or an error."""
    return f"{', '.join(GENERATORS.names())}, or {others}"
