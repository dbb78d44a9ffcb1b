"""Matched pairs: for every base scene and target one image with a high and one with a low score.

The selection is a mixed-integer linear programme (HiGHS through ``scipy.optimize.milp``): maximise the
summed difference of target contrasts between the selected images, such that over the base scenes of a target
the mean of every low-level feature differs between high and low images by at most ``tolerance`` standard
deviations. Targets share no images, so each is a programme of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from almond.errors import InputError
from almond.progress import Progress, Silent
from almond.stimuli import lowlevel
from almond.typing import Floats

SCORE_PREFIX = "score_"
COLUMNS = ("stimulus_id", "base_scene", "intended_target", "direction")
RELAXATION = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 14.0, 20.0, 40.0)
"""Factors by which an unreachable tolerance is widened, one after the other; then there is none."""

REUSED = 50.0
"""What it costs, in standardised scores, to select a picture that another target shows already."""

GAP = 1e-4
NODES = 20_000
"""Where the solver stops: relative gap and nodes, not seconds, so that the machine does not matter."""


@dataclass(frozen=True)
class MatchedPairs:
    """The selected pairs, and how well they are balanced.

    ``pairs``: one row per base scene and target: ``base_scene, intended_target, high, low`` (stimulus ids),
    ``contrast`` (difference of the target contrast, high minus low).
    ``balance``: one row per target and feature: ``before`` and ``after``, the difference of means between
    high and low images in standard deviations of the pool, over all candidates and over the selected ones.
    ``reached``: the tolerance that could be met, per target; infinite when none of the relaxed ones could.
    ``kept``: per target, the share of the largest possible contrast that the matched selection keeps.
    """

    pairs: pd.DataFrame
    balance: pd.DataFrame
    tolerance: float
    reached: dict[str, float]
    contrast_shares: dict[str, float]

    @property
    def relaxed(self) -> tuple[str, ...]:
        """List the targets for which the wanted tolerance could not be met."""
        return tuple(name for name, value in self.reached.items() if value > self.tolerance)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; an infinite tolerance is ``None``."""
        return {
            "tolerance": self.tolerance,
            "reached": {k: (float(v) if np.isfinite(v) else None) for k, v in self.reached.items()},
            "kept": {k: float(v) for k, v in self.contrast_shares.items()},
            "relaxed": list(self.relaxed),
            "pairs": self.pairs.to_dict(orient="records"),
            "balance": self.balance.to_dict(orient="records"),
        }


def choose_pairs(
    pool: pd.DataFrame,
    *,
    tolerance: float = 0.1,
    features: Sequence[str] = lowlevel.NAMES,
    contrasts: Mapping[str, Mapping[str, float]] | None = None,
    progress: Progress | None = None,
) -> MatchedPairs:
    """Choose a high and a low image for every base scene and target of a pool.

    ``pool`` has one row per image: ``stimulus_id``, ``base_scene``, ``intended_target``, ``direction`` (+1,
    -1; rows with 0 are the unguided images and stay out), one ``score_<target>`` column per target, and the
    ``features``.
    Where the pool has a column ``image_sha256``, a pair never shows one picture twice, and a picture that
    serves one target already is taken for another only where nothing else is left.
    ``contrasts`` gives the coefficients of the scores that a target's images should differ in; by default the
    target's own score minus the mean of the other intended targets'. ``tolerance`` in standard deviations of
    the pool.

    Where the tolerance cannot be met it is widened step by step, and what was reached is reported. A missing
    column, value, or base scene without an image of some target and direction is an ``InputError``.
    """
    report = progress or Silent()
    table = _checked(pool, features)
    targets = sorted(table["intended_target"].unique())
    spread = table[list(features)].std(ddof=0).to_numpy()
    pairs, balance = [], []
    reached, contrast_shares = {}, {}
    used: set[str] = set()
    for index, target in enumerate(targets):
        report.report(index / len(targets), f"matching {target}")
        part = table[table["intended_target"] == target].reset_index(drop=True)
        gain = _gain(part, target, targets, contrasts)
        nuisance = _standardised(part, features, spread)
        selection, reached[target] = _solve(part, gain - REUSED * _reused(part, used), nuisance, tolerance)
        used |= set(_pictures(part)[selection])
        contrast_shares[target] = _contrast_share(part, gain, selection)
        pairs.append(_pairs(part, gain, selection, target))
        balance.append(_balance(part, nuisance, selection, features, target))
    report.report(1.0, "matched")
    return MatchedPairs(
        pairs=pd.concat(pairs, ignore_index=True),
        balance=pd.concat(balance, ignore_index=True),
        tolerance=tolerance,
        reached=reached,
        contrast_shares=contrast_shares,
    )


def _checked(pool: pd.DataFrame, features: Sequence[str]) -> pd.DataFrame:
    """Return the guided rows, in an order that does not depend on that of the pool."""
    missing = [name for name in (*COLUMNS, *features) if name not in pool.columns]
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
    _check_cells(table)
    ordered: pd.DataFrame = table.sort_values(["intended_target", "base_scene", "stimulus_id"]).reset_index(
        drop=True
    )
    return ordered


def _check_finite(table: pd.DataFrame, features: Sequence[str]) -> None:
    scores = [name for name in table.columns if str(name).startswith(SCORE_PREFIX)]
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


