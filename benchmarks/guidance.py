"""Rules, objectives and searches at matched cost: ``python -m benchmarks.guidance``.

Prompts and seeds that calibrated nothing; each target is guided up and down in every scene. A shift is high
minus low of the intended target as the judge reads it, in standard deviations of rendered scenes, mean over
scenes and targets. CPU seconds are those of one process with one thread; scenes are drawn before.

With ``--json`` one JSON object: ``overhead_decoder``, ``overhead_denoiser``, ``overhead_braindive`` (CPU time
of a guided over an unguided image), ``shift_per_second`` (the default rule), ``shift_per_second_braindive``,
``shift_per_second_best_of_n``, ``smc_shift`` and ``gradient_shift`` (at matched evaluations),
``on_off_ratio`` (objective clamp: the shift over the absolute mean shift of the other targets),
``own_judge_ratio`` (the guide's own shift over the judge's), ``trajectory_level_error`` and
``trajectories_within_quarter`` of ``benchmarks.trajectories``, and every row with 95 % intervals over scenes.
``batch_speedup``: CPU time of single pictures over that of batches of the one fixed shape, in which every
picture has the same bytes in another order and company. ``worst_balance_sd``, ``worst_balance_dz`` and
``contrast_kept`` are those of ``benchmarks.guidance_matching`` with its usual pool (``--no-matching`` leaves
them out). ``--distilled FOLDER`` adds ``lora_shift_kept`` and ``lora_speedup`` from the report that ``python
-m almond distil`` wrote there: means over targets.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from almond.encoding.features.kinds.world import open_world
from almond.guidance.backends.analytic import AnalyticGenerator
from almond.guidance.objectives import OBJECTIVES
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import Generated, generate
from almond.guidance.searches.context import evaluations
from almond.targets.scorer import Scorer
from almond.world.lab import TARGETS
from almond.world.prompts import parse_prompt
from benchmarks.generation import Judge, reference_scenes, truth_targets
from benchmarks.guidance_matching import FOLLOWED, usual_matching

UNSEEN = (
    "a person sitting in a room at dusk",
    "a street by day",
    "a group of people in a park",
    "a doorway by day",
    "a person in a room by night",
    "people at an entrance at night",
    "a park at dusk",
    "three people in a street at dusk",
)
"""None of the example lab's prompts."""

FIRST_SEED = 70_001
STRENGTH = 0.12
BATCHED = 3
"""Scenes whose pictures are drawn one by one and in batches."""


@dataclass(frozen=True)
class Way:
    """One way of guiding: fields of the recipe that differ from the defaults."""

    name: str
    objective: str = "contrast"
    fields: dict[str, Any] = field(default_factory=dict)


UNGUIDED = Way("unguided", fields={"strength": 0.0})
THROUGH = Way("through, the default rule")
CLAMP = Way("through, objective clamp", "clamp")
DECODER = Way("x0, decoder only", fields={"rule": "x0"})
DAMPED = Way("damped", fields={"rule": "damped"})
BEST = Way("best of 8", fields={"strength": 0.0, "search": "best-of", "settings": {"candidates": 8}})
BEST_GUIDED = Way("through, best of 4", fields={"search": "best-of", "settings": {"candidates": 4}})
SMC = Way(
    "smc, 8 particles, tilt 4",
    fields={"strength": 0.0, "search": "smc", "settings": {"particles": 8, "tilt": 4.0}},
)


