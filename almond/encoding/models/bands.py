"""Bands of predictors: which columns belong to which feature space, and how they are weighed against each
other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from almond.errors import InputError
from almond.typing import Columns, Floats

CONCENTRATIONS = (0.1, 1.0)
"""Of the Dirichlet distributions in turn: nearly one space alone, and anything."""
LEAST_SHARE = 1e-6
"""No space is left out altogether: its penalty would be infinite."""


@dataclass(frozen=True)
class BandedFit:
    """Weights (D, V), intercept (V,), and per band (B, V) the ``shares`` on the simplex; ``penalties`` (V,)
    on features scaled as :func:`almond.encoding.models.banded.fit_banded` says. ``deltas`` = log(shares /
    penalties), himalaya's quantity."""

    weights: Floats
    intercept: Floats
    shares: Floats
    penalties: Floats

    @property
    def deltas(self) -> Floats:
        return np.asarray(np.log(self.shares / self.penalties), np.float64)


def band_columns(bands: Mapping[str, slice], n_features: int) -> dict[str, Columns]:
    """Return which of ``n_features`` predictors belong to each band.

    Bands are slices of the D features of all spaces side by side; K basis responses repeat them K times.

    :raises InputError: bands that overlap, leave features out, or do not fit the predictors.
    """
    every = np.concatenate([np.arange(band.start, band.stop) for band in bands.values()])
    width = len(every)
    if width == 0 or not np.array_equal(np.sort(every), np.arange(width)):
        raise InputError("features", "have bands that overlap or leave features out", "bands side by side")
    if n_features % width:
        raise InputError("features", f"are {n_features} predictors for bands of {width}", "a multiple")
    # Column k D + d holds feature d through basis response k.
    starts = np.arange(0, n_features, width)[:, None]
    return {name: (starts + np.arange(band.start, band.stop)).ravel() for name, band in bands.items()}


def draw_shares(n_bands: int, number: int, rng: np.random.Generator) -> Floats:
    """Draw candidate shares (number, n_bands) on the simplex; the first has equal shares."""
    drawn = [
        rng.dirichlet(np.full(n_bands, CONCENTRATIONS[index % len(CONCENTRATIONS)]))
        for index in range(number)
    ]
    shares = np.maximum(np.asarray(drawn), LEAST_SHARE)
    shares[0] = 1.0
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float64)
