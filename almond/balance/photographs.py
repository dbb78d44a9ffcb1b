"""The cheap alternative: photographs selected by score under the same matching, from the same targets.

A photograph has no scene in common with another, so that the groups of a target are independent: n high and
n low photographs whose mean scores differ as much as possible while the same quantities keep the same
tolerance. The paired yardstick becomes Cohen's d of the two groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.stats import rankdata

from almond.errors import InputError
from almond.exchange.schema import SCORE
from almond.rng import generator
from almond.stats.correlation import correlations
from almond.stimuli.matching import RELAXATION
from almond.stimuli.pairing.yardsticks import JUDGE, Yardsticks
from almond.typing import Floats, Ints

ROUNDS = 4
MARGIN = 0.95
NODES = 20_000


@dataclass(frozen=True)
class Alternative:
    """One row of the comparison: a target, by guided pairs or by selected photographs.

    ``margin``: high minus low of the target against the mean of the others, as the held-out judge reads it
    (None without judges); ``own``: as the guides read it; ``scenes_constant``: whether the two pictures of a
    pair show one scene; ``difference`` and ``effect``: worst mean difference (SD of its pool) and worst d_z
    of pairs, or d of groups; ``n``: pictures.
    """

    target: str
    way: str
    own: float
    margin: float | None
    scenes_constant: bool
    difference: float
    effect: float
    within: bool
    n: int

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        return {**values, "effect": self.effect if np.isfinite(self.effect) else None}


def select_photographs(
    table: pd.DataFrame,
    *,
    targets: Sequence[str],
    pairs: int,
    features: Sequence[str],
    yardsticks: Yardsticks,
) -> dict[str, tuple[Ints, Ints, float]]:
    """Choose ``pairs`` high and as many low photographs for each target.

    ``table``: one row per photograph with ``score_<target>`` columns and ``features``. Returns per target the
    rows of high and low photographs, and the factor by which the yardsticks had to be widened (infinite for
    none that did). Photographs serve several targets if they must: a pool of them cannot be grown.

    :raises InputError: fewer photographs than are to be chosen, a column that is missing or no number.
    """
    needed = [*(SCORE + name for name in targets), *features]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise InputError("photographs", f"have no column {', '.join(missing)}", "scores by the set's targets")
    if len(table) < 2 * pairs:
        raise InputError("photographs", f"are {len(table)}", f"{2 * pairs} or more, for {pairs} of each kind")
    if not np.isfinite(table[needed].to_numpy(dtype=float)).all():
        raise InputError("photographs", "a score or feature is not a number", "numbers")
    values = table[list(features)].to_numpy(dtype=float)
    spread = values.std(axis=0)
    nuisance = (values - values.mean(axis=0)) / np.where(spread > 1e-12, spread, np.inf)
    return {
        name: _select(target_contrast(table, name, targets), nuisance, pairs, yardsticks) for name in targets
    }


def target_contrast(table: pd.DataFrame, target: str, targets: Sequence[str], ending: str = "") -> Floats:
    """Return a target's score less the mean of the others' (n,); ``ending`` ``_judge`` for the judges'."""
    own = table[SCORE + target + ending].to_numpy(dtype=float)
    others = [table[SCORE + name + ending].to_numpy(dtype=float) for name in targets if name != target]
    contrast: Floats = own - np.mean(others, axis=0) if others else own
    return contrast


def _select(score: Floats, nuisance: Floats, pairs: int, yardsticks: Yardsticks) -> tuple[Ints, Ints, float]:
    for factor in RELAXATION:
        chosen = _within(score, nuisance, pairs, yardsticks.widened(factor))
        if chosen is not None:
            return (*chosen, factor)
    order = np.argsort(score, kind="stable")
    return order[-pairs:], order[:pairs], np.inf


def _within(score: Floats, nuisance: Floats, pairs: int, yardsticks: Yardsticks) -> tuple[Ints, Ints] | None:
    """Choose by programmes that tighten each quantity's bound to its share of the groups' deviation."""
    limits = np.full(nuisance.shape[1], yardsticks.tolerance)
    for _ in range(ROUNDS):
        chosen = _programme(score, nuisance, pairs, limits)
        if chosen is None:
            return None
        effect, pooled = group_effects(nuisance, *chosen)
        if (np.abs(effect) <= yardsticks.paired + 1e-6).all():
            return chosen
        limits = np.minimum(limits, np.maximum(MARGIN * yardsticks.paired * pooled, 1e-6))
    return None


def _programme(score: Floats, nuisance: Floats, pairs: int, limits: Floats) -> tuple[Ints, Ints] | None:
    count = len(score)
    one_role = np.concatenate([np.eye(count), np.eye(count)], axis=1)
    sizes = np.kron(np.eye(2), np.ones(count))
    difference = np.concatenate([nuisance.T, -nuisance.T], axis=1) / pairs
    solution = milp(
        np.r_[-score, score],
        constraints=[
            LinearConstraint(one_role, 0.0, 1.0),
            LinearConstraint(sizes, pairs, pairs),
            LinearConstraint(difference, -limits, limits),
        ],
        integrality=np.ones(2 * count),
        bounds=Bounds(0.0, 1.0),
        options={"mip_rel_gap": 1e-3, "node_limit": NODES},
    )
    if solution.x is None:
        return None
    picked = solution.x > 0.5
    return np.flatnonzero(picked[:count]), np.flatnonzero(picked[count:])


