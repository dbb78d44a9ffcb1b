"""Single participants' profiles of single images: what tests with participants random start from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from almond.analysis.rating_profiles import Profiles
from almond.stats.profile_difference import Trials
from almond.typing import Floats


@dataclass(frozen=True, eq=False)
class RatingCube:
    """Standardised ratings ``values`` (P, n, K) of P participants, n images and K constructs; NaN for none.

    Repeated showings are averaged.
    """

    participants: tuple[str, ...]
    profiles: Profiles
    values: Floats

    def trials(self) -> Trials:
        """List the pairs of participant and image of which there is a rating, by target."""
        person, image = np.nonzero(np.isfinite(self.values).any(axis=2))
        themes, scenes, targets = (
            np.asarray(labels)[image]
            for labels in (self.profiles.themes, self.profiles.scenes, self.profiles.targets)
        )
        return Trials(self.values[person, image], person, scenes, themes, targets)


def rating_cube(ratings: pd.DataFrame, profiles: Profiles) -> RatingCube:
    """Arrange ratings with ``z`` of the images and constructs of ``profiles`` by participant."""
    rows = ratings[ratings["stimulus_id"].isin(profiles.stimuli)]
    cells = rows.groupby(["participant_id", "stimulus_id", "construct"])["z"].mean()
    people = tuple(map(str, np.unique(rows["participant_id"].to_numpy(dtype=str))))
    whole = pd.MultiIndex.from_product([people, profiles.stimuli, profiles.constructs])
    shape = (len(people), len(profiles.stimuli), len(profiles.constructs))
    return RatingCube(people, profiles, cells.reindex(whole).to_numpy(dtype=np.float64).reshape(shape))
