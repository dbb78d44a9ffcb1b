"""The plan of a study: what is shown, what is asked, and how it will be analysed, frozen under one digest.

A plan is data. It is made before the first response, its canonical JSON is its identity, and a confirmatory
analysis refuses any other. A ``StudyPlan`` that exists is consistent: making an inconsistent one raises one
``InputError`` that lists every problem with its path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from almond.design.consistency import Draft, consistency, pairs_of
from almond.design.parts import (
    MAX_SEED,
    AnalysisPlan,
    Block,
    Construct,
    PlannedPair,
    PlannedStimulus,
    as_json,
    read_analysis,
    read_block,
    read_construct,
    read_pair,
    read_stimulus,
)
from almond.design.reading import Fields
from almond.digest import canonical_json, digest_json
from almond.errors import InputError

__all__ = ["AnalysisPlan", "Block", "Construct", "PlannedPair", "PlannedStimulus", "StudyPlan"]

FORMAT = "almond-plan/1"


@dataclass(frozen=True)
class StudyPlan:
    """A whole study, immutable and consistent.

    Raises ``InputError`` with every problem when it is made from parts that contradict each other.
    """

    title: str
    seed: int
    participants: int
    constructs: tuple[Construct, ...]
    blocks: tuple[Block, ...]
    stimuli: tuple[PlannedStimulus, ...]
    pairs: tuple[PlannedPair, ...] = ()
    analysis: AnalysisPlan = field(default_factory=AnalysisPlan)
    language: str = "en"

    def __post_init__(self) -> None:
        refuse(self.title, consistency(Draft(self.constructs, self.blocks, self.stimuli, self.pairs)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return digest_json(self.to_json())

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
    def trials(self) -> int:
        """Trials of one participant."""
        return sum(block.trials for block in self.blocks)

    def pairs_of(self, block: Block) -> tuple[PlannedPair, ...]:
        """Pairs that a choice block draws on: those that ask for one of its constructs."""
        return pairs_of(block, self.pairs)

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values; ``StudyPlan.from_json`` reads it back."""
        return {
            "format": FORMAT,
            "title": self.title,
            "seed": self.seed,
            "language": self.language,
            "participants": self.participants,
            "constructs": [as_json(item) for item in self.constructs],
            "blocks": [as_json(item) for item in self.blocks],
            "stimuli": [as_json(item) for item in self.stimuli],
            "pairs": [as_json(item) for item in self.pairs],
            "analysis": as_json(self.analysis),
        }

    def to_bytes(self) -> bytes:
        """The canonical bytes whose SHA-256 is ``digest``."""
        return canonical_json(self.to_json())

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StudyPlan:
        """Read a plan; raises one ``InputError`` that lists every problem as ``path: problem``."""
        problems: list[str] = []
        fields = Fields(value, "", problems)
        if fields.get("format") != FORMAT:
            fields.note("format", f"is {fields.get('format')!r}, not {FORMAT!r}")
        parts = read_parts(fields)
        fields.close()
        title = parts["title"] or "plan"
        if problems:
            draft = Draft(**{name: parts[name] for name in ("constructs", "blocks", "stimuli", "pairs")})
            draft.known_constructs |= fields.names_in("constructs", "name")
            draft.known_stimuli |= fields.names_in("stimuli", "id")
            draft.whole = False
            refuse(title, [*problems, *consistency(draft)])
        return cls(**parts)

    @classmethod
    def from_bytes(cls, data: bytes, source: object = "plan.json") -> StudyPlan:
        """Read a plan from the bytes of a JSON file."""
        try:
            value = json.loads(data)
        except ValueError as error:
            raise InputError(source, f"is not JSON: {error}", "the plan of a study") from error
        return cls.from_json(value)


def read_parts(fields: Fields) -> dict[str, Any]:
    analysis = Fields(fields.get("analysis", {}), "analysis", fields.problems)
    parts = {
        "title": fields.text("title"),
        "seed": fields.integer("seed", low=0, high=MAX_SEED),
        "language": fields.text("language", default="en"),
        "participants": fields.integer("participants", low=1),
        "constructs": fields.items("constructs", read_construct),
        "blocks": fields.items("blocks", read_block),
        "stimuli": fields.items("stimuli", read_stimulus),
        "pairs": fields.items("pairs", read_pair),
        "analysis": read_analysis(analysis),
    }
    analysis.close()
    return parts


def refuse(title: str, problems: list[str]) -> None:
    if problems:
        raise InputError(f"study plan {title!r}", "; ".join(problems))
