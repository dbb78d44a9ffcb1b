"""A study answered by simulated raters, as the tables of an export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from almond.design.flow.branching import Standing, branches, standing_of
from almond.design.plan import StudyPlan
from almond.design.themes import themes_of_scenes
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import block_of
from almond.design.trials.columns import TableSchema
from almond.design.trials.responses import (
    PlannedTrial,
    Response,
    Responses,
    columns_of_rows,
    listed_cells,
)
from almond.errors import InputError
from almond.exchange.schema import PARTICIPANTS, table_schemas
from almond.rng import generator
from almond.world.null_worlds import MadeFor, Percepts, seen_by
from almond.world.raters import Latents, Rater, simulate_rater, style_of

BETWEEN_TRIALS = timedelta(milliseconds=500)
BETWEEN_PARTICIPANTS = timedelta(minutes=5)


def simulate_study(
    plan: StudyPlan,
    lists: Sequence[Sequence[PlannedTrial]],
    percepts: Percepts,
    *,
    n_participants: int,
    seed: int,
    start: datetime,
    careless_share: float = 0.05,
) -> dict[str, pd.DataFrame]:
    """Simulate participants who all finish; return the tables of an export by name, but that of the stimuli.

    Each participant has a random stream of its own, so that more participants leave the first ones unchanged.

    :param lists: lists of trials, assigned in turn.
    :param percepts: latents (16,) of every stimulus by id, of everybody or person by person.
    :param start: when the first participant consents, with its offset from UTC.
    :param careless_share: probability that a participant answers without looking, 0 to 1.
    :raises InputError: for a stimulus without a percept.
    """
    missing = [stimulus.id for stimulus in plan.stimuli if stimulus.id not in percepts]
    if missing:
        raise InputError(
            f"stimulus {missing[0]!r}", "has no percept", "latents of every stimulus of the plan"
        )
    schema = {name: table for name, table in table_schemas(plan.kinds).items() if name != "stimuli"}
    participants: list[dict[str, Any]] = []
    responses: dict[str, list[Response]] = {name: [] for name in plan.kinds}
    for number in range(n_participants):
        rng = generator(seed, "rater", number)
        rater = simulate_rater(rng, style_of(rng, careless_share))
        own = seen_by(percepts, number)
        trials = lists[number % len(lists)]
        sitting = Sitting(plan, f"sim-{number + 1:04d}", start + number * BETWEEN_PARTICIPANTS, trials)
        while (trial := sitting.next_trial()) is not None:
            responses[trial.kind].append(sitting.answer(trial, rater, own))
        participants.append(sitting.participant(number % len(lists)))
    columns: dict[str, dict[str, list[Any]]] = {"participants": columns_of_rows(participants)}
    for kind, answers in responses.items():
        table = columns.setdefault(TRIAL_KINDS.load(kind).table.name, {})
        for name, cells in _answers(plan, kind, answers).items():
            table.setdefault(name, []).extend(cells)
    return {name: _frame(columns.get(name, {}), table) for name, table in schema.items()}


def _answers(plan: StudyPlan, kind: str, responses: Sequence[Response]) -> dict[str, list[Any]]:
    """Return the columns of answers to trials of a kind; none without answers."""
    if not responses:
        return {}
    columns = TRIAL_KINDS.load(kind).columns(plan, Responses.of(responses))
    return {name: list(listed_cells(cells)) for name, cells in columns.items()}


def _frame(columns: Mapping[str, Sequence[Any]], table: TableSchema) -> pd.DataFrame:
    """Return a table with the columns of its schema; of those that only some studies have, the present."""
    some = {column.name for column in table.columns if column.later} - columns.keys() if columns else set()
    names = [name for name in _columns(table) if name not in some]
    return pd.DataFrame(columns, columns=[*names, *(name for name in columns if name not in names)])


def made_for(plan: StudyPlan) -> dict[str, MadeFor]:
    """Return what every stimulus of a plan was made from and for, by id."""
    themes = themes_of_scenes(plan.stimuli)
    return {
        row.id: MadeFor(row.base_scene, themes[row.base_scene], row.target or "", row.direction)
        for row in plan.stimuli
    }


def _columns(table: TableSchema) -> list[str]:
    """Name the columns of a table, with the kind of a participant, which older exports lack."""
    names = [column.name for column in table.columns]
    return [*names, "kind"] if table.name == PARTICIPANTS.name else names


class Sitting:
    """One participant going through a list; time goes on by each answer and a pause."""

    def __init__(
        self, plan: StudyPlan, participant_id: str, start: datetime, trials: Sequence[PlannedTrial]
    ) -> None:
        self.plan, self.participant_id, self.trials = plan, participant_id, trials
        self.start = self.now = start
        self.answers: dict[int, Mapping[str, Any]] = {}
        self.posted: dict[int, Mapping[str, Any]] = {}
        """What was answered to each trial, as it would be posted."""
        self.branches = branches(plan)

    @property
    def standing(self) -> Standing:
        """Which trials are not asked, by what was answered so far."""
        return standing_of(self.plan, self.trials, self.answers) if self.branches else Standing()

    def next_trial(self) -> PlannedTrial | None:
        """Return the first trial that is asked and not answered; None behind the last."""
        skipped = self.standing.skipped
        left = (one for one in self.trials if one.index not in self.answers and one.index not in skipped)
        return next(left, None)

    def answer(self, trial: PlannedTrial, rater: Rater, percepts: Mapping[str, Latents]) -> Response:
        """Answer a trial."""
        kind = TRIAL_KINDS.load(trial.kind)
        answer = kind.simulate(rater, trial, block_of(self.plan, trial.block), percepts)
        self.now += timedelta(milliseconds=answer["rt_ms"]) + BETWEEN_TRIALS
        self.answers[trial.index], self.posted[trial.index] = answer.get("values", {}), answer
        return Response(
            trial=trial,
            images=[self.plan.stimulus_by_id[name].sha256 for name in trial.stimuli],
            values=answer.get("values", {}),
            chosen=answer.get("chosen", ""),
            shared={
                "response_id": f"{self.participant_id}-r{trial.index:03d}",
                "trial_id": f"{self.participant_id}-t{trial.index:03d}",
                "participant_id": self.participant_id,
                "trial_index": trial.index,
                "block": trial.block,
                "rt_ms": answer["rt_ms"],
                "received_at": self.now.isoformat(timespec="milliseconds"),
            },
        )

    def participant(self, number: int) -> dict[str, Any]:
        """Return the participant's row, of list ``number``."""
        return {
            "participant_id": self.participant_id,
            "kind": "robot",
            "list": number,
            "status": "finished",
            "started_at": self.start.isoformat(timespec="milliseconds"),
            "finished_at": self.now.isoformat(timespec="milliseconds"),
            "trials_planned": len(self.trials),
            "trials_done": len(self.answers),
            **self._not_asked(),
        }

    def _not_asked(self) -> dict[str, Any]:
        """Return the columns that participants of plans that branch have."""
        if not self.branches:
            return {}
        return {"trials_skipped": len(self.standing.skipped), "ended_by": self.standing.ended_by or ""}
