"""Choices (2AFC): the two images of a pair side by side, one question, one of them chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from almond.design.lists.dealing import deal
from almond.design.lists.ordering import arrange, last_showing, showing_of
from almond.design.lists.sides import balance_sides
from almond.design.pairing import PairedBlock, pairing_problems
from almond.design.parts import PlannedBlock, PlannedPair, PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.trials.base import Answer, Problem, TrialKind, TrialLists, drawn_on
from almond.design.trials.columns import (
    CONSTRUCT,
    INTENDED_TARGET,
    RECEIVED,
    RESPONSE,
    RT,
    THEME,
    Column,
    TableSchema,
)
from almond.design.trials.responses import Cells, PlannedTrial, Responses
from almond.design.trials.timing import (
    MISSED,
    in_time,
    is_missed,
    missed_column,
    missed_problems,
    timing_problems,
)
from almond.shapes import Flag, Whole

if TYPE_CHECKING:
    from almond.world.raters import Latents, Rater


LEAST_LEAD, SURE_LEAD = 0.25, 3.0
"""Of simulated raters, in standard deviations of a rating: below the first they see no difference, from the
second on they are as sure as can be."""


class ChoiceBlock(PairedBlock):
    """A block of choices; no pair is shown twice. Without constructs it draws on all pairs."""

    not_written_when_absent = (*PairedBlock.not_written_when_absent, "no_difference", "confidence")

    no_difference: Flag = Field(
        False,
        title="a button “No difference”",
        description="Such answers are left out of the share of aligned choices, and counted in the report.",
    )
    confidence: Annotated[Whole, Field(ge=2, le=11)] | None = Field(
        None,
        title="points of confidence",
        description="2 to 11: after each choice people say how sure they are. Empty: they are not asked.",
    )

    def contradictions(self) -> Iterator[Problem]:
        yield from timing_problems(self)
        yield from pairing_problems(self)
        if self.repeats:
            yield "repeats", "only rating blocks repeat images"


class ChoiceAnswer(Answer):
    """The side chosen, empty for no difference; and as ``values`` the ``confidence`` in it, from 1."""

    chosen: Literal["left", "right", ""]
    values: dict[str, Whole] = {}


class ChoiceTrials(TrialKind):
    name = "choice"
    icon = "compare"
    script = "js/trials/choice.js"
    shows = "pairs"
    question = "choices"
    block = ChoiceBlock
    applicable = ("trials", "constructs")
    answer = ChoiceAnswer
    in_every_export = True
    facts = (
        *("pair_id", "left_stimulus", "right_stimulus", "chosen", "high_side", "aligned"),
        *("base_scene", "theme", "intended_target", "construct", "no_difference", MISSED),
    )
    shown_columns = (("left_stimulus", "left_sha256"), ("right_stimulus", "right_sha256"))
    keys = (
        "With the keyboard: F or the left arrow chooses the left picture, J or the right arrow the right one."
    )
    table = TableSchema(
        "choices",
        (
            *RESPONSE,
            Column("pair_id", "text", "The pair shown: a pair of the plan."),
            Column("base_scene", "text", "The scene of both images."),
            THEME,
            INTENDED_TARGET,
            CONSTRUCT,
            Column("left_stimulus", "text", "The image on the left: a row of stimuli.csv."),
            Column("right_stimulus", "text", "The image on the right: a row of stimuli.csv."),
            Column("chosen", "text", "The side chosen.", range="left or right", needed=False),
            Column(
                "high_side",
                "text",
                "The side of the image pushed up.",
                range="left or right",
                needed=False,
            ),
            Column("aligned", "flag", "1 when the image pushed up was chosen.", range="0 or 1", needed=False),
            RT,
            Column(
                "left_sha256", "digest", "SHA-256 of the bytes shown on the left, as the browser saw them."
            ),
            Column(
                "right_sha256", "digest", "SHA-256 of the bytes shown on the right, as the browser saw them."
            ),
            RECEIVED,
        ),
        sorted_by=("participant_id", "trial_index"),
        unique=("response_id",),
    )

    def items(
        self, block: PlannedBlock, stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> tuple[PlannedPair, ...]:
        asked = [pair for pair in pairs if not block.constructs or pair.construct in block.constructs]
        return drawn_on(block, asked)

    def make_lists(
        self, plan: StudyPlan, block: PlannedBlock, before: TrialLists, rng: np.random.Generator
    ) -> list[list[PlannedTrial]]:
        pairs = self.items(block, plan.stimuli, plan.pairs)
        dealt = deal(
            pairs,
            len(before),
            block.trials,
            rng,
            themes=plan.told_themes,
            most_of_scene=block.most_of_scene,
        )
        high_left = balance_sides(pairs, dealt, rng)
        lists = []
        for number, (trials, items) in enumerate(zip(before, dealt, strict=True)):
            showings = [showing_of(plan, pairs[item], item) for item in items]
            ordered = arrange([showings], last_showing(plan, trials), 0, rng)
            lists.append(
                [
                    choice_trial(
                        block, pairs[showing.item], high_left[number, showing.item], len(trials) + place
                    )
                    for place, showing in enumerate(ordered)
                ]
            )
        return lists

    def shown(self, block: ChoiceBlock) -> dict[str, Any]:
        shown = {"no_difference": block.no_difference, "confidence": block.confidence}
        return {name: value for name, value in shown.items() if value}

    def instructions(self, block: ChoiceBlock) -> str:
        neither = " If you see no difference, say so below them." if block.no_difference else ""
        sure = " After each choice, say how sure you are of it." if block.confidence else ""
        return (
            f"You will see {block.trials} pairs of pictures. Read the question above them"
            f" and choose one of the two.{neither}{sure}"
            "\n\nClick or tap the picture you choose. Go by your first impression."
        )

    def seconds(self, block: ChoiceBlock) -> float:
        return 2.5 if block.confidence is None else 4.5

    def summary(self, plan: StudyPlan, block: ChoiceBlock) -> list[str]:
        pairs = self.items(block, plan.stimuli, plan.pairs)
        asked: dict[str, set[str]] = {}
        for pair in pairs:
            asked.setdefault(pair.construct, set()).add(pair.target or "photographs")
        said = [f"{name}: {', '.join(sorted(targets))}" for name, targets in sorted(asked.items())]
        more = ["with “No difference”"] if block.no_difference else []
        more += [f"confidence on {block.confidence} points"] if block.confidence else []
        return [f"{block.trials} of {len(pairs)} pairs", "; ".join(said), *more]

    def check(self, answer: ChoiceAnswer, trial: PlannedTrial, block: ChoiceBlock) -> Iterator[Problem]:
        if is_missed(answer.values, block):
            yield from missed_problems(answer, block)
            return
        if not answer.chosen and not block.no_difference:
            yield "chosen", "is empty, not one of left, right"
        asked = {"confidence"} if answer.chosen and block.confidence else set()
        for name in sorted(set(answer.values) - asked):
            yield f"values.{name[:60]}", "is not asked here"
        for name in asked:
            value, most = answer.values.get(name), block.confidence
            if value is None or most is None or not 1 <= value <= most:
                yield f"values.{name}", f"is {value or 'missing'}, not from 1 to {most}"

    def columns(self, plan: StudyPlan, responses: Responses) -> Mapping[str, Cells]:
        pairs = responses.of_trials(lambda trial: plan.pair_by_id[str(trial.pair)])
        left = responses.of_trials(lambda trial: plan.stimulus_by_id[str(trial.left)])
        high_side = responses.of_trials(
            lambda trial: high_side_of(plan.pair_by_id[str(trial.pair)], str(trial.left))
        )
        sides = zip(responses.chosen.tolist(), high_side.tolist(), strict=True)
        return {
            **responses.shared,
            "pair_id": pairs.map(lambda pair: pair.id),
            "base_scene": left.map(lambda stimulus: stimulus.base_scene),
            "theme": left.map(lambda stimulus: plan.theme_of_scene[stimulus.base_scene]),
            "intended_target": pairs.map(lambda pair: pair.target or ""),
            "construct": pairs.map(lambda pair: pair.construct),
            "left_stimulus": responses.of_trials(lambda trial: trial.left),
            "right_stimulus": responses.of_trials(lambda trial: trial.right),
            "chosen": responses.chosen,
            "high_side": high_side,
            "aligned": [int(chosen == high) if chosen and high else "" for chosen, high in sides],
            **self._optional_columns(plan, responses),
            "left_sha256": responses.image(0),
            "right_sha256": responses.image(1),
        }

    def _optional_columns(self, plan: StudyPlan, responses: Responses) -> dict[str, Cells]:
        """Make the columns that exports have where some block of the plan asks for them."""
        blocks = [block for block in plan.blocks if isinstance(block, ChoiceBlock)]
        columns: dict[str, Cells] = {}
        missed = missed_column(plan, responses, ChoiceBlock)
        if any(block.no_difference for block in blocks):
            late = missed[MISSED].tolist() if missed else [0] * len(responses)
            sides = zip(responses.chosen.tolist(), late, strict=True)
            columns["no_difference"] = [int(chosen == "" and not none) for chosen, none in sides]
        if any(block.confidence for block in blocks):
            columns["confidence"] = [values.get("confidence", "") for values in responses.values]
        return {**columns, **missed}

    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        pair = plan.pair_by_id.get(str(row["pair_id"]))
        if pair is None:
            yield f"pair {row['pair_id']!r} is not in the plan"
            return
        left, right = str(row["left_stimulus"]), str(row["right_stimulus"])
        if {left, right} != {pair.high, pair.low} or row["high_side"] != high_side_of(pair, left):
            yield f"shows other images than pair {pair.id}, or on other sides"
        scene = pair.base_scene if left == pair.high else pair.scenes[-1]
        stated = {"base_scene": scene, "intended_target": pair.target or "", "construct": pair.construct}
        stated |= {"theme": plan.theme_of_scene[scene]} if "theme" in row else {}
        for name, value in stated.items():
            if row[name] != value:
                yield f"{name} is not that of pair {pair.id}"
        answers = (bool(row["chosen"]), bool(row.get("no_difference", 0)), bool(row.get(MISSED, 0)))
        if sum(answers) != 1:
            yield "a side is chosen, or no difference is, or the deadline was missed: one of these"
        elif (
            row["chosen"]
            and row["high_side"]
            and int(row["aligned"]) != int(row["chosen"] == row["high_side"])
        ):
            yield "aligned does not follow from chosen and high_side"

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: ChoiceBlock, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        left, right = percepts[str(trial.left)], percepts[str(trial.right)]
        choice = rater.choose(left, right, trial.constructs[0])
        # In standard deviations of one rating: how much more of it the rater sees in one than in the other.
        lead = abs(rater.lead(left, right, trial.constructs[0])) / rater.noise
        if block.no_difference and lead < LEAST_LEAD:
            return in_time({"chosen": "", "rt_ms": choice.rt_ms}, block)
        sure = {} if block.confidence is None else {"confidence": confidence_of(lead, block.confidence)}
        answer = {"chosen": choice.side, "rt_ms": choice.rt_ms, **({"values": sure} if sure else {})}
        return in_time(answer, block)


def high_side_of(pair: PlannedPair, left: str) -> str:
    """Return the side of the higher image of a pair, ``left`` being the one on the left; empty where the plan
    calls none of them the higher."""
    if not pair.tells_higher:
        return ""
    return "left" if left == pair.high else "right"


def confidence_of(lead: float, points: int) -> int:
    """Return how sure a simulated rater is, from 1 to ``points``, by its lead in standard deviations."""
    return 1 + round((points - 1) * min(1.0, lead / SURE_LEAD))


def choice_trial(block: PlannedBlock, pair: PlannedPair, high_left: bool, index: int) -> PlannedTrial:
    """Plan the trial of one pair, with the image guided up on the left or on the right."""
    left, right = (pair.high, pair.low) if high_left else (pair.low, pair.high)
    return PlannedTrial(
        index=index,
        block=block.name,
        kind=block.kind,
        left=left,
        right=right,
        pair=pair.id,
        constructs=(pair.construct,),
        question=pair.question,
    )


TRIAL_KIND = ChoiceTrials()
