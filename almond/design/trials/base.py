"""What a trial kind declares: its block, its trials, its answers, and the table of its responses.

A lab adds a kind with one module that defines such an object, one line in ``TRIAL_KINDS``, and one script
for the browser.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

import numpy as np
from pydantic import Field, PlainValidator, Strict

from almond.design.parts import PlannedBlock, PlannedPair, PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.trials.columns import TableSchema
from almond.design.trials.responses import Cells, Responses, columns_of_rows, listed_cells
from almond.design.trials.responses import PlannedTrial as PlannedTrial
from almond.design.trials.responses import Response as Response
from almond.design.trials.timing import DeadlineBlock
from almond.design.words.base import KindWords
from almond.shapes import Number, Shape, shown

if TYPE_CHECKING:
    from almond.design.trials.pages.quota_lines import QuotaGroup

if TYPE_CHECKING:  # raters draw scenes; a page that shows trials needs none of that
    from almond.world.raters import Latents, Rater

LONGEST_RT = 31 * 24 * 60 * 60 * 1000.0
"""Milliseconds: a visit may rest for a month, a laptop asleep on a trial."""

Problem = tuple[str, str]
Row = dict[str, Any]


def read_uuid(value: object) -> uuid.UUID:
    """Read a UUID of 36 characters; raises ``ValueError``."""
    try:
        return uuid.UUID(value if isinstance(value, str) and len(value) == 36 else "")
    except ValueError as error:
        raise ValueError(f"is {shown(value)}, not a UUID of 36 characters") from error


Identifier = Annotated[uuid.UUID, PlainValidator(read_uuid)]
Milliseconds = Annotated[Number, Field(ge=0, le=LONGEST_RT)]
TrialLists = Sequence[Sequence[PlannedTrial]]


class Answer(Shape):
    """What a browser posts about one trial: its time, and the SHA-256 of every image shown, left to right.

    A kind adds ``values`` (a mapping, stored as JSON), ``chosen`` (left or right), or both.
    """

    response_id: Identifier
    trial_id: Annotated[str, Strict()]
    rt_ms: Milliseconds
    images: tuple[Annotated[str, Strict()], ...]


Drawn = TypeVar("Drawn", PlannedStimulus, PlannedPair)


def drawn_on(block: PlannedBlock, items: Sequence[Drawn]) -> tuple[Drawn, ...]:
    """Return those of some items that a block names, in their order; all where it names none."""
    named = set(block.draws_on)
    return tuple(item for item in items if not named or item.id in named)


def block_of(plan: StudyPlan, name: str) -> Any:
    """Return the block of a name, of the shape of its kind."""
    return next(block for block in plan.blocks if block.name == name)


def own_settings(block: PlannedBlock) -> dict[str, Any]:
    """Return what only the blocks of a block's kind have, but for their course in time, as JSON values."""
    own = type(block).model_fields.keys() - DeadlineBlock.model_fields.keys()
    return block.model_dump(mode="json", include=own)


