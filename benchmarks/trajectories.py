"""Trajectories by level guidance and choice: ``python -m benchmarks.trajectories``.

Prompts and seeds that calibrated nothing, one trajectory of five pictures for each target in every scene,
with the settings that are offered. The guide is the regions' truth, read linearly from the feature network;
the judge is the world's held-out network, which reads the regions' truth in standard deviations of rendered
scenes.

With ``--json`` one JSON object: ``trajectory_level_error`` (worst level error of each in gaps, median),
``trajectories_within_quarter`` (share of trajectories all of whose levels are met within a quarter of a gap;
one whose score hardly moves counts as missed), ``pictures_per_trajectory``, ``judge_monotone`` (share that
rises as the judge reads it, within .1 SD), and the row of every trajectory.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from almond.diagnosis.readers import WorldScorer, reader_of
from almond.generating.people import PEOPLE
from almond.generating.world_scenes import read_world_scenes
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import generate
from almond.trajectories.find import MONOTONE
from almond.trajectories.search import TrajectoryScene, seek_trajectory
from almond.trajectories.settings import TrajectorySettings
from almond.typing import ImageArray
from almond.world.lab import TARGETS
from benchmarks.generation import reference_scenes
from benchmarks.guidance import MatchedCost

FOLLOWED = ("trajectory_level_error", "trajectories_within_quarter")
"""Figures that are followed from version to version."""

JUDGED = 400
"""Rendered scenes whose spread is the judge's unit."""


class Trajectories:
    """The bench of rules and objectives, with trajectories in its scenes."""

    def __init__(self, scenes: int, settings: TrajectorySettings) -> None:
        self.bench, self.settings = MatchedCost(scenes), settings
        self.reader = reader_of("judge", "judge", WorldScorer(TARGETS), TARGETS)
        self.sd = self.reader.read(list(reference_scenes()[1][:JUDGED])).std(axis=0)

    def row(self, cell: tuple[str, int], target: str) -> dict[str, Any]:
        """Look for one trajectory, and have its pictures judged."""
        generator = self.bench.generator
        usual = generator.defaults
        common = {
            "prompt": cell[0],
            "seed": cell[1],
            "generator": generator.name,
            "generator_digest": generator.digest,
            "window": usual.window,
            "ramp": usual.ramp,
            "steps": usual.steps,
        }
        images: dict[str, ImageArray] = {}
        base: list[str] = []

        def score(recipes: Sequence[Recipe]) -> list[float]:
            made = list(generate(recipes, generator=generator, scorer=self.bench.scorer))
            images.update({picture.recipe.digest: picture.image for picture in made})
            scores = [picture.scores[target] for picture in made]
            if not self.settings.keep_people:
                return scores
            people = [row[PEOPLE] for row in read_world_scenes([picture.image for picture in made])]
            base.extend(people[: 1 - len(base)])
            return [value if who == base[0] else np.nan for value, who in zip(scores, people, strict=True)]

        sought = seek_trajectory(TrajectoryScene(target, common, self.settings), score)
        row: dict[str, Any] = {
            "prompt": cell[0],
            "target": target,
            "pictures": len(sought.pool.scores),
            "reached": sought.reached,
            "error": None,
        }
        if sought.spacing is None:
            return row
        steps = [images[sought.pool.recipes[index].digest] for index in sought.spacing.pictures]
        place = TARGETS.index(target)
        judged = self.reader.read(steps)[:, place] / self.sd[place]
        return {
            **row,
            "error": round(sought.spacing.worst, 4),
            "gap": round(sought.spacing.gap, 3),
            "judge_monotone": bool((np.diff(judged) > -MONOTONE).all()),
            "judge_range": round(float(judged[-1] - judged[0]), 3),
        }


def trajectory_figures(scenes: int, settings: TrajectorySettings | None = None) -> dict[str, Any]:
    """Return the figures that are followed, and every row."""
    bench = Trajectories(scenes, settings or TrajectorySettings())
    rows = [bench.row(cell, target) for cell in bench.bench.cells for target in TARGETS]
    laid = [row for row in rows if row["error"] is not None]
    return {
        "trajectory_level_error": round(float(np.median([row["error"] for row in laid])), 4),
        "trajectories_within_quarter": round(float(np.mean([row["reached"] for row in rows])), 3),
        "pictures_per_trajectory": round(float(np.mean([row["pictures"] for row in rows])), 1),
        "judge_monotone": round(float(np.mean([row["judge_monotone"] for row in laid])), 3),
        "trajectories": len(rows),
        "settings": bench.settings.model_dump(mode="json"),
        "rows": rows,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments.add_argument("--scenes", type=int, default=8, help="each with a prompt of its own")
    arguments.add_argument("--keep-people", action="store_true", help="only pictures with the base's people")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    figures = trajectory_figures(options.scenes, TrajectorySettings(keep_people=options.keep_people))
    if not options.json:
        for row in figures["rows"]:
            print(json.dumps(row))
    print(json.dumps(figures, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
