"""Choices between photographs: which photograph was chosen, and which is the higher one in what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from almond.analysis.questions.base import Context, NotApplicable
from almond.analysis.trial_tables.choice_trials import sampled_choices
from almond.stats.clustered.dyads import dyadic_mean
from almond.stats.two_way import TwoWayTest
from almond.typing import Floats

PAIRED, SCORES, NORMS = "paired", "scores", "norms"
"""What the higher photograph is higher in: that by which the plan paired them; a predicted response; a
norm."""
FROM_LIST = "list"


@dataclass(frozen=True, eq=False)
class PhotographTrials:
    """Choices between photographs that differ in something.

    ``family`` and ``predictor`` say in what, ``construct`` what was asked. Of n trials: ``followed`` 1 where
    the higher photograph was chosen, else 0; ``people``; ``units`` of the pair: themes of both photographs,
    and the pair's own. ``alike`` counts trials whose photographs do not differ in it, or lack it.
    """

    family: str
    predictor: str
    construct: str
    followed: Floats
    people: tuple[str, ...]
    units: tuple[tuple[str, ...], ...]
    pairs: int
    alike: int

    def test(self) -> TwoWayTest:
        """Test the share of trials in which the higher photograph was chosen against one half."""
        return dyadic_mean(self.followed, self.people, self.units, null=0.5)


def choices_of_photographs(context: Context) -> pd.DataFrame:
    """Return the choices between photographs, each with what its pair was made ``by``.

    :raises NotApplicable: there are none.
    """
    if context.data.external:
        raise NotApplicable("pairs of an imported table are tested by their conditions")
    rows = sampled_choices(context)
    rows = rows[rows["intended_target"] == ""].reset_index(drop=True)
    if not len(rows):
        raise NotApplicable("no choices are between photographs")
    plan = context.data.plan
    by = {pair.id: pair.by or "" for pair in plan.pairs}
    return rows.assign(by=rows["pair_id"].map(by))


def compared_photographs(context: Context) -> Iterator[PhotographTrials]:
    """Yield the choices by everything in which photographs differ, construct by construct.

    :raises NotApplicable: there are no choices between photographs.
    """
    rows = choices_of_photographs(context)
    for construct, asked in rows.groupby("construct", sort=True):
        for by in sorted(set(asked["by"]) - {""}):
            own = asked[asked["by"] == by]
            sides = np.where(own["high_side"] == "left", 1.0, -1.0)
            yield trials_of(context, own, sides, (PAIRED, by, str(construct)))
        columns = {SCORES: context.data.score_columns, NORMS: context.data.norm_columns}
        paired = {f"norm_{by}" for by in asked["by"]}
        for family, names in columns.items():
            for name in names:
                if name not in paired:
                    sides = higher_sides(context.data.stimuli, asked, name)
                    yield trials_of(context, asked, sides, (family, name.split("_", 1)[1], str(construct)))


def higher_sides(stimuli: pd.DataFrame, rows: pd.DataFrame, column: str) -> Floats:
    """Return 1 where the left photograph has more in ``column``, -1 where the right one has; NaN where both
    have the same, or one has no value."""
    values = stimuli.set_index("stimulus_id")[column].astype(float)
    left, right = (rows[f"{side}_stimulus"].map(values).to_numpy(np.float64) for side in ("left", "right"))
    difference = left - right
    return np.where((difference == 0.0) | np.isnan(difference), np.nan, np.sign(difference))


def trials_of(
    context: Context, rows: pd.DataFrame, sides: Floats, label: tuple[str, str, str]
) -> PhotographTrials:
    """Keep the trials whose photographs differ.

    :param sides: (n,) 1 where the left photograph is the higher, -1 where the right one is, NaN where
    neither.
    """
    plan = context.data.plan
    told = ~np.isnan(sides)
    kept, left_high = rows[told], sides[told] > 0
    left, right = kept["left_stimulus"], kept["right_stimulus"]
    scenes = {name: plan.theme_of_scene[row.base_scene] for name, row in plan.stimulus_by_id.items()}
    # A theme that a list gives to pairs may bear the name of a photograph's; it is another unit.
    shared = [plan.pair_by_id[name].theme for name in kept["pair_id"]]
    units = tuple(
        (scenes[high], scenes[low], *([f"pair: {theme}"] if theme else []))
        for high, low, theme in zip(
            left.where(left_high, right), right.where(left_high, left), shared, strict=True
        )
    )
    return PhotographTrials(
        *label,
        followed=((kept["chosen"] == "left").to_numpy() == left_high).astype(np.float64),
        people=tuple(kept["participant_id"].map(str)),
        units=units,
        pairs=len({frozenset(pair) for pair in zip(left, right, strict=True)}),
        alike=int((~told).sum()),
    )
