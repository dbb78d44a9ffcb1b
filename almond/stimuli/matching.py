"""Matched pairs: for every base scene and target one image with a high and one with a low score.

The choice maximises the summed difference of target contrasts between the two images of each pair, such that
what must not differ keeps two yardsticks over the pairs of a target: the mean difference in standard
deviations of the pool, and the paired d_z. Both pictures of a pair may have to be of one kind, such as the
people in them. Scenes may be left out. Each target is a programme of its own (``almond.stimuli.pairing``); a
picture that serves one target already is taken for another only where nothing else is left. Judges take no
part in the choice: their off-target scores are read afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from almond.errors import InputError
from almond.exchange.schema import SCORE
from almond.progress import Progress, Silent
from almond.stimuli import lowlevel
from almond.stimuli.pairing.balance import balance_rows, json_rows, standardised
from almond.stimuli.pairing.contrast import contrast_of, signed_contrast
from almond.stimuli.pairing.programme import PairProgramme
from almond.stimuli.pairing.tightening import match_both
from almond.stimuli.pairing.yardsticks import (
    JUDGE,
    PAIRED,
    TOLERANCE,
    Yardsticks,
    off_target_columns,
)
from almond.typing import Floats, Ints

COLUMNS = ("stimulus_id", "base_scene", "intended_target", "direction")
RELAXATION = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 14.0, 20.0, 40.0)
"""Factors by which unreachable yardsticks are widened, one after the other; then there are none."""

REUSED = 50.0
"""What it costs, in standardised scores, to select a picture that another target shows already."""


@dataclass(frozen=True)
class MatchedPairs:
    """The selected pairs, and how well they are balanced.

    ``pairs``: one row per base scene and target: ``base_scene, intended_target, high, low`` (stimulus ids),
    ``contrast`` (difference of the target contrast, high minus low).
    ``balance``: one row per target and quantity, as :func:`almond.stimuli.pairing.balance.balance_rows`.
    ``reached``: the tolerance with which pairs were found, per target; d_z was widened by the same factor;
    infinite when none of the widened ones could be met.
    ``contrast_shares``: per target, the share of the largest contrast without balance that the selection has.
    ``alike_shares``: per target, the share of a scene's high and low candidates that could be a pair by their
    kinds; 1 where these are not told apart.
    """

    pairs: pd.DataFrame
    balance: pd.DataFrame
    tolerance: float
    reached: dict[str, float]
    contrast_shares: dict[str, float]
    paired: float = PAIRED
    alike_shares: dict[str, float] = field(default_factory=dict)

    @property
    def relaxed(self) -> tuple[str, ...]:
        """List the targets for which the wanted yardsticks could not be met."""
        return tuple(name for name, value in self.reached.items() if value > self.tolerance)

    @property
    def missed(self) -> tuple[str, ...]:
        """List the targets of which some quantity misses a yardstick, as measured on the chosen pairs."""
        outside = self.balance.loc[~self.balance["within"].astype(bool), "intended_target"]
        return tuple(name for name in self.reached if name in set(outside))

    @property
    def is_matched(self) -> bool:
        """Whether every quantity of every target keeps both yardsticks."""
        return not self.missed

    @property
    def worst(self) -> tuple[float, float]:
        """Return the largest absolute mean difference (SD of the pool) and the largest absolute d_z."""
        return float(self.balance["after"].abs().max()), float(self.balance["d_z"].abs().max(skipna=False))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; what is infinite or not a number is ``None``."""
        return {
            "tolerance": self.tolerance,
            "paired": self.paired if np.isfinite(self.paired) else None,
            "matched": self.is_matched,
            "missed": list(self.missed),
            "reached": {k: (float(v) if np.isfinite(v) else None) for k, v in self.reached.items()},
            "kept": {k: float(v) for k, v in self.contrast_shares.items()},
            "alike": {k: float(v) for k, v in self.alike_shares.items()},
            "relaxed": list(self.relaxed),
            "pairs": self.pairs.to_dict(orient="records"),
            "balance": json_rows(self.balance),
        }


@dataclass(frozen=True)
class MatchingTask:
    """One target's candidates: their rows, their programme, and the names of what is held constant."""

    target: str
    part: pd.DataFrame
    programme: PairProgramme
    names: tuple[str, ...]


