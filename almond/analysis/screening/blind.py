"""An export's tables as exclusion rules see them: without anything that tells what an image was made for."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from almond.design.exclusions.base import BLIND_COLUMNS, BlindTables


def blind_tables(
    participants: pd.DataFrame,
    ratings: pd.DataFrame,
    choices: pd.DataFrame,
    events: pd.DataFrame | None,
    checks: pd.DataFrame | None = None,
) -> BlindTables:
    """Take away all columns but those that rules may read, and number the images.

    Rows of ratings, choices, events and checks are those of ``participants`` only. Images are numbered by
    their first showing, which no label decides.
    """
    people = set(participants["participant_id"])
    rated = _rows_of(people, "ratings", ratings)
    numbers = {name: number for number, name in enumerate(dict.fromkeys(rated["stimulus_id"]))}
    return BlindTables(
        _rows_of(people, "participants", participants),
        rated.assign(stimulus_id=rated["stimulus_id"].map(numbers)),
        _rows_of(people, "choices", choices),
        None if events is None else _rows_of(people, "events", events),
        None if checks is None else _rows_of(people, "checks", checks),
    )


def _rows_of(people: Collection[str], table: str, frame: pd.DataFrame) -> pd.DataFrame:
    columns = [name for name in BLIND_COLUMNS[table] if name in frame]
    return frame.loc[frame["participant_id"].isin(people), columns].reset_index(drop=True)
