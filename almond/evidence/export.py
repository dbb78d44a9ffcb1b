"""A study as a folder that stands on its own: tables, codebook, plan, images, and what they were made from.

``write_export`` is the only writer and ``read_export`` the reader of that folder; ``docs/export.md``
describes it table by table. The same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from almond import __version__
from almond.design.flow.branching import branches
from almond.design.plan import StudyPlan
from almond.design.trials.columns import TableSchema
from almond.errors import InputError
from almond.evidence.bundle import (
    ImageSource,
    add_artifacts,
    add_images,
    add_recipes,
    add_targets,
    put,
)
from almond.evidence.psych_ds import described_files
from almond.evidence.starters import starter_files
from almond.evidence.table_writer import Rows, SortedChunks, WrittenTable, write_table
from almond.evidence.tables import codebook_bytes, read_export_table, write_time
from almond.exchange.imported_columns import worded_columns
from almond.exchange.layout import table_path
from almond.exchange.manifest import NAME, load_manifest, manifest_bytes, seal
from almond.exchange.publication import publication_of
from almond.exchange.schema import table_schemas
from almond.files.writing import new_folder, publish

REFERENCES = ("participant_id", "stimulus_id", "left_stimulus", "right_stimulus", "pair_id", "construct")
"""Columns whose cells name something else in the export, or in its plan."""


@dataclass(frozen=True)
class Export:
    """An export read back. Tables have the columns of its codebook; text that does not apply is ``""``."""

    folder: Path
    manifest: dict[str, Any]
    plan: StudyPlan
    tables: dict[str, pd.DataFrame]

    @property
    def digest(self) -> str:
        """The manifest's own digest: it stands for every byte of the export."""
        return str(self.manifest["digest"])


def write_export(
    folder: Path,
    *,
    plan: StudyPlan,
    participants: Rows,
    responses: Mapping[str, Rows],
    stimuli: Rows,
    image_bytes: Mapping[str, ImageSource],
    recipes: Mapping[str, Mapping[str, Any]],
    target_folder: Path | None,
    artifact_root: Path | None,
    meta: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
    events: Rows | None = None,
) -> Path:
    """Write the export to a new ``folder``, whole or not at all; return it.

    Tables are frames or rows with the columns of ``almond.exchange.schema``: those of ``stimuli`` may leave
    out ``file``, and each table the columns that came later. Without ``events`` there is no such table.
    Tables too large to hold come as ``SortedChunks``, and are read once, participants last.

    :param responses: rows by the table of their trial kind: ``ratings``, ``choices``; a missing one is empty.
    :param image_bytes: digest of each image -> its suffix, and its file or bytes.
    :param recipes: digest -> the recipe's JSON value.
    :param target_folder: where targets lie, as ``artifact_root`` encoder artifacts; None leaves them out, and
        the manifest lists them.
    :param meta: ``created`` (a time with its offset); optionally ``study`` (a name), ``score_targets`` (score
        column without ``score_`` -> target digest), ``collection`` (a ``Collection``: how far collecting data
        has come), ``publication`` (a ``Publication``: licence, authors, citation), ``amendments``
        (each an ``Amendment``), ``excluded_by_hand`` (each an ``ExclusionEntry``), ``matching`` (a
        ``Matching``: by whose scores pairs were matched, or None) and further facts, which the manifest
        repeats under ``about``. Or a function that returns all this, called once the tables were read.
    :raises InputError: for an existing folder, tables that are not as the codebook says, rows that name
        things which are not in the export, and missing files.
    :raises DigestMismatch: for bytes that changed.
    """
    folder = Path(folder)
    if folder.exists():
        raise InputError(folder, "exists already", "a new folder: an export is never written over")
    schema = table_schemas(plan.kinds, events=events is not None, external=plan.external)
    if unknown := sorted(set(responses) - set(schema)):
        raise InputError("responses", f"have no table {unknown[0]!r} in this study", ", ".join(schema))
    rows = {**responses, "participants": participants, "events": events if events is not None else ()}
    with new_folder(folder.parent) as scratch:
        shown, rows["stimuli"] = add_stimuli(scratch, as_frame(stimuli, schema["stimuli"]), image_bytes)
        tables = add_tables(scratch, schema, rows)
        check_export_references(plan, shown, tables)
        facts = dict(meta() if callable(meta) else meta)
        absent = add_provenance(
            scratch,
            shown,
            recipes=recipes,
            target_folder=target_folder,
            artifact_root=artifact_root,
            score_targets=dict(facts.get("score_targets") or {}),
        )
        written = {name: tables[name] for name in schema}
        add_descriptions(scratch, plan, written, facts, absent)
        publish(scratch, folder)
    return folder


