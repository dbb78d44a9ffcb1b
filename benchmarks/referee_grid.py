"""The designs of the referee: one factor varied at a time around what labs do, and the corners.

The flag beside a design says whether effects are run as well as the null.
"""

from __future__ import annotations

from benchmarks.referee_worlds import Design

Grid = tuple[tuple[Design, bool], ...]


def _choices() -> Grid:
    sizes = [
        (Design(people=people, scenes=scenes), people in (12, 40) and scenes in (6, 20))
        for people in (12, 20, 40, 100, 200)
        for scenes in (6, 12, 20, 40)
    ]
    themes = [
        (Design(people=20, scenes=scenes, seeds=seeds), scenes == 12)
        for seeds in (2, 3, 4)
        for scenes in (12, 20, 40)
    ]
    spreads = [
        (Design(people=people, scenes=scenes, person_sd=person, scene_sd=scene), False)
        for person, scene in ((0.4, 0.3), (0.4, 4.0), (2.0, 2.0), (8.0, 0.3), (8.0, 4.0))
        for people, scenes in ((12, 12), (20, 6), (40, 20))
    ]
    others = [
        (Design(person_slope=1.0), True),
        (Design(people=40, scenes=20, person_slope=2.0), False),
        (Design(careless=0.3), True),
        (Design(missing=0.4), False),
        (Design(leaving=0.3), False),
        (Design(people=12, leaving=0.5, missing=0.4, person_sd=2.0, scene_sd=2.0), False),
        (Design(unequal=True), False),
        (Design(scenes=20, seeds=2, unequal=True, scene_sd=2.0), False),
        (Design(variants=2), False),
    ]
    return (*sizes, *themes, *spreads, *others)


def _profiles() -> Grid:
    reference = Design(people=40, scenes=20, person_sd=1.0, person_slope=0.3, theme_slope=0.3)
    sizes = [
        (Design(people=people, scenes=scenes, person_sd=1.0, person_slope=0.5, theme_slope=0.5), False)
        for people, scenes in (
            (12, 6),
            (12, 12),
            (20, 12),
            (20, 40),
            (40, 12),
            (40, 40),
            (100, 12),
            (200, 12),
        )
    ]
    themes = [
        (Design(people=20, scenes=12, seeds=seeds, theme_slope=0.5, person_slope=0.3), False)
        for seeds in (2, 3, 4)
    ]
    slopes = [
        (Design(people=20, scenes=scenes, person_slope=person, theme_slope=theme), False)
        for person, theme in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
        for scenes in (12, 20)
    ]
    others = [
        (Design(careless=0.3, person_slope=0.3), False),
        (Design(missing=0.4, person_slope=0.3), False),
        (Design(leaving=0.3, person_slope=0.3), False),
        (Design(unequal=True, theme_slope=0.5), False),
        (Design(variants=2, theme_slope=0.3), False),
        (Design(people=12, person_sd=4.0, scene_sd=4.0, person_slope=0.5), False),
    ]
    return ((reference, True), *sizes, *themes, *slopes, *others)


CHOICES, PROFILES = _choices(), _profiles()
PHOTOGRAPHS: Grid = (
    (Design(scenes=60), True),
    (Design(scenes=60, seeds=2), False),
    (Design(scenes=60, seeds=4), True),
    (Design(scenes=24, seeds=3), False),
    (Design(scenes=60, seeds=3, unequal=True), False),
    (Design(scenes=120, seeds=2, unequal=True), False),
)
ACCURACIES = (
    (Design(people=40, scenes=20, person_slope=0.3, theme_slope=0.3), 0.0),
    (Design(people=40, scenes=20, person_slope=0.3, theme_slope=0.3), 0.35),
    (Design(people=20, scenes=12, seeds=2, person_slope=0.5, theme_slope=0.3), 0.5),
    (Design(people=20, scenes=12), 1.0),
)
"""Designs and effects for the interval of the accuracy."""

QUICK: dict[str, Grid] = {
    "choices": ((Design(scenes=12, seeds=2), True), (Design(people=20, scenes=6, person_sd=8.0), False)),
    "profiles": ((Design(people=20, scenes=12, seeds=2, person_slope=0.4, theme_slope=0.4), False),),
    "photographs": ((Design(scenes=40, seeds=4), False),),
}
