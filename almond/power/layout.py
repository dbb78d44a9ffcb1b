"""The rows that a design will leave in an export, by list of trials, made once for all simulated studies.

What a row says of its trial and its images is the same in every study; only who gave it, and the answer,
differ.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from almond.design.assignment import make_lists
from almond.design.plan import PlannedPair, PlannedStimulus, StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import PlannedTrial, Response
from almond.typing import Indices
from almond.world.simulated_answers import ShownImages

RATING, CHOICE = "rating", "choice"
WHEN = "2026-01-01T00:00:00+00:00"


@dataclass(frozen=True, eq=False)
class AnswerRows:
    """Rows of one table, all lists one after the other.

    ``frame`` (r rows) holds all columns, without what differs from study to study; ``trial`` (r,) is the
    place of each row's trial in its list, ``item`` (r,) its image or pair, ``construct`` (r,) its judgement,
    and ``rows`` the rows of every list.
    """

    frame: pd.DataFrame
    trial: Indices
    item: Indices
    construct: Indices
    rows: tuple[Indices, ...]


@dataclass(frozen=True, eq=False)
class DesignLayout:
    """A design as arrays: what is shown, and the rows of its lists."""

    plan: StudyPlan
    trials: tuple[int, ...]
    images: ShownImages
    pairs: ShownImages
    ratings: AnswerRows
    choices: AnswerRows
    stimuli: pd.DataFrame

    @property
    def natural(self) -> bool:
        return not self.plan.targets


def make_layout(plan: StudyPlan, lists: int) -> DesignLayout:
    """Deal a plan's lists and lay out what they will leave."""
    dealt = make_lists(plan, lists)
    images = {row.id: place for place, row in enumerate(plan.stimuli)}
    pairs = {row.id: place for place, row in enumerate(plan.pairs)}
    return DesignLayout(
        plan=plan,
        trials=tuple(len(trials) for trials in dealt),
        images=_shown(plan, plan.stimuli),
        pairs=_shown(plan, plan.pairs),
        ratings=_rows(plan, dealt, RATING, images),
        choices=_rows(plan, dealt, CHOICE, pairs),
        stimuli=_stimuli(plan),
    )


def _shown(plan: StudyPlan, items: Sequence[PlannedStimulus] | Sequence[PlannedPair]) -> ShownImages:
    targets = {name: code for code, name in enumerate(plan.targets)}
    scenes = {name: code for code, name in enumerate(plan.theme_of_scene)}
    themes = {name: code for code, name in enumerate(plan.themes)}
    own = {item.name: item.target for item in plan.constructs}
    strongest = max((row.strength for row in plan.stimuli), default=0.0)
    return ShownImages(
        theme=_codes(themes[plan.theme_of_scene[row.base_scene]] for row in items),
        scene=_codes(scenes[row.base_scene] for row in items),
        target=_codes(targets.get(row.target or "", -1) for row in items),
        dose=np.array([_dose(row, strongest, own) for row in items], dtype=np.float64),
    )


def _codes(values: Any) -> Indices:
    return np.array(list(values), dtype=np.int64)


def _dose(item: PlannedStimulus | PlannedPair, strongest: float, own: Mapping[str, str | None]) -> float:
    """Return direction times strength, 1 for the strongest of the plan. Pairs have 1, and 0 where they are
    asked about with a question whose own target (by construct) is another, or call neither the higher."""
    if isinstance(item, PlannedPair) and item.target is None:
        return float(item.by is not None)
    if isinstance(item, PlannedPair):
        return float(own[item.construct] in (None, item.target))
    return item.direction * (item.strength / strongest if strongest > 0 else 1.0)


def _rows(
    plan: StudyPlan, lists: Sequence[Sequence[PlannedTrial]], kind: str, items: dict[str, int]
) -> AnswerRows:
    """Make the rows of every list by the functions of the trial kind that write an export's."""
    constructs = {item.name: code for code, item in enumerate(plan.constructs)}
    values: list[dict[str, Any]] = []
    trial, item, starts = [], [], [0]
    for trials in lists:
        for planned in trials:
            if planned.kind == kind:
                rows = TRIAL_KINDS.load(kind).rows(plan, _blank(plan, planned))
                values += rows
                trial += [planned.index] * len(rows)
                item += [items[str(planned.stimulus or planned.pair)]] * len(rows)
        starts.append(len(values))
    columns = [column.name for column in TRIAL_KINDS.load(kind).table.columns]
    return AnswerRows(
        frame=pd.DataFrame(values, columns=columns),
        trial=_codes(trial),
        item=_codes(item),
        construct=_codes(constructs[row["construct"]] for row in values),
        rows=tuple(np.arange(start, stop) for start, stop in itertools.pairwise(starts)),
    )


def _blank(plan: StudyPlan, trial: PlannedTrial) -> Response:
    """Return a response whose answer is filled in later."""
    return Response(
        trial=trial,
        images=[plan.stimulus_by_id[name].sha256 for name in trial.stimuli],
        values=dict.fromkeys(trial.constructs, 0.0),
        chosen="left",
        shared={
            "response_id": "",
            "trial_id": "",
            "participant_id": "",
            "trial_index": trial.index,
            "block": trial.block,
            "rt_ms": 0.0,
            "received_at": WHEN,
        },
    )


def _stimuli(plan: StudyPlan) -> pd.DataFrame:
    rows = [
        {
            "stimulus_id": row.id,
            "image_sha256": row.sha256,
            "base_scene": row.base_scene,
            "theme": plan.theme_of_scene[row.base_scene],
            "prompt": row.prompt,
            "intended_target": row.target or "",
            "direction": row.direction,
            "strength": row.strength,
        }
        for row in plan.stimuli
    ]
    return pd.DataFrame(rows)
