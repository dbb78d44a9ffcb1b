"""The two yardsticks of a matched set, and the quantities that are held to them. Light: no scipy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from almond.errors import InputError
from almond.exchange.schema import LOWLEVEL, SCORE

TOLERANCE = 0.1
PAIRED = 0.3
"""Default bounds: of the mean difference in standard deviations of the pool, and of the paired d_z."""

ROUNDING = 1e-6
"""What a bound may be exceeded by: the solver's own feasibility tolerance."""

JUDGE = "_judge"
"""Ending of the score columns of targets whose subjects did not guide."""

QUALITY = ("sharpness", "saturation", "entropy")
"""Measures of quality that differ by degrees; blank pictures and artefacts are screened, not balanced."""

LIKENESS = ("similarity_to_base", "change_from_base", "features_from_base")

GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "lowlevel": ("low-level features", LOWLEVEL),
    "quality": ("quality of the pictures", QUALITY),
    "likeness": ("likeness to the base picture", LIKENESS),
    "off_target": ("scores of the other targets", ()),
    "people": ("the people in the picture", ()),
}
"""Group -> its label and columns: what a matched set can be held to. The other targets' scores differ from
target to target, so that this group has no columns of its own; people are no quantity, but the same in both
pictures of every pair."""

PEOPLE = "people"
"""Column of a pool, and group: the word for who is in the picture, where something can read it."""

HELD = ("lowlevel", "quality", "likeness", "off_target")
"""The groups of quantities, held by default: all."""


@dataclass(frozen=True)
class Yardsticks:
    """Bounds of what may differ between the high and the low pictures of a target.

    ``tolerance``: of the difference of means, in standard deviations of the pool (differences between scenes
    included). ``paired``: of d_z, the mean pair difference over the standard deviation of pair differences,
    which is what participants see, who compare pictures of one scene; infinite for no such bound.
    Cohen (1988), section 2.3.5 for d_z.

    :raises InputError: a bound that is not above 0, or an infinite tolerance.
    """

    tolerance: float = TOLERANCE
    paired: float = PAIRED

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerance) and self.tolerance > 0):
            raise InputError(
                "tolerance", f"is {self.tolerance}", "a number above 0, in standard deviations of the pool"
            )
        if not self.paired > 0:
            raise InputError("paired", f"is {self.paired}", "a bound of d_z above 0")

    def widened(self, factor: float) -> Yardsticks:
        """Return both bounds times ``factor``, finite."""
        return Yardsticks(self.tolerance * factor, self.paired * factor)

    def holds(self, difference: float, d_z: float | None) -> bool:
        """Tell whether a quantity keeps both bounds; one without a d_z (fewer than two pairs) does not."""
        if not abs(difference) <= self.tolerance + ROUNDING:
            return False
        return math.isinf(self.paired) or (d_z is not None and abs(d_z) <= self.paired + ROUNDING)

    def words(self) -> str:
        """Write both bounds as a page prints them."""
        second = "no bound of d_z" if math.isinf(self.paired) else f"|d_z| at most {self.paired:g}"
        return f"mean difference at most {self.tolerance:g} SD of the pool, {second}"


def check_groups(groups: Iterable[str]) -> tuple[str, ...]:
    """Return the groups in their order, each once; ``InputError`` for none, or one that is not known."""
    asked = set(groups)
    unknown = sorted(asked - set(GROUPS))
    if unknown or not asked:
        problem = f"{unknown[0]!r} is not known" if unknown else "no group was chosen"
        raise InputError("held constant", problem, f"one or more of {', '.join(GROUPS)}")
    return tuple(name for name in GROUPS if name in asked)


def held_columns(groups: Iterable[str]) -> tuple[str, ...]:
    """List the pool's columns of some groups that are the same for every target."""
    return tuple(column for name in check_groups(groups) for column in GROUPS[name][1])


def same_columns(groups: Iterable[str]) -> tuple[str, ...]:
    """List the pool's columns in which both pictures of every pair are equal."""
    return tuple(name for name in check_groups(groups) if name == PEOPLE)


def off_target_columns(target: str, targets: Sequence[str]) -> tuple[str, ...]:
    """List the columns of the other targets' scores, as those read them that choose the pairs."""
    return tuple(SCORE + name for name in targets if name != target)


def group_of(column: str) -> str:
    """Return the group of a column; scores are off-target ones, further columns are low-level features."""
    if column.startswith(SCORE):
        return "off_target"
    return next((name for name, (_, columns) in GROUPS.items() if column in columns), "lowlevel")
