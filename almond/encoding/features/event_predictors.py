"""Predictors of the kind ``events``: one column per condition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from almond.digest import digest_json
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.features.run_features import Predictors, Scan
from almond.encoding.features.stimulus_events import check_spelling, column_of, events_of, lay_events
from almond.errors import InputError
from almond.remarks import Remarks


def predictors_of_events(
    conditions: Sequence[str], interval: float | None, scans: Sequence[Scan], remarks: Remarks
) -> Predictors:
    """Make a column per condition that is 1 while it lasts, or an impulse where it does not last.

    :param interval: seconds per row of the grid; a tenth of the TR where None.
    :param remarks: take what is doubtful about the events.
    :raises InputError: no condition, or none that occurs in the runs.
    """
    if not conditions:
        raise InputError("features.conditions", "no condition in any events table", "values of trial_type")
    column = {name: index for index, name in enumerate(conditions)}
    courses = []
    places: dict[str, object] = dict.fromkeys(conditions, "features.conditions")
    for scan in scans:
        events = events_of(scan.run)
        trial_type = column_of(events, scan.run, "trial_type")
        places = {**dict.fromkeys(trial_type.dropna(), scan.run.events), **places}
        check_spelling(places, "trial_type")
        known = trial_type.isin(column)
        rows = np.array([column[name] for name in trial_type[known]], np.int64)
        courses.append(lay_events(events[known], rows, np.eye(len(column)), scan, interval, remarks=remarks))
    if not any(part.values.any() for part in courses):
        raise InputError(
            "features.conditions", f"{', '.join(conditions)} never occur", "values of trial_type"
        )
    digest = digest_json({"kind": "events", "conditions": list(conditions)})
    card = FeatureSpaceCard("events", digest, len(conditions))
    return Predictors(card, tuple(courses), tuple(conditions))
