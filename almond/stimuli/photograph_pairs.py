"""Pairs of photographs to choose between: by their difference in a norm, at random, or from a list.

Light: numpy only. The settings are those of ``almond.design.pairing``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from almond.design.pairing import ALIKE_WITHIN, BY_DIFFERENCE, LISTED, PairedBlock
from almond.errors import InputError
from almond.stimuli.norms import COLUMNS, image_key
from almond.tables import TextTable, parse_table, shown_names
from almond.typing import Floats

Flags = NDArray[np.bool_]

PAIRS_OF_BLOCK = "pairs of photographs"
ATTEMPTS = 20
"""So often photographs are paired anew; the largest number of pairs is taken."""
COLUMNS_OF_LIST: dict[str, tuple[str, ...]] = {
    "left": ("left", "first", "left_image", "first_image", "image_1"),
    "right": ("right", "second", "right_image", "second_image", "image_2"),
    "higher": ("higher",),
    "theme": ("theme",),
}
"""Columns of a list of pairs, and the names by which each is known; the last two may be absent."""
OPTIONAL = ("higher", "theme")
SIDES = ("left", "right")
SHOWN = 10


@dataclass(frozen=True)
class NormedPhotograph:
    """A photograph as it is called in its set, with its norms by name."""

    name: str
    norms: Mapping[str, float]


@dataclass(frozen=True)
class PhotographPair:
    """Two photographs by their numbers. ``by`` says what makes ``high`` the higher; without it neither is."""

    high: int
    low: int
    by: str | None = None
    theme: str | None = None


def told_of(block: str) -> str:
    """Return what an error about the pairs of a block is about."""
    return f"block {block!r}: {PAIRS_OF_BLOCK}"


def pair_photographs(
    photographs: Sequence[NormedPhotograph], block: PairedBlock, rng: np.random.Generator
) -> list[PhotographPair]:
    """Pair photographs as the settings of a block say.

    :raises InputError: a norm that photographs lack, fewer pairs than are wanted, a list with other names.
    """
    if block.photograph_pairs == LISTED:
        return listed_pairs(photographs, block)
    norm = block.norm and norm_named(photographs, block.norm, block.name)
    norms = norms_of(photographs, norm, block.name) if norm else None
    fits = ~np.eye(len(photographs), dtype=bool)
    if block.photograph_pairs == BY_DIFFERENCE and norms is not None:
        fits &= fitting(photographs, norms, block)
    pairs = most_pairs(fits, block.pairs_of_one or 1, rng)
    wanted = block.pairs_wanted
    if not pairs or (wanted is not None and len(pairs) < wanted):
        found = f"only {len(pairs)}" if pairs else "none"
        raise InputError(
            told_of(block.name),
            f"{wanted or 'some'} are wanted, and {found} fit the settings",
            "fewer pairs, a smaller difference, fewer norms held alike, or more pairs of a photograph",
        )
    taken = [pairs[int(number)] for number in rng.permutation(len(pairs))[:wanted]]
    return [in_order(first, second, norms, norm) for first, second in sorted(taken)]


def in_order(first: int, second: int, norms: Floats | None, norm: str | None) -> PhotographPair:
    """Put the photograph first that is higher in a norm; neither is where both have the same."""
    if norms is None or norms[first] == norms[second]:
        return PhotographPair(first, second)
    high, low = (first, second) if norms[first] > norms[second] else (second, first)
    return PhotographPair(high, low, by=norm)


def norm_named(photographs: Sequence[NormedPhotograph], norm: str, block: str) -> str:
    """Return the full name of a norm: the same, but for capitals, or another known name of valence or arousal
    (``Valence_mean`` for valence).

    :raises InputError: the photographs have no such norm, or several.
    """
    known = sorted({name for row in photographs for name in row.norms})
    if norm in known:
        return norm
    lower = norm.lower()
    names = {lower, *next((names for kind, names in COLUMNS.items() if lower == kind), ())}
    found = [name for name in known if name.lower() in names]
    if len(found) == 1:
        return found[0]
    raise InputError(
        told_of(block),
        f"its photographs have {'several norms' if found else 'no norm'} {norm!r}",
        shown_names(known) if known else "photographs that were imported with norms",
    )


def norms_of(photographs: Sequence[NormedPhotograph], norm: str, block: str) -> Floats:
    """Return a norm of all photographs (n,); ``InputError`` names those that lack it."""
    lacking = [row.name for row in photographs if norm not in row.norms]
    if lacking:
        more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
        raise InputError(
            told_of(block),
            f"{', '.join(lacking[:SHOWN])}{more} have no {norm}",
            "a norm that every photograph of the block has",
        )
    return np.array([row.norms[norm] for row in photographs], np.float64)


def fitting(photographs: Sequence[NormedPhotograph], norms: Floats, block: PairedBlock) -> Flags:
    """Tell which photographs (n, n) differ enough in the norm and little enough in those held alike."""
    unit = 1.0 if block.in_points else spread(norms, str(block.norm), block.name)
    # Rounding must not part what is written with few decimals: 0.7 - 0.4 is less than 0.3.
    fits = differences(norms) >= (block.least_difference or 0.0) * unit - 1e-9
    within = block.most_alike if block.most_alike is not None else ALIKE_WITHIN
    for name in (norm_named(photographs, name, block.name) for name in block.alike):
        other = norms_of(photographs, name, block.name)
        fits &= differences(other) <= within * spread(other, name, block.name) + 1e-9
    return np.asarray(fits, bool)


def differences(values: Floats) -> Floats:
    """Return the absolute differences (n, n) of values (n,)."""
    return np.asarray(np.abs(values[:, None] - values[None, :]), np.float64)


def spread(values: Floats, norm: str, block: str) -> float:
    """Return the standard deviation of a norm over the photographs; ``InputError`` where it is zero."""
    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if sd == 0.0:
        raise InputError(told_of(block), f"its photographs do not differ in {norm}", "those that do")
    return sd


def most_pairs(fits: Flags, most: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Pair as many photographs as are found, none more than ``most`` times.

    Whichever photograph fits fewest others is paired next, with the one of these that fits fewest: that
    leaves partners for the rest. Among equals the generator decides; several attempts, the longest list.

    :param fits: (n, n) which photographs may be paired, symmetric.
    """
    best: list[tuple[int, int]] = []
    possible = int(np.minimum(fits.sum(axis=1), most).sum()) // 2
    for _ in range(ATTEMPTS):
        pairs = paired_once(fits.copy(), most, rng)
        if len(pairs) > len(best):
            best = pairs
        if len(best) == possible:
            break
    return best


