"""The designs of the referee.

Numbers of people, scenes and seeds are crossed. Every other factor is varied around that, at sizes from small
to large, by itself or with those that it could act with. Left out are

- choices: themes of several seeds with other standard deviations, but for 12 and 40 people: where seeds share
  a theme the number of themes limits a design, whatever the number of people;
- profiles: the same for designs of more than 2000 people times scenes, which take as long as all the others.

Later questions have as few designs as reach their corners: few people, few themes, people or themes that
differ much or not at all, several seeds of a theme, missing answers, features through which targets act.

The classic mistakes are run beside the tests where sizes are varied, for 20 and 100 people; those that
cross-validate, which take a hundred times as long, in a few designs and an eighth of the studies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from benchmarks.covariates_worlds import World
from benchmarks.crossed_choices import CrossedWorld
from benchmarks.photograph_choices import PhotographWorld
from benchmarks.referee_points import PointsWorld
from benchmarks.referee_worlds import Design, ThemedWorld


@dataclass(frozen=True)
class Cell:
    """One design: whether the classic mistakes are run too, and the slow ones among them."""

    design: Design | ThemedWorld
    mistakes: bool = False
    slow: bool = False


Grid = tuple[Cell, ...]
LARGE = 2000
PEOPLE, SCENES, SEEDS = (12, 20, 40, 100, 200), (6, 12, 20, 40), (1, 2, 3, 4)


def _sizes(base: Design, slow: tuple[tuple[int, int, int], ...] = ()) -> Grid:
    """Cross people, scenes and seeds; every size has two themes at least."""
    return tuple(
        Cell(
            replace(base, people=people, scenes=scenes, seeds=seeds),
            mistakes=people in (20, 100) or (people, scenes, seeds) in slow,
            slow=(people, scenes, seeds) in slow,
        )
        for people in PEOPLE
        for scenes in SCENES
        for seeds in SEEDS
    )


def _choices() -> Grid:
    spreads = [
        Design(people=people, scenes=scenes, person_sd=person, scene_sd=scene)
        for person, scene in ((0.4, 0.3), (0.4, 4.0), (2.0, 2.0), (8.0, 0.3), (8.0, 4.0))
        for people in PEOPLE
        for scenes in SCENES
    ]
    alike = [
        Design(people=people, scenes=scenes, seeds=seeds, person_sd=person, scene_sd=scene)
        for person, scene in ((2.0, 2.0), (8.0, 4.0))
        for people in (12, 40)
        for scenes in SCENES
        for seeds in (2, 3, 4)
    ]
    slopes = [
        Design(people=people, scenes=scenes, targets=4, person_slope=person, theme_slope=theme)
        for person in (0.0, 0.5, 1.5)
        for theme in (0.0, 0.5, 1.5)
        for people, scenes in ((12, 12), (20, 6), (40, 20), (100, 12))
    ]
    others = [
        replace(design, people=people, scenes=scenes)
        for design in (
            Design(person_theme=1.0),
            Design(person_theme=2.0),
            Design(careless=0.3),
            Design(careless=0.6),
            Design(missing=0.4),
            Design(leaving=0.3),
            Design(leaving=0.6),
            Design(leaving=0.5, missing=0.4, person_sd=2.0, scene_sd=2.0),
            Design(unequal=True),
            Design(seeds=2, unequal=True, scene_sd=2.0),
            Design(variants=2),
            Design(variants=3, seeds=2, careless=0.2, leaving=0.3),
        )
        for people, scenes in ((12, 12), (20, 20), (40, 12), (100, 20))
    ]
    return _sizes(Design()) + tuple(Cell(design) for design in (*spreads, *alike, *slopes, *others))


REFERENCE = Design(people=40, scenes=20, person_sd=1.0, person_slope=0.3, theme_slope=0.3)
"""The reference of the profiles' power: 40 people, 20 scenes in 20 themes."""


