"""Null studies in which questions are asked of the pairs of every target: arrays alone, without the analyst's
code.

People may follow the questions in all pairs, and single people, themes and images may be far from the average
in the pairs of single targets. On average the pairs of a question's own target are as the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from benchmarks.referee_worlds import DENSITY, NODES, ThemedWorld


@dataclass(frozen=True)
class CrossedWorld(ThemedWorld):
    """Standard deviations are in log odds of an aligned choice.

    ``questions``: how many have a target of their own, of ``targets``. ``person`` and ``theme``: what people
    and themes make of a question in the pairs of a target; ``image``: what a pair adds. ``general``: log odds
    of all aligned choices; ``visible``: how targets differ in these, which one question cannot tell from its
    own target. ``effect``: what the share gains in the pairs of the question's own target.
    """

    targets: int = 4
    questions: int = 1
    person: float = 0.5
    theme: float = 0.5
    image: float = 0.5
    general: float = 0.0
    visible: float = 0.0


@dataclass(frozen=True, eq=False)
class CrossedChoices:
    """Choices as the analysis reads them, and the own target of every question."""

    rows: pd.DataFrame
    own: Mapping[str, str]


def draw_crossed_choices(world: CrossedWorld, rng: np.random.Generator) -> CrossedChoices:
    """Draw choices of everybody between the pairs of every target, by every question."""
    person, scene, target, question, theme = world.crossed(world.targets, world.questions)
    asked = (world.targets, world.questions)
    logit = world.general + world.visible * rng.normal(size=world.targets)[target]
    logit = logit + world.person * rng.normal(size=(world.people, *asked))[person, target, question]
    logit += world.theme * rng.normal(size=(world.themes, *asked))[theme, target, question]
    logit += world.image * rng.normal(size=(world.scenes, world.targets))[scene, target]
    share = expit(logit) + world.effect * (target == question)
    aligned = rng.random(len(person)) < np.clip(share, 0.0, 1.0)
    rows = pd.DataFrame(
        {
            "participant_id": person,
            "theme": theme,
            "construct": np.char.add("Q", question.astype(str)),
            "intended_target": np.char.add("T", target.astype(str)),
            "aligned": aligned.astype(np.int64),
        }
    )
    kept = rows[world.answers(len(rows), rng)].reset_index(drop=True)
    return CrossedChoices(kept, {f"Q{number}": f"T{number}" for number in range(world.questions)})


def share_gained(world: CrossedWorld, effect: float) -> float:
    """Compute by how much the expected share is larger in the pairs of a question's own target."""
    spread = math.sqrt(world.person**2 + world.theme**2 + world.image**2 + world.visible**2)
    shares = expit(world.general + spread * NODES)
    return float(DENSITY @ (np.clip(shares + effect, 0.0, 1.0) - shares))
