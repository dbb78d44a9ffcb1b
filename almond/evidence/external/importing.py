"""A table that others wrote, as an export that Almond analyses: marked external, wherever it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from almond.design.trials import TRIAL_KINDS
from almond.digest import digest_file
from almond.evidence.export import write_export
from almond.evidence.external.choices import (
    choice_block,
    choice_construct,
    choice_rows,
    describe_sides,
    planned_pairs,
    read_choices,
)
from almond.evidence.external.description import (
    BLOCK,
    describe_stimuli,
    describe_study,
    described_scales,
    find_images,
    planned_stimuli,
    rating_block,
    stimulus_rows,
    unknown_facts,
)
from almond.evidence.external.judgements import Judgements, read_judgements
from almond.evidence.external.table_map import TableMap
from almond.evidence.tables import csv_bytes
from almond.files.writing import write_atomically


@dataclass(frozen=True)
class ImportedTable:
    """What was imported: the export, and counts of the table."""

    folder: Path
    people: int
    stimuli: int
    constructs: tuple[str, ...]
    judgements: int
    repeats: int
    empty: int
    ignored: int
    images: int


def import_table(
    table: Path, table_map: TableMap, out: Path, *, created: datetime, key: Path | None = None
) -> ImportedTable:
    """Import a table of ratings or of choices as an export in the new folder ``out``, marked external.

    :param created: when it is imported, with its offset from UTC.
    :param key: where to write which person of the table has which name in the export; not part of it.
    :raises InputError: the table is not as the map says; ``out`` exists.
    """
    choices = table_map.choices
    judgements = read_choices(table, table_map) if choices else read_judgements(table, table_map)
    stimuli = describe_sides(judgements, table_map) if choices else describe_stimuli(judgements)
    rows, sources, sizes = stimulus_rows(stimuli, find_images(stimuli, table_map.images))
    names = new_names(judgements.frame["person"])
    frame = judgements.frame
    constructs = (choice_construct(choices),) if choices else described_scales(frame, table_map)
    block = choice_block(frame, choices.name) if choices else rating_block(frame, constructs)
    plan = describe_study(
        judgements.source,
        table_map.title,
        len(names),
        constructs=constructs,
        blocks=(block,),
        stimuli=planned_stimuli(rows, sizes),
        pairs=planned_pairs(frame, choices, stimuli) if choices else (),
    )
    make_rows = choice_rows if choices else rating_rows
    responses = make_rows(judgements, table_map, stimuli, names)
    digests = {row["stimulus_id"]: row["image_sha256"] for row in rows}
    for stimulus, digest in TRIAL_KINDS.load(block.kind).shown_columns:
        responses[digest] = responses[stimulus].map(digests)
    folder = write_export(
        out,
        plan=plan,
        participants=participant_rows(responses, judgements, names),
        responses={TRIAL_KINDS.load(block.kind).table.name: responses},
        stimuli=pd.DataFrame(rows, dtype=object),
        image_bytes=sources,
        recipes={},
        target_folder=None,
        artifact_root=None,
        meta={
            "created": created.isoformat(),
            "publication": table_map.publication,
            "external": facts_of(judgements, table_map),
        },
    )
    if key is not None:
        write_atomically(key, csv_bytes(["person", "participant_id"], list(map(list, names.items()))))
    return ImportedTable(
        folder=folder,
        people=len(names),
        stimuli=len(rows),
        constructs=tuple(construct.name for construct in plan.constructs),
        judgements=len(responses),
        repeats=int(responses["repeat"].sum()) if "repeat" in responses else 0,
        empty=judgements.empty,
        ignored=judgements.ignored,
        images=len(sizes),
    )


def new_names(people: pd.Series[str]) -> dict[str, str]:
    """Name people anew in the order in which they first stand in the table: names there may identify them."""
    known = list(dict.fromkeys(people))
    width = max(4, len(str(len(known))))
    return {person: f"person-{number:0{width}d}" for number, person in enumerate(known, start=1)}


def rating_rows(
    judgements: Judgements, table_map: TableMap, stimuli: pd.DataFrame, names: Mapping[str, str]
) -> pd.DataFrame:
    """Make the rows of ratings.csv but for the digests of images.

    Judgements of one stimulus by one person are one response, as long as each construct stands there once:
    what stands twice is a repeat. Trials are numbered in the order of times, where they are told, else of
    rows.
    """
    frame = judgements.frame.sort_values(["time", "row"] if table_map.time else ["row"], kind="stable")
    frame["repeat"] = frame.groupby(["person", "stimulus", "construct"]).cumcount()
    frame["response"] = frame.groupby(["person", "stimulus", "repeat"], sort=False).ngroup()
    responses = frame.drop_duplicates("response")
    index = responses.groupby("person").cumcount().set_axis(responses["response"])
    person, trial = frame["person"].map(dict(names)), frame["response"].map(index)
    spans = {str(name): table_map.span_of(str(name)) or (0.0, 1.0) for name in frame["construct"].unique()}
    low = frame["construct"].map({name: span[0] for name, span in spans.items()})
    width = frame["construct"].map({name: span[1] - span[0] for name, span in spans.items()})
    facts = stimuli.loc[frame["stimulus"]].set_axis(frame.index)
    number = trial.astype(str).str.zfill(4)
    return pd.DataFrame(
        {
            "response_id": person + "-r" + number,
            "trial_id": person + "-t" + number,
            "participant_id": person,
            "trial_index": trial,
            "block": BLOCK,
            "repeat": (frame["repeat"] > 0).astype(int),
            "stimulus_id": frame["stimulus"],
            **{name: facts[name] for name in ("base_scene", "theme", "intended_target", "direction")},
            "strength": 0.0,
            "construct": frame["construct"],
            "value": 100.0 * (frame["value"] - low) / width,
            "original_value": frame["value"],
            "rt_ms": frame.get("rt_ms"),
            "received_at": frame["time"].astype(object) if "time" in frame else None,
        }
    )


def participant_rows(
    responses: pd.DataFrame, judgements: Judgements, names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Make the rows of participants.csv: how many trials were planned, and when they came, is not known."""
    done = responses.drop_duplicates("response_id").groupby("participant_id").size()
    frame = judgements.frame
    first = frame.drop_duplicates("person").set_index("person")
    lists: dict[str, int] = dict(first["list"]) if "list" in frame else {}
    return [
        {
            "participant_id": name,
            "list": lists.get(person),
            "status": "imported",
            "started_at": None,
            "finished_at": None,
            "trials_planned": None,
            "trials_done": int(done[name]),
        }
        for person, name in names.items()
    ]


def facts_of(judgements: Judgements, table_map: TableMap) -> dict[str, Any]:
    """Say where the data come from and what of them is not known, for the manifest."""
    rated = () if table_map.choices else sorted(judgements.frame["construct"].unique())
    map_values = table_map.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    if table_map.images:
        map_values["images"] = table_map.images.name
    return {
        "table": judgements.source.name,
        "table_sha256": digest_file(judgements.source),
        "table_rows": judgements.rows,
        "cells_without_value": judgements.empty,
        "cells_ignored": judgements.ignored,
        "scales": {name: list(table_map.span_of(name) or ()) for name in rated},
        "map": map_values,
        "unknown": unknown_facts(table_map),
    }
