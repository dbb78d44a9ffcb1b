"""Sign-flip tests: differences from chance whose signs are exchangeable under the null."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from almond.significance import p_of_count, reaches
from almond.typing import Floats

MAX_EXACT_SCENES = 14
"""Up to this many scenes all 2^S sign patterns are listed; beyond it they are drawn."""


@dataclass(frozen=True)
class SignFlip:
    """A sign-flip test over scenes of mean alignment against one half, two-sided."""

    p: float
    flips: int
    exact: bool
    seed: int | None


def sign_flip(differences: Floats, rng: np.random.Generator, seed: int, flips: int) -> SignFlip:
    """Flip the sign of each scene's difference from chance; compare the absolute mean, two-sided.

    All 2^S patterns up to 14 scenes (p = share of patterns at least as far out, the observed one among them),
    else ``flips`` drawn ones with p = (1 + b) / (1 + B).
    """
    count = len(differences)
    observed = abs(float(differences.mean()))
    exact = count <= MAX_EXACT_SCENES
    if exact:
        signs = np.array(list(product((1.0, -1.0), repeat=count)))
    else:
        signs = rng.choice(np.array([1.0, -1.0]), size=(flips, count))
    null = np.abs(signs @ differences) / count
    reached = np.count_nonzero(reaches(null, observed))
    if exact:
        return SignFlip(reached / len(signs), len(signs), True, None)
    return SignFlip(float(p_of_count(reached, flips)), flips, False, seed)
