"""A study as a folder that stands on its own: tables, codebook, plan, images, and what they were made from.

``write_export`` is the only writer and ``read_export`` the reader of that folder; ``docs/export.md``
describes it table by table. The same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from almond import __version__
from almond.design.plan import StudyPlan
from almond.errors import InputError
from almond.evidence.bundle import (
    ImageSource,
    add_artifacts,
    add_images,
    add_recipes,
    add_targets,
    put,
)
from almond.evidence.manifest import NAME, manifest_bytes, read_manifest, seal
from almond.evidence.tables import codebook_bytes, csv_bytes, read_table, table_rows, write_time
from almond.exchange.schema import FIXED, Column
from almond.files import new_folder

Rows = pd.DataFrame | Iterable[Mapping[str, Any]]


@dataclass(frozen=True)
class Export:
    """An export read back. Tables have the columns of its codebook; text that does not apply is ``""``."""

    folder: Path
    manifest: dict[str, Any]
    plan: StudyPlan
    participants: pd.DataFrame
    ratings: pd.DataFrame
    choices: pd.DataFrame
    stimuli: pd.DataFrame

    @property
    def digest(self) -> str:
        """The manifest's own digest: it stands for every byte of the export."""
        return str(self.manifest["digest"])


def write_export(
    folder: Path,
    *,
    plan: StudyPlan,
    participants: Rows,
    ratings: Rows,
    choices: Rows,
    stimuli: Rows,
    image_bytes: Mapping[str, ImageSource],
    recipes: Mapping[str, Mapping[str, Any]],
    target_folder: Path | None,
    artifact_root: Path | None,
    meta: Mapping[str, Any],
) -> Path:
    """Write the export to a new ``folder``, whole or not at all, and return it.

    Tables are frames or rows with the columns of ``almond.exchange.schema`` (those of ``stimuli`` may leave
    out ``file``). ``image_bytes`` maps the digest of each image to its suffix and its file or bytes,
    ``recipes`` maps digests to recipes' JSON values. ``meta`` holds ``created`` (a time with its offset), and
    may hold ``study`` (a name), ``score_targets`` (score column without ``score_`` -> target digest) and
    further facts, which the manifest repeats under ``about``. Without ``target_folder`` (``artifact_root``)
    the manifest lists the targets (artifacts) that were left out.

    Raises ``InputError`` for an existing folder, tables that are not as the codebook says, rows that name
    things which are not in the export, and missing files; ``DigestMismatch`` for bytes that changed.
    """
    folder = Path(folder)
    if folder.exists():
        raise InputError(folder, "exists already", "a new folder: an export is never written over")
    frames = {
        "participants": as_frame(participants, "participants"),
        "ratings": as_frame(ratings, "ratings"),
        "choices": as_frame(choices, "choices"),
    }
    shown = as_frame(stimuli, "stimuli").drop(columns="file", errors="ignore")
    with new_folder(folder.parent) as scratch:
        files = add_images(scratch, texts(shown, "image_sha256"), image_bytes)
        frames["stimuli"] = shown.assign(file=[files[digest] for digest in shown["image_sha256"]])
        check_references(plan, frames)
        absent = add_provenance(scratch, frames["stimuli"], recipes, target_folder, artifact_root, meta)
        counts = add_tables(scratch, frames)
        put(scratch / "plan.json", plan.to_bytes())
        facts = {**manifest_facts(plan, meta), "counts": counts, "absent": absent}
        put(scratch / NAME, manifest_bytes(seal(scratch, facts)))
        scratch.rename(folder)
    return folder


