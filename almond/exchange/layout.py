"""Where the tables of an export lie in its folder: the one place that says so, for writers and readers.

Files in ``data/`` are named as Psych-DS names them, ``key-value_data.csv``. Those of earlier versions are
called ``data/ratings.csv``; they are read where they are.
"""

from __future__ import annotations

from pathlib import Path

DATA, PARQUET = "data", "parquet"


def table_file(table: str) -> str:
    """Return the path of a table in a new export, from its folder: ``data/table-ratings_data.csv``."""
    return f"{DATA}/table-{table}_data.csv"


def parquet_file(table: str) -> str:
    """Return the path of a table's Parquet file, from the folder of the export."""
    return f"{PARQUET}/{table}.parquet"


def earlier_file(table: str) -> str:
    """Return the path that a table has in older exports."""
    return f"{DATA}/{table}.csv"


def table_name(folder: Path, table: str) -> str:
    """Return the path of a table from the folder of an export that exists.

    It is the earlier one only where that file is there and the present one is not, so that messages about a
    missing table name the file that ought to be there.
    """
    older = (folder / earlier_file(table)).is_file() and not (folder / table_file(table)).exists()
    return earlier_file(table) if older else table_file(table)


def table_path(folder: Path, table: str) -> Path:
    """Return where a table lies in the folder of an export; the file may be missing."""
    return folder / table_name(folder, table)
