"""Matched pairs from a folder of generated images: what ``python -m almond match CONFIG`` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from almond.chain.draw import held_values, scene_name
from almond.design.themes import theme_named
from almond.digest import printed_json
from almond.encoding.features.space import FeatureSpace
from almond.errors import InputError
from almond.files.writing import write_atomically
from almond.generating.folder import read_generated
from almond.guidance.generators import GENERATORS
from almond.pictures.reading import read_image
from almond.progress import Progress
from almond.stimuli.matching import MatchedPairs, choose_pairs
from almond.stimuli.pairing.readings import readers_advice
from almond.stimuli.pairing.yardsticks import (
    HELD,
    PAIRED,
    PEOPLE,
    TOLERANCE,
    check_groups,
    held_columns,
    same_columns,
)
from almond.stimuli.people import read_people
from almond.typing import ImageArray

FORMAT = "almond-matching/1"


@dataclass(frozen=True)
class MatchingRequest:
    """Bounds of both yardsticks, the groups that are held (``GROUPS``), and base scenes kept per target."""

    tolerance: float = TOLERANCE
    paired: float = PAIRED
    held: tuple[str, ...] = HELD
    scenes: int | None = None


def read_pool(folder: Path, space: FeatureSpace) -> pd.DataFrame:
    """Read a folder of ``generate``, each file verified, as a pool with quality and likeness to the base.

    Pictures of the simulated world have the column ``people``, too.

    :raises InputError: a scene without its unguided image, or no image at all.
    :raises DigestMismatch: a file was changed.
    """
    rows: list[dict[str, Any]] = []
    images: dict[str, ImageArray] = {}
    generators: set[str] = set()
    for record, png in read_generated(folder):
        row = record.row()
        row["stimulus_id"] = record.name
        row["base_scene"] = scene_name(record.recipe.prompt, record.recipe.seed)
        row["theme"] = theme_named(record.recipe.prompt)
        rows.append(row)
        generators.add(record.recipe.generator)
        images[record.name] = read_image(png, name=record.name)
    if not rows:
        raise InputError(folder, "holds no finished image", "a folder of `python -m almond generate`")
    table = pd.DataFrame(rows)
    bare = sorted(set(table["base_scene"]) - set(table.loc[table["direction"] == 0, "base_scene"]))
    if bare:
        raise InputError(folder, f"has no unguided image of {bare[0]}", "`base: true` in the configuration")
    if generators <= set(GENERATORS.names()):
        table[PEOPLE] = read_people([images[name] for name in table["stimulus_id"]])
    return table.join(held_values(table, images, space), on="stimulus_id")


def match_pool(pool: pd.DataFrame, request: MatchingRequest, progress: Progress) -> MatchedPairs:
    """Choose pairs by the guides' scores: judges take no part in it.

    :raises InputError: people are to be the same in pictures in which nothing reads them.
    """
    check_groups(request.held)
    if PEOPLE in request.held and PEOPLE not in pool.columns:
        raise InputError(
            "held constant: people", "are read in pictures of the embedded generators alone", "other groups"
        )
    return choose_pairs(
        pool,
        tolerance=request.tolerance,
        paired=request.paired,
        features=held_columns(request.held),
        off_target="off_target" in request.held,
        same=same_columns(request.held),
        scenes=request.scenes,
        progress=progress,
    )


def write_matching(folder: Path, matched: MatchedPairs, request: MatchingRequest) -> dict[str, Any]:
    """Write ``pairs.csv``, ``balance.csv`` and ``matching.json``, and return what the last one holds."""
    result = {
        "format": FORMAT,
        "held": list(request.held),
        "scenes": request.scenes,
        **matched.to_json(),
        "worst": [float(value) if np.isfinite(value) else None for value in matched.worst],
        "advice": list(readers_advice(matched.balance, matched.missed)),
    }
    write_atomically(folder / "pairs.csv", matched.pairs.to_csv(index=False).encode())
    write_atomically(folder / "balance.csv", matched.balance.to_csv(index=False).encode())
    write_atomically(folder / "matching.json", printed_json(result).encode())
    return result


def matching_sentences(result: Mapping[str, Any]) -> Sequence[str]:
    """Say whether both yardsticks hold, and by what they are missed."""
    difference, effect = ("-" if value is None else f"{value:.2f}" for value in result["worst"])
    targets = sorted({pair["intended_target"] for pair in result["pairs"]})
    bounds = f"bounds {result['tolerance']:g} SD" + (
        "" if result["paired"] is None else f" and d_z {result['paired']:g}"
    )
    largest = f"largest mean difference {difference} SD of the pool, largest d_z {effect} ({bounds})"
    if result["matched"]:
        return (f"Matched for {', '.join(targets)}: {largest}.",)
    said = f"Not matched for {', '.join(result['missed'])}: {largest}."
    advice = tuple(result["advice"])
    if len(advice) < len(result["missed"]):
        more = "More seeds or strengths, fewer scenes (--scenes), or wider bounds with a reason would help."
        return (said, more, *advice)
    return (said, *advice)
