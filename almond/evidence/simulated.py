"""A study answered by simulated raters, as the tables of an export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from almond.design.assignment import PlannedTrial
from almond.design.plan import StudyPlan
from almond.errors import InputError
from almond.exchange.schema import FIXED
from almond.rng import generator
from almond.world.raters import Latents, Rater, simulate_rater, style_of

BETWEEN_TRIALS = timedelta(milliseconds=500)
BETWEEN_PARTICIPANTS = timedelta(minutes=5)


def simulate_study(
    plan: StudyPlan,
    lists: Sequence[Sequence[PlannedTrial]],
    percepts: Mapping[str, Latents],
    *,
    n_participants: int,
    seed: int,
    start: datetime,
    careless_share: float = 0.05,
) -> dict[str, pd.DataFrame]:
    """Tables ``participants``, ``ratings`` and ``choices`` of participants who all finish.

    ``percepts`` holds the latents (16,) of every stimulus by id; lists are taken in turn. Each participant
    has an own random stream, so that more participants leave the first ones as they were. ``start`` (with
    its offset) is when the first one consents. Raises ``InputError`` for a stimulus without a percept.
    """
    missing = [stimulus.id for stimulus in plan.stimuli if stimulus.id not in percepts]
    if missing:
        raise InputError(
            f"stimulus {missing[0]!r}", "has no percept", "latents of every stimulus of the plan"
        )
    rows: dict[str, list[dict[str, Any]]] = {"participants": [], "ratings": [], "choices": []}
    for number in range(n_participants):
        rng = generator(seed, "rater", number)
        rater = simulate_rater(rng, style_of(rng, careless_share))
        sitting = Sitting(plan, f"sim-{number + 1:04d}", start + number * BETWEEN_PARTICIPANTS)
        sitting.answer(lists[number % len(lists)], rater, percepts)
        rows["participants"].append(sitting.participant(number % len(lists)))
        rows["ratings"] += sitting.ratings
        rows["choices"] += sitting.choices
    return {
        name: pd.DataFrame(found, columns=[column.name for column in FIXED[name]])
        for name, found in rows.items()
    }


class Sitting:
    """One participant going through a list, and the rows that come of it."""

    def __init__(self, plan: StudyPlan, participant_id: str, start: datetime) -> None:
        self.plan, self.participant_id = plan, participant_id
        self.start = self.now = start
        self.ratings: list[dict[str, Any]] = []
        self.choices: list[dict[str, Any]] = []
        self.done = 0

    def answer(self, trials: Sequence[PlannedTrial], rater: Rater, percepts: Mapping[str, Latents]) -> None:
        for trial in trials:
            if trial.kind == "rating":
                self.rate(trial, rater, percepts)
            else:
                self.choose(trial, rater, percepts)
            self.done += 1

    def rate(self, trial: PlannedTrial, rater: Rater, percepts: Mapping[str, Latents]) -> None:
        stimulus = self.plan.stimulus_by_id[str(trial.stimulus)]
        rating = rater.rate(percepts[stimulus.id], trial.constructs)
        shown = {
            **self.response(trial, rating.rt_ms),
            "repeat": int(trial.repeat),
            "stimulus_id": stimulus.id,
            "base_scene": stimulus.base_scene,
            "intended_target": stimulus.target or "",
            "direction": stimulus.direction,
            "strength": stimulus.strength,
            "image_sha256": stimulus.sha256,
        }
        for construct, value in zip(trial.constructs, rating.values, strict=True):
            self.ratings.append({**shown, "construct": construct, "value": value})

    def choose(self, trial: PlannedTrial, rater: Rater, percepts: Mapping[str, Latents]) -> None:
        pair = self.plan.pair_by_id[str(trial.pair)]
        left, right = (self.plan.stimulus_by_id[str(name)] for name in (trial.left, trial.right))
        choice = rater.choose(percepts[left.id], percepts[right.id], pair.construct)
        high_side = "left" if left.id == pair.high else "right"
        self.choices.append(
            {
                **self.response(trial, choice.rt_ms),
                "pair_id": pair.id,
                "base_scene": pair.base_scene,
                "intended_target": pair.target,
                "construct": pair.construct,
                "left_stimulus": left.id,
                "right_stimulus": right.id,
                "chosen": choice.side,
                "high_side": high_side,
                "aligned": int(choice.side == high_side),
                "left_sha256": left.sha256,
                "right_sha256": right.sha256,
            }
        )

    def response(self, trial: PlannedTrial, rt_ms: float) -> dict[str, Any]:
        """What every response has; time goes on by the answer and a pause."""
        self.now += timedelta(milliseconds=rt_ms) + BETWEEN_TRIALS
        return {
            "response_id": f"{self.participant_id}-r{trial.index:03d}",
            "trial_id": f"{self.participant_id}-t{trial.index:03d}",
            "participant_id": self.participant_id,
            "trial_index": trial.index,
            "block": trial.block,
            "rt_ms": rt_ms,
            "received_at": self.now.isoformat(timespec="milliseconds"),
        }

    def participant(self, number: int) -> dict[str, Any]:
        return {
            "participant_id": self.participant_id,
            "list": number,
            "status": "finished",
            "started_at": self.start.isoformat(timespec="milliseconds"),
            "finished_at": self.now.isoformat(timespec="milliseconds"),
            "trials_planned": self.done,
            "trials_done": self.done,
        }
