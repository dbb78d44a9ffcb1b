"""Single choices: which ones the test of alignment uses, and the test itself."""

from __future__ import annotations

import numpy as np
import pandas as pd

from almond.analysis.questions.base import Context, NotApplicable
from almond.errors import InputError
from almond.stats.two_way import TwoWayTest, two_way_mean

MIN_PARTICIPANTS, MIN_THEMES = 2, 3


def tested_choices(context: Context) -> pd.DataFrame:
    """Return the choices that the test uses: of a question that has a target, those between its pairs.

    :raises NotApplicable: there are none, or not all of them have an intended target.
    """
    rows = all_choices(context)
    own = own_targets(context)
    if not own:
        return rows
    expected = rows["construct"].map(own).fillna(rows["intended_target"])
    return rows[expected == rows["intended_target"]].reset_index(drop=True)


def own_targets(context: Context) -> dict[str, str]:
    """Return construct -> its own target, of those that are asked of the pairs of other targets too."""
    return {item.name: item.target for item in context.data.plan.constructs if item.target is not None}


def compared_choices(context: Context) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the choices by questions with a target, between pairs of all targets, and these targets.

    :raises NotApplicable: there are none, or no question is asked of other pairs than its own target's.
    """
    own = own_targets(context)
    if not own:
        group, groups = context.words.group, context.words.groups
        raise NotApplicable(f"no question with a {group} of its own is asked of the pairs of other {groups}")
    rows = all_choices(context)
    return rows[rows["construct"].isin(list(own))].reset_index(drop=True), own


def sampled_choices(context: Context) -> pd.DataFrame:
    """Return the choices of the sample.

    :raises NotApplicable: there are none.
    """
    if not len(context.data.choices):
        raise NotApplicable("the export holds no choices")
    if not len(context.sample.choices):
        raise NotApplicable(context.sample.why_nobody)
    return context.sample.choices


def all_choices(context: Context) -> pd.DataFrame:
    """Return the choices of the sample that are between images of an intended target.

    :raises NotApplicable: there are none, or some of an imported table have no condition.
    """
    rows = sampled_choices(context)
    if context.data.external and (rows["intended_target"] == "").any():
        raise NotApplicable(context.words.ungrouped)
    guided = of_targets(rows)
    if not len(guided):
        raise NotApplicable("all choices are between photographs, which have no intended target")
    return guided


def of_targets(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the choices between images that were made for a target."""
    return rows[rows["intended_target"] != ""].reset_index(drop=True)


def count_undecided(context: Context, *, photographs: bool = False) -> int | None:
    """Count the answers “no difference” of the participants analysed, to pairs of targets or else of
    photographs; None where they were not offered."""
    rows = context.data.undecided
    if rows is None:
        return None
    asked = (rows["intended_target"] == "") == photographs
    return int((rows["participant_id"].isin(context.sample.participants) & asked).sum())


def choice_themes(rows: pd.DataFrame) -> pd.Series[str]:
    """Return the theme of each choice; without such a column every base scene is a theme of its own."""
    return rows["theme"] if "theme" in rows else rows["base_scene"]


def share_test(rows: pd.DataFrame, *, target: str | None = None) -> TwoWayTest:
    """Test the share of aligned choices against one half, participants and themes random.

    :param target: what ``rows`` are choices of, for an error.
    :raises InputError: fewer than two participants or three themes.
    """
    themes = choice_themes(rows)
    people, count = rows["participant_id"].nunique(), themes.nunique()
    if people < MIN_PARTICIPANTS or count < MIN_THEMES:
        name, least = f"choices of {target}" if target else "choices", f"{MIN_PARTICIPANTS} and {MIN_THEMES}"
        raise InputError(name, f"{people} participants, {count} themes", f"at least {least}")
    aligned = rows["aligned"].to_numpy(dtype=np.float64)
    return two_way_mean(aligned, rows["participant_id"].to_numpy(), themes.to_numpy(), null=0.5)
