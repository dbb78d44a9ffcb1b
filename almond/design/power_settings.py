"""What a power analysis is asked for, checked: the points of its curves, effects, studies and seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from almond import __version__
from almond.design.identity import design_digest
from almond.design.parts import LARGEST_SEED
from almond.design.plan import StudyPlan
from almond.digest import digest_json
from almond.errors import InputError
from almond.world.rater_model import RaterModel

MOST_THEMES, MOST_PEOPLE = 1000, 10_000
MOST_EFFECTS, MOST_STUDIES, LARGEST_EFFECT = 10, 100_000, 10.0
LEAST_PEOPLE = 2


@dataclass(frozen=True)
class Point:
    """One design of a curve: the plan with so many participants and themes."""

    people: int
    themes: int


@dataclass(frozen=True)
class PowerSettings:
    """A power analysis that can run; made by ``check_settings``.

    :param points: the plan's own design first, then those of the curve over people and over themes.
    """

    plan: StudyPlan
    raters: RaterModel
    points: tuple[Point, ...]
    effects: tuple[float, ...]
    studies: int
    seed: int
    lists: int

    @property
    def planned(self) -> Point:
        return self.points[0]

    @property
    def levels(self) -> tuple[float, ...]:
        """The effects to simulate, none first."""
        return (0.0, *self.effects)

    @property
    def digest(self) -> str:
        """SHA-256 of everything that the result depends on."""
        return digest_json(
            {"almond": __version__, "design": design_digest(self.plan, self.lists), **self.to_json()}
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "points": [[point.people, point.themes] for point in self.points],
            "effects": list(self.effects),
            "studies": self.studies,
            "seed": self.seed,
            "lists": self.lists,
            "raters": self.raters.model_dump(mode="json"),
        }


def check_settings(
    plan: StudyPlan,
    raters: RaterModel,
    *,
    people: Sequence[int],
    themes: Sequence[int],
    effects: Sequence[float],
    studies: int,
    seed: int,
    lists: int,
) -> PowerSettings:
    """Check what is asked for, and add the plan's own design.

    :raises InputError: naming what is not possible.
    """
    check_plan(plan)
    _check_numbers("people", people, LEAST_PEOPLE, MOST_PEOPLE)
    _check_numbers("themes", themes, 1, MOST_THEMES)
    _check_numbers("studies", (studies,), 2, MOST_STUDIES)
    _check_numbers("seed", (seed,), 0, LARGEST_SEED)
    _check_numbers("lists", (lists,), 1, MOST_PEOPLE)
    _check_effects(effects)
    planned = Point(plan.participants, len(plan.themes))
    points, ordered = tuple(_points(planned, people, themes)), tuple(sorted(map(float, effects)))
    return PowerSettings(plan, raters, points, ordered, studies, seed, lists)


def check_plan(plan: StudyPlan) -> None:
    """Raise ``InputError`` for what is no planned study, or tests nothing."""
    where = f"plan {plan.title!r}"
    if plan.external:
        raise InputError(where, "describes data that were collected elsewhere", "the plan of a study")
    if not plan.analysis.primary:
        raise InputError(where, "has no primary test", "at least one in analysis.primary")


def _points(planned: Point, people: Sequence[int], themes: Sequence[int]) -> Iterator[Point]:
    yield planned
    for count in sorted(set(people) - {planned.people}):
        yield Point(count, planned.themes)
    for count in sorted(set(themes) - {planned.themes}):
        yield Point(planned.people, count)


def _check_numbers(name: str, numbers: Sequence[int], least: int, most: int) -> None:
    for number in numbers:
        if not least <= number <= most:
            raise InputError(name, f"is {number}", f"whole numbers from {least} to {most}")


def _check_effects(effects: Sequence[float]) -> None:
    expected = f"1 to {MOST_EFFECTS} different numbers above 0 and up to {LARGEST_EFFECT:g}"
    if not 1 <= len(effects) <= MOST_EFFECTS or len(set(effects)) < len(effects):
        listed = ", ".join(f"{effect:g}" for effect in effects)
        raise InputError("effects", f"are {listed or 'missing'}", expected)
    for effect in effects:
        if not math.isfinite(effect) or not 0.0 < effect <= LARGEST_EFFECT:
            raise InputError("effects", f"{effect:g} is one of them", expected)