def read_export(folder: Path) -> Export:
    """Read an export's tables and plan. Digests of files are ``almond.evidence.verify``'s to check.

    Raises ``InputError`` when the manifest, the plan or a table cannot be read.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    try:
        plan = (folder / "plan.json").read_bytes()
    except OSError as error:
        raise InputError(folder / "plan.json", "cannot be read", "the plan of the study") from error
    tables = {name: read_table(folder / "data" / f"{name}.csv", name) for name in FIXED}
    return Export(folder, manifest, StudyPlan.from_bytes(plan, folder / "plan.json"), **tables)


def as_frame(rows: Rows, table: str) -> pd.DataFrame:
    """Rows as a frame of objects, so that no whole number becomes a float beside an empty cell."""
    if isinstance(rows, pd.DataFrame):
        return rows
    found = list(rows)
    if not found:
        return pd.DataFrame(columns=[column.name for column in FIXED[table]], dtype=object)
    return pd.DataFrame(found, dtype=object)


def texts(frame: pd.DataFrame, column: str) -> list[str]:
    """The non-empty values of a column that must exist."""
    if column not in frame.columns:
        raise InputError("table stimuli", f"lacks {column}", "the columns of the codebook")
    return [str(value) for value in frame[column] if isinstance(value, str) and value]


def check_references(plan: StudyPlan, frames: Mapping[str, pd.DataFrame]) -> None:
    """Raise one ``InputError`` for rows that name a participant, stimulus, pair or construct nobody has."""
    stimuli = frames["stimuli"]
    digests = dict(zip(stimuli["stimulus_id"], stimuli["image_sha256"], strict=True))
    problems = [
        f"stimulus {stimulus.id!r} of the plan is not in table stimuli with its digest"
        for stimulus in plan.stimuli
        if digests.get(stimulus.id) != stimulus.sha256
    ]
    known = {
        "participant_id": set(frames["participants"]["participant_id"]),
        "stimulus_id": set(digests),
        "left_stimulus": set(digests),
        "right_stimulus": set(digests),
        "pair_id": set(plan.pair_by_id),
        "construct": {construct.name for construct in plan.constructs},
    }
    for table in ("ratings", "choices"):
        for column in sorted(set(known) & set(frames[table].columns)):
            strangers = sorted(set(map(str, frames[table][column])) - set(map(str, known[column])))
            problems += [f"{table}: {column} {name!r} is not known" for name in strangers[:5]]
    if problems:
        raise InputError("export", "; ".join(problems))


def add_provenance(
    folder: Path,
    stimuli: pd.DataFrame,
    recipes: Mapping[str, Mapping[str, Any]],
    target_folder: Path | None,
    artifact_root: Path | None,
    meta: Mapping[str, Any],
) -> dict[str, list[str]]:
    """Recipes, targets and artifacts that the stimuli rest on; returns the digests that were left out."""
    targets = add_recipes(folder, texts(stimuli, "recipe_digest"), recipes)
    targets |= set(dict(meta.get("score_targets") or {}).values())
    artifacts, absent_targets = add_targets(folder, targets, target_folder)
    return {"targets": absent_targets, "artifacts": add_artifacts(folder, artifacts, artifact_root)}


def add_tables(folder: Path, frames: Mapping[str, pd.DataFrame]) -> dict[str, int]:
    """Write the tables and their codebook; returns the number of rows of each."""
    columns: dict[str, tuple[Column, ...]] = {}
    counts = {}
    for table in FIXED:
        columns[table], rows = table_rows(table, frames[table])
        put(folder / "data" / f"{table}.csv", csv_bytes([column.name for column in columns[table]], rows))
        counts[table] = len(rows)
    put(folder / "codebook.csv", codebook_bytes(columns))
    return counts


def manifest_facts(plan: StudyPlan, meta: Mapping[str, Any]) -> dict[str, Any]:
    try:
        created = write_time(meta["created"])
    except (KeyError, ValueError) as error:
        raise InputError("meta.created", f"is {meta.get('created')!r}", "a time with its offset") from error
    own = ("created", "study", "score_targets")
    return {
        "study": str(meta.get("study") or plan.title),
        "plan_digest": plan.digest,
        "created": created,
        "almond_version": __version__,
        "score_targets": dict(meta.get("score_targets") or {}),
        "about": {name: value for name, value in meta.items() if name not in own},
    }
