"""Which yardstick of which quantity stands in the way of a matched set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from almond.stimuli.pairing.programme import PairProgramme
from almond.stimuli.pairing.tightening import match_both
from almond.stimuli.pairing.yardsticks import Yardsticks

NOTICED = 1e-4
"""A limit that is exceeded by a smaller share of itself does not bind."""


@dataclass(frozen=True)
class BindingConstraint:
    """A quantity whose limit cannot be kept together with the others.

    ``yardstick``: ``mean difference``, or ``d_z`` where the limit had been tightened for its sake.
    ``excess``: by how much the limit is exceeded where all excesses together are smallest, as a share of it.
    """

    target: str
    feature: str
    yardstick: str
    excess: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def words(self) -> str:
        """Write what binds, as a page prints it."""
        return (
            f"{self.target}: {self.feature.replace('_', ' ')} binds ({self.yardstick}; the nearest choice of "
            f"pictures exceeds its bound by {100 * self.excess:.0f} %)"
        )


def binding_constraints(
    programme: PairProgramme, *, target: str, names: Sequence[str], yardsticks: Yardsticks
) -> tuple[BindingConstraint, ...]:
    """Name the constraints that bind, the one that is exceeded most first; none where both yardsticks hold.

    The limits are those of the last programme of :func:`match_both`; among all choices of pictures the one
    with the smallest sum of relative excesses says which limits give way.
    """
    attempt = match_both(programme, yardsticks, contrast=False)
    if attempt.chosen is not None:
        return ()
    excess = programme.excess(attempt.limits)
    if excess is None:
        return ()
    binding = [
        BindingConstraint(
            target,
            names[place],
            "d_z" if attempt.limits[place] < yardsticks.tolerance * (1 - NOTICED) else "mean difference",
            float(excess[place]),
        )
        for place in np.argsort(-excess, kind="stable")
        if excess[place] > NOTICED
    ]
    return tuple(binding)