def paired_once(free: Flags, most: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Pair photographs once, in random order among those that fit equally few; changes ``free``."""
    used = np.zeros(len(free), np.int64)
    luck = rng.permutation(len(free))
    pairs: list[tuple[int, int]] = []
    while (degree := free.sum(axis=1)).any():
        open_ones = np.flatnonzero(degree)
        # Least used first, so that photographs come equally often where each may be in several pairs.
        rank = np.lexsort((luck[open_ones], degree[open_ones], used[open_ones]))
        first = int(open_ones[rank[0]])
        partners = np.flatnonzero(free[first])
        rank = np.lexsort((luck[partners], degree[partners], used[partners]))
        second = int(partners[rank[0]])
        pairs.append((min(first, second), max(first, second)))
        free[first, second] = free[second, first] = False
        for photograph in (first, second):
            used[photograph] += 1
            if used[photograph] >= most:
                free[photograph] = False
                free[:, photograph] = False
    return pairs


def listed_pairs(photographs: Sequence[NormedPhotograph], block: PairedBlock) -> list[PhotographPair]:
    """Read the pairs of a list; every problem is named with its line and column.

    :raises InputError: columns that are missing, names that are none of the photographs or of two, a pair of
        one photograph or one that stands twice.
    """
    source = told_of(block.name)
    table = parse_list(block.listed_pairs or "", f"{source}, list")
    places = columns_of_list(table)
    norm = block.norm and norm_named(photographs, block.norm, block.name)
    norms = norms_of(photographs, norm, block.name) if norm else None
    if norms is not None and "higher" in places:
        raise InputError(source, "its list has a column higher beside a norm", "one of the two")
    keys: dict[str, list[int]] = {}
    for number, photograph in enumerate(photographs):
        keys.setdefault(image_key(photograph.name), []).append(number)
    problems: list[str] = []
    pairs: list[PhotographPair] = []
    lines: dict[frozenset[int], int] = {}
    for line, cells in zip(table.rows, table.cells, strict=True):
        row = {name: cells[place] for name, place in places.items()}
        wrong = [problem for side in SIDES for problem in name_problems(row[side], keys, line, side)]
        if "higher" in row and row["higher"].lower() not in ("", *SIDES):
            wrong.append(f"line {line}, column higher: {row['higher']!r} is not left, right or empty")
        problems += wrong
        if wrong:
            continue
        left, right = (keys[image_key(row[side])][0] for side in SIDES)
        if left == right:
            problems.append(f"line {line}, column right: {row['right']!r} is the photograph on the left too")
        elif (earlier := lines.setdefault(frozenset((left, right)), line)) != line:
            problems.append(f"line {line}, columns left and right: the pair of line {earlier} again")
        else:
            pairs.append(listed_pair(row, left, right, (norms, norm)))
    if problems or not pairs:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        said = "; ".join(problems[:SHOWN]) + more
        raise InputError(source, said or "its list holds no pairs", "photographs of the block, two a line")
    return pairs


def listed_pair(
    row: Mapping[str, str], left: int, right: int, norm: tuple[Floats | None, str | None]
) -> PhotographPair:
    """Return the pair of a line: higher by its own column, or by a norm."""
    theme = row.get("theme") or None
    if "higher" in row:
        high, low = (right, left) if row["higher"].lower() == "right" else (left, right)
        return PhotographPair(high, low, by="list" if row["higher"] else None, theme=theme)
    pair = in_order(left, right, *norm)
    return PhotographPair(pair.high, pair.low, by=pair.by, theme=theme)


def parse_list(text: str, source: str) -> TextTable:
    """Parse a list whose cells are separated by what stands most often in its header."""
    header = text.lstrip("\ufeff").partition("\n")[0]
    separator = max(",;\t", key=header.count)
    return parse_table(text.lstrip("\ufeff"), source, separator)


def columns_of_list(table: TextTable) -> dict[str, int]:
    """Find the columns of a list by any of their names; ``InputError`` names those that are missing."""
    lower = [name.strip().lower().replace(" ", "_") for name in table.names]
    places = {
        column: lower.index(found)
        for column, names in COLUMNS_OF_LIST.items()
        if (found := next((name for name in names if name in lower), None)) is not None
    }
    missing = [column for column in COLUMNS_OF_LIST if column not in places and column not in OPTIONAL]
    if missing:
        raise InputError(
            table.source,
            f"line 1: there is no column {' and none '.join(missing)}",
            f"left and right beside {shown_names(table.names)}",
        )
    return places


def name_problems(name: str, keys: Mapping[str, Sequence[int]], line: int, column: str) -> list[str]:
    """Say what is wrong with the name of a photograph in a list."""
    found = keys.get(image_key(name), ())
    if len(found) == 1:
        return []
    said = "is empty" if not name else f"{name!r} is {'several' if found else 'none'} of the photographs"
    return [f"line {line}, column {column}: {said}"]
