"""Dose curves of axes, side by side: how far a strength moves pictures, and which one moves them so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from almond.typing import Floats

FLAT = 0.1
"""Standard deviations by which a single scene's score may fall from one strength to the next."""


@dataclass(frozen=True, eq=False)
class SideDose:
    """One side of an axis: ``strengths`` (m,) ascending; ``shifts`` (scenes, m, A) along every axis, of which
    ``axis`` is this one, towards ``direction``, in standard deviations of unguided scores."""

    axis: int
    direction: int
    strengths: Floats
    shifts: Floats

    @property
    def curve(self) -> Floats:
        """Return the mean shift (m,) towards the side."""
        values: Floats = self.direction * self.shifts[:, :, self.axis].mean(axis=0)
        return values

    @property
    def off_axis(self) -> Floats:
        """Return the mean shift (A,) along every axis at the largest strength; its own is there, too."""
        values: Floats = self.shifts[:, -1].mean(axis=0)
        return values

    @property
    def monotone(self) -> float:
        """Return the share of scenes that never fall back by ``FLAT`` as the strength grows."""
        own = self.direction * self.shifts[:, :, self.axis]
        steps = np.diff(np.concatenate([np.zeros((len(own), 1)), own], axis=1), axis=1)
        return float((steps > -FLAT).all(axis=1).mean())

    @property
    def right_sign(self) -> float:
        """Return the share of scenes that the largest strength moves to the right side."""
        return float((self.direction * self.shifts[:, -1, self.axis] > 0).mean())

    def strength_for(self, wanted: float) -> float | None:
        """Return the strength that moves scenes by ``wanted`` on average; None where no strength does.

        Linear between strengths on the smallest curve above the means that never falls, from no shift at
        strength 0.
        """
        doses = np.concatenate([[0.0], self.strengths])
        rising = np.maximum.accumulate(np.concatenate([[0.0], self.curve]))
        if rising[-1] < wanted:
            return None
        after = int(np.searchsorted(rising, wanted))
        share = (wanted - rising[after - 1]) / (rising[after] - rising[after - 1])
        return float(doses[after - 1] + share * (doses[after] - doses[after - 1]))
