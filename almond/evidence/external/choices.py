"""Tables of choices between two stimuli, one trial per row, as pairs with an expected side.

A pair of an export has one stimulus that is expected to be chosen, in every trial. The expectation is the
table's: nothing shows when it was written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from almond.design.parts import Construct, PlannedPair
from almond.design.trials.choice import ChoiceBlock
from almond.errors import InputError
from almond.evidence.external.judgements import Judgements, joined_cells, read_external_table, row_facts
from almond.evidence.external.table_map import ChoiceMap, TableMap
from almond.tables import COUNTED, TextTable

CHOICE_BLOCK = "choices"


def read_choices(path: Path, table_map: TableMap) -> Judgements:
    """Read a table of choices by its map.

    ``frame`` has ``row``, ``person``, ``left``, ``right``, ``chosen`` and ``high_side`` (the side expected),
    each left or right, ``high`` and ``low`` (the stimuli on these sides), and what else the map names. Rows
    without a choice are counted as ``empty``.

    :raises InputError: the table cannot be read, lacks a column, or holds a choice that names no side.
    """
    choices = table_map.choices
    assert choices is not None, "the caller looks whether the map has choices"
    table = read_external_table(Path(path), table_map)
    frame = row_facts(table, table_map)
    frame["left"], frame["right"] = joined_cells(table, choices.left), joined_cells(table, choices.right)
    same = frame[frame["left"] == frame["right"]]
    if len(same):
        said = f"row {same['row'].iloc[0]}: both stimuli are {same['left'].iloc[0]!r}"
        raise InputError(path, said, f"two different stimuli; {COUNTED}")
    frame["chosen"] = sides(table, choices.answer, choices, frame)
    answered = frame["chosen"] != ""
    frame["high_side"] = sides(table, choices.expected, choices, frame)
    untold = frame[answered & (frame["high_side"] == "")]
    if len(untold):
        said = f"row {untold['row'].iloc[0]}, column {choices.expected} is empty"
        raise InputError(path, said, f"the choice that is expected, in every row; {COUNTED}")
    frame = frame[answered].reset_index(drop=True)
    if not len(frame):
        raise InputError(path, "holds no choice", "an answer in some row")
    left = frame["high_side"] == "left"
    frame["high"], frame["low"] = (
        frame["left"].where(left, frame["right"]),
        frame["right"].where(left, frame["left"]),
    )
    return Judgements(Path(path), frame, len(table), int((~answered).sum()), 0)


def sides(table: TextTable, name: str, choices: ChoiceMap, frame: pd.DataFrame) -> list[str]:
    """Read a column of sides: ``left``, ``right``, or "" for a missing cell."""
    column = table.column(name)
    words = choices.words
    read: list[str] = []
    for row, cell, left, right in zip(column.rows, column.known, frame["left"], frame["right"], strict=True):
        if cell is None:
            read.append("")
        elif cell in (words.left, left):
            read.append("left")
        elif cell in (words.right, right):
            read.append("right")
        else:
            said = f"row {row}, column {name} is {cell[:60]!r}"
            expected = f"{words.left}, {words.right}, or the name of one of the two stimuli; {COUNTED}"
            raise InputError(table.source, said, expected)
    return read


def describe_sides(judgements: Judgements, table_map: TableMap) -> pd.DataFrame:
    """Collect what the table says of each stimulus: scene, theme, target, and whether it is the expected one.

    Without a column for them, both stimuli of a pair are a scene, and the target is what was judged.

    :raises InputError: a stimulus that is expected in some rows only, or stands in several scenes.
    """
    frame, choices = judgements.frame, table_map.choices
    assert choices is not None, "the caller looks whether the map has choices"
    scene = frame.get("scene", pair_names(frame))
    facts = {
        "base_scene": scene,
        "theme": frame.get("theme", scene),
        "intended_target": frame["condition"] if table_map.condition else choices.name,
    }
    parts = [
        pd.DataFrame({"row": frame["row"], "stimulus": frame[side], **facts, "direction": direction})
        for side, direction in (("high", 1), ("low", -1))
    ]
    whole = pd.concat(parts).sort_values("row", kind="stable")
    first = whole.drop_duplicates("stimulus").set_index("stimulus").sort_index()
    hints = {
        "direction": "a stimulus that is always the expected one, or never",
        "base_scene": "scene, a column of the map, where a stimulus stands in several pairs",
    }
    for name in ("direction", "base_scene", "theme", "intended_target"):
        others = whole[whole[name] != whole["stimulus"].map(first[name])]
        if len(others):
            row = others.iloc[0]
            said = f"row {row['row']}: stimulus {row['stimulus']!r} has another {name} than in an earlier row"
            raise InputError(judgements.source, said, f"{hints.get(name, 'the same in all rows')}; {COUNTED}")
    if (first["intended_target"] == "").any():
        stimulus = first.index[first["intended_target"] == ""][0]
        raise InputError(
            judgements.source, f"stimulus {stimulus!r} has no condition", "one for every stimulus"
        )
    stimuli = first.drop(columns="row")
    return stimuli.assign(image=stimuli.index)


def pair_names(frame: pd.DataFrame) -> pd.Series[str]:
    """Name the pair of each row: the expected stimulus, then the other."""
    names: pd.Series[str] = frame["high"] + " / " + frame["low"]
    return names


def choice_construct(choices: ChoiceMap) -> Construct:
    """Describe what was judged."""
    return Construct(name=choices.name, question=asked(choices), low="not chosen", high="chosen")


def asked(choices: ChoiceMap) -> str:
    return choices.question or f"{choices.name} (question not told)"


def choice_block(frame: pd.DataFrame, construct: str) -> ChoiceBlock:
    """Describe the trials: as many as anybody saw different pairs."""
    most = int(frame.assign(pair=pair_names(frame)).groupby("person")["pair"].nunique().max())
    fields = {"kind": "choice", "name": CHOICE_BLOCK, "trials": most, "constructs": (construct,)}
    return ChoiceBlock.model_validate(fields)


def planned_pairs(frame: pd.DataFrame, choices: ChoiceMap, stimuli: pd.DataFrame) -> tuple[PlannedPair, ...]:
    """Describe the pairs that were shown."""
    shown = frame.assign(pair=pair_names(frame)).drop_duplicates("pair").sort_values("pair")
    return tuple(
        PlannedPair(
            id=pair,
            base_scene=stimuli.loc[high, "base_scene"],
            target=stimuli.loc[high, "intended_target"],
            construct=choices.name,
            question=asked(choices),
            high=high,
            low=low,
        )
        for pair, high, low in shown[["pair", "high", "low"]].itertuples(index=False)
    )


def choice_rows(
    judgements: Judgements, table_map: TableMap, stimuli: pd.DataFrame, names: Mapping[str, str]
) -> pd.DataFrame:
    """Make the rows of choices.csv but for the digests of images, trials in the order of times or of rows."""
    order: Sequence[str] = ["time", "row"] if table_map.time else ["row"]
    frame = judgements.frame.sort_values(list(order), kind="stable")
    assert table_map.choices is not None, "the caller looks whether the map has choices"
    trial = frame.groupby("person").cumcount()
    person, number = frame["person"].map(dict(names)), trial.astype(str).str.zfill(4)
    facts = stimuli.loc[frame["high"]].set_axis(frame.index)
    return pd.DataFrame(
        {
            "response_id": person + "-r" + number,
            "trial_id": person + "-t" + number,
            "participant_id": person,
            "trial_index": trial,
            "block": CHOICE_BLOCK,
            "pair_id": pair_names(frame),
            **{name: facts[name] for name in ("base_scene", "theme", "intended_target")},
            "construct": table_map.choices.name,
            "left_stimulus": frame["left"],
            "right_stimulus": frame["right"],
            "chosen": frame["chosen"],
            "high_side": frame["high_side"],
            "aligned": (frame["chosen"] == frame["high_side"]).astype(int),
            "rt_ms": frame.get("rt_ms"),
            "received_at": frame["time"].astype(object) if "time" in frame else None,
        }
    )