def group_effects(nuisance: Floats, high: Ints, low: Ints) -> tuple[Floats, Floats]:
    """Return Cohen's d (F,) of two groups of equal size, and their pooled standard deviation (F,)."""
    mean = nuisance[high].mean(axis=0) - nuisance[low].mean(axis=0)
    if len(high) < 2:
        return np.where(np.abs(mean) < 1e-12, 0.0, np.inf), np.zeros(nuisance.shape[1])
    pooled = np.sqrt((nuisance[high].var(axis=0, ddof=1) + nuisance[low].var(axis=0, ddof=1)) / 2.0)
    effect = np.where(pooled > 1e-12, mean / np.where(pooled > 1e-12, pooled, 1.0), np.copysign(np.inf, mean))
    return np.where(np.abs(mean) < 1e-12, 0.0, effect), pooled


def photograph_rows(
    table: pd.DataFrame,
    selection: Mapping[str, tuple[Ints, Ints, float]],
    *,
    features: Sequence[str],
    yardsticks: Yardsticks,
) -> list[Alternative]:
    """Write the rows of the selected photographs; the judge's margin where every judge's score is there."""
    targets = sorted(selection)
    judged = all(SCORE + name + JUDGE in table.columns for name in targets)
    values = table[list(features)].to_numpy(dtype=float)
    spread = values.std(axis=0)
    nuisance = values / np.where(spread > 1e-12, spread, np.inf)
    rows = []
    for name in targets:
        high, low, _ = selection[name]
        own = target_contrast(table, name, targets)
        judge = target_contrast(table, name, targets, JUDGE) if judged else None
        difference = float(np.abs(nuisance[high].mean(axis=0) - nuisance[low].mean(axis=0)).max())
        effect = float(np.abs(group_effects(nuisance, high, low)[0]).max())
        rows.append(
            Alternative(
                target=name,
                way="photographs",
                own=float(own[high].mean() - own[low].mean()),
                margin=None if judge is None else float(judge[high].mean() - judge[low].mean()),
                scenes_constant=False,
                difference=difference,
                effect=effect,
                within=yardsticks.holds(difference, effect),
                n=len(high) + len(low),
            )
        )
    return rows


def guided_rows(
    pool: pd.DataFrame, pairs: pd.DataFrame, balance: pd.DataFrame, *, yardsticks: Yardsticks
) -> list[Alternative]:
    """Write the rows of guided pairs, from the pool's scores by stimulus and the balance of the pairs."""
    table = pool.set_index("stimulus_id")
    targets = sorted(pairs["intended_target"].unique())
    judged = all(SCORE + name + JUDGE in table.columns for name in targets)
    rows = []
    for name in targets:
        own_pairs = pairs[pairs["intended_target"] == name]
        high, low = table.loc[own_pairs["high"]], table.loc[own_pairs["low"]]
        own = target_contrast(high, name, targets) - target_contrast(low, name, targets)
        margin = None
        if judged:
            by_judge = [target_contrast(side, name, targets, JUDGE) for side in (high, low)]
            margin = float((by_judge[0] - by_judge[1]).mean())
        part = balance[balance["intended_target"] == name]
        difference = float(part["after"].astype(float).abs().max())
        effect = float(part["d_z"].astype(float).abs().max(skipna=False))
        rows.append(
            Alternative(
                target=name,
                way="guided pairs",
                own=float(own.mean()),
                margin=margin,
                scenes_constant=True,
                difference=difference,
                effect=effect,
                within=bool(part["within"].all()) and yardsticks.holds(difference, effect),
                n=2 * len(own_pairs),
            )
        )
    return rows


@dataclass(frozen=True)
class RankTest:
    """Whether a target's score ranks photographs as a column from outside does: Spearman's rho.

    ``low`` and ``high``: 95 % by bootstrap over themes; ``p``: two-sided, by permuting themes' order.
    """

    target: str
    column: str
    rho: float
    low: float
    high: float
    p: float
    n: int
    themes: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def rank_test(
    scores: Floats,
    outside: Floats,
    themes: Sequence[str],
    *,
    target: str,
    column: str,
    seed: int,
    draws: int = 1000,
) -> RankTest:
    """Test whether scores (n,) rank photographs as measured responses or norms (n,) do.

    Photographs of a theme are not independent: themes are drawn anew for the interval, and themes' means are
    permuted for p.

    :raises InputError: fewer than four themes, or a column that does not vary.
    """
    names = np.asarray(themes, dtype=str)
    levels = sorted(set(names))
    if len(levels) < 4:
        raise InputError(f"column {column}", f"{len(levels)} themes have a value", "four or more")
    if np.ptp(outside) == 0 or np.ptp(scores) == 0:
        raise InputError(f"column {column}", "or the score does not vary", "values that differ")
    rng = generator(seed, "ranks of photographs")
    members = {name: np.flatnonzero(names == name) for name in levels}
    rhos = []
    for _ in range(draws):
        rows = np.concatenate([members[levels[k]] for k in rng.integers(0, len(levels), len(levels))])
        if np.ptp(scores[rows]) > 0 and np.ptp(outside[rows]) > 0:
            rhos.append(_rho(scores[rows], outside[rows]))
    mean_score = np.array([scores[members[name]].mean() for name in levels])
    mean_outside = np.array([outside[members[name]].mean() for name in levels])
    observed = abs(_rho(mean_score, mean_outside))
    order = np.argsort(rng.random((draws, len(levels))), axis=1)
    null = np.abs(correlations(rankdata(mean_score)[None], rankdata(mean_outside)[order]))
    p = (1 + int((null >= observed - 1e-12).sum())) / (1 + draws)
    low, high = np.quantile(rhos, [0.025, 0.975])
    rho = _rho(scores, outside)
    return RankTest(target, column, rho, float(low), float(high), float(p), len(scores), len(levels))


def _rho(first: Floats, second: Floats) -> float:
    return float(correlations(rankdata(first)[None], rankdata(second)[None])[0])
