"""From single ratings to profiles: one standardised value per stimulus and construct.

Ratings are standardised within participant and construct, over all images that the participant rated and
without looking at what the images were meant to be, so that people who use a scale differently count alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from almond.typing import Floats


def standardise(ratings: pd.DataFrame) -> pd.DataFrame:
    """Add ``z``: the rating minus the participant's mean of the construct, over the participant's SD.

    The SD has n - 1. A participant who gave one value throughout (or one rating) has z = 0.
    """
    grouped = ratings.groupby(["participant_id", "construct"])["value"]
    deviation = ratings["value"] - grouped.transform("mean")
    spread = grouped.transform("std").fillna(0.0)
    z = np.where(spread > 1e-9, deviation / spread.where(spread > 1e-9, 1.0), 0.0)
    return ratings.assign(z=z)


@dataclass(frozen=True)
class Profiles:
    """Mean standardised ratings ``values`` (n, K) of n stimuli; ``ratings`` is the smallest cell count.

    ``scenes`` and ``themes`` are the base scene and the theme of every stimulus.
    """

    stimuli: tuple[str, ...]
    constructs: tuple[str, ...]
    scenes: tuple[str, ...]
    themes: tuple[str, ...]
    targets: tuple[str, ...]
    directions: tuple[int, ...]
    values: Floats
    raw: Floats
    ratings: int
    dropped: tuple[str, ...]


def _wide(cells: pd.Series[Any], constructs: Sequence[str]) -> pd.DataFrame:
    """Make a table of stimuli by constructs of cells that both name; those without a rating are NaN."""
    return cells.unstack("construct").reindex(columns=list(constructs))


def stimulus_profiles(ratings: pd.DataFrame, constructs: Sequence[str]) -> Profiles:
    """Compute the profile of every stimulus, from first showings and repeats alike, of ratings with ``z``.

    Stimuli without a rating on some construct are left out and listed as ``dropped``.
    """
    cells = ratings.groupby(["stimulus_id", "construct"])
    z, raw = _wide(cells["z"].mean(), constructs), _wide(cells["value"].mean(), constructs)
    counts = _wide(cells["z"].count(), constructs)
    whole = z.notna().all(axis="columns").to_numpy()
    names = [str(name) for name in z.index]
    complete = [name for name, rated in zip(names, whole, strict=True) if rated]
    facts = ratings.drop_duplicates("stimulus_id").set_index("stimulus_id").loc[complete]
    return Profiles(
        stimuli=tuple(complete),
        constructs=tuple(constructs),
        scenes=tuple(map(str, facts["base_scene"])),
        themes=tuple(map(str, facts["theme"])),
        targets=tuple(map(str, facts["intended_target"])),
        directions=tuple(map(int, facts["direction"])),
        values=z.to_numpy(dtype=np.float64)[whole],
        raw=raw.to_numpy(dtype=np.float64)[whole],
        ratings=int(counts.to_numpy()[whole].min()) if complete else 0,
        dropped=tuple(sorted(set(names) - set(complete))),
    )


def select(profiles: Profiles, rows: Sequence[int]) -> Profiles:
    """Select the profiles of some stimuli, by index."""
    indices = [int(row) for row in rows]
    return Profiles(
        stimuli=tuple(profiles.stimuli[row] for row in indices),
        constructs=profiles.constructs,
        scenes=tuple(profiles.scenes[row] for row in indices),
        themes=tuple(profiles.themes[row] for row in indices),
        targets=tuple(profiles.targets[row] for row in indices),
        directions=tuple(profiles.directions[row] for row in indices),
        values=profiles.values[indices],
        raw=profiles.raw[indices],
        ratings=profiles.ratings,
        dropped=profiles.dropped,
    )
