"""How the reachable tolerance falls with the size of a pool, and how many more seeds a matched set needs.

Parts of the pool (whole base scenes, drawn at random, the same share of them kept) are matched as the pool
is, with both yardsticks widened until they hold. The logarithm of that factor falls about linearly with the
logarithm of the number of scenes; where the line meets 1 is the size that is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from almond.progress import Progress, Silent
from almond.rng import generator
from almond.stimuli import lowlevel
from almond.stimuli.matching import checked_pool, matching_task
from almond.stimuli.pairing.binding import BindingConstraint, binding_constraints
from almond.stimuli.pairing.tightening import match_both
from almond.stimuli.pairing.yardsticks import Yardsticks, off_target_columns
from almond.typing import Floats

SHARES = (0.25, 0.5, 0.75, 1.0)
FACTORS = tuple(float(2.0 ** (step / 2.0)) for step in range(-2, 13))
"""Factors by which yardsticks are widened, from one half to 64, each the square root of two apart."""

DRAWS = 3
"""Parts of each size that are matched; their median factor counts, for single scenes weigh in small ones."""

FEWEST = 3
"""Pairs of the smallest part that is matched: fewer have hardly a standard deviation."""


FURTHEST = 10.0
"""A line through pools of up to this one's size says nothing of pools more than ten times as large."""


@dataclass(frozen=True)
class CurvePoint:
    """One part of the pool: its scenes, its pictures, and the factor with which its yardsticks hold.

    ``factor`` is infinite where even the largest of ``FACTORS`` did not do.
    """

    scenes: int
    pictures: int
    factor: float


@dataclass(frozen=True)
class FeasibilityCurve:
    """The points of one target, what binds in the whole pool, and how many times as many scenes would do.

    ``times``: 1 where the pool does; None where the points show no fall to draw a line through.
    """

    target: str
    points: tuple[CurvePoint, ...]
    binding: tuple[BindingConstraint, ...]
    times: float | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "target": self.target,
            "points": [
                {
                    "scenes": point.scenes,
                    "pictures": point.pictures,
                    "factor": point.factor if math.isfinite(point.factor) else None,
                }
                for point in self.points
            ],
            "binding": [row.to_json() for row in self.binding],
            "times": self.times,
        }

    def advice(self) -> str:
        """Write what binds and what would help."""
        if not self.binding and self.times == 1.0:
            return f"{self.target}: both yardsticks hold."
        binds = "; ".join(row.words() for row in self.binding[:3]) or f"{self.target}: the yardsticks miss"
        if self.times is None or self.times > FURTHEST:
            gain = "no gain" if self.times is None else "too little gain to say how many would do"
            return (
                f"{binds}. More seeds of the same kind showed {gain} in this pool: add strengths, keep "
                "fewer scenes, or state a wider tolerance."
            )
        scenes = self.points[-1].scenes
        return (
            f"{binds}. About {self.times:.1f} times as many seeds would do ({math.ceil(scenes * self.times)} "
            f"base scenes in place of {scenes}, the same share kept), by the line through "
            f"{len(self.points)} sizes of pool."
        )


def feasibility_curves(
    pool: pd.DataFrame,
    *,
    yardsticks: Yardsticks | None = None,
    features: Sequence[str] = lowlevel.NAMES,
    off_target: bool = False,
    same: Sequence[str] = (),
    scenes: int | None = None,
    shares: Sequence[float] = SHARES,
    seed: int = 1,
    progress: Progress | None = None,
) -> tuple[FeasibilityCurve, ...]:
    """Match parts of a pool and say for each target what binds and what would help.

    Pool, features, ``off_target``, ``same`` and ``scenes`` as for
    :func:`almond.stimuli.matching.choose_pairs`. The parts are nested and follow from ``seed``.
    """
    wanted = yardsticks or Yardsticks()
    report = progress or Silent()
    table = checked_pool(pool, features, same=same, every_scene=scenes is None)
    names = sorted(table["base_scene"].astype(str).unique())
    rng = generator(seed, "parts of a pool")
    orders = [[names[place] for place in rng.permutation(len(names))] for _ in range(DRAWS)]
    share_kept = (scenes or len(names)) / len(names)
    targets = sorted(table["intended_target"].unique())
    curves = []
    for index, target in enumerate(targets):
        columns = (*features, *(off_target_columns(target, targets) if off_target else ()))
        points = []
        for number, size in enumerate(_sizes(len(names), share_kept, shares)):
            report.report((index + number / len(shares)) / len(targets), f"{target}: {size} scenes")
            drawn = [set(order[:size]) for order in orders[: 1 if size == len(names) else DRAWS]]
            kept = max(1, round(share_kept * size))
            held = _Held(target, columns, tuple(same), kept, wanted)
            points.append(_point(table, drawn, held))
        curves.append(_curve(table, _Held(target, columns, tuple(same), scenes, wanted), points))
    report.report(1.0, "sizes of the pool compared")
    return tuple(curves)