def _profiles() -> Grid:
    slow = ((20, 40, 1), (20, 12, 3), (40, 20, 2))
    slopes = [
        Design(people=people, scenes=scenes, person_slope=person, theme_slope=theme)
        for person in (0.0, 0.3, 1.0)
        for theme in (0.0, 0.3, 1.0)
        for people, scenes in ((12, 12), (20, 20), (40, 12))
    ]
    others = [
        replace(design, people=people, scenes=scenes)
        for design in (
            Design(person_sd=8.0, scene_sd=0.3, person_slope=0.5),
            Design(person_sd=0.4, scene_sd=4.0, theme_slope=0.5),
            Design(careless=0.3, person_slope=0.3),
            Design(careless=0.6, person_slope=0.3, theme_slope=0.3),
            Design(missing=0.4, person_slope=0.3),
            Design(leaving=0.3, person_slope=0.3),
            Design(leaving=0.5, missing=0.4, person_slope=0.5, theme_slope=0.5),
            Design(unequal=True, theme_slope=0.5),
            Design(seeds=2, unequal=True, theme_slope=0.5, person_slope=0.3),
            Design(variants=2, theme_slope=0.3),
        )
        for people, scenes in ((12, 12), (20, 20), (40, 12))
    ]
    sizes = _sizes(Design(person_sd=1.0, person_slope=0.5, theme_slope=0.5), slow)
    distinct = Design(people=20, scenes=12, person_slope=1.0)
    return (
        Cell(REFERENCE, mistakes=True, slow=True),
        *(
            cell
            for cell in sizes
            if cell.design.seeds == 1 or cell.design.people * cell.design.scenes <= LARGE
        ),
        *map(Cell, (*slopes, *others)),
        Cell(distinct, mistakes=True, slow=True),
    )


def _photographs() -> Grid:
    """Numbers of photographs are ``scenes``; a correlation needs five themes."""
    designs = [Design(scenes=images, seeds=seeds) for images in (20, 40, 60, 120) for seeds in SEEDS]
    designs += [
        Design(scenes=images, seeds=seeds, unequal=True) for images in (60, 120) for seeds in (1, 2, 3)
    ]
    return tuple(Cell(design, mistakes=True) for design in designs)


def _corners(designs: Iterable[ThemedWorld], mistakes: tuple[int, ...]) -> Grid:
    """Run the classic mistakes beside the designs of these numbers."""
    return tuple(Cell(design, mistakes=number in mistakes) for number, design in enumerate(designs))


LOWLEVEL = (
    World(people=12, themes=6),
    World(people=20, themes=8, person=0.0, theme=0.0),
    World(people=12, themes=24),
    World(people=12, themes=12, person=1.0, theme=0.2),
    World(people=40, themes=12, person=0.2, theme=1.0),
    World(people=20, themes=6, seeds=2, through=0.5, answered=0.7),
    World(people=40, themes=20, through=0.5),
)
LOWLEVEL_CHOICES = (
    World(people=12, themes=6),
    World(people=20, themes=8, person=0.0, theme=0.0),
    World(people=12, themes=24, person=2.0),
    World(people=40, themes=12, theme=2.0),
    World(people=20, themes=6, seeds=2, answered=0.7),
    World(people=16, themes=8, targets=1),
    World(people=40, themes=20, theme=1.0, through=0.05),
    World(people=100, themes=12, person=1.0, theme=1.0),
)
CROSSED = (
    CrossedWorld(people=12, themes=6),
    CrossedWorld(people=20, themes=8, person=0.0, theme=0.0, general=1.0),
    CrossedWorld(people=12, themes=24, person=2.0, questions=2, visible=1.0),
    CrossedWorld(people=40, themes=12, theme=2.0),
    CrossedWorld(people=20, themes=6, seeds=2, answered=0.7, questions=4, visible=1.0),
    CrossedWorld(people=16, themes=8, targets=2, general=1.0),
    CrossedWorld(people=40, themes=20, questions=4, theme=1.0, visible=1.0, general=0.5),
    CrossedWorld(people=100, themes=12, person=1.0, theme=1.0),
)
PHOTOGRAPHS = (
    PhotographWorld(people=12, themes=12),
    PhotographWorld(people=40, themes=40, photograph=1.5, theme=0.0),
    PhotographWorld(people=20, themes=20, pairs=3),
    PhotographWorld(people=100, themes=30, pairs=2, photograph=1.0, taste=1.0),
    PhotographWorld(people=20, themes=12, seeds=3, theme=1.0, photograph=0.3, answered=0.7),
    PhotographWorld(people=12, themes=60, person=1.5),
)
TREND = (
    World(people=12, themes=6, targets=1),
    World(people=20, themes=8, targets=1, person=0.0, theme=0.0),
    World(people=12, themes=20, targets=1, person=1.0, theme=0.2),
    World(people=40, themes=12, targets=1, person=0.2, theme=1.0),
    World(people=20, themes=6, seeds=3, targets=1, answered=0.7),
    World(people=20, themes=8, targets=1, levels=1),
    World(people=20, themes=12, targets=2),
    World(people=100, themes=8, targets=1, person=1.0, theme=0.6),
)
JOINT = (
    World(people=12, themes=6, targets=2),
    World(people=12, themes=20, targets=2, person=1.0, theme=0.2),
    World(people=40, themes=12, targets=3, person=0.2, theme=1.0),
    World(people=20, themes=8, seeds=2, targets=2, answered=0.7),
)
POINTS = (
    PointsWorld(people=12, themes=6),
    PointsWorld(people=12, themes=20, person_slope=2.0, theme_slope=0.3),
    PointsWorld(people=40, themes=8, person_slope=0.3, theme_slope=1.5, points=7),
    PointsWorld(people=20, themes=6, seeds=2, answered=0.7),
    PointsWorld(people=20, themes=12, person=3.0, person_slope=0.0, theme_slope=0.0),
)
CONDITIONS = (
    PointsWorld(people=12, themes=8, conditions=3),
    PointsWorld(people=20, themes=12, conditions=3, person_slope=0.3, theme_slope=1.5, points=7),
)

