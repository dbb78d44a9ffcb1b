"""A small study as an export: real images, recipes, targets and artifacts, answers by rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from almond.design.assignment import make_lists
from almond.design.plan import PlannedStimulus, StudyPlan
from almond.design.trials.base import PlannedTrial
from almond.digest import digest_bytes, digest_file
from almond.encoding.artifacts.artifact import EncoderArtifact, save_artifact
from almond.encoding.features.card import FeatureSpaceCard
from almond.evidence.export import write_export
from almond.guidance.recipe import Recipe
from almond.rng import generator
from almond.stimuli.images import png_bytes
from almond.stimuli.lowlevel import measure
from almond.targets.target import Target, region_target, save_target
from tests.almond.design_plans import full_plan

CREATED = "2026-03-01T12:00:00+00:00"
DIMENSION, VOXELS = 6, 4


class SmallStudy:
    """Everything that ``write_export`` asks for: 2 scenes x 2 targets x 2 directions, 3 participants.

    Without ``themes`` its tables are those of an export from before there were any.
    """

    def __init__(self, root: Path, *, themes: bool = True) -> None:
        self.root, self.themes = root, themes
        self.bold = root / "bold"
        self.artifact_root, self.target_folder = root / "artifacts", root / "targets"
        self.targets = {name: self.make_target(name) for name in ("T0", "T1")}
        self.images: dict[str, tuple[str, Path | bytes]] = {}
        self.recipes: dict[str, dict[str, Any]] = {}
        draft = full_plan(2, 2)
        self.theme_of_scene = draft.theme_of_scene
        self.stimulus_rows = [self.make_stimulus(number, item) for number, item in enumerate(draft.stimuli)]
        digests = {row["stimulus_id"]: row["image_sha256"] for row in self.stimulus_rows}
        stimuli = tuple(item.model_copy(update={"sha256": digests[item.id]}) for item in draft.stimuli)
        self.plan: StudyPlan = draft.model_copy(update={"stimuli": stimuli})
        self.lists = make_lists(self.plan, 3)
        self.participants = [self.participant(number) for number in range(3)]
        self.ratings = [row for number in range(3) for row in self.rating_rows(number)]
        self.choices = [row for number in range(3) for row in self.choice_rows(number)]

    def make_target(self, name: str) -> Target:
        rng = generator(1, "target", name)
        run = self.bold / f"sub-{name}" / "bold.nii"
        run.parent.mkdir(parents=True, exist_ok=True)
        run.write_bytes(rng.bytes(200))
        artifact = EncoderArtifact(
            subject=f"sub-{name}",
            region=name,
            model="pls",
            feature_space=FeatureSpaceCard("six", "0" * 64, DIMENSION),
            weights=rng.normal(size=(DIMENSION, VOXELS)),
            intercept=rng.normal(size=VOXELS),
            voxels=np.zeros((VOXELS, 3), np.int64),
            dropped=np.zeros((0, 3), np.int64),
            mask_digest="1" * 64,
            provenance={"bold": {run.relative_to(self.bold).as_posix(): digest_file(run)}},
        )
        digest, _ = save_artifact(self.artifact_root, artifact)
        target = region_target(name, [replace(artifact, digest=digest)], rng.normal(size=(20, DIMENSION)))
        save_target(self.target_folder, target)
        return target

    def make_stimulus(self, number: int, item: PlannedStimulus) -> dict[str, Any]:
        image = generator(2, number).integers(0, 256, (8, 8, 3)).astype(np.uint8)
        data = png_bytes(image)
        target = str(item.target)
        recipe = Recipe(
            prompt=item.prompt,
            seed=number // 4,
            generator="analytic",
            generator_digest="2" * 64,
            objective={target: 1.0},
            target_digests={target: self.targets[target].digest},
            direction=item.direction,
            strength=item.strength,
            window=(0.1, 0.9),
        )
        self.images[digest_bytes(data)] = (".png", data)
        self.recipes[recipe.digest] = recipe.to_json()
        return {
            "stimulus_id": item.id,
            "image_sha256": digest_bytes(data),
            "base_scene": item.base_scene,
            **self.theme(item.base_scene),
            "prompt": item.prompt,
            "seed": recipe.seed,
            "intended_target": target,
            "direction": item.direction,
            "strength": item.strength,
            "recipe_digest": recipe.digest,
            "score_T0": 0.1 * number,
            "score_T1": 1 / 3 - number,
            **measure(image),
        }

    def theme(self, scene: str) -> dict[str, str]:
        return {"theme": self.theme_of_scene[scene]} if self.themes else {}

    def participant(self, number: int) -> dict[str, Any]:
        return {
            "participant_id": f"p{number}",
            "list": number,
            "status": "finished",
            "started_at": CREATED,
            "finished_at": CREATED,
            "trials_planned": self.plan.trials,
            "trials_done": self.plan.trials,
        }

    def common(self, number: int, trial: PlannedTrial) -> dict[str, Any]:
        return {
            "response_id": f"r{number}-{trial.index}",
            "trial_id": f"t{number}-{trial.index}",
            "participant_id": f"p{number}",
            "trial_index": trial.index,
            "block": trial.block,
            "rt_ms": 812.5 + trial.index,
            "received_at": CREATED,
        }

    def rating_rows(self, number: int) -> list[dict[str, Any]]:
        rows = []
        for trial in self.lists[number]:
            if trial.kind != "rating":
                continue
            item = self.plan.stimulus_by_id[str(trial.stimulus)]
            shown = {
                "repeat": trial.repeat,
                "stimulus_id": item.id,
                "base_scene": item.base_scene,
                **self.theme(item.base_scene),
                "intended_target": item.target,
                "direction": item.direction,
                "strength": item.strength,
                "image_sha256": item.sha256,
            }
            for value, construct in enumerate(trial.constructs):
                answer = {"construct": construct, "value": 40 + 10.1 * value + number}
                rows.append({**self.common(number, trial), **shown, **answer})
        return rows

    def choice_rows(self, number: int) -> list[dict[str, Any]]:
        rows = []
        for trial in self.lists[number]:
            if trial.kind != "choice":
                continue
            pair = self.plan.pair_by_id[str(trial.pair)]
            high = "left" if trial.left == pair.high else "right"
            chosen = "right" if trial.index % 3 else "left"
            rows.append(
                {
                    **self.common(number, trial),
                    "pair_id": pair.id,
                    "base_scene": pair.base_scene,
                    **self.theme(pair.base_scene),
                    "intended_target": pair.target,
                    "construct": pair.construct,
                    "left_stimulus": trial.left,
                    "right_stimulus": trial.right,
                    "chosen": chosen,
                    "high_side": high,
                    "aligned": chosen == high,
                    "left_sha256": self.plan.stimulus_by_id[str(trial.left)].sha256,
                    "right_sha256": self.plan.stimulus_by_id[str(trial.right)].sha256,
                }
            )
        return rows

    def arguments(self) -> dict[str, Any]:
        return {
            "plan": self.plan,
            "participants": self.participants,
            "responses": {"ratings": self.ratings, "choices": self.choices},
            "stimuli": pd.DataFrame(self.stimulus_rows),
            "image_bytes": self.images,
            "recipes": self.recipes,
            "target_folder": self.target_folder,
            "artifact_root": self.artifact_root,
            "meta": {
                "created": CREATED,
                "study": "A small study",
                "score_targets": {name: target.digest for name, target in self.targets.items()},
                "simulated": True,
            },
        }

    def write(self, name: str = "export", **changes: Any) -> Path:
        """Write the export; ``changes`` are arguments of ``write_export``, or the rows of one table."""
        arguments = self.arguments()
        tables = {table: changes.pop(table) for table in ("ratings", "choices") if table in changes}
        arguments["responses"] |= tables
        return write_export(self.root / name, **{**arguments, **changes})
