"""From matched pairs to evidence: simulated people answer, the export is written, analysed and verified."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from almond.analysis.analyse import AnalysisResult, analyse_export
from almond.chain.draw import Pool
from almond.chain.settings import DemoSettings
from almond.design.assignment import make_lists
from almond.design.plan import StudyPlan
from almond.errors import AlmondError
from almond.evidence.export import write_export
from almond.evidence.simulated import made_for, simulate_study
from almond.evidence.verify import first_broken, verify
from almond.exchange.collection import Collection
from almond.progress import Part, Progress
from almond.rng import generator
from almond.world.networks import read_percepts
from almond.world.null_forms import NullWorld
from almond.world.null_worlds import Percepts, percepts_of_null

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
"""When the simulated study begins: fixed, so that a seed gives the same export to the last byte."""


def percepts_of(settings: DemoSettings, plan: StudyPlan, pool: Pool, progress: Progress) -> Percepts:
    """Read what raters see: the images themselves, or in a null world the unguided one of their scene."""
    made = made_for(plan)
    if settings.null == "none":
        return read_percepts({name: pool.images[name] for name in made}, progress=progress)
    scenes = {row.base_scene for row in made.values()}
    bases = {scene: name for scene, name in pool.bases.items() if scene in scenes}
    read = read_percepts({name: pool.images[name] for name in bases.values()}, progress=progress)
    by_scene = {scene: read[name] for scene, name in bases.items()}
    return percepts_of_null(settings.null, by_scene, made, generator(settings.stream("null world")))


def hold_study(settings: DemoSettings, plan: StudyPlan, pool: Pool, progress: Progress) -> dict[str, Any]:
    """Return the tables of an export, with the responses of simulated people."""
    percepts = percepts_of(settings, plan, pool, progress)
    return dict(
        simulate_study(
            plan,
            make_lists(plan, settings.lists),
            percepts,
            n_participants=settings.participants,
            seed=settings.stream("raters"),
            start=START,
        )
    )


def export_study(
    folder: Path,
    settings: DemoSettings,
    plan: StudyPlan,
    pool: Pool,
    tables: Mapping[str, Any],
    *,
    target_folder: Path,
    artifact_root: Path,
    score_targets: Mapping[str, str],
) -> Path:
    """Write the study with everything that it rests on into one folder."""
    shown = {stimulus.id for stimulus in plan.stimuli} | set(pool.bases.values())
    stimuli: pd.DataFrame = pool.table[pool.table["stimulus_id"].isin(shown)]
    return write_export(
        folder,
        plan=plan,
        participants=tables["participants"],
        responses={name: table for name, table in tables.items() if name != "participants"},
        stimuli=stimuli,
        image_bytes={digest: ("png", pool.png[digest]) for digest in stimuli["image_sha256"]},
        recipes={digest: pool.recipes[digest] for digest in stimuli["recipe_digest"]},
        target_folder=target_folder,
        artifact_root=artifact_root,
        meta={
            "created": START.isoformat(),
            "score_targets": dict(score_targets),
            "collection": Collection(
                state="closed",
                planned=plan.participants,
                finished=0,  # people: everybody here is simulated
                closed_at=str(tables["participants"]["finished_at"].max()),
            ),
            "simulated": True,
            **null_facts(settings.null),
        },
    )


def null_facts(null: NullWorld) -> dict[str, Any]:
    """Say in an export whether its world is a null, and of which form."""
    return {"null_world": null != "none", **({} if null == "none" else {"null_form": null})}


def check_and_analyse(export: Path, progress: Progress) -> AnalysisResult:
    """Verify the export as a stranger would, then repeat its planned analysis."""
    broken = first_broken(verify(export, progress=Part(progress, 0.0, 0.3)))
    if broken is not None:
        raise AlmondError(f"{broken.link}: {broken.problems[0]}")
    return analyse_export(export, progress=Part(progress, 0.3, 1.0))
