"""An export opened for verification: its tables and files, and what rests on what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from almond.design.plan import StudyPlan
from almond.design.trials import TRIAL_KINDS
from almond.design.trials.base import TrialKind
from almond.design.trials.columns import TableSchema
from almond.evidence.bundle import recipe_targets, target_sources
from almond.evidence.reading import read_parts
from almond.evidence.table_writer import key_hashes
from almond.evidence.tables import read_export_table
from almond.evidence.walk import Walk, walk_tables
from almond.exchange.layout import table_name, table_path
from almond.exchange.schema import EVENTS, PARTICIPANTS, STIMULI, table_schemas
from almond.files.folders import visible


class Chain:
    """An export opened for verification. Tables are read when they are asked for."""

    def __init__(self, folder: Path, manifest: dict[str, Any], bold: Path | None = None) -> None:
        self.folder, self.manifest, self.bold = folder, manifest, bold
        absent = manifest.get("absent", {})
        self.absent = {name: set(absent.get(name, [])) for name in ("targets", "artifacts")}

    @cached_property
    def plan(self) -> StudyPlan:
        return StudyPlan.from_bytes((self.folder / "plan.json").read_bytes(), "plan.json")

    @cached_property
    def schemas(self) -> dict[str, TableSchema]:
        """The tables of this export by name, in order."""
        events = table_path(self.folder, EVENTS.name).exists()
        return table_schemas(self.plan.kinds, events=events, external=self.plan.external)

    def file(self, table: str) -> str:
        """Return the path of a table from the folder, as messages name it."""
        return table_name(self.folder, table)

    def parts(self, table: str) -> Iterator[pd.DataFrame]:
        """Yield the rows of a table in parts."""
        return read_parts(table_path(self.folder, table), self.schemas[table])

    @cached_property
    def participants(self) -> pd.DataFrame:
        return read_export_table(table_path(self.folder, PARTICIPANTS.name), self.schemas[PARTICIPANTS.name])

    @cached_property
    def walk(self) -> Walk:
        """What one pass over all tables saw."""
        return walk_tables(self)

    def kinds(self) -> list[TrialKind]:
        """List a trial kind for every table of responses: kinds that share a table read its rows alike."""
        kinds = {kind.table.name: kind for kind in reversed(TRIAL_KINDS.entries().values())}
        return [kinds[name] for name in self.schemas if name in kinds]

    def responses(self) -> Iterator[tuple[TrialKind, pd.DataFrame]]:
        """Yield parts of the tables of responses, with the kinds of their trials."""
        for kind in self.kinds():
            for frame in self.parts(kind.table.name):
                yield kind, frame

    @cached_property
    def stimuli(self) -> dict[str, dict[str, Any]]:
        """Rows of stimuli.csv by stimulus id."""
        frame = read_export_table(table_path(self.folder, STIMULI.name), self.schemas[STIMULI.name])
        rows = frame.to_dict("records")
        return {str(row["stimulus_id"]): {str(name): value for name, value in row.items()} for row in rows}

    @cached_property
    def recipes(self) -> dict[str, dict[str, Any]]:
        """Recipes by the digest in their file's name."""
        paths = visible((self.folder / "recipes").glob("*.json"))
        return {path.stem: json.loads(path.read_bytes()) for path in paths}

    @cached_property
    def targets(self) -> dict[str, Path]:
        """Descriptions of targets by the digest in their file's name."""
        return {path.stem: path for path in visible((self.folder / "targets").glob("*.json"))}

    @cached_property
    def artifacts(self) -> dict[str, Path]:
        return {path.name: path for path in visible((self.folder / "artifacts").glob("*"))}

    @cached_property
    def stimuli_on(self) -> dict[str, set[str]]:
        """Stimuli that rest on each file: image, recipe, targets and artifacts."""
        stimuli_by_file: dict[str, set[str]] = {}
        for stimulus in self.stimuli:
            for name in self.files_under(stimulus):
                stimuli_by_file.setdefault(name, set()).add(stimulus)
        return stimuli_by_file

    def responses_on(self, name: str) -> int:
        """Count the responses that rest on a file of the export."""
        stimuli = self.stimuli_on.get(name, set())
        responses = [np.zeros(0, np.uint64)]
        for kind, frame in self.responses():
            columns = [stimulus for stimulus, _ in kind.shown_columns]
            rests = frame[columns].isin(stimuli).any(axis=1)
            responses.append(np.unique(key_hashes([frame.loc[rests, "response_id"].tolist()])))
        return len(np.unique(np.concatenate(responses)))

    def files_under(self, stimulus: str) -> Iterator[str]:
        """Yield the paths of what an image rests on: its bytes, recipe, targets and their artifacts."""
        row = self.stimuli[stimulus]
        yield str(row["file"])
        recipe = str(row["recipe_digest"])
        yield f"recipes/{recipe}.json"
        for target in recipe_targets(self.recipes.get(recipe, {})).values():
            yield from (f"targets/{target}.json", f"targets/{target}.npz")
            for artifact in target_sources(self.targets[target]) if target in self.targets else []:
                folder = self.artifacts.get(artifact)
                yield from (
                    f"artifacts/{artifact}/{path.name}"
                    for path in (visible(folder.iterdir()) if folder else [])
                )