class TrialKind(ABC):
    """One kind of trials; its methods get blocks of the shape ``block``, answers of the shape ``answer``."""

    name: ClassVar[str]
    icon: ClassVar[str] = "quiz"
    """A name of Google's Material Symbols."""
    script: ClassVar[str]
    """The static file that shows its trials, such as ``js/trials/rating.js``."""
    style: ClassVar[str] = ""
    """The static style sheet that its trials need beside that of all pages; empty: none."""
    shows: ClassVar[str] = "stimuli"
    """What its trials are drawn from: ``stimuli``, ``pairs``, or ``nothing``: pages without images."""
    checks: ClassVar[Literal["attention", "comprehension"] | None] = None
    """Which check of a participant its blocks are; None for what is no check."""
    question: ClassVar[str | None] = None
    """The statistical question by which a confirmatory analysis tests its responses."""
    block: ClassVar[type[PlannedBlock]] = PlannedBlock
    moves: ClassVar[bool] = True
    """Whether its blocks change places where blocks stand in a Latin square; those without images stay."""
    applicable: ClassVar[tuple[str, ...]] = ("trials", "repeats", "constructs")
    """Which of these fields of a block mean something for it: others have no place in its form."""
    answer: ClassVar[type[Answer]]
    table: ClassVar[TableSchema]
    in_every_export: ClassVar[bool] = False
    """Whether exports hold its table also where no block is of this kind."""
    shown_columns: ClassVar[tuple[tuple[str, str], ...]] = (("stimulus_id", "image_sha256"),)
    """Pairs of columns of its table: the stimulus shown, and the digest that the browser saw."""
    keys: ClassVar[str] = ""
    """One sentence for participants: how it is answered with the keyboard."""
    usual_texts: ClassVar[tuple[str, ...]] = ()
    """Settings of its block that participants read and that hold English words until they are written."""
    translations: ClassVar[Mapping[str, KindWords]] = {}
    """Language -> what it says there, where ``almond.design.words`` does not; in English it speaks itself."""
    facts: ClassVar[tuple[str, ...]] = ()
    """Columns of its table that ``row_problems`` looks at: rows with the same cells there are looked at once.
    None: every row is looked at, with all of its columns."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.columns is TrialKind.columns and cls.rows is TrialKind.rows:
            raise TypeError(f"{cls.__name__} defines neither columns nor rows")

    @abstractmethod
    def items(
        self, block: PlannedBlock, stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> tuple[PlannedStimulus, ...] | tuple[PlannedPair, ...]:
        """Return the stimuli or the pairs that a block draws on: those that it names, else all that fit."""

    def most_trials(
        self, block: Any, stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> int:
        """Return how many different trials a block can have."""
        return len(self.items(block, stimuli, pairs))

    def usual_trials(
        self, block: Any, stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> int:
        """Return how many different trials a block has that does not say it: as many as it can."""
        return self.most_trials(block, stimuli, pairs)

    def completed(
        self, fields: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        """Complete the fields of a block in a plan from those of the study's other blocks, by name.

        :raises InputError: it depends on a block that the study does not have.
        """
        return fields

    def drawn_as(self, fields: Mapping[str, Any]) -> str:
        """Return the name of the block whose images or pairs it draws on: its own, in practice another's."""
        return str(fields["name"])

    def played_as(self, block: Any) -> tuple[TrialKind, PlannedBlock]:
        """Return the kind and the block as which a browser shows its trials: in practice, another's."""
        return self, block

    @abstractmethod
    def make_lists(
        self, plan: StudyPlan, block: PlannedBlock, before: TrialLists, rng: np.random.Generator
    ) -> list[list[PlannedTrial]]:
        """Make the block's trials for every list, after the trials ``before`` it in each list."""

    @abstractmethod
    def instructions(self, block: Any) -> str:
        """Write what participants read before a block; an empty line parts paragraphs."""

    @abstractmethod
    def seconds(self, block: Any) -> float:
        """Estimate how long an attentive adult takes for one trial of a block, in s."""

    @abstractmethod
    def summary(self, plan: StudyPlan, block: Any) -> list[str]:
        """Describe a block to an experimenter, one short line each."""

    def shown(self, block: Any) -> dict[str, Any]:
        """Return what a browser needs to know of a block before it is answered, as JSON values.

        Nothing by default: a block may hold the correct answer. ``own_settings`` returns all of its settings.
        """
        return {}

    def check(self, answer: Any, trial: PlannedTrial, block: Any) -> Iterator[Problem]:
        """Yield (path, problem) for whatever in an answer does not fit the trial that was planned."""
        return iter(())

    def asks_again(self, block: Any) -> bool:
        """Tell whether later trials of a block are asked only by what was answered to earlier ones."""
        return False

    def language_of(self, settings: Mapping[str, Any]) -> str | None:
        """Return the language in which a block with such settings speaks; None for that of its study."""
        return None

    def needless(self, block: Any, given: Sequence[Mapping[str, Any] | None]) -> Collection[int]:
        """Return the places in a block of trials that are not asked any more.

        :param given: the ``values`` answered to each trial of the block, None for no answer yet.
        """
        return ()

    def outcomes(self, block: Any) -> Mapping[str, tuple[str, ...]]:
        """Return field -> answers, of whatever of a block may decide about others; nothing by default."""
        return {}

    def outcome(self, block: Any, given: Sequence[Mapping[str, Any] | None]) -> Mapping[str, str]:
        """Return field -> answer, of those ``outcomes`` that are known; ``given`` as in ``needless``."""
        return {}

    def quota_groups(self, block: Any) -> Sequence[QuotaGroup]:
        """Return the groups of answers to a block of which only so many people take part; none by default."""
        return ()

    def quota_sums(self, block: Any) -> Mapping[str, int]:
        """Return field -> people whom its quotas let in, of fields whose every answer is in a group."""
        return {}

    def columns(self, plan: StudyPlan, responses: Responses) -> Mapping[str, Cells]:
        """Make the columns of ``table`` for some responses, the rows of each response one after the other.

        Here from ``rows``, response by response. A kind whose studies have very many responses defines this
        instead: what depends on the planned trial alone is then looked up once per distinct trial.
        """
        return columns_of_rows([row for one in responses for row in self.rows(plan, one)])

    def rows(self, plan: StudyPlan, response: Response) -> list[Row]:
        """Make the rows of ``table`` for one response; here from ``columns``."""
        columns = self.columns(plan, Responses.of([response]))
        cells = zip(*map(listed_cells, columns.values()), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in cells]

    @abstractmethod
    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        """Yield what a row of ``table`` says otherwise than the plan or the row of its stimulus."""

    @abstractmethod
    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: Any, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        """Return what a simulated rater answers: the posted fields that depend on the images, and rt_ms.

        :param percepts: latents (16,) by stimulus id.
        """
