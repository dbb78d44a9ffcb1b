"""Pairs of a plan: what is wrong with one, and how the photographs of a block are paired.

The settings stand in the block, so that the plan says how its pairs came about; the pairs themselves are made
when the plan is (``almond.stimuli.photograph_pairs``) and stand in it one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field
from pydantic.config import JsonDict

from almond.design.parts import Count, PlannedPair, PlannedStimulus
from almond.design.trials.timing import DeadlineBlock
from almond.shapes import DifferentTexts, Flag, Number, Text

BY_DIFFERENCE, AT_RANDOM, LISTED = "difference", "random", "listed"
ALIKE_WITHIN = 0.5
"""Of norms that are held alike: the most that two photographs differ by, in standard deviations, by
default."""

WHERE_PAIRED: JsonDict = {"shown_when": {"photograph_pairs": [BY_DIFFERENCE, AT_RANDOM, LISTED]}}
WHERE_MADE: JsonDict = {"shown_when": {"photograph_pairs": [BY_DIFFERENCE, AT_RANDOM]}}
WHERE_DIFFERENT: JsonDict = {"shown_when": {"photograph_pairs": [BY_DIFFERENCE]}}
WHERE_LISTED: JsonDict = {"shown_when": {"photograph_pairs": [LISTED]}, "rows": 8}


class PairedBlock(DeadlineBlock):
    """A block of pairs, those of a matched set or of photographs; without ``photograph_pairs`` the former."""

    not_written_when_absent = (
        *DeadlineBlock.not_written_when_absent,
        *("photograph_pairs", "norm", "least_difference", "in_points", "alike", "most_alike"),
        *("pairs_wanted", "pairs_of_one", "listed_pairs"),
    )

    photograph_pairs: Literal["difference", "random", "listed"] | None = Field(
        None,
        title="pairs of photographs",
        description="Where the block shows photographs: those that differ in a norm, at random, or those of "
        "a list. A matched set has pairs of its own.",
    )
    norm: Text | None = Field(
        None,
        title="norm",
        description="The photograph that is higher in it is expected to be chosen. Pairs at random and of a "
        "list may go without.",
        json_schema_extra=WHERE_PAIRED,
    )
    least_difference: Annotated[Number, Field(gt=0)] | None = Field(
        None,
        title="least difference",
        description="By so much, or more, the two differ in the norm: in its standard deviations.",
        json_schema_extra=WHERE_DIFFERENT,
    )
    in_points: Flag = Field(
        False,
        title="difference in points",
        description="Of the norm's own scale, instead of standard deviations.",
        json_schema_extra=WHERE_DIFFERENT,
    )
    alike: DifferentTexts = Field(
        (),
        title="norms held alike",
        description="One a line. Empty: none.",
        json_schema_extra=WHERE_DIFFERENT,
    )
    most_alike: Annotated[Number, Field(gt=0)] | None = Field(
        None,
        title="most difference in these",
        description=f"In standard deviations. Empty: {ALIKE_WITHIN}.",
        json_schema_extra=WHERE_DIFFERENT,
    )
    pairs_wanted: Count | None = Field(
        None,
        title="number of pairs",
        description="Empty: as many as are found.",
        json_schema_extra=WHERE_MADE,
    )
    pairs_of_one: Count | None = Field(
        None,
        title="most pairs of a photograph",
        description="Empty: 1, which tells most: pairs that share a photograph are not independent.",
        json_schema_extra=WHERE_MADE,
    )
    listed_pairs: Text | None = Field(
        None,
        title="list of pairs",
        description="A CSV with the columns left and right (names of photographs), and if you like higher "
        "(left or right) and theme.",
        json_schema_extra=WHERE_LISTED,
    )


def pairing_problems(block: PairedBlock) -> Iterator[tuple[str, str]]:
    """Yield (setting, problem) of what the settings of pairs say against each other."""
    way = block.photograph_pairs
    own = {
        BY_DIFFERENCE: {"norm", "least_difference", "in_points", "alike", "most_alike"},
        AT_RANDOM: {"norm"},
        LISTED: {"norm", "listed_pairs"},
    }
    made = {"pairs_wanted", "pairs_of_one"} if way in (BY_DIFFERENCE, AT_RANDOM) else set()
    allowed = own.get(way or "", set()) | made
    every = set().union(*own.values()) | {"pairs_wanted", "pairs_of_one"}
    for name in sorted(every - allowed):
        if getattr(block, name) not in (None, False, ()):
            yield name, f"has no meaning for pairs of photographs “{way or 'none'}”"
    if way == BY_DIFFERENCE:
        for name in ("norm", "least_difference"):
            if getattr(block, name) is None:
                yield name, "is missing: pairs by a difference need it"
        if block.norm in block.alike:
            yield "alike", f"names {block.norm!r}, in which the photographs are to differ"
        if block.most_alike is not None and not block.alike:
            yield "most_alike", "has no norms that it could be about"
    if way == LISTED and block.listed_pairs is None:
        yield "listed_pairs", "is missing: upload a CSV, or type it"


def pair_contradictions(
    pair: PlannedPair,
    known: tuple[frozenset[str], frozenset[str]],
    by_id: Mapping[str, PlannedStimulus],
) -> Iterator[tuple[str, str]]:
    """Yield (field, problem) of a planned pair.

    :param known: names of the plan's constructs and stimuli, those that could not be read too; ``by_id`` are
        the stimuli that could.
    """
    constructs, stimuli = known
    if pair.construct not in constructs:
        yield "construct", f"{pair.construct!r} is not a construct of the plan"
    up, down = (1, -1) if pair.target is not None else (0, 0)
    for side, name, scene, direction in (
        ("high", pair.high, pair.base_scene, up),
        ("low", pair.low, pair.scenes[-1], down),
    ):
        if name not in stimuli:
            yield side, f"{name!r} is not a stimulus of the plan"
        elif name in by_id:
            for problem in side_problems(by_id[name], pair, scene, direction):
                yield side, f"{name!r} {problem}"
    for field in ("other_scene", "theme", "by"):
        if pair.target is not None and getattr(pair, field) is not None:
            yield field, "is of pairs of photographs: those of a target have none"
    digests = [by_id[name].sha256 for name in (pair.high, pair.low) if name in by_id]
    if len(digests) == 2 and digests[0] and digests[0] == digests[1]:
        yield "high and low", f"{pair.high!r} and {pair.low!r} are the same picture"


def side_problems(stimulus: PlannedStimulus, pair: PlannedPair, scene: str, direction: int) -> Iterator[str]:
    if stimulus.base_scene != scene:
        yield f"is of base scene {stimulus.base_scene!r}, not {scene!r}"
    if stimulus.target != pair.target:
        yield f"has target {stimulus.target!r}, not {pair.target!r}"
    if stimulus.direction != direction:
        yield f"has direction {stimulus.direction}, not {direction}"