class MatchedCost:
    """Generator, scorer and judge, and the scenes that every way of guiding is tried on."""

    def __init__(self, scenes: int) -> None:
        drawn, pictures = reference_scenes()
        space = open_world()
        self.scorer = Scorer(space, truth_targets(space, drawn, pictures))
        self.judge, self.generator = Judge(pictures), AnalyticGenerator()
        self.cells = [(UNSEEN[number % len(UNSEEN)], FIRST_SEED + number) for number in range(scenes)]

    def recipe(self, way: Way, cell: tuple[str, int], target: str, direction: int) -> Recipe:
        usual, others = self.generator.defaults, [name for name in TARGETS if name != target]
        common: dict[str, Any] = {
            "prompt": cell[0],
            "seed": cell[1],
            "generator": self.generator.name,
            "generator_digest": self.generator.digest,
            "direction": direction,
            "strength": STRENGTH,
            "window": usual.window,
            "ramp": usual.ramp,
            "steps": usual.steps,
            **OBJECTIVES.load(way.objective).fields(target, others, {}),
        }
        return Recipe(**{**common, **way.fields})

    def images(self, way: Way, cell: tuple[str, int]) -> tuple[list[Generated], float]:
        """High and low of every target in one scene as one batch, and the CPU seconds that they took."""
        self.generator.bank(parse_prompt(cell[0]).fixed, cell[1])
        recipes = [self.recipe(way, cell, target, sign) for target in TARGETS for sign in (1, -1)]
        began = time.process_time()
        made = list(generate(recipes, generator=self.generator, scorer=self.scorer, batch=len(recipes)))
        return made, time.process_time() - began

    def row(self, way: Way) -> dict[str, Any]:
        """What a way of guiding moves, and what it costs."""
        judged, own, seconds, passes = [], [], 0.0, []
        for cell in self.cells:
            made, took = self.images(way, cell)
            seconds += took
            judged.append(self.judge([image.image for image in made]))
            own.append([[image.scores[name] for name in TARGETS] for image in made])
            passes += [
                image.searched.get("evaluations") or evaluations(image.recipe, image.trace) for image in made
            ]
        shifts, own_shifts = differences(judged), differences(own)
        on, off = shifts[:, range(4), range(4)], shifts[:, ~np.eye(4, dtype=bool)]
        return {
            "way": way.name,
            "shift": round(float(on.mean()), 3),
            "interval": [round(value, 3) for value in interval(on.mean(1))],
            "own_shift": round(float(own_shifts[:, range(4), range(4)].mean()), 3),
            "off": round(float(np.abs(off.mean(0)).mean()), 3),
            "off_signed": round(float(off.mean()), 3),
            "seconds_per_image": round(seconds / (8 * len(self.cells)), 4),
            "evaluations": round(float(np.mean(passes)), 1),
        }

    def batches(self) -> dict[str, Any]:
        """Time pictures of one scene after the other: one by one, and in batches of the one shape.

        :raises RuntimeError: a picture has other bytes in another order and company.
        """
        cells = self.cells[:BATCHED]
        recipes = [
            self.recipe(THROUGH, cell, target, sign)
            for cell in cells
            for target in TARGETS
            for sign in (1, -1)
        ]
        for prompt, seed in cells:
            self.generator.bank(parse_prompt(prompt).fixed, seed)
        shape = self.generator.defaults.batch
        alone, seconds_alone = self.timed(recipes, 1)
        batched, seconds = self.timed(recipes, shape)
        # In another order, and without every third picture, so that batches are filled up with others.
        company = [recipe for place, recipe in enumerate(recipes) if place % 3][::-1]
        again, _ = self.timed(company, shape)
        if any(batched[digest] != picture for digest, picture in again.items()):
            raise RuntimeError("pictures of batches of one shape depend on their company")
        return {
            "batch_speedup": round(seconds_alone / seconds, 3),
            "batch": shape,
            "pictures": len(recipes),
            "singles_equal_to_batched": sum(batched[digest] == alone[digest] for digest in alone),
        }

    def timed(self, recipes: Sequence[Recipe], batch: int) -> tuple[dict[str, bytes], float]:
        """The pictures' bytes by the digests of their recipes, and the CPU seconds that they took."""
        began = time.process_time()
        made = list(generate(recipes, generator=self.generator, scorer=self.scorer, batch=batch))
        seconds = time.process_time() - began
        return {image.recipe.digest: image.image.tobytes() for image in made}, seconds

    def braindive(self) -> Way:
        """BrainDiVE's rule, with the constant at which its push is as long as the default rule's on average
        inside the window."""
        made, _ = self.images(THROUGH, self.cells[0])
        gradients = [entry["gradient"] for image in made for entry in image.trace if entry["strength"]]
        scale = STRENGTH / float(np.mean(gradients))
        return Way("braindive", fields={"rule": "braindive", "strength": scale, "window": (0.0, 1.0)})


