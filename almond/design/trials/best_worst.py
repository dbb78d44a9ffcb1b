"""Best-worst scaling: of four images, the one that has most of something and the one that has least.

After Louviere, Flynn and Marley (2015), Best-Worst Scaling, Cambridge University Press (case 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field, Strict

from almond.design.parts import PlannedBlock, PlannedPair, PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.trials.base import (
    Answer,
    Problem,
    Row,
    TrialKind,
    TrialLists,
    block_of,
    drawn_on,
    own_settings,
)
from almond.design.trials.columns import (
    BASE_SCENE,
    CONSTRUCT,
    DIRECTION,
    IMAGE_DIGEST,
    INTENDED_TARGET,
    RECEIVED,
    RESPONSE,
    RT,
    STRENGTH,
    THEME,
    Column,
    TableSchema,
)
from almond.design.trials.responses import PlannedTrial, Response
from almond.design.trials.single_image import SHOWN_IMAGE_FACTS, shown_image_problems
from almond.design.trials.timing import (
    MISSED,
    DeadlineBlock,
    deadline_of,
    in_time,
    is_missed,
    missed_problems,
    timing_problems,
)
from almond.shapes import Text, Whole
from almond.typing import Indices

if TYPE_CHECKING:
    from almond.world.raters import Latents, Rater

FOUR = 4


class BestWorstBlock(DeadlineBlock):
    """Four different images a trial, of different base scenes where there are enough."""

    prompt: Annotated[str, Strict(), Field(max_length=200)] = Field(
        "", title="question", description="Above the four images. Empty: the question of the construct."
    )
    most: Text = Field("most", title="label of the best", description="Below each image: has most of it.")
    least: Text = Field("least", title="label of the worst", description="Below each image: has least of it.")

    def contradictions(self) -> Iterator[Problem]:
        yield from timing_problems(self)
        if len(self.constructs) != 1:
            yield "constructs", f"are {len(self.constructs)}: a best-worst block asks about exactly one"
        if self.repeats:
            yield "repeats", "only blocks of one image repeat images"
        if self.most == self.least:
            yield "least", "is the label of the best"


class BestWorstAnswer(Answer):
    """``best`` and ``worst``: places from 1 to 4 of the images shown."""

    values: dict[str, Annotated[Whole, Field(ge=1, le=FOUR)]]


class BestWorstTrials(TrialKind):
    name = "best_worst"
    icon = "grid_view"
    script = "js/trials/best_worst.js"
    style = "css/trials.css"
    block = BestWorstBlock
    applicable = ("trials", "constructs")
    usual_texts = ("most", "least")
    answer = BestWorstAnswer
    facts = SHOWN_IMAGE_FACTS
    keys = (
        "With the keyboard: 1 to 4 choose the picture that has most, then the one that has least; Tab and the"
        " arrow keys work as well. Enter goes on."
    )
    table = TableSchema(
        "bestworst",
        (
            *RESPONSE,
            Column("position", "integer", "Place of the image in its trial, row by row.", range="1 to 4"),
            Column("stimulus_id", "text", "One of the four images shown: a row of stimuli.csv."),
            BASE_SCENE,
            THEME,
            INTENDED_TARGET,
            DIRECTION,
            STRENGTH,
            CONSTRUCT,
            Column(
                "score", "integer", "1 when it was chosen as best, -1 as worst, else 0.", range="-1, 0 or 1"
            ),
            RT,
            IMAGE_DIGEST,
            RECEIVED,
        ),
        sorted_by=("participant_id", "trial_index", "position"),
        unique=("response_id", "position"),
    )

    def items(
        self, block: PlannedBlock, stimuli: Sequence[PlannedStimulus], pairs: Sequence[PlannedPair]
    ) -> tuple[PlannedStimulus, ...]:
        """Return the stimuli of a block; none where there are fewer than four."""
        stimuli = drawn_on(block, stimuli)
        return stimuli if len(stimuli) >= FOUR else ()

    def make_lists(
        self, plan: StudyPlan, block: PlannedBlock, before: TrialLists, rng: np.random.Generator
    ) -> list[list[PlannedTrial]]:
        stimuli = self.items(block, plan.stimuli, plan.pairs)
        exposure = np.zeros(len(stimuli), np.int64)
        lists = []
        for trials in before:
            sets = deal_sets([row.base_scene for row in stimuli], block.trials, exposure, rng)
            lists.append(
                [
                    PlannedTrial(
                        index=len(trials) + number,
                        block=block.name,
                        kind=block.kind,
                        several=tuple(stimuli[item].id for item in items),
                        constructs=block.constructs,
                    )
                    for number, items in enumerate(sets)
                ]
            )
        return lists

    def shown(self, block: BestWorstBlock) -> dict[str, Any]:
        return own_settings(block)

    def instructions(self, block: BestWorstBlock) -> str:
        return (
            f"You will see {block.trials} sets of four pictures. In each, choose the one picture that has"
            f" “{block.most}” and the one that has “{block.least}” of what is asked, then go on."
            "\n\nGo by your first impression."
        )

    def seconds(self, block: BestWorstBlock) -> float:
        return 7.0

    def summary(self, plan: StudyPlan, block: BestWorstBlock) -> list[str]:
        images = len(self.items(block, plan.stimuli, plan.pairs))
        return [f"{block.trials} sets of four of {images} images", ", ".join(block.constructs)]

    def check(self, answer: BestWorstAnswer, trial: PlannedTrial, block: BestWorstBlock) -> Iterator[Problem]:
        if is_missed(answer.values, block):
            yield from missed_problems(answer, block)
            return
        for name in sorted(set(answer.values) - {"best", "worst"}):
            yield f"values.{name[:60]}", "is not asked here, only best and worst"
        for name in ("best", "worst"):
            if name not in answer.values:
                yield f"values.{name}", "is missing"
        if answer.values.get("best", 0) == answer.values.get("worst"):
            yield "values.worst", "is the image chosen as best"

    def rows(self, plan: StudyPlan, response: Response) -> list[Row]:
        blocks = [block for block in plan.blocks if isinstance(block, BestWorstBlock)]
        missed = is_missed(response.values, block_of(plan, response.trial.block))
        scores = {} if missed else {response.values["best"]: 1, response.values["worst"]: -1}
        told = {MISSED: int(missed)} if any(map(deadline_of, blocks)) else {}
        rows = []
        for place, (name, digest) in enumerate(zip(response.trial.several, response.images, strict=True), 1):
            stimulus = plan.stimulus_by_id[name]
            rows.append(
                {
                    **response.shared,
                    "position": place,
                    "stimulus_id": name,
                    "base_scene": stimulus.base_scene,
                    "theme": plan.theme_of_scene[stimulus.base_scene],
                    "intended_target": stimulus.target or "",
                    "direction": stimulus.direction,
                    "strength": stimulus.strength,
                    "construct": response.trial.constructs[0],
                    "score": "" if missed else scores.get(place, 0),
                    "image_sha256": digest,
                    **told,
                }
            )
        return rows

    def row_problems(
        self, plan: StudyPlan, stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]
    ) -> Iterator[str]:
        return shown_image_problems(stimuli, row)

    def simulate(
        self, rater: Rater, trial: PlannedTrial, block: BestWorstBlock, percepts: Mapping[str, Latents]
    ) -> dict[str, Any]:
        """Rate each image by itself, and choose the highest and the lowest."""
        rated = [rater.rate(percepts[name], trial.constructs) for name in trial.several]
        order = np.argsort([one.values[0] for one in rated], kind="stable")
        values = {"best": int(order[-1]) + 1, "worst": int(order[0]) + 1}
        return in_time({"values": values, "rt_ms": round(sum(one.rt_ms for one in rated), 1)}, block)


def deal_sets(
    scenes: Sequence[str],
    trials: int,
    exposure: Indices,
    rng: np.random.Generator,
) -> list[list[int]]:
    """Deal sets of four different images (by number) to one list, each image equally often within 1.

    A set has images of different base scenes where those that are due allow it.

    :param exposure: (n,) how often each image stands in the lists before; the sets dealt are added.
    """
    own = np.zeros(len(scenes), np.int64)
    sets = []
    for _ in range(trials):
        chosen: list[int] = []
        for _ in range(FOUR):
            taken = {scenes[item] for item in chosen}
            free = np.array([item for item in range(len(scenes)) if item not in chosen])
            due = free[own[free] == own[free].min()]
            other = np.array([item for item in due if scenes[item] not in taken], np.int64)
            due = other if len(other) else due
            rarest = due[exposure[due] == exposure[due].min()]
            item = int(rng.choice(rarest))
            chosen.append(item)
            own[item] += 1
            exposure[item] += 1
        sets.append([chosen[place] for place in rng.permutation(FOUR)])
    return [sets[place] for place in rng.permutation(len(sets))]


TRIAL_KIND = BestWorstTrials()
