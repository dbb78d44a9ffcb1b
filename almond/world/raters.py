"""Simulated participants. They judge the pixels they are shown, read by a network that no generator knows.

A judgement starts from a percept: the latents (16,) in [0, 1] that the reader finds in an image, in the order
of ``almond.world.scenes.LATENTS``. What each construct means to the population is ``CONSTRUCTS``; raters
differ from it and from each other, use the scale in their own way, are noisy, lapse and tire. Careless raters
answer without looking.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from almond.errors import InputError
from almond.world.scenes import LATENTS

Latents = NDArray[np.float64]
Style = Literal["attentive", "careless"]
Side = Literal["left", "right"]

CONSTRUCTS: dict[str, dict[str, float]] = {
    "threat": {"threat": 0.8, "anger": 0.4, "fear": 0.3, "darkness": 0.2},
    "urgency": {"arms_raised": 0.9, "anger": 0.3, "nearness": 0.2},
    "social": {"presence": 0.9, "direct_gaze": 0.4, "dog": 0.3},
    "pleasantness": {"flowers": 0.8, "smile": 0.6, "threat": -0.3, "darkness": -0.2},
    "valence": {"flowers": 0.8, "smile": 0.6, "threat": -0.5, "anger": -0.3, "fear": -0.3},
    "arousal": {"threat": 0.7, "arms_raised": 0.4, "anger": 0.3, "fear": 0.3, "nearness": 0.2},
}
"""Weights of the latents in what the population means by a construct."""

FLOOR, SPAN = 15.0, 65.0
"""The average rater's scale: a scene without any of it is rated 15 of 100, one unit of it adds 65."""

TASTE_SD = 0.06
"""How far a rater's weights lie from the population's, for every latent."""

NULL_SD = 0.1
"""Stimulus noise of the null world, in units of latents."""


class Rating(NamedTuple):
    """Slider values (0 to 100, whole numbers), one per construct asked, and the time to answer in ms."""

    values: tuple[float, ...]
    rt_ms: float


class Choice(NamedTuple):
    """The side chosen and the time to answer in ms."""

    side: Side
    rt_ms: float


