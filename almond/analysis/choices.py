"""Do people choose the image that was pushed up? Forced choices with participants and base scenes random.

Unit: participants and base scenes, both random; with several pairs per scene the pairs too. A binomial test
over trials, or one that treats only participants as random, takes correlated trials for independent ones and
rejects a true null in 20 to 50 percent of studies.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy.special import expit

from almond.errors import InputError
from almond.significance import p_of_count, reaches
from almond.stats.mixed import MixedFit, RandomTerm, fit_binomial, likelihood_ratio
from almond.typing import Floats

MAX_EXACT_SCENES = 14
"""Up to this many scenes all 2^S sign patterns are listed; beyond it they are drawn."""


@dataclass(frozen=True)
class Share:
    """The share of aligned choices of one participant or scene, over ``trials`` of them."""

    name: str
    share: float
    trials: int


@dataclass(frozen=True)
class SignFlip:
    """A sign-flip test over scenes of mean alignment against one half, two-sided."""

    p: float
    flips: int
    exact: bool
    seed: int | None


@dataclass(frozen=True)
class ChoiceResult:
    """Alignment of choices with the direction of manipulation.

    ``estimate`` is the intercept in log odds with its t interval; ``probability`` is that of a typical
    participant and scene. ``p`` is the primary one: Wald t with ``df`` = (units of the smallest random
    factor) - 1, or the likelihood ratio where ``separated`` choices leave the Wald test without meaning.
    """

    target: str | None
    share: float
    estimate: float
    se: float | None
    t: float | None
    df: float
    p: float
    p_wald: float | None
    p_likelihood: float
    chi2: float
    probability: float
    probability_low: float
    probability_high: float
    sd: dict[str, float]
    singular: bool
    separated: bool
    sign_flip: SignFlip
    trials: int
    participants: int
    scenes: int
    pairs: int
    left_share: float
    by_participant: tuple[Share, ...]
    by_scene: tuple[Share, ...]


def alignment(
    choices: pd.DataFrame,
    *,
    rng: np.random.Generator,
    seed: int,
    flips: int = 10_000,
    target: str | None = None,
) -> ChoiceResult:
    """Test whether choices are aligned with the manipulation, over all of ``choices`` or one ``target``.

    ``choices`` has ``participant_id``, ``base_scene``, ``pair_id``, ``intended_target``, ``chosen`` and
    ``aligned`` (0 or 1). ``rng`` draws sign flips when there are too many scenes to list them all; ``seed``
    is recorded. Raises ``InputError`` with fewer than two participants or three scenes.
    """
    rows = choices if target is None else choices[choices["intended_target"] == target]
    name = f"choices of {target}" if target else "choices"
    people, scenes = rows["participant_id"].nunique(), rows["base_scene"].nunique()
    if people < 2 or scenes < 3:
        raise InputError(name, f"{people} participants, {scenes} base scenes", "at least 2 and 3")
    terms = random_terms(rows)
    aligned = rows["aligned"].to_numpy(dtype=np.float64)
    full = fit_binomial(aligned, np.ones((len(rows), 1)), terms, names=["intercept"])
    null = fit_binomial(aligned, np.zeros((len(rows), 0)), terms)
    ratio = likelihood_ratio(full, null)
    by_scene = shares(rows, "base_scene")
    wald = wald_summary(full)
    return ChoiceResult(
        target=target,
        share=float(aligned.mean()),
        p=ratio.p if wald.p is None else wald.p,
        p_likelihood=ratio.p,
        chi2=ratio.statistic,
        estimate=wald.estimate,
        se=wald.se,
        t=wald.t,
        df=wald.df,
        p_wald=wald.p,
        probability=float(expit(wald.estimate)),
        probability_low=wald.low,
        probability_high=wald.high,
        sd={variance.name: float(variance.sd[0]) for variance in full.variances},
        singular=full.singular,
        separated=full.separated,
        sign_flip=sign_flip(np.array([scene.share for scene in by_scene]) - 0.5, rng, seed, flips),
        trials=len(rows),
        participants=people,
        scenes=scenes,
        pairs=int(rows["pair_id"].nunique()),
        left_share=float((rows["chosen"] == "left").mean()),
        by_participant=shares(rows, "participant_id"),
        by_scene=by_scene,
    )


def random_terms(rows: pd.DataFrame) -> list[RandomTerm]:
    """Participants and base scenes; pairs as well when a scene has several."""
    terms = [
        RandomTerm("participant", rows["participant_id"].to_numpy()),
        RandomTerm("base scene", rows["base_scene"].to_numpy()),
    ]
    if rows["pair_id"].nunique() > rows["base_scene"].nunique():
        terms.append(RandomTerm("pair", rows["pair_id"].to_numpy()))
    return terms


@dataclass(frozen=True)
class WaldSummary:
    estimate: float
    se: float | None
    t: float | None
    df: float
    p: float | None
    low: float
    high: float


def wald_summary(fit: MixedFit) -> WaldSummary:
    """The intercept's test and its interval as probabilities; without a test where choices are separated."""
    df = float(fit.min_units_df())
    estimate = float(fit.estimates[0])
    if fit.separated or not np.isfinite(fit.se[0]):
        low, high = (0.5, 1.0) if estimate > 0 else (0.0, 0.5)
        return WaldSummary(estimate, None, None, df, None, low, high)
    test = fit.wald("intercept", df=df)
    low, high = float(expit(test.low)), float(expit(test.high))
    return WaldSummary(estimate, test.se, test.t, df, test.p, low, high)


def shares(rows: pd.DataFrame, column: str) -> tuple[Share, ...]:
    found = rows.groupby(column)["aligned"].agg(["mean", "size"])
    return tuple(
        Share(str(name), float(mean), int(size))
        for name, mean, size in found.itertuples(index=True, name=None)
    )


def sign_flip(differences: Floats, rng: np.random.Generator, seed: int, flips: int) -> SignFlip:
    """Flip the sign of each scene's difference from chance; compare the absolute mean, two-sided.

    All 2^S patterns up to 14 scenes (p = share of patterns at least as far out, the observed one among them),
    else ``flips`` drawn ones with p = (1 + b) / (1 + B).
    """
    count = len(differences)
    observed = abs(float(differences.mean()))
    exact = count <= MAX_EXACT_SCENES
    if exact:
        signs = np.array(list(product((1.0, -1.0), repeat=count)))
    else:
        signs = rng.choice(np.array([1.0, -1.0]), size=(flips, count))
    null = np.abs(signs @ differences) / count
    reached = np.count_nonzero(reaches(null, observed))
    if exact:
        return SignFlip(reached / len(signs), len(signs), True, None)
    return SignFlip(float(p_of_count(reached, flips)), flips, False, seed)
