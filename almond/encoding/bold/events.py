"""Tables of events, as BIDS keeps them beside BOLD runs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from almond.encoding.bold.sidecars import check_fetched
from almond.errors import InputError

EVENT_COLUMNS = ("onset", "duration")


def read_events(path: Path) -> pd.DataFrame:
    """An events table with numeric ``onset`` and ``duration`` in seconds; ``InputError`` naming the file."""
    check_fetched(path)
    if not path.is_file():
        raise InputError(path, "file not found", "a BIDS events.tsv")
    try:
        events = pd.read_csv(path, sep="\t", na_values=["n/a"])
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read ({error})", "a tab-separated table") from error
    for column in EVENT_COLUMNS:
        if column not in events:
            raise InputError(path, f"has no column {column}", "onset, duration and more")
        if not pd.api.types.is_numeric_dtype(events[column]) or events[column].isna().any():
            raise InputError(path, f"column {column} does not hold numbers only", "seconds")
    return events
