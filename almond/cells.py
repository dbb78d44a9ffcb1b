"""What a cell of a table holds: nothing, a number, or text. Light."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

MISSING = ("", "n/a")
"""What stands for a missing value, as BIDS has it."""

WORDS_FOR_MISSING = ("na", "nan", "n/a", "n.a.", "#n/a", "null", "none", "nil", ".", "-", "?", "missing")
"""What others write for a missing value, in lower case: no number, and no missing value unless declared."""

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)
COMMA_NUMBER = re.compile(r"[+-]?[\d.]*\d,\d[\d,.]*", re.ASCII)


def is_missing(cell: str, missing: Sequence[str] = MISSING) -> bool:
    """Whether a cell is one of the codes: the same text, or the same number."""
    return cell in missing or any(same_number(code, cell) for code in missing)


def is_number(cell: str) -> bool:
    """Whether a cell is a finite number with a decimal point, such as -1.5e-3."""
    return NUMBER.fullmatch(cell) is not None and math.isfinite(float(cell))


def is_whole(cell: str) -> bool:
    """Whether a cell is a whole number of 64 bits, written with digits alone."""
    return WHOLE.fullmatch(cell) is not None and -(2**63) <= int(cell) < 2**63


def same_number(first: str, second: str) -> bool:
    """Whether two cells are the same number, such as 1 and 1.0."""
    return is_number(first) and is_number(second) and float(first) == float(second)


def not_a_number(cell: str, *, missing: bool = False) -> tuple[str, str]:
    """Say what is wrong with a cell that should be a number, and what to write."""
    empty = "n/a or an empty cell where there is none" if missing else "one in every row"
    if cell in MISSING:
        return "is empty" if cell == "" else f"is {cell}", f"a number, {empty}"
    if COMMA_NUMBER.fullmatch(cell):
        return f"is {cell!r}, a number with a comma", "a decimal point and nothing between thousands"
    if cell.lower() in WORDS_FOR_MISSING:
        return f"is {cell!r}, not a number", f"a number, {empty}"
    if NUMBER.fullmatch(cell) or cell.lower().lstrip("+-") in ("inf", "infinity"):
        return f"is {cell!r}, not a finite number", f"a finite number, {empty}"
    return f"is {cell[:60]!r}, not a number", f"a number such as -1.5, {empty}"