def _sizes(scenes: int, share_kept: float, shares: Sequence[float]) -> list[int]:
    """List the numbers of scenes of the parts: rising, each with at least ``FEWEST`` pairs."""
    sizes = {max(1, round(scenes * share)) for share in shares} | {scenes}
    return sorted(size for size in sizes if round(share_kept * size) >= FEWEST or size == scenes)


@dataclass(frozen=True)
class _Held:
    """What a target's pairs are held to, and how many scenes are kept (None: all)."""

    target: str
    columns: Sequence[str]
    same: Sequence[str]
    scenes: int | None
    yardsticks: Yardsticks


def _point(table: pd.DataFrame, drawn: Sequence[set[str]], held: _Held) -> CurvePoint:
    """Take the median over parts of one size, in units of the whole pool's SD."""
    spread = table[list(held.columns)].to_numpy(dtype=float).std(axis=0)
    parts = [table[table["base_scene"].astype(str).isin(scenes)] for scenes in drawn]
    factors = [_factor(part, held, spread) for part in parts]
    pictures = int(np.median([(part["intended_target"] == held.target).sum() for part in parts]))
    return CurvePoint(len(drawn[0]), pictures, float(np.median(factors)))


def _factor(part: pd.DataFrame, held: _Held, spread: Floats) -> float:
    """Find the smallest of ``FACTORS`` with which a part keeps both yardsticks; infinite for none."""
    own = part[part["intended_target"] == held.target]
    both = own.groupby(["base_scene", *held.same])["direction"].nunique() > 1
    if both[both].index.get_level_values("base_scene").nunique() < (held.scenes or 1):
        return math.inf
    programme = matching_task(
        part, held.target, held.columns, same=held.same, scenes=held.scenes, spread=spread
    ).programme
    for factor in FACTORS:
        if match_both(programme, held.yardsticks.widened(factor), contrast=False).chosen is not None:
            return factor
    return math.inf


def _curve(table: pd.DataFrame, held: _Held, points: Sequence[CurvePoint]) -> FeasibilityCurve:
    task = matching_task(table, held.target, held.columns, same=held.same, scenes=held.scenes)
    binding = binding_constraints(
        task.programme, target=held.target, names=held.columns, yardsticks=held.yardsticks
    )
    times = 1.0 if points[-1].factor <= 1.0 else times_needed(points)
    return FeasibilityCurve(held.target, tuple(points), binding, times)


def times_needed(points: Sequence[CurvePoint]) -> float | None:
    """Return how many times as many scenes as in the last point bring the factor to 1.

    By the least-squares line of log factor over log scenes through the last point; None for fewer than two
    points, or a line that does not fall.
    """
    finite = [point for point in points if math.isfinite(point.factor)]
    if len(finite) < 2 or not math.isfinite(points[-1].factor):
        return None
    x = np.log([point.scenes / points[-1].scenes for point in finite])
    y = np.log([point.factor / points[-1].factor for point in finite])
    slope = float(x @ y) / float(x @ x)
    if slope >= -0.05:
        return None
    return float(math.exp(math.log(points[-1].factor) / -slope))
