"""How large the demonstration is, and the seeds of its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from almond.errors import InputError
from almond.guidance.generators import DEFAULT_GENERATOR
from almond.rng import derive_seed
from almond.world import lab
from almond.world.null_forms import NullWorld


@dataclass(frozen=True)
class DemoSettings:
    """Sizes of one run of the whole chain. The defaults finish in a few minutes on two cores.

    ``subjects`` brains are simulated; the first half guides, the second half is held out as judges.
    Each of the ``prompts`` is a theme, so that further ones tell more than further seeds of each.
    ``strengths`` empty: those with which the generator was calibrated. ``scenes_kept``: base scenes in each
    target's pairs; None keeps all that have a pair. :func:`matched_sizes` has a pool that can be matched.
    ``null``: whether responses depend on the manipulation (``none``: they do), and if not, whether people and
    prompts differ (``structured``) or each image by itself (``independent``); nothing else changes.
    """

    seed: int = 1
    participants: int = 40
    null: NullWorld = "none"
    subjects: int = 6
    runs: int = 2
    volumes: int = 260
    tr: float = 1.5
    prompts: tuple[str, ...] = lab.PROMPTS
    seeds_per_prompt: int = 1
    strengths: tuple[float, ...] = ()
    scenes_kept: int | None = None
    reference_scenes: int = 300
    rating_trials: int = 32
    choice_trials: int = 24
    lists: int = 8
    permutations: int = 2000
    generator: str = DEFAULT_GENERATOR

    def __post_init__(self) -> None:
        for name, least in (("participants", 4), ("subjects", 2), ("permutations", 99)):
            if getattr(self, name) < least:
                raise InputError(f"--{name}", f"is {getattr(self, name)}", f"at least {least}")

    def stream(self, *purpose: str | int) -> int:
        """Derive the seed of one purpose of this run, in [0, 2**53), which JSON keeps exactly."""
        return derive_seed(self.seed, "demo", *purpose) >> 10


MATCHED_SEEDS = 4
MATCHED_SCENES = 12
"""Base scenes of every prompt, and of each target's pairs, with which what the choice of pairs can bound
keeps both yardsticks for every target (docs/measured.md): 1200 pictures, a quarter of the scenes kept."""


def matched_sizes(**settings: Any) -> DemoSettings:
    """Return the sizes of the demonstration and of the example lab; ``settings`` as in DemoSettings."""
    return DemoSettings(**{"seeds_per_prompt": MATCHED_SEEDS, "scenes_kept": MATCHED_SCENES, **settings})
