"""Tables of events, as BIDS keeps them beside BOLD runs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from almond.encoding.bold.sidecars import check_fetched
from almond.errors import InputError
from almond.tables import read_table

EVENT_COLUMNS = ("onset", "duration")


def read_events(path: Path) -> pd.DataFrame:
    """Read an events table: ``onset`` and ``duration`` in seconds; other columns are text, None if missing.

    :raises InputError: no file, no table (see ``read_table``), no such columns, a cell that is no number.
    """
    check_fetched(path)
    if not path.is_file():
        raise InputError(path, "file not found", "a BIDS events.tsv")
    table = read_table(path, separator="\t")
    columns = {name: pd.Series(table.column(name).known, dtype=object) for name in table.names}
    for name in EVENT_COLUMNS:
        columns[name] = pd.Series(table.column(name).numbers(what="seconds"))
    return pd.DataFrame(columns)
