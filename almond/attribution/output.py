"""The report of an attribution: what the score looked at over the steps, and whether to believe it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from almond.attribution.figures import draw_overlays, draw_scales
from almond.attribution.methods import METHODS
from almond.attribution.through_steps import SHUFFLED, StepAttribution
from almond.report.document import Document, KeyNumber, Picture, Section, Table
from almond.report.wording import decimal, percent
from almond.report.write import report_folder, write_pages

KIND = "almond-attribution"
FORMAT = f"{KIND}/1"

SUSPECT = 0.5
"""A map that agrees this well with that of shuffled weights is not believed."""


def write_attribution(made: StepAttribution, methods: Sequence[str], out: Path) -> dict[str, Any]:
    """Write report, figures, ``steps.csv`` and ``maps.npz`` of one recipe's attribution; returns the result.

    :raises InputError: ``out`` holds something else.
    """
    result = attribution_result(made, methods)
    with report_folder(out, KIND) as folder:
        made.table.to_csv(folder / "steps.csv", index=False, lineterminator="\n")
        arrays = {name: maps.float().cpu().numpy() for name, maps in made.maps.items()}
        np.savez_compressed(
            folder / "maps.npz", pictures=made.pictures.float().cpu().numpy(), **arrays, allow_pickle=False
        )
        figures = {"overlays": draw_overlays(made), "scales": draw_scales(made, methods[0])}
        write_pages(folder, attribution_document(result, made.table), figures, result)
    return result


def attribution_result(made: StepAttribution, methods: Sequence[str]) -> dict[str, Any]:
    """Sum up an attribution as JSON values."""
    own = made.table[made.table["method"] == methods[0]]
    return {
        "format": FORMAT,
        "recipe": made.recipe.to_json(),
        "recipe_digest": made.recipe.digest,
        "target": made.target,
        "methods": list(methods),
        "steps": [index + 1 for index in made.at],
        "score": [float(value) for value in own["score"]],
        "agreement_shuffled": float(own[f"agreement_{SHUFFLED}"].abs().mean()),
        "incomplete": None if own["incomplete"].isna().all() else float(own["incomplete"].max()),
        "coarse": [float(value) for value in own[["scale_1-2", "scale_2-4", "scale_4-8"]].sum(axis=1)],
    }


def method_label(name: str) -> str:
    """Return a method's name as texts write it."""
    return dict(METHODS.choices())[name].split(" (")[0]


def attribution_sentences(result: dict[str, Any]) -> tuple[str, str]:
    """Write the answers: where the score went, and whether the maps can be believed."""
    agreement = result["agreement_shuffled"]
    believed = (
        f"The maps of a network with shuffled weights look different (mean absolute rank correlation "
        f"{agreement:.2f}), as they must."
        if agreement < SUSPECT
        else f"The maps of a network with shuffled weights look much the same (mean absolute rank "
        f"correlation {agreement:.2f}): they show the picture's edges, not what the network learned."
    )
    first, last = result["score"][0], result["score"][-1]
    return (
        f"From step {result['steps'][0]} to step {result['steps'][-1]} the predicted picture's score for "
        f"{result['target']} went from {first:+.2f} to {last:+.2f} SD.",
        believed,
    )


def attribution_document(result: dict[str, Any], table: pd.DataFrame) -> Document:
    """Write the report's text: the answer first."""
    label = method_label(result["methods"][0])
    return Document(
        title=f"Attribution of {result['target']}",
        mode="exploratory",
        mode_text="Maps say where a score comes from, not why; no test is made of them.",
        answers=attribution_sentences(result),
        lead=f"{result['recipe']['prompt']}, seed {result['recipe']['seed']}; {label}.",
        key_numbers=_key_numbers(result),
        sections=(
            Section(
                "Maps over the steps",
                ("Red raises the score, blue lowers it; each row has one scale.",),
                (Picture("overlays", "Predicted clean pictures and maps at the chosen steps."),),
            ),
            Section(
                "How finely",
                ("A share that moves to fine scales over the steps is texture, not things.",),
                (Picture("scales", f"Power of the map ({label}) by spatial scale."),),
                tables=(_table(table),),
            ),
        ),
    )


def _key_numbers(result: dict[str, Any]) -> tuple[KeyNumber, ...]:
    numbers = [
        KeyNumber("Score at the end", f"{result['score'][-1]:+.2f} SD", "of the last prediction"),
        KeyNumber("Coarse", percent(result["coarse"][-1]), "of the last map below 8 cycles per picture"),
    ]
    if result["incomplete"] is not None:
        note = "largest departure of a map's sum from the difference to the blurred picture"
        numbers.append(KeyNumber("Incomplete", percent(result["incomplete"]), note))
    return tuple(numbers)


def _table(table: pd.DataFrame) -> Table:
    columns = [name for name in table.columns if name.startswith("agreement_")]
    labels = {**dict(METHODS.choices()), SHUFFLED: "shuffled weights"}
    header = ("Step", "Method", "Score", *(name.replace("_", " ").capitalize() for name in columns))
    rows = tuple(
        (
            str(row["step"]),
            labels[row["method"]].split(" (")[0],
            f"{row['score']:+.2f}",
            *(decimal(None if pd.isna(row[name]) else float(row[name]), 2) for name in columns),
        )
        for row in table.to_dict("records")
    )
    return Table(header, rows, text=(1,), folded="Every step and method")