def read_export(folder: Path) -> Export:
    """Read an export's tables and plan. Digests of files are ``almond.evidence.verify``'s to check.

    Raises ``InputError`` when the manifest, the plan or a table cannot be read.
    """
    folder = Path(folder)
    manifest = load_manifest(folder)
    try:
        plan_bytes = (folder / "plan.json").read_bytes()
    except OSError as error:
        raise InputError(folder / "plan.json", "cannot be read", "the plan of the study") from error
    plan = StudyPlan.from_bytes(plan_bytes, folder / "plan.json")
    return Export(folder, manifest, plan, read_tables(folder, plan))


def read_tables(folder: Path, plan: StudyPlan) -> dict[str, pd.DataFrame]:
    """Read the tables of an export by name."""
    events = table_path(folder, "events").exists()
    return {
        name: read_export_table(table_path(folder, name), table)
        for name, table in table_schemas(plan.kinds, events=events, external=plan.external).items()
    }


def as_frame(rows: Rows, table: TableSchema) -> pd.DataFrame:
    """Make a frame of objects from rows: no whole number becomes a float beside an empty cell."""
    if isinstance(rows, pd.DataFrame):
        return rows
    if isinstance(rows, SortedChunks):
        raise InputError(f"table {table.name}", "comes in chunks", "all of its rows at once")
    records = list(rows)
    if not records:
        return pd.DataFrame(columns=[column.name for column in table.columns], dtype=object)
    return pd.DataFrame(records, dtype=object)


def texts(frame: pd.DataFrame, column: str) -> list[str]:
    """Return the non-empty values of a column that must exist."""
    if column not in frame.columns:
        raise InputError("table stimuli", f"lacks {column}", "the columns of the codebook")
    return [str(value) for value in frame[column] if isinstance(value, str) and value]