def _gain(
    part: pd.DataFrame,
    target: str,
    targets: Sequence[str],
    contrasts: Mapping[str, Mapping[str, float]] | None,
) -> Floats:
    """Return what selecting each image adds: the target contrast, signed by the image's direction."""
    if contrasts is not None and target in contrasts:
        weights = dict(contrasts[target])
    else:
        others = [name for name in targets if name != target]
        weights = {target: 1.0, **{name: -1.0 / len(others) for name in others}}
    total = np.zeros(len(part))
    for name, weight in weights.items():
        if SCORE_PREFIX + name not in part.columns:
            raise InputError("stimulus pool", f"has no column {SCORE_PREFIX}{name}", f"the scores of {name}")
        total += weight * part[SCORE_PREFIX + name].to_numpy(dtype=float)
    signed: Floats = total * np.sign(part["direction"].to_numpy(dtype=float))
    return signed


def _standardised(part: pd.DataFrame, features: Sequence[str], spread: Floats) -> Floats:
    """Return features (n, F) in standard deviations of the whole pool; zeros for one that does not vary."""
    values = part[list(features)].to_numpy(dtype=float)
    safe = np.where(spread > 1e-12, spread, np.inf)
    scaled: Floats = (values - values.mean(axis=0)) / safe
    return scaled


def _cells(part: pd.DataFrame) -> Iterator[Floats]:
    """One 0/1 row (n,) per base scene and direction: exactly one of its images is selected."""
    for _, group in part.groupby(["base_scene", "direction"], sort=True):
        row = np.zeros(len(part))
        row[group.index.to_numpy()] = 1.0
        yield row


def _pictures(part: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Identify pictures (n,): their digests, or else the names of their stimuli."""
    name = "image_sha256" if "image_sha256" in part.columns else "stimulus_id"
    return part[name].astype(str).to_numpy()


def _reused(part: pd.DataFrame, used: set[str]) -> Floats:
    return np.array([float(name in used) for name in _pictures(part)])


def _same_picture(part: pd.DataFrame) -> Iterator[Floats]:
    """One 0/1 row (n,) per high and low image of a scene that are one picture: at most one is selected."""
    shown = part.assign(picture=_pictures(part), row=np.arange(len(part)))
    for _, group in shown.groupby(["base_scene", "picture"], sort=True):
        if group["direction"].nunique() > 1:
            row = np.zeros(len(part))
            row[group["row"].to_numpy()] = 1.0
            yield row


def _solve(
    part: pd.DataFrame, gain: Floats, nuisance: Floats, tolerance: float
) -> tuple[np.ndarray[Any, Any], float]:
    """Return indices of the selected images, and the tolerance that was reached."""
    one_per_cell = csr_array(np.array(list(_cells(part))))
    sign = np.sign(part["direction"].to_numpy(dtype=float))
    scenes = part["base_scene"].nunique()
    difference = csr_array((nuisance * sign[:, None]).T / scenes)
    doubles = list(_same_picture(part))
    for factor in (*RELAXATION, np.inf):
        limits = [LinearConstraint(one_per_cell, 1.0, 1.0)]
        if doubles:
            limits.append(LinearConstraint(csr_array(np.array(doubles)), 0.0, 1.0))
        if np.isfinite(factor):
            limits.append(LinearConstraint(difference, -tolerance * factor, tolerance * factor))
        solution = milp(
            -gain,
            constraints=limits,
            integrality=np.ones(len(part)),
            bounds=Bounds(0.0, 1.0),
            options={"mip_rel_gap": GAP, "node_limit": NODES},
        )
        if solution.x is not None:
            return np.flatnonzero(solution.x > 0.5), float(tolerance * factor)
    raise InputError("stimulus pool", f"no choice of images could be made ({solution.message})")


def _contrast_share(part: pd.DataFrame, gain: Floats, selection: np.ndarray[Any, Any]) -> float:
    """Return the contrast of the selection over the best without balance (1 when that is not positive)."""
    best = sum(float(gain[row > 0].max()) for row in _cells(part))
    return float(gain[selection].sum()) / best if best > 0 else 1.0


def _pairs(part: pd.DataFrame, gain: Floats, selection: np.ndarray[Any, Any], target: str) -> pd.DataFrame:
    rows = part.iloc[selection].assign(gain=gain[selection])
    high = rows[rows["direction"] > 0].set_index("base_scene")
    low = rows[rows["direction"] < 0].set_index("base_scene").loc[high.index]
    return pd.DataFrame(
        {
            "base_scene": list(high.index),
            "intended_target": target,
            "high": high["stimulus_id"].to_list(),
            "low": low["stimulus_id"].to_list(),
            "contrast": (high["gain"] + low["gain"]).to_list(),
        }
    )


def _balance(
    part: pd.DataFrame,
    nuisance: Floats,
    selection: np.ndarray[Any, Any],
    features: Sequence[str],
    target: str,
) -> pd.DataFrame:
    up = (part["direction"] > 0).to_numpy()
    picked = np.zeros(len(part), dtype=bool)
    picked[selection] = True
    return pd.DataFrame(
        {
            "intended_target": target,
            "feature": list(features),
            "before": nuisance[up].mean(axis=0) - nuisance[~up].mean(axis=0),
            "after": nuisance[up & picked].mean(axis=0) - nuisance[~up & picked].mean(axis=0),
        }
    )
