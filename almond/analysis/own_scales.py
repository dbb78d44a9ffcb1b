"""Ratings on the scale on which they were given, where the export tells it."""

from __future__ import annotations

import pandas as pd

from almond.analysis.study_data import StudyData
from almond.design.trials.scales.scaled import scales_of

Ends = tuple[float, float]
PERCENT_ENDS: Ends = (0.0, 100.0)


def on_own_scales(data: StudyData, ratings: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Ends]]:
    """Return ratings with a column ``own``, and the ends of its scale by construct: 0 to 100 for the others.

    Of a study's own export the plan tells the scales. A construct that is rated on several of them is taken
    from 0 to 100.
    """
    if "original_value" not in ratings:
        return ratings.assign(own=ratings["value"]), {}
    if data.external:
        told = data.manifest.get("about", {}).get("external", {}).get("scales", {})
        scales = {str(name): (float(low), float(high)) for name, (low, high) in told.items()}
        return ratings.assign(own=ratings["original_value"]), scales
    scales = {name: next(iter(ends)) for name, ends in scales_of(data.plan).items() if len(ends) == 1}
    own = ratings["original_value"].where(ratings["construct"].isin(scales), ratings["value"])
    return ratings.assign(own=own), scales