def choose_pairs(
    pool: pd.DataFrame,
    *,
    tolerance: float = TOLERANCE,
    paired: float = PAIRED,
    features: Sequence[str] = lowlevel.NAMES,
    off_target: bool = False,
    same: Sequence[str] = (),
    scenes: int | None = None,
    contrasts: Mapping[str, Mapping[str, float]] | None = None,
    progress: Progress | None = None,
) -> MatchedPairs:
    """Choose a high and a low image of base scenes for every target of a pool.

    ``pool`` has one row per image: ``stimulus_id``, ``base_scene``, ``intended_target``, ``direction`` (+1,
    -1; rows with 0 are the unguided images and stay out), one ``score_<target>`` column per target, and the
    ``features``: all that is held constant, whatever its kind.
    With a column ``image_sha256`` a pair never shows one picture twice, whatever its name.

    :param tolerance: bound of the mean difference, in standard deviations of the pool.
    :param paired: bound of the absolute d_z; infinite for none.
    :param off_target: hold the other targets' scores constant as well. Those by judges
        (``score_<target>_judge``), where the pool has them, are measured but take no part in the choice.
    :param same: columns, of words or numbers, in which both pictures of every pair are equal.
    :param scenes: base scenes kept per target; None: all, and with ``same`` all that have such a pair.
    :param contrasts: coefficients of the scores that a target's images should differ in; by default the
        target's own score where the others' are held, and else that minus the mean of the others'.

    Yardsticks that cannot be met are widened step by step; what was reached is reported.
    :raises InputError: a missing column or value, a scene without an image of some target and direction.
    """
    yardsticks = Yardsticks(tolerance, paired)
    report = progress or Silent()
    table = checked_pool(pool, features, same=same, every_scene=scenes is None)
    spread = table.select_dtypes("number").std(ddof=0)
    pairs, balance = [], []
    reached, contrast_shares, alike_shares = {}, {}, {}
    used: set[str] = set()
    targets = sorted(table["intended_target"].unique())
    for index, target in enumerate(targets):
        report.report(index / len(targets), f"matching {target}")
        names = (*features, *(off_target_columns(target, targets) if off_target else ()))
        task = matching_task(table, target, names, same=same, scenes=scenes, contrasts=contrasts, used=used)
        chosen, reached[target] = _solve_widening(task.programme, yardsticks)
        used |= set(task.programme.pictures[chosen])
        gain = signed_contrast(task.part, contrast_of(target, targets, contrasts, held=off_target))
        contrast_shares[target] = _contrast_share(task.programme, gain, chosen)
        alike_shares[target] = task.programme.alike_share
        pairs.append(_pairs(task, gain, chosen))
        balance.append(_measured(task, chosen, spread, yardsticks, off_target=off_target))
    report.report(1.0, "matched")
    return MatchedPairs(
        pairs=pd.concat(pairs, ignore_index=True),
        balance=pd.concat(balance, ignore_index=True),
        tolerance=tolerance,
        reached=reached,
        contrast_shares=contrast_shares,
        paired=paired,
        alike_shares=alike_shares,
    )


def matching_task(
    table: pd.DataFrame,
    target: str,
    names: Sequence[str],
    *,
    same: Sequence[str] = (),
    scenes: int | None,
    contrasts: Mapping[str, Mapping[str, float]] | None = None,
    used: set[str] | frozenset[str] = frozenset(),
    spread: Floats | None = None,
) -> MatchingTask:
    """Write the programme of a target over a checked pool; ``names`` are held constant, ``same`` equal.

    :param spread: standard deviation of each of them (F,); None is that of the pool.
    """
    targets = sorted(table["intended_target"].unique())
    part = table[table["intended_target"] == target].reset_index(drop=True)
    pictures = _pictures(part)
    reused = np.array([float(name in used) for name in pictures])
    if spread is None:
        spread = table[list(names)].to_numpy(dtype=float).std(axis=0)
    weights = contrast_of(target, targets, contrasts, held=any(name.startswith(SCORE) for name in names))
    programme = PairProgramme(
        scenes=part["base_scene"].astype(str).to_numpy(),
        pictures=pictures,
        signs=np.sign(part["direction"].to_numpy(dtype=float)),
        gain=signed_contrast(part, weights) - REUSED * reused,
        nuisance=standardised(part[list(names)].to_numpy(dtype=float), spread),
        pairs=scenes or 1,
        kinds=part[list(same)].astype(str).agg(" ".join, axis=1).to_numpy() if same else None,
    )
    if scenes is None:
        programme = replace(programme, pairs=len(programme.scene_names))
    return MatchingTask(target, part, programme, tuple(names))