class Rater:
    """One simulated participant, with a random stream of its own.

    ``gain`` and ``bias`` (of 100) are its use of the scale, ``noise`` the standard deviation of one rating
    (of 100), ``lapse`` the share of answers given without looking, ``fatigue`` how much noise grows and
    answers quicken per 100 trials, ``lean`` its preference for the right side (of 100), ``pace`` its median
    time for one rating in ms.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        gain: float,
        bias: float,
        noise: float,
        lapse: float,
        fatigue: float,
        lean: float,
        pace: float,
    ) -> None:
        self.rng = rng
        self.gain, self.bias, self.noise = gain, bias, noise
        self.lapse, self.fatigue, self.lean, self.pace = lapse, fatigue, lean, pace
        self.tastes: dict[str, Latents] = {}
        self.answered = 0

    def rate(self, percept: Latents, constructs: Sequence[str]) -> Rating:
        """Rate a percept (16,) on every construct; raises ``InputError`` for a construct it cannot judge."""
        tired = self.tiredness()
        felt = np.array([self.feel(percept, name) for name in constructs])
        if self.rng.random() < self.lapse:
            values = self.rng.uniform(0, 100, len(constructs))
        else:
            noise = self.noise * (1 + tired) * self.rng.standard_normal(len(constructs))
            values = FLOOR + self.bias + self.gain * SPAN * felt + noise
        self.answered += 1
        seconds = self.pace * (0.5 + 0.5 * len(constructs)) / (1 + tired)
        return Rating(tuple(float(value) for value in np.clip(np.round(values), 0, 100)), self.time(seconds))

    def choose(self, left: Latents, right: Latents, construct: str) -> Choice:
        """Choose which of two percepts (16,) has more of a construct."""
        tired = self.tiredness()
        lead = self.lead(left, right, construct)
        evidence = lead + self.lean + math.sqrt(2) * self.noise * (1 + tired) * self.rng.standard_normal()
        if self.rng.random() < self.lapse:
            evidence = self.rng.standard_normal()
        self.answered += 1
        hesitation = 1 + 0.6 * math.exp(-abs(lead) / self.noise)
        return Choice(
            "right" if evidence > 0 else "left", self.time(0.6 * self.pace * hesitation / (1 + tired))
        )

    def lead(self, left: Latents, right: Latents, construct: str) -> float:
        """Compute how much more (of 100) of a construct this rater sees in the right percept."""
        return self.gain * SPAN * (self.feel(right, construct) - self.feel(left, construct))

    def feel(self, percept: Latents, construct: str) -> float:
        """Compute how much of a construct this rater sees; negative weights start from their middle."""
        if construct not in self.tastes:
            weights = construct_weights(construct)
            self.tastes[construct] = weights + TASTE_SD * self.rng.standard_normal(len(weights))
        return float(self.tastes[construct] @ percept) + 0.5 * abs(negative_weight(construct))

    def tiredness(self) -> float:
        return self.fatigue * self.answered / 100

    def time(self, median: float) -> float:
        """Draw a reaction time: lognormal, at least 150 ms, in tenths of a millisecond."""
        return round(max(150.0, median * math.exp(0.35 * self.rng.standard_normal())), 1)


def simulate_rater(rng: np.random.Generator, style: Style = "attentive") -> Rater:
    """Draw one participant from the population; raises ``InputError`` for an unknown style."""
    if style == "careless":
        return Rater(
            rng,
            gain=0.0,
            bias=35.0,
            noise=20.0,
            lapse=1.0,
            fatigue=0.0,
            lean=0.0,
            pace=float(rng.uniform(250, 600)),
        )
    if style != "attentive":
        raise InputError("rater style", f"is {style!r}", "attentive or careless")
    return Rater(
        rng,
        gain=float(np.exp(0.25 * rng.standard_normal())),
        bias=float(8 * rng.standard_normal()),
        noise=float(np.clip(16 + 3 * rng.standard_normal(), 8, 28)),
        lapse=float(rng.beta(1, 40)),
        fatigue=float(rng.uniform(0.0, 0.3)),
        lean=float(3 * rng.standard_normal()),
        pace=float(2200 * np.exp(0.3 * rng.standard_normal())),
    )


def construct_weights(construct: str) -> Latents:
    """Return the population's weights (16,) of a construct; raises ``InputError`` for one it cannot judge."""
    if construct not in CONSTRUCTS:
        raise InputError(
            f"construct {construct!r}", "is none that simulated raters know", ", ".join(CONSTRUCTS)
        )
    return np.array([CONSTRUCTS[construct].get(name, 0.0) for name in LATENTS])


def negative_weight(construct: str) -> float:
    return sum(min(weight, 0.0) for weight in CONSTRUCTS[construct].values())


def null_percepts(
    bases: Mapping[str, Latents],
    scenes: Mapping[str, str],
    rng: np.random.Generator,
    *,
    sd: float = NULL_SD,
    clipped: bool = True,
) -> dict[str, Latents]:
    """Make percepts of the null world: those of the unguided image of each scene, plus noise per stimulus.

    ``bases`` holds the percepts of unguided images by base scene, ``scenes`` the base scene of every stimulus
    id. The noise knows no target and no direction. Cut to [0, 1], unless more is to be added. Raises
    ``InputError`` for a scene without a base.
    """
    missing = sorted(set(scenes.values()) - set(bases))
    if missing:
        raise InputError(
            f"base scene {missing[0]!r}", "has no percept of its unguided image", "one per scene"
        )
    noise = {name: sd * rng.standard_normal(len(LATENTS)) for name in sorted(scenes)}
    seen = {name: bases[scene] + noise[name] for name, scene in scenes.items()}
    return {name: np.clip(percept, 0.0, 1.0) for name, percept in seen.items()} if clipped else seen


def style_of(rng: np.random.Generator, careless_share: float) -> Style:
    """Draw careless with probability ``careless_share``, else attentive."""
    return "careless" if rng.random() < careless_share else "attentive"
