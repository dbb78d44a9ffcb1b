"""The links of the chain, from a response back to the BOLD files: each looks for what does not fit.

A link takes the opened export and returns how many things it looked at and what is wrong with them, in words.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from almond.digest import digest_file, digest_files, digest_json
from almond.errors import AlmondError
from almond.evidence.bundle import recipe_targets, target_sources
from almond.evidence.opened import Chain
from almond.evidence.psych_ds import DESCRIPTION
from almond.evidence.psych_ds_rules import RULES, psych_ds_problems
from almond.evidence.tables import codebook_bytes
from almond.exchange.collection import collection_of
from almond.exchange.imported_columns import worded_columns
from almond.exchange.manifest import is_external
from almond.exchange.matching import matching_of
from almond.exchange.schema import table_columns, table_schemas
from almond.files.folders import visible
from almond.targets.target import load_target

LinkCheck = tuple[int, list[str]]


def plan_link(chain: Chain) -> LinkCheck:
    problems = []
    if chain.plan.external and not is_external(chain.manifest):
        problems.append("manifest.json: contradicts plan.json, which describes external data")
    if chain.plan.digest != chain.manifest.get("plan_digest"):
        problems.append("plan.json: its digest is not the plan_digest of the manifest")
    if chain.plan.to_bytes() != (chain.folder / "plan.json").read_bytes():
        problems.append("plan.json: is not the plan's canonical JSON")
    return 1, problems


def codebook_link(chain: Chain) -> LinkCheck:
    present = chain.walk.columns
    columns = {
        name: table_columns(table, present[name])
        for name, table in table_schemas(chain.plan.kinds, events="events" in present).items()
    }
    plan = chain.plan
    worded = worded_columns(columns, imported=plan.external, photographs=plan.pairs_photographs)
    # Imported tables were once described in the words of studies of Almond's own.
    known = (codebook_bytes(worded), codebook_bytes(columns))
    same = (chain.folder / "codebook.csv").read_bytes() in known
    count = sum(map(len, columns.values()))
    return count, [] if same else ["codebook.csv: does not describe the columns of the tables"]


def psych_ds_link(chain: Chain) -> LinkCheck:
    """The folder keeps the rules of Psych-DS; exports from before there was a description are not asked."""
    if DESCRIPTION not in chain.manifest["files"]:
        return 0, []
    return len(RULES), psych_ds_problems(chain.folder)


def counts_link(chain: Chain) -> LinkCheck:
    expected = dict(chain.manifest.get("counts", {}))
    counts = chain.walk.counts
    problems = [
        f"{chain.file(name)}: has {number} rows, the manifest says {expected.get(name)}"
        for name, number in counts.items()
        if expected.get(name) != number
    ]
    return sum(counts.values()), problems


def participants_link(chain: Chain) -> LinkCheck:
    """Every response belongs to a participant, no trial was answered twice, and all are counted."""
    walk = chain.walk
    problems = [*walk.strangers, *walk.twice]
    people = chain.participants
    for who, done in zip(people["participant_id"], people["trials_done"], strict=True):
        if walk.answered[who] != done:
            problems.append(f"participant {who}: {done} trials done, but {walk.answered[who]} responses")
    return walk.trials, problems + _finished_problems(chain)


def _finished_problems(chain: Chain) -> list[str]:
    """Compare the number of people who finished, as the manifest says it, with participants.csv."""
    collection, people = collection_of(chain.manifest), chain.participants
    if collection is None or "kind" not in people:
        return []
    skipped = people.get("trials_skipped", 0)
    done = (people["trials_done"] + skipped >= people["trials_planned"]) & (people.get("ended_by", "") == "")
    number = int((done & (people["kind"] == "person")).sum())
    if number == collection.finished:
        return []
    where = chain.file("participants")
    return [f"{where}: {number} people finished, the manifest says {collection.finished}"]


def images_seen_link(chain: Chain) -> LinkCheck:
    """The digest that the browser saw is that of the stimulus named in the response."""
    return chain.walk.shown, chain.walk.images


def facts_link(chain: Chain) -> LinkCheck:
    """What responses repeat about their stimuli and pairs is what the stimuli and the plan say."""
    return chain.walk.rows, chain.walk.facts


def stimuli_plan_link(chain: Chain) -> LinkCheck:
    problems, where = [], chain.file("stimuli")
    for planned in chain.plan.stimuli:
        row = chain.stimuli.get(planned.id)
        if row is None:
            problems.append(f"stimulus {planned.id}: of the plan, is not in {where}")
            continue
        stated: dict[str, object] = {
            "image_sha256": planned.sha256,
            "base_scene": planned.base_scene,
            "intended_target": planned.target or "",
            "direction": planned.direction,
            "strength": planned.strength,
        }
        if "theme" in row:
            stated["theme"] = chain.plan.theme_of_scene[planned.base_scene]
        problems += [
            f"stimulus {planned.id}: {name} differs between the plan and {where}"
            for name, value in stated.items()
            if row[name] != value
        ]
    return len(chain.plan.stimuli), problems


def image_bytes_link(chain: Chain) -> LinkCheck:
    problems, count = [], 0
    for name, row in chain.stimuli.items():
        if chain.plan.external and not row["image_sha256"]:
            continue  # nobody handed it over: ``unknowns`` says so
        count += 1
        path = chain.folder / str(row["file"])
        if not path.is_file():
            problems.append(f"image {row['file']}: is missing; it is stimulus {name}")
        elif digest_file(path) != row["image_sha256"]:
            problems.append(f"image {row['file']}: its bytes are not those of stimulus {name}")
    return count, problems


def recipes_link(chain: Chain) -> LinkCheck:
    """Every generated image has its recipe, which says of it what stimuli.csv says.

    Only in an export of data from elsewhere may a generated image lack it: ``unknowns`` says so then.
    """
    problems, count = [], 0
    for name, row in chain.stimuli.items():
        digest = str(row["recipe_digest"])
        if not digest:
            if is_generated(row) and not is_external(chain.manifest):
                count += 1
                problems.append(f"stimulus {name}: was generated, but nothing says how: it has no recipe")
            continue
        count += 1
        recipe = chain.recipes.get(digest)
        if recipe is None:
            problems.append(f"recipe {digest[:12]}…: is missing; stimulus {name} was made from it")
        elif digest_json(recipe) != digest:
            problems.append(f"recipes/{digest}.json: its content is not that of its digest")
        else:
            problems += [
                f"stimulus {name}: {field} is not that of its recipe {digest[:12]}…"
                for field in ("prompt", "seed", "direction", "strength")
                if recipe.get(field) != row[field]
            ]
    return count, problems


def is_generated(row: Mapping[str, Any]) -> bool:
    """Tell whether an image was drawn by a generator: photographs have neither prompt nor target."""
    return bool(row["prompt"] or row["intended_target"])


def targets_link(chain: Chain) -> LinkCheck:
    """Every target that guided an image, gave a score or matched pairs is there with its own digest."""
    wanted = dict(chain.manifest.get("score_targets", {}))
    named = [(f"column score_{name}", str(digest)) for name, digest in wanted.items()]
    matching = matching_of(chain.manifest)
    if matching is not None:
        named += [(f"the matching of pairs for {name}", digest) for name, digest in matching.targets.items()]
    for recipe, content in chain.recipes.items():
        named += [(f"recipe {recipe[:12]}…", digest) for digest in recipe_targets(content).values()]
    problems = [
        f"target {digest[:12]}…: is missing; {who} rests on it"
        for who, digest in {digest: (who, digest) for who, digest in named}.values()
        if digest not in chain.targets and digest not in chain.absent["targets"]
    ]
    problems += matching_problems(chain, wanted)
    for digest, path in chain.targets.items():
        problems += target_problems(path, digest)
    return len(chain.targets), problems


def matching_problems(chain: Chain, score_targets: Mapping[str, str]) -> Iterator[str]:
    """Yield where the manifest says that pairs were matched by other scores than the columns hold, or tells
    of pairs that the plan has not."""
    matching = matching_of(chain.manifest)
    if matching is None:
        return
    planned = {pair.target for pair in chain.plan.pairs}
    for target, digest in matching.targets.items():
        column = matching.score_of(target)
        if target not in planned:
            yield f"manifest.json, matching: tells of pairs for {target}, of which the plan has none"
        if score_targets.get(column) != digest:
            yield (
                f"manifest.json, matching: pairs for {target} were matched by target {digest[:12]}…, "
                f"which is not that of column score_{column}"
            )


def target_problems(path: Path, digest: str) -> list[str]:
    try:
        actual = load_target(path).digest
    except (AlmondError, ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        return [f"target {digest[:12]}…: {error}"]
    return [] if actual == digest else [f"target {digest[:12]}…: its content has digest {actual[:12]}…"]


def artifacts_link(chain: Chain) -> LinkCheck:
    problems = []
    for target, path in chain.targets.items():
        for artifact in target_sources(path):
            if artifact not in chain.artifacts and artifact not in chain.absent["artifacts"]:
                problems.append(f"artifact {artifact[:12]}…: is missing; target {target[:12]}… rests on it")
    for digest, path in chain.artifacts.items():
        if digest_files({file.name: file for file in visible(path.iterdir())}) != digest:
            problems.append(f"artifact {digest[:12]}…: its files are not those of its digest")
    return len(chain.artifacts), problems


def bold_link(chain: Chain) -> LinkCheck:
    """Check that artifacts record digests of their BOLD files, and compare those with a folder of BOLD."""
    problems: list[str] = []
    files: dict[tuple[str, str], str] = {}
    for digest, path in chain.artifacts.items():
        recorded = dict(json.loads((path / "artifact.json").read_bytes())["provenance"]["bold"])
        if not recorded:
            problems.append(f"artifact {digest[:12]}…: records no BOLD files")
        files |= {(str(name), str(value)): digest for name, value in recorded.items()}
    if chain.bold is None:
        return len(files), problems
    for (name, value), digest in sorted(files.items()):
        path = chain.bold / name
        if not path.is_file():
            problems.append(f"BOLD file {path}: is missing; artifact {digest[:12]}… was fitted on it")
        elif digest_file(path) != value:
            problems.append(
                f"BOLD file {path}: its bytes changed; artifact {digest[:12]}… was fitted on others"
            )
    return len(files), problems


def unknowns(chain: Chain) -> list[str]:
    """Say in sentences what an export cannot tell even where every link holds."""
    said = []
    if is_external(chain.manifest):
        said.append(
            "The data come from elsewhere: who answered, when, and which images they saw, cannot be known."
        )
        about = dict(dict(chain.manifest.get("about") or {}).get("external") or {})
        said += [f"What cannot be known: {fact}." for fact in about.get("unknown", ())]
        unexplained = sum(is_generated(row) and not row["recipe_digest"] for row in chain.stimuli.values())
        if unexplained:
            said.append(f"How the images were made cannot be known: {unexplained} have no recipe.")
    matching = matching_of(chain.manifest)
    if matching is not None and matching.scored_by == "judge":
        said.append(
            "Judges' scores selected the pairs: whether other weights agree, those judges cannot tell."
        )
    for what, rests in (("targets", "recipes and scores rest"), ("artifacts", "targets rest")):
        if count := len(chain.absent[what]):
            said.append(f"{rests.capitalize()} on {count} {what} that were left out of the export.")
    return said


LINKS: tuple[tuple[str, Callable[[Chain], LinkCheck]], ...] = (
    ("the plan is the frozen one", plan_link),
    ("the codebook describes every column", codebook_link),
    ("the folder keeps the rules of Psych-DS", psych_ds_link),
    ("tables have the rows that were counted", counts_link),
    ("responses belong to participants", participants_link),
    ("responses name the image that was seen", images_seen_link),
    ("responses repeat what the plan says of their images", facts_link),
    ("stimuli are those of the plan", stimuli_plan_link),
    ("stimuli have their bytes", image_bytes_link),
    ("generated stimuli have their recipes", recipes_link),
    ("recipes and scores have their targets", targets_link),
    ("targets have their encoder artifacts", artifacts_link),
    ("artifacts record their BOLD files", bold_link),
)
