"""Plans, lists and exports of small studies, the demonstration's recipes, and results of three commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from almond.chain.draw import recipes_of
from almond.chain.settings import DemoSettings
from almond.design.assignment import make_lists
from almond.design.plan import StudyPlan
from almond.guidance.backends.load import load_generator
from almond.progress import Silent
from almond.rng import generator
from almond.stimuli.images import write_png
from almond.world.attributes import Scene
from almond.world.brains import simulate_dataset
from almond.world.scenes import LATENTS, draw_scene, latents, render
from tests.almond.design_plans import full_plan, natural_plan
from tests.almond.export_maker import make_export
from tests.almond.normed_maker import make_encoders, make_images
from tests.almond.normed_maker import mapping as normed_mapping
from tests.almond.small_export import SmallStudy
from tests.contracts.golden_tools import command, digest_of, export_digests

PLANS: dict[str, tuple[StudyPlan, int]] = {
    "full": (full_plan(), 8),
    "few trials": (full_plan(4, 2, ratings=8, choices=4, repeats=2), 6),
    "odd": (full_plan(5, 3, ratings=10, choices=7, seed=3), 7),
    "repeats": (full_plan(3, 2, repeats=4, seed=11), 5),
    "natural": (natural_plan(), 6),
    "natural uneven": (natural_plan(17, 5), 9),
}


def record_plans() -> dict[str, Any]:
    """Plans, their digests, and the lists of their participants as digests with the first list whole."""
    found = {}
    for name, (plan, count) in PLANS.items():
        lists = [[trial.to_json() for trial in trials] for trials in make_lists(plan, count)]
        found[name] = {
            "digest": plan.digest,
            "plan": json.loads(plan.to_bytes()),
            "lists": digest_of(lists),
            "first list": lists[0],
        }
    return found


def record_recipes() -> dict[str, Any]:
    """Digests of every recipe of the demonstration by default, without targets."""
    settings = DemoSettings()
    recipes = recipes_of(settings, load_generator(settings.generator), [])
    return {"first": recipes[1].to_json(), "digests": [recipe.digest for recipe in recipes]}


def record_export(folder: Path) -> dict[str, Any]:
    """The small study with its export: digests of plan, recipes, targets and of every file."""
    study = SmallStudy(folder, themes=False)
    export = study.write()
    manifest = json.loads((export / "manifest.json").read_bytes())
    return {
        "counts": manifest["counts"],
        "absent": manifest["absent"],
        "lists": digest_of([[trial.to_json() for trial in trials] for trials in study.lists]),
        "bits": {
            "plan": study.plan.digest,
            "recipes": sorted(study.recipes),
            "targets": {name: target.digest for name, target in study.targets.items()},
            "files": export_digests(export),
        },
    }


def record_analysis(folder: Path) -> Any:
    """``almond analyse`` on a made export from before themes, whose scenes have one prompt: one theme."""
    export = make_export(
        folder / "export", participants=8, incomplete=1, scenes=4, permutations=99, themes_told=False
    )
    return json.loads(command("analyse", export, "--json", "--out", folder / "report"))


def record_themes(folder: Path) -> Any:
    """``almond analyse`` on a made export of guided images, two scenes to a theme."""
    export = make_export(
        folder / "export", participants=8, incomplete=1, scenes=12, scenes_per_theme=2, permutations=99
    )
    return json.loads(command("analyse", export, "--json", "--out", folder / "report"))


def record_natural(folder: Path) -> Any:
    """``almond analyse`` on a made export of photographs, with another seed than the plan's."""
    export = make_export(
        folder / "export", participants=6, scenes=12, permutations=99, natural=True, themes_told=False
    )
    words = ("--json", "--seed", "5", "--permutations", "49", "--out", folder / "report")
    return json.loads(command("analyse", export, *words))


SUBREGIONS = ("LB", "CM", "SF", "AStr")


def record_evaluation(folder: Path) -> Any:
    """``almond fit`` and ``almond evaluate`` on three simulated brains, with images made for subregions."""
    made = simulate_dataset(
        folder / "brains", n_subjects=3, n_runs=2, n_volumes=90, tr=1.5, seed=21, progress=Silent()
    )
    scenes = json.loads((made.root / "stimuli" / "scenes.json").read_text())
    values = np.array([latents(Scene(**scene)) for scene in scenes.values()])
    np.savez(folder / "latents.npz", values=values, names=LATENTS, stim_file=list(scenes))
    make_stimuli(folder)
    masks = {name: path.relative_to(folder).as_posix() for name, path in made.regions.items()}
    mapping = {
        "dataset": "brains",
        "features": {"kind": "table", "path": "latents.npz"},
        "regions": {**masks, "Amy": {"union": list(SUBREGIONS)}},
        "components": [3],
        "null_control": {"features": 10},
        "evaluation": {
            "whole": "Amy",
            "subregions": list(SUBREGIONS),
            "controls": ["VC"],
            "random_regions": {"splits": 10},
            "stimuli": {"table": "s.csv", "images": "images", "features": "s.npz", "permutations": 19},
        },
    }
    (folder / "group.yaml").write_text(yaml.safe_dump(mapping))
    command("fit", folder / "group.yaml")
    result = json.loads(command("evaluate", folder / "group.yaml", "--json"))
    return {**result, "bits": result["provenance"].pop("artifacts")}


def make_stimuli(folder: Path) -> None:
    """Drawn scenes in turn for each subregion of each subject, with their latents as features."""
    rng = generator(3, "golden pool")
    scenes = [draw_scene(rng) for _ in range(24)]
    names = [f"{number}.png" for number in range(len(scenes))]
    lines = ["image,region,subject"]
    for number, (name, scene) in enumerate(zip(names, scenes, strict=True)):
        write_png(folder / "images" / name, render(scene))
        lines.append(f"{name},{SUBREGIONS[number % 4]},sub-0{1 + number // 4 % 3}")
    (folder / "s.csv").write_text("\n".join(lines) + "\n")
    values = np.array([latents(scene) for scene in scenes])
    np.savez(folder / "s.npz", values=values, names=LATENTS, stim_file=names)


def record_validation(folder: Path) -> Any:
    """``almond validate`` of three subjects' encoders on two small sets of drawn images with norms."""
    make_images(folder / "first", 36, 11)
    make_images(folder / "second", 32, 12)
    make_encoders(folder / "encoders", subjects=("1", "2", "3"))
    (folder / "norms.yaml").write_text(yaml.safe_dump(normed_mapping(folder, permutations=29)))
    return json.loads(command("validate", folder / "norms.yaml", "--json"))


RESULTS: dict[str, Callable[[Path], Any]] = {
    "analysis": record_analysis,
    "themes": record_themes,
    "natural": record_natural,
    "evaluation": record_evaluation,
    "validation": record_validation,
}
