"""The parts of a study's plan, and how each is read from JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from almond.design.questions import QUESTIONS
from almond.design.reading import Fields

KINDS = ("rating", "choice")
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class Construct:
    """One judgement: a question, answered on a scale from ``low`` (0) to ``high`` (100)."""

    name: str
    question: str
    low: str
    high: str


@dataclass(frozen=True)
class Block:
    """A run of trials of one kind.

    ``trials`` counts all trials that one participant sees in it; ``repeats`` of them (rating blocks) show an
    image a second time. A rating trial shows one image with all ``constructs`` as sliders; a choice trial
    shows one pair with the question of its construct.
    """

    kind: str
    name: str
    trials: int
    constructs: tuple[str, ...] = ()
    repeats: int = 0

    @property
    def distinct(self) -> int:
        """Trials that show something for the first time."""
        return self.trials - self.repeats


@dataclass(frozen=True)
class PlannedStimulus:
    """One image: named by ``id``, proven by ``sha256``. Natural and unguided images have no target."""

    id: str
    sha256: str
    base_scene: str
    prompt: str
    target: str | None
    direction: int
    strength: float
    width: int
    height: int


@dataclass(frozen=True)
class PlannedPair:
    """Two images of one base scene, pushed up (``high``) and down (``low``) along one target."""

    id: str
    base_scene: str
    target: str
    construct: str
    question: str
    high: str
    low: str


@dataclass(frozen=True)
class AnalysisPlan:
    """The confirmatory analysis: number of permutations, error level, and the primary tests by name."""

    permutations: int = 2000
    alpha: float = 0.05
    primary: tuple[str, ...] = ("classification", "choices")


def read_construct(fields: Fields) -> Construct:
    return Construct(*(fields.text(name) for name in ("name", "question", "low", "high")))


def read_block(fields: Fields) -> Block:
    return Block(
        kind=fields.one_of("kind", KINDS),
        name=fields.text("name"),
        trials=fields.integer("trials", low=1),
        constructs=fields.texts("constructs"),
        repeats=fields.integer("repeats", low=0, default=0),
    )


def read_stimulus(fields: Fields) -> PlannedStimulus:
    return PlannedStimulus(
        id=fields.text("id"),
        sha256=fields.digest("sha256"),
        base_scene=fields.text("base_scene"),
        prompt=str(fields.get("prompt", "") or ""),
        target=fields.optional_text("target"),
        direction=fields.integer("direction", low=-1, high=1, default=0),
        strength=fields.number("strength", low=0.0, default=0.0),
        width=fields.integer("width", low=1),
        height=fields.integer("height", low=1),
    )


def read_pair(fields: Fields) -> PlannedPair:
    names = ("id", "base_scene", "target", "construct", "question", "high", "low")
    return PlannedPair(*(fields.text(name) for name in names))


def read_analysis(fields: Fields) -> AnalysisPlan:
    usual = AnalysisPlan()
    primary = fields.texts("primary", default=usual.primary)
    for name in primary:
        if name not in QUESTIONS.names():
            fields.note("primary", f"{name!r} is not one of {', '.join(QUESTIONS.names())}")
    return AnalysisPlan(
        permutations=fields.integer("permutations", low=1, default=usual.permutations),
        alpha=fields.number("alpha", low=0.0, high=1.0, default=usual.alpha),
        primary=primary,
    )


def as_json(item: object) -> dict[str, Any]:
    """A flat dataclass as a JSON object; tuples become lists."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(item).items()}
