"""When guidance acts, and how strongly, in terms of the noise level.

Schedulers space their steps differently, so a window is given in alpha-bar (the share of signal in the
variance of the noisy latent) and means the same with each of them: cf. "guidance in a limited interval"
(Kynkäänniemi et al. 2024) and FreeDoM's middle stage (Yu et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

from almond.errors import InputError

LARGEST_RAMP = 0.5
"""Share of the window: guidance that fades in over one half fades out over the other."""


@dataclass(frozen=True)
class Window:
    """The noise levels at which guidance acts: ``low <= alpha_bar < high``, both in [0, 1].

    Sampling goes from alpha-bar 0 (noise) to 1 (image): ``low`` is where guidance starts, ``high`` where it
    is released. A window with ``low == high`` is closed.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.low <= self.high <= 1.0:
            raise InputError("window", f"is [{self.low}, {self.high}]", "0 <= low <= high <= 1 in alpha-bar")

    @property
    def closed(self) -> bool:
        return self.low == self.high

    def holds(self, alpha_bar: float) -> bool:
        return self.low <= alpha_bar < self.high


@dataclass(frozen=True)
class Schedule:
    """lambda(alpha_bar): ``strength`` inside the window, rising and falling linearly over a share ``ramp``
    of it.

    ``strength >= 0`` is unit-free (see ``almond.guidance.rules``); ``ramp`` in [0, 0.5] is the share of the
    window's width at each end over which guidance fades in and is released.
    """

    window: Window
    strength: float
    ramp: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength < float("inf"):
            raise InputError("strength", f"is {self.strength}", "a number of at least 0")
        if not 0.0 <= self.ramp <= LARGEST_RAMP:
            raise InputError("ramp", f"is {self.ramp}", "a share in [0, 0.5] of the window")

    def weight(self, alpha_bar: float) -> float:
        """Return the strength at a noise level; 0 outside the window."""
        if not self.window.holds(alpha_bar):
            return 0.0
        width = self.ramp * (self.window.high - self.window.low)
        if width == 0.0:
            return self.strength
        edge = min(alpha_bar - self.window.low, self.window.high - alpha_bar)
        return self.strength * min(1.0, edge / width)
