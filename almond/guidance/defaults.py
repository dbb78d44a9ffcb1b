"""Where guidance acts well, per generator, as judged by a held-out network. Light: no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Defaults:
    """Steps, window (alpha-bar) and strengths with which a generator was calibrated, and images per batch.

    With ``batch`` 1 the bytes of an image follow from its recipe alone; in larger batches the last bits
    depend on the company, for matrix products are summed in another order.
    """

    steps: int
    window: tuple[float, float]
    ramp: float
    strengths: tuple[float, ...]
    batch: int = 1


ANALYTIC = Defaults(steps=25, window=(0.02, 0.5), ramp=0.0, strengths=(0.12, 0.25))
"""Swept on the example lab's prompts: stronger or later pushes moved the judge less, or left the known
scenes."""

SMALL_UNET = Defaults(steps=25, window=(0.05, 0.6), ramp=0.0, strengths=(0.5, 1.0))

UNCALIBRATED = Defaults(steps=30, window=(0.2, 0.6), ramp=0.0, strengths=(0.5, 1.0))
"""Where to start with another model: FreeDoM's middle stage (Yu et al. 2023), in units of the text's own
push."""


def defaults_of(generator: str) -> Defaults:
    """The defaults of a generator by its name (see ``almond.guidance.backends.load``)."""
    return {"analytic": ANALYTIC, "small-unet": SMALL_UNET}.get(generator, UNCALIBRATED)
