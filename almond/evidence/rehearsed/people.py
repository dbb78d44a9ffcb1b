"""Simulated people of a rehearsal: a function of the plan, what is declared of them, and a seed.

Whoever sends their answers and whoever compares what was stored compute the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

from almond.design.assignment import make_lists
from almond.design.plan import StudyPlan
from almond.design.trials.responses import PlannedTrial, Response
from almond.errors import InputError
from almond.evidence.simulated import Sitting
from almond.rng import generator
from almond.shapes import suggestion
from almond.world.psychology import (
    DeclaredPercepts,
    ImageFacts,
    Psychology,
    declared_percepts,
    declared_rater,
    leaves_after,
)

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
Measured = Mapping[str, Mapping[str, float]]
"""Image -> what was measured of it, by name: scores and norms."""


@dataclass(frozen=True)
class RehearsedVisit:
    """What one simulated participant answers, in order; ``left`` whoever stops on the way, ``ended_by`` the
    block whose answer ended the visit."""

    responses: tuple[Response, ...]
    posted: Mapping[int, Mapping[str, Any]]
    """Index of a trial -> what is posted of its answer beside ids and digests."""
    planned: int
    left: bool = False
    ended_by: str | None = None
    skipped: int = 0

    @property
    def finishes(self) -> bool:
        return not self.left and self.ended_by is None


@dataclass(frozen=True, eq=False)
class RehearsedPeople:
    """The simulated people of a rehearsal, by number from 0; ``attentive`` of them come first, who look and
    stay to the end.

    :param lists: how many lists of trials are dealt.
    :param measured: of photographs: what constructs follow, since nothing was done to them.
    """

    plan: StudyPlan
    lists: int
    psychology: Psychology
    seed: int
    attentive: int = 0
    measured: Measured = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ``InputError`` for an effect of something that the plan does not ask for."""
        for name in self.psychology.effects:
            if name not in self.constructs:
                raise InputError(
                    f"effects.{name}", "is no construct of the study", suggestion(name, self.constructs)
                )

    @property
    def constructs(self) -> tuple[str, ...]:
        return tuple(construct.name for construct in self.plan.constructs)

    @cached_property
    def trials(self) -> list[list[PlannedTrial]]:
        """The lists of trials, dealt from the plan anew."""
        return make_lists(self.plan, self.lists)

    @cached_property
    def percepts(self) -> DeclaredPercepts:
        effects = [self.psychology.effect(name) for name in self.constructs]
        return declared_percepts(image_facts(self.plan, self.measured), effects, self.seed)

    def visit(self, number: int, assigned: int, name: str = "") -> RehearsedVisit:
        """Return what participant ``number`` answers to the trials of a list.

        :param name: the participant's name, which rows made from the responses hold.
        """
        attentive = number < self.attentive
        rng = generator(self.seed, "rater", number)
        rater = declared_rater(rng, self.psychology, self.constructs, attentive=attentive)
        trials = self.trials[assigned]
        most = leaves_after(generator(self.seed, "leaves", number), self.psychology, len(trials))
        sitting = Sitting(self.plan, name or f"robot-{number}", WHEN, trials)
        seen, responses = self.percepts.seen_by(number), list[Response]()
        posted: dict[int, dict[str, Any]] = {}
        while (trial := sitting.next_trial()) is not None:
            if most is not None and not attentive and len(responses) >= most:
                return RehearsedVisit(tuple(responses), posted, len(trials), left=True)
            answered = sitting.answer(trial, rater, seen)
            responses.append(replace(answered, values=as_browsers_write(answered.values)))
            posted[trial.index] = as_browsers_write(sitting.posted[trial.index])
        standing = sitting.standing
        return RehearsedVisit(
            tuple(responses),
            posted,
            len(trials),
            ended_by=standing.ended_by,
            skipped=len(standing.skipped),
        )


def as_browsers_write(value: Any) -> Any:
    """Write numbers of an answer as a browser does: whole ones without a point."""
    if isinstance(value, Mapping):
        return {name: as_browsers_write(member) for name, member in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def image_facts(plan: StudyPlan, measured: Measured) -> dict[str, ImageFacts]:
    """Return what every image of a plan was made for, and how far that is what each construct asks.

    A construct asks of the images of its own target; without one, of those of all targets. The dose of a
    photograph is 1, and what it is of a construct the standing of ``standings``.
    """
    own = {construct.name: targets_asked(plan, construct.name) for construct in plan.constructs}
    places = {name: standings(name, own[name], measured) for name in own}
    strongest = max((row.strength for row in plan.stimuli), default=0.0) or 1.0
    facts = {}
    for row in plan.stimuli:
        dose = row.direction * row.strength / strongest
        doses = tuple(float(not targets or row.target in targets) for targets in own.values())
        if row.target is None and row.id in measured:
            dose, doses = 1.0, tuple(places[name].get(row.id, 0.0) for name in own)
        facts[row.id] = ImageFacts(
            plan.theme_of_scene[row.base_scene], row.base_scene, row.target or "", dose, doses
        )
    return facts


def targets_asked(plan: StudyPlan, construct: str) -> frozenset[str]:
    """Return the targets of whose images a construct is meant to tell; empty where the plan names none."""
    named = {row.target for row in plan.constructs if row.name == construct and row.target}
    return frozenset(
        named or {pair.target for pair in plan.pairs if pair.construct == construct and pair.target}
    )


def standings(construct: str, targets: Collection[str], measured: Measured) -> dict[str, float]:
    """Return where photographs stand on what a construct is taken to follow, in standard deviations.

    That is the score of its target, else the norm of its own name, else the first score by name; without any,
    nothing is returned.
    """
    names = sorted({name for values in measured.values() for name in values})
    wanted = [*(f"score_{target}" for target in sorted(targets)), f"norm_{construct}", *names]
    name = next((one for one in wanted if one in names), None)
    values = {image: row[name] for image, row in measured.items() if name is not None and name in row}
    spread = float(np.std(list(values.values()))) if values else 0.0
    if spread == 0.0:
        return {}
    middle = float(np.mean(list(values.values())))
    return {image: (value - middle) / spread for image, value in values.items()}
