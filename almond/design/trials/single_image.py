"""What the kinds share whose trials show one image: lists of trials, and what rows say of the image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from almond.design.lists.dealing import deal, deal_again
from almond.design.lists.ordering import Showing, arrange, last_showing, showing_of
from almond.design.parts import PlannedBlock, PlannedStimulus
from almond.design.plan import StudyPlan
from almond.design.trials.base import Row, TrialLists, drawn_on
from almond.design.trials.columns import (
    BASE_SCENE,
    DIRECTION,
    INTENDED_TARGET,
    REPEAT,
    RESPONSE,
    STRENGTH,
    THEME,
    Column,
)
from almond.design.trials.responses import Cells, PlannedTrial, Response, Responses, listed_cells

STIMULUS_COLUMNS = (
    *RESPONSE,
    REPEAT,
    Column("stimulus_id", "text", "The image rated: a row of stimuli.csv."),
    BASE_SCENE,
    THEME,
    INTENDED_TARGET,
    DIRECTION,
    STRENGTH,
)


def images_in_words(block: PlannedBlock) -> str:
    """Say how many images a block shows."""
    again = f", {block.repeats} of them twice" if block.repeats else ""
    return f"{block.trials} images{again}"


def repeat_distance(block: PlannedBlock) -> int:
    """Return the least number of trials between an image's first showing and its second: a quarter block."""
    return block.trials // 4


def single_image_lists(
    plan: StudyPlan, block: PlannedBlock, before: TrialLists, rng: np.random.Generator
) -> list[list[PlannedTrial]]:
    """Deal the block's stimuli over the lists, one image a trial, ``block.repeats`` of them shown again."""
    stimuli = drawn_on(block, plan.stimuli)
    dealt = deal(
        stimuli,
        len(before),
        block.distinct,
        rng,
        themes=plan.told_themes,
        most_of_scene=block.most_of_scene,
    )
    again = deal_again(stimuli, dealt, block.repeats, rng)
    lists = []
    for trials, first, second in zip(before, dealt, again, strict=True):
        showings = halves(plan, stimuli, (first, second), rng)
        ordered = arrange(showings, last_showing(plan, trials), repeat_distance(block), rng)
        lists.append(
            [
                PlannedTrial(
                    index=len(trials) + number,
                    block=block.name,
                    kind=block.kind,
                    stimulus=stimuli[showing.item].id,
                    constructs=block.constructs,
                    repeat=showing.repeat,
                )
                for number, showing in enumerate(ordered)
            ]
        )
    return lists


def halves(
    plan: StudyPlan,
    stimuli: Sequence[PlannedStimulus],
    dealt: tuple[Sequence[int], Sequence[int]],
    rng: np.random.Generator,
) -> list[list[Showing]]:
    """Split a block: what is shown again stands in the first half, its second showing in the second.

    :param dealt: numbers of the stimuli shown once or more, and of those shown again.
    """
    first_showings, second_showings = dealt

    def showings(items: Sequence[int], repeat: bool = False) -> list[Showing]:
        return [showing_of(plan, stimuli[item], item, repeat) for item in items]

    if not second_showings:
        return [showings(first_showings)]
    once = [item for item in first_showings if item not in second_showings]
    rest = [int(item) for item in rng.permutation(np.array(once, dtype=int))]
    middle = (len(rest) + 1) // 2
    again = showings(second_showings, repeat=True)
    return [showings([*second_showings, *rest[:middle]]), showings(rest[middle:]) + again]


def shown_image_columns(plan: StudyPlan, responses: Responses) -> dict[str, Cells]:
    """Fill the columns that say which image was shown, one row per response."""
    stimuli = responses.of_trials(lambda trial: plan.stimulus_by_id[str(trial.stimulus)])
    return {
        **responses.shared,
        "repeat": responses.of_trials(lambda trial: int(trial.repeat)),
        "stimulus_id": stimuli.map(lambda stimulus: stimulus.id),
        "base_scene": stimuli.map(lambda stimulus: stimulus.base_scene),
        "theme": stimuli.map(lambda stimulus: plan.theme_of_scene[stimulus.base_scene]),
        "intended_target": stimuli.map(lambda stimulus: stimulus.target or ""),
        "direction": stimuli.map(lambda stimulus: stimulus.direction),
        "strength": stimuli.map(lambda stimulus: stimulus.strength),
        "image_sha256": responses.image(0),
    }


def shown_image_row(plan: StudyPlan, response: Response) -> Row:
    """Fill the columns that say which image was shown, for one response."""
    columns = shown_image_columns(plan, Responses.of([response]))
    return {name: listed_cells(cells)[0] for name, cells in columns.items()}


SHOWN_IMAGE_FACTS = ("stimulus_id", "base_scene", "theme", "intended_target", "direction", "strength")
"""The columns that ``shown_image_problems`` looks at."""


def shown_image_problems(stimuli: Mapping[str, Mapping[str, Any]], row: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a row says of its image otherwise than the row of the stimulus."""
    stimulus = stimuli.get(str(row["stimulus_id"]), {})
    for name in SHOWN_IMAGE_FACTS[1:]:
        if row.get(name) != stimulus.get(name):
            yield f"{name} is not that of its stimulus"
