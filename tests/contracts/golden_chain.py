"""The demonstration's chain on two scenes: guided images, the plan, simulated people, export and analysis.

Encoders are not fitted here: their weights are random numbers, which is enough for every later step. Images
take 8 steps instead of 25.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from almond.chain.draw import draw_pool, heldout_shifts, match
from almond.chain.plan import demo_plan
from almond.chain.settings import DemoSettings
from almond.chain.study import check_and_analyse, export_study, hold_study
from almond.design.plan import StudyPlan
from almond.encoding.artifacts.artifact import EncoderArtifact, load_artifact, save_artifact
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.features.kinds.world import open_world
from almond.encoding.features.space import FeatureSpace
from almond.guidance.backends.load import load_generator
from almond.progress import Silent
from almond.rng import generator
from almond.targets.target import Target, region_target, save_target
from almond.world import lab
from almond.world.scenes import draw_scene, render
from tests.contracts.golden_tools import export_digests

JUDGE = "_judge"


@dataclass(frozen=True)
class TwoScenes(DemoSettings):
    """The demonstration with two prompts and one seed of each."""

    seed: int = 3
    participants: int = 8
    seeds_per_prompt: int = 1
    lists: int = 2
    permutations: int = 99
    prompts: tuple[str, ...] = lab.PROMPTS[:2]


def record_chain(folder: Path) -> dict[str, Any]:
    """Run the chain below ``folder``; returns the plan, the scores, the export's digests and the analysis."""
    settings, space = TwoScenes(), open_world()
    rng = generator(1, "golden reference")
    reference = space.extract([render(draw_scene(rng)) for _ in range(12)])
    guides = [make_target(folder, name, "1", space, reference) for name in lab.TARGETS]
    judges = [make_target(folder, name + JUDGE, "2", space, reference) for name in lab.TARGETS]
    quick = copy.copy(load_generator(settings.generator))
    quick.defaults = replace(quick.defaults, steps=8)
    pool = draw_pool(settings, quick, space, guides=guides, judges=judges, progress=Silent())
    pairs = match(pool, Silent())
    plan = without_themes(demo_plan(settings, pool, pairs.pairs))
    pool = replace(pool, table=without_theme(pool.table))
    tables = {
        name: without_theme(table) for name, table in hold_study(settings, plan, pool, Silent()).items()
    }
    export = export_study(
        folder / "export",
        settings,
        plan,
        pool,
        tables,
        target_folder=folder / "targets",
        artifact_root=folder / "artifacts",
        score_targets={target.name: target.digest for target in (*guides, *judges)},
    )
    result = check_and_analyse(export, Silent())
    table = pool.table.drop(columns=["image_sha256", "recipe_digest"])
    return {
        "stimuli": json.loads(table.to_json(orient="records", double_precision=12)),
        "pairs": json.loads(pairs.pairs.to_json(orient="records", double_precision=12)),
        "shifts": heldout_shifts(pool, pairs),
        "analysis": result.data,
        "bits": {
            "plan": plan.digest,
            "targets": {target.name: target.digest for target in (*guides, *judges)},
            "recipes": sorted(pool.recipes),
            "images": dict(zip(pool.table["stimulus_id"], pool.table["image_sha256"], strict=True)),
            "export": export_digests(export),
        },
    }


def without_themes(plan: StudyPlan) -> StudyPlan:
    """The plan as it was when these values were recorded, before there were themes."""
    stimuli = tuple(stimulus.model_copy(update={"theme": None}) for stimulus in plan.stimuli)
    return plan.model_copy(update={"stimuli": stimuli})


def without_theme(table: pd.DataFrame) -> pd.DataFrame:
    """A table of that time."""
    return table.drop(columns="theme", errors="ignore")


def make_target(folder: Path, name: str, subject: str, space: FeatureSpace, reference: np.ndarray) -> Target:
    """A target of one encoder with random weights, both written below ``folder``."""
    rng = generator(2, "golden target", name)
    card = FeatureSpaceCard(space.name, space.digest, space.dimension)
    artifact = EncoderArtifact(
        subject=subject,
        region=name.removesuffix(JUDGE),
        model="pls",
        feature_space=card,
        weights=rng.normal(size=(card.dimension, 3)),
        intercept=rng.normal(size=3),
        voxels=np.zeros((3, 3), np.int64),
        dropped=np.zeros((0, 3), np.int64),
        mask_digest="1" * 64,
        provenance={"bold": {"bold.nii": "2" * 64}},
    )
    _, path = save_artifact(folder / "artifacts", artifact)
    target = region_target(name, [load_artifact(path)], reference)
    save_target(folder / "targets", target)
    return target
