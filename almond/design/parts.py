"""The parts of a study's plan."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, Strict

from almond.design.exclusions import EXCLUSIONS
from almond.design.exclusions.base import ExclusionRule
from almond.design.flow.condition import BranchingBlock
from almond.design.questions import QUESTIONS
from almond.design.trials import TRIAL_KINDS
from almond.shapes import (
    DifferentTexts,
    Number,
    OneOf,
    Shape,
    Text,
    Whole,
    is_digest,
    read_within,
    repeated,
    shown,
)

LARGEST_SEED = 2**63 - 1


def _known_questions(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in QUESTIONS.names():
            raise ValueError(f"{name!r} is not one of {', '.join(QUESTIONS.names())}")
    return names


def _digest_or_none(text: str) -> str:
    if text and not is_digest(text):
        raise ValueError(f"is {shown(text)}, not a SHA-256 digest of 64 hexadecimal digits")
    return text


Count = Annotated[Whole, Field(ge=1)]
Pixels = Annotated[Whole, Field(ge=0)]


class Construct(Shape):
    """One judgement: a question, answered on a scale from ``low`` (0) to ``high`` (100).

    ``target`` is the region whose pairs it is expected to tell apart. It stands where the construct is asked
    of the pairs of every target, so that its own can be compared with the others.
    """

    not_written_when_absent: ClassVar[tuple[str, ...]] = ("target",)

    name: Text
    question: Text
    low: Text
    high: Text
    target: Text | None = None


class PlannedBlock(BranchingBlock):
    """A run of trials of one kind; a trial kind narrows this shape by its own rules.

    ``trials`` counts all trials that one participant sees in it; ``repeats`` of them show an image a second
    time. ``constructs`` are the judgements asked for. ``draws_on`` names the stimuli or the pairs of
    which it shows some or all; without it these are all of the plan that its kind can show. Participants of
    other ``arms`` do not see it, if it names some. No list has more than ``most_of_scene`` images or pairs of
    one base scene in it.
    """

    not_written_when_absent: ClassVar[tuple[str, ...]] = (
        *("draws_on", "arms", "most_of_scene"),
        *("only_if", "end_if"),
    )

    kind: Annotated[str, OneOf(TRIAL_KINDS)]
    name: Text
    trials: Count
    constructs: DifferentTexts = ()
    repeats: Annotated[Whole, Field(ge=0)] = 0
    draws_on: DifferentTexts = ()
    arms: DifferentTexts = ()
    most_of_scene: Count | None = None

    @property
    def distinct(self) -> int:
        """Trials that show something for the first time."""
        return self.trials - self.repeats


class PlannedStimulus(Shape):
    """One image: named by ``id``, proven by ``sha256``. Natural and unguided images have no target.

    ``theme`` is what its base scene shares with others that show the same content. Plans that were sealed
    before there were themes have none. An image of external data that nobody handed over has neither
    ``sha256`` nor size.
    """

    not_written_when_absent: ClassVar[tuple[str, ...]] = ("theme",)

    id: Text
    sha256: Annotated[str, Strict(), AfterValidator(_digest_or_none)]
    base_scene: Text
    theme: Text | None = None
    prompt: Annotated[str, Strict()] = ""
    target: Text | None = None
    direction: Annotated[Whole, Field(ge=-1, le=1)] = 0
    strength: Annotated[Number, Field(ge=0)] = 0.0
    width: Pixels
    height: Pixels

    @property
    def scenes(self) -> tuple[str, ...]:
        """Its base scene."""
        return (self.base_scene,)


with warnings.catch_warnings():
    # The field is older than pydantic's method of that name, which is deprecated and not used here.
    warnings.filterwarnings("ignore", 'Field name "construct"')

    class PlannedPair(Shape):
        """Two images that are chosen between: one guided up (``high``) and one down (``low``) along a target,
        of one base scene; or two photographs, without a target.

        Of photographs ``base_scene`` is that of ``high``, ``other_scene`` that of ``low`` where it is
        another. ``by`` says what makes ``high`` the higher one, such as a norm; without it neither is.
        ``theme`` is what several pairs share beside the themes of their photographs.
        """

        not_written_when_absent: ClassVar[tuple[str, ...]] = ("target", "other_scene", "theme", "by")

        id: Text
        base_scene: Text
        other_scene: Text | None = None
        theme: Text | None = None
        target: Text | None = None
        by: Text | None = None
        construct: Text  # type: ignore[assignment]
        question: Text
        high: Text
        low: Text

        @property
        def scenes(self) -> tuple[str, ...]:
            """The base scenes of its images, each once."""
            return (self.base_scene,) if self.other_scene is None else (self.base_scene, self.other_scene)

        @property
        def tells_higher(self) -> bool:
            """Whether one of its images is expected to be chosen."""
            return self.target is not None or self.by is not None


def rule_of_its_kind(value: object) -> object:
    """Validate an exclusion rule by the shape of its kind.

    :raises ValueError: there is no such kind.
    """
    if isinstance(value, ExclusionRule):
        return value
    name = value.get("kind") if isinstance(value, Mapping) else value
    if name not in EXCLUSIONS.names():
        raise ValueError(f"kind is {shown(name)}, not one of {', '.join(EXCLUSIONS.names())}")
    return read_within(EXCLUSIONS.load(str(name)), value)


class AnalysisPlan(Shape):
    """The confirmatory analysis: number of permutations, error level, the primary tests by name, and the
    rules by which participants are left out, in the order in which they are applied."""

    not_written_when_absent: ClassVar[tuple[str, ...]] = ("exclusions",)

    permutations: Count = 2000
    alpha: Annotated[Number, Field(ge=0, le=1)] = 0.05
    primary: Annotated[DifferentTexts, AfterValidator(_known_questions)] = ("classification", "choices")
    exclusions: tuple[Annotated[ExclusionRule, BeforeValidator(rule_of_its_kind)], ...] = ()

    def contradictions(self) -> Iterator[tuple[str, str]]:
        for kind in repeated(rule.kind for rule in self.exclusions):
            yield "exclusions", f"rule {kind!r} stands more than once"


def block_of_its_kind(value: object) -> object:
    """Validate a block by the shape of its trial kind; leave one of no known kind to ``PlannedBlock``."""
    fields = dict(value) if isinstance(value, PlannedBlock) else value
    name = fields.get("kind") if isinstance(fields, Mapping) else None
    if name not in TRIAL_KINDS.names():
        return fields
    return TRIAL_KINDS.load(str(name)).block.model_validate(fields)


AnyBlock = Annotated[PlannedBlock, BeforeValidator(block_of_its_kind)]
"""A block of any kind, with the fields and rules of that kind."""
