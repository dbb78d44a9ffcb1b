"""Can what was held constant tell high pictures from low ones? A classifier that should be at chance.

Themes are held out: pictures of one theme never train the classifier that reads them. Within a pair the two
pictures are compared, as participants do: the one that looks more like a high picture is called high, so that
chance is one half whatever the scenes look like. Pairs whose mean difference was driven to zero are read
somewhat below one half: where the training pairs lean one way, the held-out ones lean the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from almond.errors import InputError
from almond.rng import generator
from almond.stats.discriminant import held_out_scores, shrinkage_lda
from almond.typing import Floats, Ints

PERMUTATIONS = 999


@dataclass(frozen=True)
class NuisanceAccuracy:
    """Accuracy over pairs of held-out themes; interval of 95 %; p that labels tell nothing.

    The interval is of the mean over themes (bootstrap over themes, percentile); ``p`` is one-sided, by
    exchanging high and low within pairs. ``at_chance``: the interval holds one half, or lies below it.
    """

    accuracy: float
    low: float
    high: float
    p: float
    pairs: int
    themes: int

    @property
    def at_chance(self) -> bool:
        return self.low <= 0.5

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "at_chance": self.at_chance}


def nuisance_accuracy(
    high: Floats, low: Floats, themes: Sequence[str], *, seed: int, permutations: int = PERMUTATIONS
) -> NuisanceAccuracy:
    """Classify the direction of pictures by quantities (pairs, F) of their high and low members.

    Linear discriminants with a shrunken covariance on differences from the mean of the pair, so that scenes
    take no part; ties count half.

    :raises InputError: fewer than three themes.
    """
    names = np.asarray(themes, dtype=str)
    several = len(set(names))
    if several < 3:
        raise InputError(
            "nuisance classifier", f"{several} themes", "three or more, so that one can be held out"
        )
    rng = generator(seed, "nuisance classifier")
    differences = (high - low) / 2.0
    values = np.concatenate([differences, -differences])
    both = np.concatenate([names, names])
    swapped = rng.integers(0, 2, (permutations, len(names)))
    swapped = np.concatenate([np.zeros((1, len(names)), dtype=swapped.dtype), swapped])
    right = _pairs_right(values, both, swapped)
    accuracy = right.mean(axis=1)
    bounds = _over_themes(right[0], names, rng)
    p = float((accuracy >= accuracy[0] - 1e-12).mean())
    return NuisanceAccuracy(float(accuracy[0]), bounds[0], bounds[1], p, len(names), several)


def _pairs_right(values: Floats, themes: np.ndarray[Any, Any], swapped: Ints) -> Floats:
    """Return (B, pairs): 1 where the picture labelled high scores higher, one half for ties."""
    pairs = swapped.shape[1]
    labels = np.concatenate([swapped, 1 - swapped], axis=1)  # class 0: high
    scores = held_out_scores(values, labels, themes, 2, shrinkage_lda)
    margin = scores[..., 0] - scores[..., 1]
    gap = margin[:, :pairs] - margin[:, pairs:]
    gap = np.where(swapped == 1, -gap, gap)
    correct: Floats = np.where(np.abs(gap) <= 1e-12, 0.5, (gap > 0).astype(np.float64))
    return correct


def _over_themes(
    right: Floats, themes: np.ndarray[Any, Any], rng: np.random.Generator, draws: int = 2000
) -> tuple[float, float]:
    """Bootstrap over themes: the central 95 % of the accuracy over pairs."""
    names = sorted(set(themes))
    sums = np.array([right[themes == name].sum() for name in names])
    counts = np.array([(themes == name).sum() for name in names], dtype=np.float64)
    drawn = rng.integers(0, len(names), (draws, len(names)))
    shares = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)
