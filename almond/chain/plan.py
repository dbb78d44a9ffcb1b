"""The demonstration's study: every matched image rated, every matched pair a forced choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from almond.chain.draw import Pool
from almond.chain.settings import DemoSettings
from almond.design.plan import AnalysisPlan, Construct, PlannedBlock, PlannedPair, PlannedStimulus, StudyPlan
from almond.design.preregistration import Preregistration, usual_hypotheses
from almond.world import lab


def demo_plan(settings: DemoSettings, pool: Pool, pairs: pd.DataFrame) -> StudyPlan:
    """Write the plan as an experimenter would freeze it, before anybody answers."""
    shown = sorted({*pairs["high"], *pairs["low"]})
    rows = pool.table.set_index("stimulus_id")
    stimuli = tuple(planned_stimulus(name, rows.loc[name].to_dict(), pool) for name in shown)
    planned = tuple(planned_pair(row) for row in pairs.to_dict(orient="records"))
    return study_plan(settings, stimuli, planned)


def study_plan(
    settings: DemoSettings, stimuli: tuple[PlannedStimulus, ...], planned: tuple[PlannedPair, ...]
) -> StudyPlan:
    """Plan ratings of all ``stimuli`` and choices between all ``planned`` pairs, with the lab's questions."""
    names = tuple(construct.name for construct in lab.CONSTRUCTS)
    return StudyPlan(
        title="Demonstration: do ratings identify the region that guided an image?",
        seed=settings.stream("study"),
        participants=settings.participants,
        constructs=tuple(
            Construct(name=c.name, question=c.question, low=c.low, high=c.high) for c in lab.CONSTRUCTS
        ),
        blocks=(
            PlannedBlock(
                kind="rating",
                name="ratings",
                trials=min(settings.rating_trials, len(stimuli)),
                constructs=names,
            ),
            PlannedBlock(
                kind="choice",
                name="choices",
                trials=min(settings.choice_trials, len(planned)),
                constructs=names,
            ),
        ),
        stimuli=stimuli,
        pairs=planned,
        analysis=AnalysisPlan(permutations=settings.permutations),
        preregistration=Preregistration(hypotheses=usual_hypotheses(AnalysisPlan().primary)),
    )


def planned_stimulus(name: str, row: Mapping[Any, Any], pool: Pool) -> PlannedStimulus:
    height, width = pool.images[name].shape[:2]
    return PlannedStimulus(
        id=name,
        sha256=str(row["image_sha256"]),
        base_scene=str(row["base_scene"]),
        theme=str(row["theme"]),
        prompt=str(row["prompt"]),
        target=str(row["intended_target"]),
        direction=int(row["direction"]),
        strength=float(row["strength"]),
        width=width,
        height=height,
    )


def planned_pair(row: Mapping[Any, Any]) -> PlannedPair:
    target = str(row["intended_target"])
    construct = lab.CONSTRUCT_OF_TARGET[target]
    question = next(text.choice for text in lab.CONSTRUCTS if text.name == construct)
    return PlannedPair(
        id=f"{row['base_scene']}-{target}",
        base_scene=str(row["base_scene"]),
        target=target,
        construct=construct,
        question=question,
        high=str(row["high"]),
        low=str(row["low"]),
    )