def add_stimuli(
    folder: Path, rows: pd.DataFrame, image_bytes: Mapping[str, ImageSource]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write the images; return the rows of stimuli without and with the column that names their files."""
    shown = rows.drop(columns="file", errors="ignore")
    files = add_images(folder, texts(shown, "image_sha256"), image_bytes)
    return shown, shown.assign(file=[files.get(digest, "") for digest in shown["image_sha256"]])


def add_tables(
    folder: Path, schema: Mapping[str, TableSchema], rows: Mapping[str, Rows]
) -> dict[str, WrittenTable]:
    """Write the tables: participants last, for their rows may count what the other tables hold."""
    order = sorted(schema, key=lambda name: name == "participants")
    return {name: write_table(folder, schema[name], rows.get(name, ()), REFERENCES) for name in order}


def add_descriptions(
    folder: Path,
    plan: StudyPlan,
    tables: Mapping[str, WrittenTable],
    facts: Mapping[str, Any],
    absent: Mapping[str, list[str]],
) -> None:
    """Write what describes the tables: plan, codebook, Psych-DS, starters, and last the manifest."""
    counts = {name: table.rows for name, table in tables.items()}
    columns = worded_columns(
        {name: table.columns for name, table in tables.items()},
        imported=plan.external,
        photographs=plan.pairs_photographs,
    )
    content = {**manifest_facts(plan, facts), "counts": counts, "absent": absent}
    put(folder / "codebook.csv", codebook_bytes(columns))
    put(folder / "plan.json", plan.to_bytes())
    described = described_files(plan, columns, counts, content, publication_of(facts))
    own = {item.name: item.target for item in plan.constructs if item.target is not None}
    starters = starter_files(branching=branches(plan), excluded="excluded_by_hand" in content, own=own)
    for path, data in {**described, **starters}.items():
        put(folder / path, data)
    digests = {path: digest for table in tables.values() for path, digest in table.digests.items()}
    put(folder / NAME, manifest_bytes(seal(folder, content, digests)))


def check_export_references(
    plan: StudyPlan, stimuli: pd.DataFrame, tables: Mapping[str, WrittenTable]
) -> None:
    """Raise one ``InputError`` for all rows that name an unknown participant, stimulus, pair or construct."""
    digests = dict(zip(stimuli["stimulus_id"], stimuli["image_sha256"], strict=True))
    problems = [
        f"stimulus {stimulus.id!r} of the plan is not in table stimuli with its digest"
        for stimulus in plan.stimuli
        if digests.get(stimulus.id) != stimulus.sha256
    ]
    known = {
        "participant_id": tables["participants"].names["participant_id"],
        "stimulus_id": set(digests),
        "left_stimulus": set(digests),
        "right_stimulus": set(digests),
        "pair_id": set(plan.pair_by_id),
        "construct": {construct.name for construct in plan.constructs},
    }
    for name in (name for name in tables if name not in ("participants", "stimuli")):
        for column, names in sorted(tables[name].names.items()):
            strangers = sorted(names - set(map(str, known[column])))
            problems += [f"{name}: {column} {stranger!r} is not known" for stranger in strangers[:5]]
    if problems:
        raise InputError("export", "; ".join(problems))


def add_provenance(
    folder: Path,
    stimuli: pd.DataFrame,
    *,
    recipes: Mapping[str, Mapping[str, Any]],
    target_folder: Path | None,
    artifact_root: Path | None,
    score_targets: Mapping[str, str],
) -> dict[str, list[str]]:
    """Add recipes, targets and artifacts that the stimuli rest on; return the digests that were left out."""
    targets = add_recipes(folder, texts(stimuli, "recipe_digest"), recipes)
    targets |= set(score_targets.values())
    artifacts, absent_targets = add_targets(folder, targets, target_folder)
    return {"targets": absent_targets, "artifacts": add_artifacts(folder, artifacts, artifact_root)}


def manifest_facts(plan: StudyPlan, meta: Mapping[str, Any]) -> dict[str, Any]:
    try:
        created = write_time(meta["created"])
    except (KeyError, ValueError) as error:
        raise InputError("meta.created", f"is {meta.get('created')!r}", "a time with its offset") from error
    own = {"created", "study", "score_targets", "collection", "publication", "amendments", "matching"}
    own.add("excluded_by_hand")
    collection = meta.get("collection")
    return {
        **({"collection": collection.to_json()} if collection is not None else {}),
        **({"amendments": [row.to_json() for row in meta["amendments"]]} if "amendments" in meta else {}),
        **(
            {"excluded_by_hand": [row.to_json() for row in hand]}
            if (hand := meta.get("excluded_by_hand"))
            else {}
        ),
        **({"matching": meta["matching"].to_json()} if meta.get("matching") is not None else {}),
        "study": str(meta.get("study") or plan.title),
        "plan_digest": plan.digest,
        "created": created,
        "almond_version": __version__,
        **({"origin": "external"} if plan.external else {}),
        "score_targets": dict(meta.get("score_targets") or {}),
        **({"publication": published} if (published := publication_of(meta).to_json()) else {}),
        "about": {name: value for name, value in meta.items() if name not in own},
    }
