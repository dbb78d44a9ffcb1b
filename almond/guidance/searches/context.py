"""What a search works with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from almond.guidance.backends.base import Generator
from almond.guidance.methods import BACKWARD, declared
from almond.guidance.objectives.references import References, ScoreReader
from almond.guidance.recipe import Recipe
from almond.guidance.rules import RULES
from almond.progress import Progress

if TYPE_CHECKING:
    from almond.guidance.sampler import Generated


@dataclass(frozen=True)
class SearchContext:
    """Generator and scorer, the unguided trajectories of scenes, where progress is reported, and how many
    images are computed together."""

    generator: Generator
    scorer: ScoreReader
    references: References
    progress: Progress
    batch: int = 1


class Search(Protocol):
    """Make the images of recipes that share a batch; each is found by itself, whatever the others are."""

    def __call__(self, recipes: Sequence[Recipe], context: SearchContext) -> list[Generated]: ...


def evaluations(recipe: Recipe, trace: Sequence[Mapping[str, Any]]) -> float:
    """Count the denoiser's passes of one guided trajectory, a backward pass as two forward ones."""
    forward, backward = declared(RULES, recipe.rule).passes or (1.0, 0.0)
    guided = sum(1 for entry in trace if entry["strength"])
    return len(trace) - guided + guided * (forward + BACKWARD * backward)
