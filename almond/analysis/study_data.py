"""Reading an export for analysis: digests first, then the tables, checked cell by cell.

Nothing is computed before every file of the export is shown to be the one that its manifest promises. The
format is described in ``docs/export.md``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from almond.design.plan import StudyPlan
from almond.digest import digest_file, digest_json
from almond.errors import DigestMismatch, InputError
from almond.progress import Progress, Silent

FORMAT = "almond-export/1"
SHOWN_PROBLEMS = 10


@dataclass(frozen=True)
class Cells:
    """What the cells of a column may hold; ``empty`` cells are allowed where a value can be absent."""

    kind: str
    low: float = -np.inf
    high: float = np.inf
    allowed: tuple[str, ...] = ()
    empty: bool = False

    @property
    def expected(self) -> str:
        if self.allowed:
            return " or ".join(self.allowed)
        if self.kind == "text":
            return "a text that is not empty"
        bounds = [f"at least {self.low:g}"] if np.isfinite(self.low) else []
        bounds += [f"at most {self.high:g}"] if np.isfinite(self.high) else []
        noun = "a whole number" if self.kind == "integer" else "a number"
        return " ".join([noun, " and ".join(bounds)]).strip()


TEXT = Cells("text")
MAYBE = Cells("text", empty=True)
COUNT = Cells("integer", low=0)
NUMBER = Cells("number", empty=True)
DIRECTION = Cells("integer", low=-1, high=1)
FLAG = Cells("integer", low=0, high=1)
SIDE = Cells("text", allowed=("left", "right"))
MILLISECONDS = Cells("number", low=0)

NEEDED: dict[str, dict[str, Cells]] = {
    "participants": {
        "participant_id": TEXT,
        "list": COUNT,
        "status": TEXT,
        "started_at": MAYBE,
        "finished_at": MAYBE,
        "trials_planned": COUNT,
        "trials_done": COUNT,
    },
    "ratings": {
        "response_id": TEXT,
        "trial_id": TEXT,
        "participant_id": TEXT,
        "trial_index": COUNT,
        "block": TEXT,
        "repeat": FLAG,
        "stimulus_id": TEXT,
        "base_scene": TEXT,
        "intended_target": MAYBE,
        "direction": DIRECTION,
        "strength": Cells("number", low=0),
        "construct": TEXT,
        "value": Cells("number", low=0, high=100),
        "rt_ms": MILLISECONDS,
        "image_sha256": TEXT,
        "received_at": TEXT,
    },
    "choices": {
        "response_id": TEXT,
        "trial_id": TEXT,
        "participant_id": TEXT,
        "trial_index": COUNT,
        "block": TEXT,
        "pair_id": TEXT,
        "base_scene": TEXT,
        "intended_target": MAYBE,
        "construct": TEXT,
        "left_stimulus": TEXT,
        "right_stimulus": TEXT,
        "chosen": SIDE,
        "high_side": SIDE,
        "aligned": FLAG,
        "rt_ms": MILLISECONDS,
        "left_sha256": TEXT,
        "right_sha256": TEXT,
        "received_at": TEXT,
    },
    "stimuli": {
        "stimulus_id": TEXT,
        "file": TEXT,
        "image_sha256": TEXT,
        "base_scene": TEXT,
        "prompt": MAYBE,
        "seed": Cells("integer", empty=True),
        "intended_target": MAYBE,
        "direction": DIRECTION,
        "strength": Cells("number", low=0),
        "recipe_digest": MAYBE,
    },
}
UNIQUE: dict[str, tuple[str, ...]] = {
    "participants": ("participant_id",),
    "ratings": ("response_id", "construct"),
    "choices": ("response_id",),
    "stimuli": ("stimulus_id",),
}


@dataclass(frozen=True)
class StudyData:
    """An export's tables and plan. Text that does not apply is ``""``, a number that is absent is NaN."""

    manifest: Mapping[str, Any]
    plan: StudyPlan
    participants: pd.DataFrame
    ratings: pd.DataFrame
    choices: pd.DataFrame
    stimuli: pd.DataFrame

    @property
    def score_columns(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.stimuli.columns if str(name).startswith("score_"))

    @property
    def norm_columns(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.stimuli.columns if str(name).startswith("norm_"))


