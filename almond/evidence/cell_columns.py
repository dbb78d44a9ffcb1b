"""Whole columns of cells as text: what ``almond.evidence.tables.cell`` writes one by one, but quickly.

A column is converted at once only where every value is of one plain type and nothing is wrong with it; for
anything else each cell goes through ``cell``, which also says what is wrong. Texts and whole numbers are
looked at once per distinct value. Text comes as arrays of Arrow, dictionary-encoded where values are coded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from almond.design.trials.columns import Coded, Column
from almond.design.trials.responses import Cells, listed_cells
from almond.evidence.tables import SHOWN_PROBLEMS, cell
from almond.typing import Floats

PLAIN_BELOW = 1e9
"""Numbers from here on are left to Python: it writes ten digits without an exponent, Arrow with one."""


class Problems:
    """What is wrong with cells of one table: the first in words, in order of rows, and how many."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.count = 0

    def add(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.count += 1
            if len(self.texts) < SHOWN_PROBLEMS:
                self.texts.append(text)

    def __str__(self) -> str:
        more = self.count - len(self.texts)
        return "; ".join(self.texts) + (f"; and {more} more" if more > 0 else "")


def chunk_texts(
    columns: Sequence[Column], values: Mapping[str, Cells], first_row: int, problems: Problems
) -> list[pa.Array]:
    """Convert columns of equal length to text. ``first_row``: the number of their first row, from 1."""
    wrong: list[tuple[int, int, str]] = []
    texts = []
    for place, column in enumerate(columns):
        plain = plain_array(column, values[column.name])
        if plain is None:
            plain = pa.array(
                [
                    _checked(column, value, first_row + row, (row, place), wrong)
                    for row, value in enumerate(listed_cells(values[column.name]))
                ],
                pa.string(),
            )
        texts.append(plain)
    problems.add(text for _, _, text in sorted(wrong))
    return texts


def _checked(
    column: Column, value: object, row: int, where: tuple[int, int], wrong: list[tuple[int, int, str]]
) -> str:
    said: list[str] = []
    text = cell(column, value, f"row {row}", said)
    wrong += [(*where, problem) for problem in said]
    return text


def plain_array(column: Column, values: Cells) -> pa.Array | None:
    """Convert a column with nothing wrong in it to an array of text; None for any other."""
    if isinstance(values, pa.Array):
        return _arrow_texts(column, values)
    if isinstance(values, np.ndarray):
        kind = values.dtype.kind
        if kind == "M":
            return moment_texts(values) if column.type == "time" and not np.isnat(values).any() else None
        if kind == "f" and column.type == "number":
            return _right_floats(column, values.astype(np.float64, copy=False))
        if kind == "i":
            distinct, codes = np.unique(values, return_inverse=True)
            return _coded_texts(column, Coded(distinct.tolist(), codes))
        values = values.tolist()
    if isinstance(values, Coded):
        return _coded_texts(column, values)
    if column.type == "number" and (numbers := _plain_numbers(values)) is not None:
        return _right_floats(column, numbers)
    texts = plain_texts(column, values)
    return None if texts is None else pa.array(texts, pa.string())


def _arrow_texts(column: Column, values: pa.Array) -> pa.Array | None:
    """Take free text as it is; None for other columns, and where a cell is absent or not as it must be."""
    free = column.type == "text" and not column.range and column.name != "participant_id"
    if not free or values.type != pa.string() or values.null_count or holds_any(values, "\0"):
        return None
    empty = column.needed and pc.any(pc.equal(values, "")).as_py()
    return None if empty else values


def holds_any(texts: pa.Array, marks: str) -> bool:
    """Tell whether one of some ASCII characters stands anywhere in an array of text."""
    _, ends, data = texts.buffers()
    if data is None or not len(texts):
        return False
    offsets = np.frombuffer(ends, np.int32)
    begin, end = int(offsets[texts.offset]), int(offsets[texts.offset + len(texts)])
    letters: bytes = data.slice(begin, end - begin).to_pybytes()
    return any(mark.encode() in letters for mark in marks)


def _coded_texts(column: Column, values: Coded) -> pa.Array | None:
    """Convert each distinct value once; None where something is wrong with one of them."""
    wrong: list[str] = []
    distinct = plain_array(column, values.values)
    if distinct is None:
        distinct = pa.array([cell(column, value, "", wrong) for value in values.values], pa.string())
    if wrong:
        return None
    return pa.DictionaryArray.from_arrays(pa.array(values.codes.astype(np.int32)), distinct)


def moment_texts(moments: np.ndarray[Any, Any]) -> pa.Array:
    """Write moments in UTC (``datetime64[us]``) as ``datetime.isoformat`` does, without digits after whole
    seconds."""
    text = pc.cast(pa.array(moments, pa.timestamp("us")), pa.string())
    text = pc.binary_replace_slice(text, 10, 11, "T")
    whole = pc.ends_with(text, ".000000")
    text = pc.if_else(whole, pc.binary_replace_slice(text, 19, 26, ""), text)
    return pc.binary_join_element_wise(text, "+00:00", "")


def plain_texts(column: Column, values: Sequence[Any]) -> list[str] | None:
    """Convert a column whose values are all of one plain type and all right; None for any other."""
    kinds = set(map(type, values))
    if len(kinds) != 1:
        return None
    convert = PLAIN.get((column.type, kinds.pop()))
    return convert(column, values) if convert else None


def _texts(column: Column, values: Sequence[Any]) -> list[str] | None:
    """Take free text as it is; anything else by its distinct values."""
    if column.range or column.name == "participant_id":
        return _by_distinct(column, values)
    right = "\0" not in "".join(values) and not (column.needed and "" in values)
    return list(values) if right else None


def _by_distinct(column: Column, values: Sequence[Any]) -> list[str] | None:
    """Convert texts or whole numbers, equal ones once."""
    wrong: list[str] = []
    texts = {value: cell(column, value, "", wrong) for value in set(values)}
    return None if wrong else [texts[value] for value in values]


def _plain_numbers(values: Sequence[Any]) -> Floats | None:
    """Return numbers that are all of Python's own types (n,); None where any is not, or is too large."""
    if not set(map(type, values)) <= {int, float}:
        return None
    try:
        return np.array(list(map(float, values)), np.float64)
    except OverflowError:
        return None


def _right_floats(column: Column, numbers: Floats) -> pa.Array | None:
    """Write finite numbers in the column's range; None where one is not."""
    right = bool(np.isfinite(numbers).all()) and _in_range(column.range, numbers)
    return float_texts(numbers) if right else None


def float_texts(numbers: Floats) -> pa.Array:
    """Write finite numbers (n,) as ``repr`` does.

    Arrow finds the same shortest digits, and differs in what it makes of whole numbers and in where exponents
    begin.
    """
    sizes = np.abs(numbers)
    text = pc.cast(pa.array(numbers), pa.string())
    whole = pa.array(numbers == np.floor(numbers))
    text = pc.if_else(whole, pc.binary_join_element_wise(text, ".0", ""), text)
    alike = (sizes == 0.0) | ((sizes >= 1e-4) & (sizes < PLAIN_BELOW))
    if alike.all():
        return text
    others = pa.array(list(map(repr, numbers[~alike].tolist())), pa.string())
    return pc.replace_with_mask(text, pa.array(~alike), others)


def _in_range(span: str, numbers: np.ndarray[Any, np.dtype[np.float64]]) -> bool:
    """Tell whether all numbers lie in a range ``a to b`` or ``a or more``; False for other ranges."""
    if not span or not len(numbers):
        return True
    if span.endswith(" or more"):
        return bool(numbers.min() >= float(span.removesuffix(" or more")))
    if " to " not in span:
        return False
    low, high = map(float, span.split(" to "))
    return bool(numbers.min() >= low and numbers.max() <= high)


def _times(column: Column, values: Sequence[Any]) -> list[str] | None:
    if any(moment.tzinfo is None for moment in values):
        return None
    return [moment.isoformat() for moment in values]


PLAIN: dict[tuple[str, type], Callable[[Column, Sequence[Any]], list[str] | None]] = {
    ("text", str): _texts,
    ("time", str): _by_distinct,
    ("digest", str): _by_distinct,
    ("integer", int): _by_distinct,
    ("flag", int): _by_distinct,
    ("time", datetime): _times,
}
