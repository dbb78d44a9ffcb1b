"""Files that an earlier version wrote, and what the code of today reads in them.

``golden/old`` holds a study's export, and the data, configuration and artifacts of a fit, as archives, and
beside them a plan and a recipe. They are written once (``record_golden --old`` writes them anew).
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import yaml

from almond.design.assignment import make_lists
from almond.design.plan import StudyPlan
from almond.encoding.artifacts.artifact import load_artifact
from almond.encoding.multisubject.flow_artifact import load_flow
from almond.guidance.recipe import Recipe
from almond.rng import generator
from almond.targets.target import load_target, scores
from tests.almond.small_export import SmallStudy
from tests.contracts.golden_models import CASES, COMMON, make_data
from tests.contracts.golden_tools import FOLDER, command, digest_of

OLD = FOLDER / "old"
NAMES = ("export.zip", "fit.zip", "plan.json", "recipe.json")
FIT: dict[str, Any] = {
    "model": ["pls", "ridge", "shared", "flow"],
    "components": [1, 2],
    "subjects": ["1", "2"],
    "regions": {"part": "part.nii.gz"},
    "shared": {"dimensions": 2},
    "flow": CASES["flow"]["flow"],
}


def write_old(scratch: Path) -> dict[str, bytes]:
    """The bytes of every file of ``golden/old``, made by the code of today."""
    study = SmallStudy(scratch / "study")
    export = study.write()
    fit = scratch / "fit"
    fit.mkdir()
    make_data(fit)
    (fit / "fit.yaml").write_text(yaml.safe_dump({**COMMON, **FIT}))
    command("fit", fit / "fit.yaml")
    recipe = next(iter(study.recipes.values()))
    return {
        "export.zip": packed(export),
        "fit.zip": packed(fit),
        "plan.json": study.plan.to_bytes(),
        "recipe.json": json.dumps(recipe, sort_keys=True).encode(),
    }


def packed(folder: Path) -> bytes:
    """A folder's files as an archive with the same bytes each time."""
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.writestr(zipfile.ZipInfo(path.relative_to(folder).as_posix()), path.read_bytes())
    return target.read_bytes()


def unpacked(name: str, folder: Path) -> Path:
    with zipfile.ZipFile(OLD / f"{name}.zip") as archive:
        archive.extractall(folder / name)
    return folder / name


def read_plan_and_recipe(folder: Path) -> dict[str, Any]:
    """Digests of the old plan and recipe, and of the lists made from the plan."""
    plan = StudyPlan.from_bytes((OLD / "plan.json").read_bytes(), OLD / "plan.json")
    recipe = Recipe.from_json(json.loads((OLD / "recipe.json").read_bytes()))
    lists = [[trial.to_json() for trial in trials] for trials in make_lists(plan, 3)]
    return {"plan": plan.digest, "recipe": recipe.digest, "lists": digest_of(lists)}


def read_export(folder: Path) -> dict[str, Any]:
    """What ``verify`` and ``analyse`` say of the old export, and the scores of its targets."""
    export = unpacked("export", folder)
    features = generator(4, "golden features").normal(size=(5, 6))
    targets = [load_target(path) for path in sorted((export / "targets").glob("*.json"))]
    return {
        "verified": json.loads(command("verify", export, "--json")),
        "analysed": json.loads(command("analyse", export, "--json", "--out", folder / "report")),
        "targets": {target.digest: scores(target, features).tolist() for target in targets},
        "artifacts": sorted(load_artifact(path).digest for path in (export / "artifacts").iterdir()),
    }


def read_fit(folder: Path) -> dict[str, Any]:
    """The old fit asked for again: every artifact is there already, and predicts what it did."""
    fit = unpacked("fit", folder)
    before = {path.name for path in (fit / "artifacts").iterdir()}
    report = json.loads(command("fit", fit / "fit.yaml", "--json"))
    assert {path.name for path in (fit / "artifacts").iterdir()} == before, "something was fitted again"
    features = generator(4, "golden features").normal(size=(12, 5))
    keys = ("model", "subject", "region", "digest")
    flow = [item for item in report["artifacts"] if item["model"] == "flow"]
    others = [item for item in report["artifacts"] if item["model"] != "flow"]
    return {
        "heldout_r": report["heldout_r"],
        "artifacts": [{key: item[key] for key in keys} for item in report["artifacts"]],
        "predicted": [load_artifact(Path(item["path"])).predict(features).tolist() for item in others],
        "bits": [load_flow(Path(item["path"])).predict(features, item["subject"]).tolist() for item in flow],
    }


READERS = {"plan and recipe": read_plan_and_recipe, "export": read_export, "fit": read_fit}
