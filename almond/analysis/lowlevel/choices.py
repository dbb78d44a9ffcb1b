"""Choices between the two images of a pair beside the images' low-level differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from almond.analysis.lowlevel.features import Covariates, between_pair
from almond.errors import InputError
from almond.exchange.schema import SCORE
from almond.stats.clustered.regression import (
    JointTest,
    RegressionColumns,
    SlopeTest,
    effects,
    joint_test,
    slope_test,
)
from almond.stats.two_way import least_p
from almond.typing import Floats

MIN_PARTICIPANTS, MIN_THEMES = 2, 4


@dataclass(frozen=True)
class AlignmentBeside:
    """The share of aligned choices at zero low-level difference, between the screen's sides.

    ``share`` is the observed one, ``at_zero`` the intercept of a regression on ``components`` of the
    low-level differences and on the side, with ``se`` to ``limited`` as in ``regression.SlopeTest``.
    """

    target: str | None
    share: float
    at_zero: float
    se: float
    t: float
    df: float
    p: float
    low: float
    high: float
    limited: bool
    components: int
    explained: float
    trials: int
    participants: int
    themes: int
    pairs: int


@dataclass(frozen=True, eq=False)
class PairTrials:
    """Trials ``aligned`` (n,) with ``side`` (n,), 1/2 where the high image was left, else -1/2.

    ``covariates`` has a row per pair of ``pairs``, ``pair`` (n,) is the row of each trial.
    """

    rows: pd.DataFrame
    aligned: Floats
    side: Floats
    covariates: Covariates
    pair: np.ndarray[tuple[int], np.dtype[np.intp]]

    @property
    def components(self) -> Floats:
        """Return the components of each trial's pair (n, q)."""
        return self.covariates.components[self.pair]


def choice_trials(rows: pd.DataFrame, features: pd.DataFrame) -> PairTrials:
    """Arrange choices between images that have features.

    :raises InputError: fewer than two participants or four themes.
    :raises NotApplicable: no pair differs in a feature.
    """
    people, themes = rows["participant_id"].nunique(), rows["theme"].nunique()
    if people < MIN_PARTICIPANTS or themes < MIN_THEMES:
        least = f"at least {MIN_PARTICIPANTS} and {MIN_THEMES}"
        raise InputError("choices", f"{people} participants, {themes} themes", least)
    left = rows["high_side"] == "left"
    high = rows["left_stimulus"].where(left, rows["right_stimulus"])
    low = rows["right_stimulus"].where(left, rows["left_stimulus"])
    names = (high + "\n" + low).to_numpy(dtype=str)
    _, first, pair = np.unique(names, return_index=True, return_inverse=True)
    covariates = between_pair(features, list(high.iloc[first]), list(low.iloc[first]), int(themes))
    aligned = rows["aligned"].to_numpy(dtype=np.float64)
    side = np.where(left, 0.5, -0.5)
    return PairTrials(rows, aligned, side, covariates, pair.reshape(-1))


def alignment_beside(trials: PairTrials, target: str | None = None) -> AlignmentBeside:
    """Test the share of aligned choices at zero low-level difference against one half.

    :raises InputError: differences that cannot be told from the intercept, with all units or without one.
    """
    beside = np.column_stack([trials.components, trials.side])
    ones, taken = np.ones(len(trials.aligned)), trials.components.shape[1]
    test = _test_slope(trials, ones, beside, null=0.5, taken=taken)
    rows, covariates = trials.rows, trials.covariates
    return AlignmentBeside(
        target=target,
        share=float(trials.aligned.mean()),
        at_zero=test.estimate,
        se=test.se,
        t=test.t,
        df=test.df,
        p=test.p,
        low=max(0.0, test.low),
        high=min(1.0, test.high),
        limited=test.limited,
        components=covariates.components.shape[1],
        explained=covariates.explained,
        trials=len(rows),
        participants=rows["participant_id"].nunique(),
        themes=rows["theme"].nunique(),
        pairs=len(covariates.values),
    )


def differences_test(trials: PairTrials) -> JointTest:
    """Test whether alignment depends on any component of the low-level differences."""
    beside = np.column_stack([np.ones(len(trials.aligned)), trials.side])
    fitted = effects(trials.aligned[:, None], _predictors(trials, trials.components, beside))
    return joint_test(fitted, least=least_p(fitted.covariance.fewest))


def side_test(trials: PairTrials) -> SlopeTest:
    """Test how much more often choices are aligned when the high image is on the left."""
    beside = np.column_stack([np.ones(len(trials.aligned)), trials.components])
    return _test_slope(trials, trials.side, beside)


def score_test(trials: PairTrials, scores: Floats, *, adjusted: bool) -> SlopeTest:
    """Test whether alignment rises with the difference ``scores`` (n,) of predicted scores, within targets.

    :param adjusted: beside the components of the low-level differences.
    :raises InputError: the differences do not vary within targets.
    """
    targets = pd.get_dummies(trials.rows["intended_target"]).to_numpy(dtype=np.float64)
    others = [targets, trials.side[:, None], *([trials.components] if adjusted else [])]
    # The mean takes a degree of freedom, and so does each component.
    taken = 1 + (trials.components.shape[1] if adjusted else 0)
    return _test_slope(trials, scores, np.hstack(others), taken=taken)


def score_differences(rows: pd.DataFrame, stimuli: pd.DataFrame) -> Floats | None:
    """Return the predicted score of each trial's own target, high minus low image; None where one lacks."""
    table = stimuli.set_index("stimulus_id")
    named: Mapping[str, str] = {target: SCORE + target for target in set(rows["intended_target"])}
    if not all(column in table for column in named.values()):
        return None
    differences = np.full(len(rows), np.nan)
    sign = np.where(rows["high_side"] == "left", 1.0, -1.0)
    for target, column in named.items():
        own = (rows["intended_target"] == target).to_numpy()
        left, right = (rows[f"{side}_stimulus"].map(table[column]) for side in ("left", "right"))
        differences[own] = (sign * (left - right).to_numpy(dtype=np.float64))[own]
    return differences if np.isfinite(differences).all() else None


def _predictors(trials: PairTrials, tested: Floats, beside: Floats) -> RegressionColumns:
    people, themes = (trials.rows[name].to_numpy() for name in ("participant_id", "theme"))
    return RegressionColumns(tested, beside, people, themes)


def _test_slope(
    trials: PairTrials, tested: Floats, beside: Floats, *, null: float = 0.0, taken: int = 0
) -> SlopeTest:
    fitted = effects(trials.aligned[:, None], _predictors(trials, tested[:, None], beside))
    return slope_test(fitted, null=null, step=1.0, taken=taken)