GRID: dict[str, Grid] = {
    "choices": _choices(),
    "profiles": _profiles(),
    "photographs": _photographs(),
    "lowlevel": _corners(LOWLEVEL, (5, 6)),
    "lowlevel_choices": _corners(LOWLEVEL_CHOICES, (3, 6)),
    "choice_specificity": _corners(CROSSED, (2, 3)),
    "photograph_choices": _corners(PHOTOGRAPHS, (0, 2, 3, 4)),
    "trend": _corners(TREND, (2, 3)),
    "trend_jointly": _corners(JOINT, ()),
    "ordinal": _corners(POINTS, (2,)),
    "ordinal_conditions": _corners(CONDITIONS, ()),
}

ACCURACIES = (
    (Design(people=40, scenes=20, person_slope=0.3, theme_slope=0.3), 0.0),
    (Design(people=40, scenes=20, person_slope=0.3, theme_slope=0.3), 0.35),
    (Design(people=20, scenes=12, seeds=2, person_slope=0.5, theme_slope=0.3), 0.5),
    (Design(people=20, scenes=12), 1.0),
)
"""Designs and effects for the interval of the accuracy."""

QUICK: dict[str, Grid] = {
    "choices": (
        Cell(Design(scenes=12, seeds=2), mistakes=True),
        Cell(Design(people=20, scenes=6, person_sd=8.0), mistakes=True),
    ),
    "profiles": (
        Cell(Design(people=20, scenes=12, seeds=2, person_slope=0.4, theme_slope=0.4), mistakes=True),
    ),
    "photographs": (Cell(Design(scenes=40, seeds=4), mistakes=True),),
    "lowlevel": (Cell(World(people=12, themes=8, through=0.5), mistakes=True),),
    "lowlevel_choices": (Cell(World(people=12, themes=8, theme=1.0), mistakes=True),),
    "choice_specificity": (Cell(CrossedWorld(people=12, themes=8, theme=1.0), mistakes=True),),
    "photograph_choices": (Cell(PhotographWorld(people=20, themes=20, pairs=3), mistakes=True),),
    "trend": (Cell(World(people=16, themes=10, targets=1, person=0.8, theme=0.2), mistakes=True),),
    "trend_jointly": (Cell(World(people=12, themes=10, targets=2, theme=0.3)),),
    "ordinal": (Cell(PointsWorld(people=12, themes=8, person_slope=1.5, theme_slope=1.5)),),
}
