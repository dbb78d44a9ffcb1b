"""How well chosen pairs are balanced: one row per target and quantity, by both yardsticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from almond.stimuli.pairing.programme import PairProgramme
from almond.stimuli.pairing.tightening import pair_differences, paired_dz
from almond.stimuli.pairing.yardsticks import JUDGE, Yardsticks, group_of
from almond.typing import Floats, Ints

JUDGED = "off_target_judged"
"""Group of the other targets' scores as held-out judges read them."""


def standardised(values: Floats, spread: Floats) -> Floats:
    """Return values (n, F) in units of ``spread`` (F,) around their means; zeros where nothing varies."""
    safe = np.where(spread > 1e-12, spread, np.inf)
    scaled: Floats = (values - values.mean(axis=0)) / safe
    return scaled


def balance_rows(
    programme: PairProgramme, chosen: Ints, *, target: str, names: Sequence[str], yardsticks: Yardsticks
) -> pd.DataFrame:
    """Measure the balance of a target's chosen pairs.

    Columns: ``intended_target``, ``feature``, ``group``; ``before`` and ``after``, the difference of means
    between high and low pictures in SD of the pool, over all candidates and over the chosen; ``spread``, the
    SD (n - 1) of the pair differences in the same unit; ``d_z``; ``pairs``; ``within``, whether the quantity
    keeps both yardsticks. NaN where fewer than two pairs tell no spread.
    """
    up = programme.signs > 0
    values = programme.nuisance
    differences = pair_differences(programme, chosen)
    after, d_z = differences.mean(axis=0), paired_dz(differences)
    several = len(differences) > 1
    spread = differences.std(axis=0, ddof=1) if several else np.full(len(names), np.nan)
    return pd.DataFrame(
        {
            "intended_target": target,
            "feature": list(names),
            "group": [off_target_group(name) for name in names],
            "before": values[up].mean(axis=0) - values[~up].mean(axis=0),
            "after": after,
            "spread": spread,
            "d_z": d_z,
            "pairs": len(differences),
            "within": [
                yardsticks.holds(float(mean), float(effect) if several else None)
                for mean, effect in zip(after, d_z, strict=True)
            ],
        }
    )


def off_target_group(column: str) -> str:
    """Return the group of a column; held-out judges' scores are told apart from the guides'."""
    group = group_of(column)
    return JUDGED if group == "off_target" and column.endswith(JUDGE) else group


def json_rows(balance: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as JSON values; what is not finite becomes None."""
    return [
        {
            str(name): None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in row.items()
        }
        for row in balance.to_dict(orient="records")
    ]
