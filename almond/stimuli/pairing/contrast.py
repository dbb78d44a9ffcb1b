"""What the two pictures of a pair should differ in: a weighted sum of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from almond.errors import InputError
from almond.exchange.schema import SCORE
from almond.typing import Floats


def contrast_of(
    target: str,
    targets: Sequence[str],
    contrasts: Mapping[str, Mapping[str, float]] | None = None,
    *,
    held: bool,
) -> dict[str, float]:
    """Return the coefficients of the scores in which a target's images should differ.

    ``held``: the others' scores are held constant, so that there is nothing to be gained from them.
    """
    if contrasts is not None and target in contrasts:
        return dict(contrasts[target])
    others = [] if held else [name for name in targets if name != target]
    return {target: 1.0, **{name: -1.0 / len(others) for name in others}}


def signed_contrast(part: pd.DataFrame, weights: Mapping[str, float]) -> Floats:
    """Return what selecting each image adds: the target contrast, signed by the image's direction."""
    total = np.zeros(len(part))
    for name, weight in weights.items():
        if SCORE + name not in part.columns:
            raise InputError("stimulus pool", f"has no column {SCORE}{name}", f"the scores of {name}")
        total += weight * part[SCORE + name].to_numpy(dtype=float)
    signed: Floats = total * np.sign(part["direction"].to_numpy(dtype=float))
    return signed
