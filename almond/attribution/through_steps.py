"""One picture's attribution over the steps of its diffusion: what the score looked at, and how finely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch

from almond.attribution.explained import Attribution, explained_target, with_shuffled_weights
from almond.attribution.maps import agreement, mass_by_scale
from almond.attribution.methods import METHODS
from almond.attribution.steps import predictions_at
from almond.errors import InputError
from almond.guidance.backends.base import Generator
from almond.guidance.recipe import Recipe
from almond.progress import Part, Progress, Silent
from almond.targets.scorer import Scorer

SHUFFLED = "shuffled"
"""Key, beside the methods' names, of the first method with shuffled weights."""


@dataclass(frozen=True)
class StepAttribution:
    """A recipe's clean pictures (S, 3, H, W) at the steps ``at``, with maps (S, H, W) of every method.

    ``table`` has one row per step and method: ``step`` (from 1), ``alpha_bar``, ``method``, ``score`` of the
    predicted picture in SD, ``incomplete`` (share; empty where the method promises no sum), ``agreement_*``
    with the first method and with the first method under shuffled weights (rank correlations; empty for the
    method with itself), and the ``scale_*`` shares of the map's power.
    """

    recipe: Recipe
    target: str
    at: tuple[int, ...]
    pictures: torch.Tensor
    maps: Mapping[str, torch.Tensor]
    table: pd.DataFrame


def steps_to_show(steps: int, count: int) -> tuple[int, ...]:
    """Spread ``count`` steps evenly over a trajectory, the last one among them; all where there are fewer.

    :raises InputError: a count below 1.
    """
    if count < 1:
        raise InputError("steps", f"are {count}", "one or more")
    if count >= steps:
        return tuple(range(steps))
    return tuple(sorted({round((index + 1) * steps / count) - 1 for index in range(count)}))


def attribute_recipe(
    recipe: Recipe,
    generator: Generator,
    scorer: Scorer,
    *,
    target: str,
    methods: Sequence[str],
    at: Sequence[int],
    seed: int = 0,
    progress: Progress | None = None,
) -> StepAttribution:
    """Attribute a target's score of a recipe's clean predictions at the steps ``at`` by several methods.

    The first method is also run on the network with shuffled weights: what agrees with that shows the
    picture, not the network.

    :raises InputError: an unknown target, method or step, or no method.
    """
    report = progress or Silent()
    if not methods:
        raise InputError("methods", "are none", f"one or more of {', '.join(METHODS.names())}")
    chosen = {name: METHODS.load(name) for name in methods}
    pictures = predictions_at(recipe, generator, scorer, at, Part(report, 0.0, 0.3))
    explained = explained_target(scorer, target)
    made: dict[str, Attribution] = {}
    for index, (name, method) in enumerate(chosen.items()):
        made[name] = method(explained, pictures, seed=seed)
        report.report(0.3 + 0.5 * (index + 1) / len(chosen), f"{name} of {len(pictures)} pictures")
    shuffled = explained_target(with_shuffled_weights(scorer, seed), target)
    made[SHUFFLED] = chosen[methods[0]](shuffled, pictures, seed=seed)
    report.report(1.0, f"{len(pictures)} pictures attributed")
    with torch.no_grad():
        scores = explained.score(pictures).tolist()
    levels = [step.level.alpha_bar for step in generator.scheduler.start(recipe.steps).steps]
    steps = [{"step": index + 1, "alpha_bar": levels[index]} for index in at]
    rows = _rows(made, methods, steps=steps, scores=scores)
    maps = {name: attribution.maps for name, attribution in made.items()}
    return StepAttribution(recipe, target, tuple(at), pictures, maps, pd.DataFrame(rows))


def _rows(
    made: Mapping[str, Attribution],
    methods: Sequence[str],
    *,
    steps: Sequence[Mapping[str, Any]],
    scores: Sequence[float],
) -> list[dict[str, Any]]:
    """List the table's rows, methods within steps."""
    reference = methods[0]
    together = {name: agreement(made[name].maps, made[reference].maps) for name in made}
    against = {name: agreement(made[name].maps, made[SHUFFLED].maps) for name in made}
    rows = []
    for index, step in enumerate(steps):
        for name, attribution in made.items():
            share = attribution.incomplete
            rows.append(
                {
                    **step,
                    "method": name,
                    "score": scores[index],
                    "incomplete": None if share is None else float(share[index]),
                    f"agreement_{reference}": None if name == reference else together[name][index],
                    f"agreement_{SHUFFLED}": None if name == SHUFFLED else against[name][index],
                    **{
                        f"scale_{band}": value
                        for band, value in mass_by_scale(attribution.maps[index]).items()
                    },
                }
            )
    return rows