def differences(values: Sequence[Any]) -> np.ndarray:
    """High minus low (scenes, intended target, read target) of scores (scenes, 8, 4)."""
    stacked = np.asarray(values, dtype=float).reshape(len(values), 4, 2, 4)
    return stacked[:, :, 0] - stacked[:, :, 1]


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of a mean over scenes (normal)."""
    half = 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5
    return float(values.mean()) - half, float(values.mean()) + half


def figures(rows: dict[str, dict[str, Any]]) -> dict[str, float]:
    """The figures that are followed from version to version."""
    unguided = rows[UNGUIDED.name]["seconds_per_image"]

    def overhead(name: str) -> float:
        return round(rows[name]["seconds_per_image"] / unguided, 3)

    def per_second(name: str) -> float:
        return round(rows[name]["shift"] / rows[name]["seconds_per_image"], 3)

    clamp = rows[CLAMP.name]
    return {
        "overhead_decoder": overhead(DECODER.name),
        "overhead_denoiser": overhead(THROUGH.name),
        "overhead_braindive": overhead("braindive"),
        "shift_per_second": per_second(THROUGH.name),
        "shift_per_second_braindive": per_second("braindive"),
        "shift_per_second_best_of_n": per_second(BEST.name),
        "smc_shift": rows[SMC.name]["shift"],
        "gradient_shift": rows[BEST_GUIDED.name]["shift"],
        "on_off_ratio": round(clamp["shift"] / clamp["off"], 3),
        "own_judge_ratio": round(clamp["own_shift"] / clamp["shift"], 3),
    }


def distilled(folder: Path) -> dict[str, float]:
    """What a slider kept of guidance, and its speed, from the report of ``python -m almond distil``."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return {
        "lora_shift_kept": round(float(np.mean(list(report["shift_kept"].values()))), 3),
        "lora_speedup": round(float(report["speedup"]), 3),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments.add_argument("--scenes", type=int, default=8, help="two or more, each with a prompt of its own")
    arguments.add_argument(
        "--no-matching", action="store_true", help="leave out the pool of the matching benchmark"
    )
    arguments.add_argument("--distilled", type=Path, metavar="FOLDER", help="output of almond distil")
    options = arguments.parse_args()
    from benchmarks.trajectories import FOLLOWED as TRACED  # it takes its scenes from here
    from benchmarks.trajectories import trajectory_figures

    torch.set_num_threads(1)
    joined = {} if options.distilled is None else distilled(options.distilled)
    bench = MatchedCost(options.scenes)
    ways = [UNGUIDED, DECODER, THROUGH, CLAMP, DAMPED, bench.braindive(), BEST, BEST_GUIDED, SMC]
    rows = {}
    for way in ways:
        rows[way.name] = bench.row(way)
        if not options.json:
            print(json.dumps(rows[way.name]), flush=True)
    batches = bench.batches()
    matching = {} if options.no_matching else usual_matching()
    trajectories = trajectory_figures(options.scenes)
    found = {
        **figures(rows),
        "batch_speedup": batches["batch_speedup"],
        **{key: matching[key] for key in FOLLOWED if key in matching},
        **{key: trajectories[key] for key in TRACED},
        **joined,
        "rows": list(rows.values()),
        "batches": batches,
        "matching": matching,
    }
    print(json.dumps(found, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