def checked_pool(
    pool: pd.DataFrame, features: Sequence[str], *, same: Sequence[str] = (), every_scene: bool
) -> pd.DataFrame:
    """Return the guided rows, in an order that does not depend on that of the pool."""
    missing = [name for name in (*COLUMNS, *features, *same) if name not in pool.columns]
    if missing:
        raise InputError(
            "stimulus pool", f"has no column {', '.join(missing)}", "the columns of a stimulus table"
        )
    table = pool[pool["direction"] != 0]
    if table.empty:
        raise InputError("stimulus pool", "has no guided images", "images with direction +1 and -1")
    if table["stimulus_id"].duplicated().any():
        twice = table.loc[table["stimulus_id"].duplicated(), "stimulus_id"].iloc[0]
        raise InputError("stimulus pool", f"holds stimulus {twice} more than once", "each stimulus once")
    _check_finite(table, features)
    if every_scene:
        _check_cells(table)
    ordered: pd.DataFrame = table.sort_values(["intended_target", "base_scene", "stimulus_id"]).reset_index(
        drop=True
    )
    return ordered


def _check_finite(table: pd.DataFrame, features: Sequence[str]) -> None:
    scores = [name for name in table.columns if str(name).startswith(SCORE)]
    for name in (*features, *scores):
        bad = table.loc[~np.isfinite(table[name].to_numpy(dtype=float)), "stimulus_id"]
        if len(bad):
            raise InputError("stimulus pool", f"column {name} of stimulus {bad.iloc[0]} is not a number")


def _check_cells(table: pd.DataFrame) -> None:
    present = set(zip(table["base_scene"], table["intended_target"], table["direction"], strict=True))
    for target in sorted(table["intended_target"].unique()):
        for scene in sorted(table["base_scene"].unique()):
            for direction, word in ((1, "high"), (-1, "low")):
                if (scene, target, direction) not in present:
                    raise InputError(
                        "stimulus pool",
                        f"base scene {scene!r} has no {word} image of target {target!r}",
                        "at least one high and one low image of every target for every base scene",
                    )


def _pictures(part: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Identify pictures (n,): their digests, or else the names of their stimuli."""
    name = "image_sha256" if "image_sha256" in part.columns else "stimulus_id"
    return part[name].astype(str).to_numpy()


def _solve_widening(programme: PairProgramme, yardsticks: Yardsticks) -> tuple[Ints, float]:
    """Return the chosen rows, and the tolerance that was reached, infinite for none."""
    for factor in RELAXATION:
        attempt = match_both(programme, yardsticks.widened(factor))
        if attempt.chosen is not None:
            return attempt.chosen, yardsticks.tolerance * factor
    chosen = programme.solve(None)
    if chosen is None:
        raise InputError("stimulus pool", "no choice of images could be made", "two pictures for every pair")
    return chosen, np.inf


def _measured(
    task: MatchingTask, chosen: Ints, spread: pd.Series[float], yardsticks: Yardsticks, *, off_target: bool
) -> pd.DataFrame:
    """Measure what was held constant and, with off-target scores, the judges' readings of them."""
    rows = [balance_rows(task.programme, chosen, target=task.target, names=task.names, yardsticks=yardsticks)]
    targets = [name.removeprefix(SCORE) for name in task.names if name.startswith(SCORE)]
    judged = [SCORE + name + JUDGE for name in targets if SCORE + name + JUDGE in task.part.columns]
    if off_target and judged:
        values = standardised(
            task.part[judged].to_numpy(dtype=float), np.asarray(spread[judged], dtype=np.float64)
        )
        reading = replace(task.programme, nuisance=values)
        rows.append(balance_rows(reading, chosen, target=task.target, names=judged, yardsticks=yardsticks))
    return pd.concat(rows, ignore_index=True)


def _contrast_share(programme: PairProgramme, gain: Floats, chosen: Ints) -> float:
    """Return the contrast of the selection over the best without balance (1 when that is not positive)."""
    sums = []
    for scene in sorted(set(programme.scenes)):
        sides = [gain[(programme.scenes == scene) & (programme.signs == sign)] for sign in (1, -1)]
        if all(len(side) for side in sides):
            sums.append(sum(float(side.max()) for side in sides))
    best = sum(sorted(sums, reverse=True)[: programme.pairs])
    return float(gain[chosen].sum()) / best if best > 0 else 1.0


def _pairs(task: MatchingTask, gain: Floats, chosen: Ints) -> pd.DataFrame:
    high, low = task.programme.sides(chosen)
    ids = task.part["stimulus_id"].to_numpy()
    return pd.DataFrame(
        {
            "base_scene": list(task.part["base_scene"].to_numpy()[high]),
            "intended_target": task.target,
            "high": list(ids[high]),
            "low": list(ids[low]),
            "contrast": list(gain[high] + gain[low]),
        }
    )