def read_study(folder: Path, progress: Progress | None = None) -> StudyData:
    """Check every digest of an export, then read its plan and tables.

    Raises ``InputError`` naming file, column and row of whatever is not as the format says, and
    ``DigestMismatch`` for a file, manifest or plan that was changed.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    check_files(folder, manifest["files"], progress or Silent())
    plan = read_plan(folder, manifest)
    frames = {name: read_table(folder / "data" / f"{name}.csv", name) for name in NEEDED}
    check_references(folder, frames, plan)
    check_images(folder, frames["stimuli"], plan)
    return StudyData(manifest, plan, **frames)


def read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(path, "cannot be read", "the folder of an export, with its manifest.json") from error
    except ValueError as error:
        raise InputError(path, f"is not JSON: {error}", "the manifest of an export") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(path, "is not the manifest of an export", f"format {FORMAT}")
    if not isinstance(manifest.get("files"), dict):
        raise InputError(path, "names no files", "the digest of every file")
    if "digest" in manifest:
        content = {name: value for name, value in manifest.items() if name != "digest"}
        if digest_json(content) != manifest["digest"]:
            raise DigestMismatch(path, str(manifest["digest"]), digest_json(content))
    return manifest


def check_files(folder: Path, files: Mapping[str, str], progress: Progress) -> None:
    needed = ["plan.json", *(f"data/{name}.csv" for name in NEEDED)]
    missing = [name for name in needed if name not in files]
    if missing:
        raise InputError(folder / "manifest.json", f"does not name {', '.join(missing)}", "every file")
    for number, (name, digest) in enumerate(sorted(files.items())):
        path = folder / name
        if folder.resolve() not in path.resolve().parents:
            raise InputError(folder / "manifest.json", f"names {name}", "files inside the export")
        if not path.is_file():
            raise InputError(path, "is missing", "every file that the manifest names")
        if number % 20 == 0:
            progress.report(number / len(files), "checking digests")
        found = digest_file(path)
        if found != digest:
            raise DigestMismatch(path, str(digest), found)


def read_plan(folder: Path, manifest: Mapping[str, Any]) -> StudyPlan:
    path = folder / "plan.json"
    plan = StudyPlan.from_bytes(path.read_bytes(), path)
    if manifest.get("plan_digest") != plan.digest:
        raise DigestMismatch(path, str(manifest.get("plan_digest")), plan.digest)
    return plan


def read_table(path: Path, table: str) -> pd.DataFrame:
    """One table with typed columns: text as str, whole numbers as int64, numbers as float64.

    Row numbers in messages are those of a spreadsheet: the header is row 1.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read as a table: {error}", "a CSV file of an export") from error
    cells = columns_of(table, [str(name) for name in frame.columns])
    missing = [name for name in cells if name not in frame.columns]
    if missing:
        raise InputError(path, f"lacks the columns {', '.join(missing)}", ", ".join(cells))
    problems: list[str] = []
    columns = {name: typed(frame[name], kind, name, problems) for name, kind in cells.items()}
    found = pd.DataFrame(columns)
    if not problems:
        repeated = found.duplicated(list(UNIQUE[table]))
        keys = " and ".join(UNIQUE[table])
        problems += [
            f"row {row + 2} repeats the {keys} of an earlier row" for row in np.flatnonzero(repeated)
        ]
    if problems:
        more = len(problems) - SHOWN_PROBLEMS
        text = "; ".join(problems[:SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
        raise InputError(path, text)
    return found


def columns_of(table: str, present: list[str]) -> dict[str, Cells]:
    """The columns read: those of the format, and in stimuli.csv every score, norm and other measurement."""
    cells = dict(NEEDED[table])
    if table == "stimuli":
        cells |= {name: NUMBER for name in present if name not in cells}
    return cells


def typed(column: pd.Series[str], cells: Cells, name: str, problems: list[str]) -> pd.Series[Any]:
    """A column's values; what is wrong is added to ``problems`` with its row."""
    empty = column == ""
    if not cells.empty:
        note(problems, name, empty, column, cells)
    if cells.kind == "text":
        if cells.allowed:
            note(problems, name, ~empty & ~column.isin(cells.allowed), column, cells)
        return column
    numbers = pd.to_numeric(column.where(~empty), errors="coerce").astype("float64")
    wrong = ~empty & ~np.isfinite(numbers)
    if cells.kind == "integer":
        wrong |= ~empty & (numbers % 1 != 0)
    wrong |= (numbers < cells.low) | (numbers > cells.high)
    note(problems, name, wrong, column, cells)
    if cells.kind == "integer" and not cells.empty and not problems:
        return numbers.astype("int64")
    return numbers


def note(
    problems: list[str], name: str, wrong: pd.Series[bool], column: pd.Series[str], cells: Cells
) -> None:
    for row in np.flatnonzero(wrong.to_numpy()):
        problems.append(f"column {name}, row {row + 2}: {column.iloc[row]!r} is not {cells.expected}")


def check_references(folder: Path, frames: Mapping[str, pd.DataFrame], plan: StudyPlan) -> None:
    """Rows must name participants and stimuli of the export, agree with stimuli.csv, and with themselves."""
    people = set(frames["participants"]["participant_id"])
    stimuli = frames["stimuli"].set_index("stimulus_id")
    constructs = {construct.name for construct in plan.constructs}
    known: list[tuple[str, str, Callable[[pd.Series[Any]], pd.Series[bool]], str]] = [
        ("ratings", "participant_id", lambda cells: cells.isin(people), "a row of participants.csv"),
        ("choices", "participant_id", lambda cells: cells.isin(people), "a row of participants.csv"),
        ("ratings", "construct", lambda cells: cells.isin(constructs), "a construct of plan.json"),
        ("choices", "construct", lambda cells: cells.isin(constructs), "a construct of plan.json"),
        ("ratings", "stimulus_id", lambda cells: cells.isin(stimuli.index), "a row of stimuli.csv"),
        ("choices", "left_stimulus", lambda cells: cells.isin(stimuli.index), "a row of stimuli.csv"),
        ("choices", "right_stimulus", lambda cells: cells.isin(stimuli.index), "a row of stimuli.csv"),
    ]
    for table, column, holds, expected in known:
        require(folder, table, column, frames[table], holds(frames[table][column]), expected)
    ratings, choices = frames["ratings"], frames["choices"]
    for column in ("base_scene", "intended_target", "direction"):
        same = ratings[column] == ratings["stimulus_id"].map(stimuli[column])
        require(folder, "ratings", column, ratings, same, "what stimuli.csv says of this stimulus")
    same = choices["aligned"] == (choices["chosen"] == choices["high_side"]).astype(int)
    require(folder, "choices", "aligned", choices, same, "1 exactly when the chosen side is the high side")
    high = choices["left_stimulus"].where(choices["high_side"] == "left", choices["right_stimulus"])
    upward = high.map(stimuli["direction"]) == 1
    require(folder, "choices", "high_side", choices, upward, "the side of an image pushed up (direction 1)")


def check_images(folder: Path, stimuli: pd.DataFrame, plan: StudyPlan) -> None:
    """Every stimulus of the plan must be in stimuli.csv with the plan's digest."""
    digests = dict(zip(stimuli["stimulus_id"], stimuli["image_sha256"], strict=True))
    for stimulus in plan.stimuli:
        if stimulus.id not in digests:
            problem = f"lacks stimulus {stimulus.id}"
            raise InputError(folder / "data" / "stimuli.csv", problem, "every stimulus of plan.json")
        if digests[stimulus.id] != stimulus.sha256:
            raise DigestMismatch(f"stimulus {stimulus.id}", stimulus.sha256, digests[stimulus.id])


def require(
    folder: Path, table: str, column: str, frame: pd.DataFrame, holds: pd.Series[bool], expected: str
) -> None:
    rows = np.flatnonzero(~holds.to_numpy(dtype=bool))
    if rows.size:
        value = frame[column].iloc[rows[0]]
        others = f" and {rows.size - 1} further rows" if rows.size > 1 else ""
        problem = f"column {column}, row {rows[0] + 2}: {value!r}{others}"
        raise InputError(folder / "data" / f"{table}.csv", problem, expected)
