"""How reliable are the ratings? Repeated showings within participants, and halves of the participants.

Split halves bound what any analysis can find: a profile that half of the participants does not share with the
other half cannot tell regions apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from almond.typing import Floats

SPLITS = 1000
MIN_STIMULI = 3
MIN_PARTICIPANTS = 4
MIN_REPEATS = 10


@dataclass(frozen=True)
class Repeats:
    """First against second showing of the same image to the same participant.

    ``r``: Pearson correlation of ratings standardised within participant, None when it is not defined.
    ``difference``: mean absolute difference in points of the 0 to 100 scale.
    """

    construct: str
    pairs: int
    participants: int
    r: float | None
    difference: float


@dataclass(frozen=True)
class SplitHalf:
    """Correlation of stimulus means between random halves of the participants, and its Spearman-Brown
    correction to all participants: mean over splits with the central 95 percent of splits."""

    construct: str
    stimuli: int
    participants: int
    splits: int
    seed: int
    r: float
    reliability: float
    low: float
    high: float


def repeats(ratings: pd.DataFrame, constructs: Sequence[str]) -> list[Repeats]:
    """Agreement of repeated showings per construct, from ratings with ``z``; constructs with too few are left
    out (fewer than 10 repeated ratings)."""
    keys = ["participant_id", "stimulus_id", "construct"]
    first = ratings[ratings["repeat"] == 0].drop_duplicates(keys)
    again = ratings[ratings["repeat"] == 1].drop_duplicates(keys)
    both = first.merge(again, on=keys, suffixes=("_first", "_again"))
    found = []
    for construct in constructs:
        rows = both[both["construct"] == construct]
        if len(rows) < MIN_REPEATS:
            continue
        one, two = rows["z_first"].to_numpy(dtype=float), rows["z_again"].to_numpy(dtype=float)
        points = (rows["value_first"] - rows["value_again"]).abs()
        r = float(np.corrcoef(one, two)[0, 1]) if min(one.std(), two.std()) > 1e-9 else None
        found.append(Repeats(construct, len(rows), rows["participant_id"].nunique(), r, float(points.mean())))
    return found


def spearman_brown(r: Floats) -> Floats:
    """Reliability of the whole from the correlation of its halves: 2r / (1 + r)."""
    whole: Floats = 2.0 * r / (1.0 + r)
    return whole


def split_half(
    ratings: pd.DataFrame,
    constructs: Sequence[str],
    *,
    rng: np.random.Generator,
    seed: int,
    splits: int = SPLITS,
) -> list[SplitHalf]:
    """Split-half reliability of stimulus means per construct, from ratings with ``z``.

    ``rng`` draws ``splits`` halvings of the participants, the same for every construct; ``seed`` is recorded.
    A split counts stimuli that both halves rated. Constructs with fewer than 4 participants, or without 3
    such stimuli in any split, are left out.
    """
    people = np.unique(ratings["participant_id"].to_numpy(dtype=str))
    if len(people) < MIN_PARTICIPANTS:
        return []
    half = np.zeros((splits, len(people)), dtype=bool)
    half[:, : len(people) // 2] = True
    half = rng.permuted(half, axis=1)
    found = []
    for construct in constructs:
        rows = ratings[ratings["construct"] == construct]
        table = rows.pivot_table(index="participant_id", columns="stimulus_id", values="z", aggfunc="mean")
        values = table.reindex(people).to_numpy(dtype=np.float64)
        r = split_correlations(values, half)
        r = r[np.isfinite(r)]
        if not r.size:
            continue
        whole = spearman_brown(np.maximum(r, -0.99))
        low, high = np.quantile(whole, [0.025, 0.975])
        found.append(
            SplitHalf(
                construct=construct,
                stimuli=values.shape[1],
                participants=len(people),
                splits=int(r.size),
                seed=seed,
                r=float(r.mean()),
                reliability=float(whole.mean()),
                low=float(low),
                high=float(high),
            )
        )
    return found


def split_correlations(values: Floats, half: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    """Correlation across stimuli of the halves' means for each split (splits,); NaN where undefined.

    ``values`` (participants, stimuli) with NaN for what was not rated, ``half`` (splits, participants).
    """
    seen = np.isfinite(values).astype(np.float64)
    filled = np.where(seen > 0, values, 0.0)
    one, other = half.astype(np.float64), (~half).astype(np.float64)
    counts = one @ seen, other @ seen
    shared = (counts[0] > 0) & (counts[1] > 0)
    means = [
        np.where(shared, side @ filled / np.maximum(count, 1.0), 0.0)
        for side, count in zip((one, other), counts, strict=True)
    ]
    number = shared.sum(axis=1)
    centred = [
        np.where(shared, mean - (mean.sum(axis=1) / np.maximum(number, 1))[:, None], 0.0) for mean in means
    ]
    product = (centred[0] * centred[1]).sum(axis=1)
    size = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    defined = (number >= MIN_STIMULI) & (size > 1e-12)
    return np.where(defined, product / np.where(defined, size, 1.0), np.nan)
