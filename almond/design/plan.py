"""The plan of a study: what is shown, what is asked, and how it will be analysed, frozen under one digest.

A plan is data. It is made before the first response, its canonical JSON is its identity, and a confirmatory
analysis refuses any other. A ``StudyPlan`` that exists is consistent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Strict

from almond.design.arms import Arm, arm_contradictions, order_contradictions
from almond.design.consistency import EXTERNAL, draft_of, plan_contradictions
from almond.design.matching import PlannedMatching
from almond.design.parts import (
    LARGEST_SEED,
    AnalysisPlan,
    AnyBlock,
    Construct,
    Count,
    PlannedBlock,
    PlannedPair,
    PlannedStimulus,
)
from almond.design.preregistration import Preregistration
from almond.design.themes import theme_remark, themes_of_scenes, told_themes
from almond.design.trials import TRIAL_KINDS
from almond.design.words.shown import BlockWords
from almond.digest import canonical_json, digest_json
from almond.errors import InputError
from almond.shapes import Shape, ShapeError, Text, read

__all__ = ["AnalysisPlan", "Construct", "PlannedBlock", "PlannedPair", "PlannedStimulus", "StudyPlan"]


def plain(value: object) -> Any:
    """Return a part of a plan as JSON values: shapes as objects, tuples as lists.

    Keys that came after the first plans are written where they hold something (not None, no, or an empty
    list), so that a plan without them keeps its digest.
    """
    if isinstance(value, Shape):
        optional = getattr(value, "not_written_when_absent", ())
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        return {
            name: plain(field)
            for name, field in fields.items()
            if name not in optional or not (field is None or field is False or field == ())
        }
    return [plain(member) for member in value] if isinstance(value, tuple) else value


class StudyPlan(Shape):
    """A whole study, immutable and consistent.

    Made from parts it raises pydantic's ``ValidationError``, read by ``from_json`` a ``ShapeError``; both
    list every problem with its path.
    """

    compared_in_part: ClassVar[bool] = False  # ``from_json`` compares the parts that can be read
    not_written_when_absent: ClassVar[tuple[str, ...]] = (
        *("preregistration", "matching", "words"),
        *("arms", "block_order"),
    )

    format: Literal["almond-plan/1", "almond-external/1"] = "almond-plan/1"
    title: Text
    seed: Annotated[int, Strict(), Field(ge=0, le=LARGEST_SEED)]
    language: Text = "en"
    participants: Count
    constructs: tuple[Construct, ...] = ()
    blocks: tuple[AnyBlock, ...] = ()
    stimuli: tuple[PlannedStimulus, ...] = ()
    pairs: tuple[PlannedPair, ...] = ()
    analysis: AnalysisPlan = AnalysisPlan()
    preregistration: Preregistration | None = None
    matching: PlannedMatching | None = None
    arms: tuple[Arm, ...] = ()
    block_order: Literal["latin_square"] | None = None
    words: tuple[BlockWords, ...] = ()

    def contradictions(self) -> Iterator[tuple[str, str]]:
        yield from plan_contradictions(draft_of(vars(self)))
        yield from arm_contradictions(self.arms, [block.arms for block in self.blocks])
        yield from order_contradictions(self.blocks) if self.block_order else ()
        yield from self._misplaced_hypotheses()
        yield from self._misplaced_rules()

    def _misplaced_rules(self) -> Iterator[tuple[str, str]]:
        """Yield exclusion rules that could judge nobody in such a study."""
        for number, rule in enumerate(self.analysis.exclusions):
            for parameter, problem in rule.unmet(self.kinds, sum(block.repeats for block in self.blocks)):
                yield f"analysis.exclusions[{number}].{parameter}", problem

    def _misplaced_hypotheses(self) -> Iterator[tuple[str, str]]:
        """Yield hypotheses about targets and constructs that the plan does not have, and late looks."""
        if self.preregistration is None:
            return
        constructs = {construct.name for construct in self.constructs}
        for number, hypothesis in enumerate(self.preregistration.hypotheses):
            path = f"preregistration.hypotheses[{number}]"
            if hypothesis.target is not None and hypothesis.target not in self.targets:
                yield f"{path}.target", f"{hypothesis.target!r} is not a target of the plan"
            if hypothesis.construct is not None and hypothesis.construct not in constructs:
                yield f"{path}.construct", f"{hypothesis.construct!r} is not a construct of the plan"
        if any(look >= self.participants for look in self.preregistration.stopping.looks):
            yield "preregistration.stopping.looks", f"come after the last of {self.participants} participants"
        precision = self.preregistration.stopping.precision
        if precision is not None and precision.every >= self.participants:
            where = "preregistration.stopping.precision.every"
            yield where, f"is {precision.every}, not below the {self.participants} participants of the plan"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest_json(self.to_json())

    @property
    def external(self) -> bool:
        """Whether this describes data that were collected elsewhere, whose plan is unknown."""
        return self.format == EXTERNAL

    @cached_property
    def stimulus_by_id(self) -> dict[str, PlannedStimulus]:
        return {stimulus.id: stimulus for stimulus in self.stimuli}

    @cached_property
    def pair_by_id(self) -> dict[str, PlannedPair]:
        return {pair.id: pair for pair in self.pairs}

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Intended targets, sorted; empty in a study of natural images."""
        return tuple(sorted({stimulus.target for stimulus in self.stimuli if stimulus.target}))

    @property
    def pairs_photographs(self) -> bool:
        """Whether some of its pairs are of photographs, which have no target."""
        return any(pair.target is None for pair in self.pairs) and not self.external

    @cached_property
    def theme_of_scene(self) -> dict[str, str]:
        """Theme of every base scene: the one stated, else its prompt, else the scene itself."""
        return themes_of_scenes(self.stimuli)

    @cached_property
    def themes(self) -> tuple[str, ...]:
        """Themes of the images, each once, sorted."""
        return tuple(sorted(set(self.theme_of_scene.values())))

    @cached_property
    def told_themes(self) -> dict[str, str]:
        """Themes that the plan itself states, by base scene: lists are dealt by these."""
        return told_themes(self.stimuli)

    @property
    def theme_remark(self) -> str:
        """Which themes are derived because the plan states none; empty if it states all."""
        return theme_remark(self.stimuli)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of the blocks, each once, in the order of the registry."""
        used = {block.kind for block in self.blocks}
        return tuple(name for name in TRIAL_KINDS.names() if name in used)

    @property
    def trials(self) -> int:
        """Trials of one participant; with arms, of one in the arm that has most."""
        arms = [arm.name for arm in self.arms] or [""]
        return max(
            sum(block.trials for block in self.blocks if not block.arms or arm in block.arms) for arm in arms
        )

    def items_of(self, block: PlannedBlock) -> tuple[PlannedStimulus, ...] | tuple[PlannedPair, ...]:
        """Return the stimuli or the pairs that a block draws on."""
        return TRIAL_KINDS.load(block.kind).items(block, self.stimuli, self.pairs)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values; ``StudyPlan.from_json`` reads it back.

        Without a preregistration, matched pairs or words there is no such key, so that older plans have the
        digest that they had.
        """
        values: dict[str, Any] = plain(self)
        return values

    def to_bytes(self) -> bytes:
        """Return the canonical bytes whose SHA-256 is ``digest``."""
        return canonical_json(self.to_json())

    @classmethod
    def from_json(cls, value: object, source: object = None) -> StudyPlan:
        """Read a plan.

        :param source: what an error names; the plan with its title by default.
        :raises ShapeError: with every problem, also where only some of the parts can be read.
        """
        fields = value if isinstance(value, Mapping) else {}
        source = source or f"study plan {str(fields.get('title') or 'plan')!r}"
        try:
            return read(cls, {"format": None, **fields} if fields else value, source=source)
        except ShapeError as error:
            further = [f"{path}: {problem}" for path, problem in plan_contradictions(draft_of(fields))]
            raise ShapeError(source, list(dict.fromkeys([*error.problems, *further]))) from error

    @classmethod
    def from_bytes(cls, data: bytes, source: object = "plan.json") -> StudyPlan:
        """Read a plan from the bytes of a JSON file."""
        try:
            value = json.loads(data)
        except ValueError as error:
            raise InputError(source, f"is not JSON: {error}", "the plan of a study") from error
        return cls.from_json(value)
