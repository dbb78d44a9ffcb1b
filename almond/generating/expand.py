"""From a grid of settings to the recipes of single images: what the site, the demo and ``generate`` share.

Light: no torch. A :class:`GuidanceGrid` says how a scene is guided; :func:`recipes_of_scene` writes the
recipes of one prompt and seed, the unguided image first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from almond.guidance.conditioning import RecipePictures
from almond.guidance.methods import declared, settings_of
from almond.guidance.objectives import DEFAULT_OBJECTIVE, OBJECTIVES
from almond.guidance.recipe import Recipe, View
from almond.guidance.rules import DEFAULT_RULE, RULES
from almond.guidance.searches import DEFAULT_SEARCH, SEARCHES

NO_PICTURES = RecipePictures()

UP_AND_DOWN: tuple[Literal[1, -1], ...] = (1, -1)


@dataclass(frozen=True)
class GuidanceGrid:
    """How every scene is guided: once per target and combination of these.

    ``directions`` of +1 and -1, ``strengths`` unit-free and above 0, ``window`` in alpha-bar, ``ramp`` a
    share of it, ``rules`` and ``objectives`` by name, with their ``settings``; ``coefficients`` map a target
    to those of the others in the regression of its score (objective ``partial``). ``search`` by name, with
    its settings among the others; ``penalties`` map names to mu; ``view`` is how predictions are looked at.
    ``base``: also the unguided image of every scene.
    """

    steps: int
    strengths: tuple[float, ...]
    window: tuple[float, float]
    ramp: float = 0.0
    directions: tuple[int, ...] = UP_AND_DOWN
    rules: tuple[str, ...] = (DEFAULT_RULE,)
    objectives: tuple[str, ...] = (DEFAULT_OBJECTIVE,)
    settings: Mapping[str, float] = field(default_factory=dict)
    coefficients: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    search: str = DEFAULT_SEARCH
    penalties: Mapping[str, float] = field(default_factory=dict)
    view: View = field(default_factory=View)
    base: bool = True

    @property
    def pushes(self) -> tuple[float, ...]:
        """Return the strengths; 0 alone for a search that climbs by itself, without a rule."""
        return self.strengths if declared(SEARCHES, self.search).takes_rule else (0.0,)

    def images_of_scene(self, targets: int) -> int:
        """Count the images of one scene with so many targets."""
        ways = len(self.rules) * len(self.objectives) * len(self.directions) * len(self.pushes)
        return int(self.base) + targets * ways


@dataclass(frozen=True)
class Planned:
    """One image to be made: its recipe, the target it is for (empty: the unguided base), the objective."""

    recipe: Recipe
    target: str = ""
    objective: str = ""


def recipes_of_scene(
    prompt: str,
    seed: int,
    grid: GuidanceGrid,
    *,
    generator: str,
    generator_digest: str,
    targets: Sequence[str],
    target_digests: Mapping[str, str],
    pictures: RecipePictures = NO_PICTURES,
) -> Iterator[Planned]:
    """Yield what is to be made of one prompt and seed, of ``targets`` in their order.

    ``target_digests`` pins the versions of the targets; ``pictures`` are those that all of them start from or
    follow.
    The unguided image comes first; then by rule, objective, target, direction and strength.
    """
    common: dict[str, Any] = {
        "prompt": prompt,
        "seed": seed,
        "generator": generator,
        "generator_digest": generator_digest,
        "steps": grid.steps,
        **pictures.fields,
    }
    if grid.base:
        # The rule of an image that no rule touches is the first: it is part of the recipe's digest.
        yield Planned(Recipe(**common, rule=grid.rules[0]))
    guided = {
        **common,
        "window": grid.window,
        "ramp": grid.ramp,
        "target_digests": dict(target_digests),
        "search": grid.search,
        "penalties": dict(grid.penalties),
        "view": grid.view,
    }

    for rule in grid.rules:
        for kind in grid.objectives:
            for target in targets:
                others = [name for name in targets if name != target]
                taken = settings_of(((RULES, rule), (OBJECTIVES, kind), (SEARCHES, grid.search)))
                settings = {name: value for name, value in grid.settings.items() if name in taken}
                fields = OBJECTIVES.load(kind).fields(target, others, grid.coefficients.get(target, {}))
                for direction in grid.directions:
                    for strength in grid.pushes:
                        recipe = Recipe(
                            **guided,
                            **fields,
                            rule=rule,
                            settings=settings,
                            direction=direction,
                            strength=strength,
                        )
                        yield Planned(recipe, target, kind)
