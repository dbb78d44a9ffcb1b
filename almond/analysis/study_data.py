"""The reader of exports for analysis: digests first, then the tables, checked cell by cell.

Nothing is computed before every file of the export is shown to be the one that its manifest promises. The
format is described in ``docs/export.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from almond.analysis.cells import read_cells, require
from almond.design.exclusions.base import BLIND_COLUMNS
from almond.design.plan import StudyPlan
from almond.design.themes import theme_named
from almond.design.trials import TRIAL_KINDS
from almond.digest import digest_file
from almond.errors import DigestMismatch, InputError
from almond.exchange.hand_exclusions import entries_in, holding
from almond.exchange.layout import table_name, table_path
from almond.exchange.manifest import load_manifest
from almond.exchange.schema import EVENTS, table_schemas
from almond.progress import Progress, Silent

SCHEMAS = table_schemas()


@dataclass(frozen=True)
class StudyData:
    """An export's tables and plan. Text that does not apply is ``""``, a number that is absent is NaN.

    ``events`` are read where the plan has exclusion rules, None for an export without them; so are
    ``checks``, the answers to attention and comprehension checks (participant, trial, block, passed).
    Ratings, choices and stimuli have a ``theme`` that is never empty. ``theme_remark`` says of which base
    scenes it is derived, because plan or export state none; it is empty where all themes are stated.
    ``folder`` is the export itself, for what is not in its tables. ``choices`` are those of a side;
    ``undecided`` the others, answered “no difference”, None where no such answer was offered. Ratings and
    choices that missed a deadline stand apart, by table in ``missed``: nothing is computed from them.
    """

    manifest: Mapping[str, Any]
    plan: StudyPlan
    participants: pd.DataFrame
    ratings: pd.DataFrame
    choices: pd.DataFrame
    stimuli: pd.DataFrame
    theme_remark: str = ""
    folder: Path | None = None
    events: pd.DataFrame | None = None
    checks: pd.DataFrame | None = None
    undecided: pd.DataFrame | None = None
    missed: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def themes(self) -> tuple[str, ...]:
        """Themes of the images of the plan, each once, sorted."""
        return self.plan.themes

    @property
    def external(self) -> bool:
        """Whether the data were collected elsewhere, so that plan and course are unknown."""
        return self.plan.external

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
    manifest = load_manifest(folder)
    _check_digests(folder, manifest["files"], progress or Silent())
    plan = _read_plan(folder, manifest)
    schemas = table_schemas(external=plan.external)
    frames = {name: read_cells(table_path(folder, name), schemas[name]) for name in SCHEMAS}
    remark = add_themes(frames, plan)
    missed = {name: _take_missed(folder, frames, name) for name in ("ratings", "choices")}
    frames["choices"], undecided = _decided(table_path(folder, "choices"), frames["choices"])
    _check_rows_agree(folder, frames, plan)
    _check_planned_images(folder, frames["stimuli"], plan)
    _check_excluded(folder, frames["participants"], manifest)
    with_events = plan.analysis.exclusions and table_name(folder, "events") in manifest["files"]
    events = read_cells(table_path(folder, "events"), EVENTS) if with_events else None
    checks = read_checks(folder, plan) if plan.analysis.exclusions else None
    return StudyData(
        manifest,
        plan,
        **frames,
        theme_remark=remark,
        folder=folder,
        events=events,
        checks=checks,
        undecided=undecided,
        missed=missed,
    )


def read_checks(folder: Path, plan: StudyPlan) -> pd.DataFrame | None:
    """Read the answers to all attention and comprehension checks, a row of each; None in a study without."""
    kinds = [kind for kind in map(TRIAL_KINDS.load, plan.kinds) if kind.checks is not None]
    frames = [read_cells(table_path(folder, kind.table.name), kind.table) for kind in kinds]
    columns = list(BLIND_COLUMNS["checks"])
    return pd.concat([frame[columns] for frame in frames], ignore_index=True) if frames else None


def read_responses(data: StudyData, kind: str) -> pd.DataFrame:
    """Read the table of one kind of trials from the folder of an export; without rows where there is none."""
    table = TRIAL_KINDS.load(kind).table
    if data.folder is None or table_name(data.folder, table.name) not in data.manifest["files"]:
        return pd.DataFrame(columns=[column.name for column in table.columns])
    return read_cells(table_path(data.folder, table.name), table)


def _take_missed(folder: Path, frames: dict[str, pd.DataFrame], name: str) -> pd.DataFrame:
    """Take the rows of a table that missed the deadline out of it."""
    frame = frames[name]
    late = frame["missed"] == 1 if "missed" in frame else pd.Series(False, index=frame.index)
    if "value" in frame:
        require(table_path(folder, name), frame["value"], frame["value"].notna() | late, "a number")
    frames[name] = frame[~late].reset_index(drop=True) if late.any() else frame
    return frame[late]


def _decided(path: Path, choices: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Part the choices of a side from the answers “no difference”, where these were offered."""
    neither = choices["no_difference"] == 1 if "no_difference" in choices else choices["chosen"].isna()
    require(path, choices["chosen"], (choices["chosen"] == "") == neither, "left or right")
    decided = choices[~neither].reset_index(drop=True)
    told = decided["high_side"] != ""
    require(
        path, decided["aligned"], decided["aligned"].notna() == told, "0 or 1 where a side is the high one"
    )
    undecided = choices[neither] if "no_difference" in choices else None
    whole = decided["aligned"].astype("int64") if told.all() else decided["aligned"]
    return decided.assign(aligned=whole), undecided


def add_themes(frames: dict[str, pd.DataFrame], plan: StudyPlan) -> str:
    """Add the column ``theme`` to tables of an export that was written before there was one.

    Scenes that the plan does not know (unguided images that nobody saw) take their prompt, or stand alone.

    :returns: the plan's remark on themes that it does not state.
    """
    stimuli = frames["stimuli"]
    scenes, prompts = stimuli["base_scene"], stimuli["prompt"].map(theme_named)
    themes = dict(zip(scenes, prompts.where(prompts != "", scenes), strict=True)) | plan.theme_of_scene
    for name in ("ratings", "choices", "stimuli"):
        if "theme" not in frames[name]:
            own = [themes.get(scene, scene) for scene in frames[name]["base_scene"]]
            frames[name] = frames[name].assign(theme=pd.Series(own, index=frames[name].index, dtype="str"))
    return plan.theme_remark


def _check_digests(folder: Path, files: Mapping[str, str], progress: Progress) -> None:
    needed = ["plan.json", *(table_name(folder, name) for name in SCHEMAS)]
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
        actual = digest_file(path)
        if actual != digest:
            raise DigestMismatch(path, str(digest), actual)


def _read_plan(folder: Path, manifest: Mapping[str, Any]) -> StudyPlan:
    path = folder / "plan.json"
    plan = StudyPlan.from_bytes(path.read_bytes(), path)
    if manifest.get("plan_digest") != plan.digest:
        raise DigestMismatch(path, str(manifest.get("plan_digest")), plan.digest)
    return plan


def _check_rows_agree(folder: Path, frames: Mapping[str, pd.DataFrame], plan: StudyPlan) -> None:
    """Check that rows name what the export holds, and agree with stimuli.csv and with themselves."""
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
    files = {table: table_path(folder, table) for table in frames}
    for table, column, holds, expected in known:
        cells = frames[table][column]
        require(files[table], cells, holds(cells), expected)
    ratings, choices = frames["ratings"], frames["choices"]
    for column in ("base_scene", "theme", "intended_target", "direction"):
        same = ratings[column] == ratings["stimulus_id"].map(stimuli[column])
        require(files["ratings"], ratings[column], same, "what stimuli.csv says of this stimulus")
    for column in ("base_scene", "theme"):
        same = choices[column] == choices["left_stimulus"].map(stimuli[column])
        require(files["choices"], choices[column], same, "what stimuli.csv says of the image on the left")
    told = choices["high_side"] != ""  # of pairs of photographs the plan may call none the higher
    same = choices["aligned"] == (choices["chosen"] == choices["high_side"]).astype(int)
    expected = "1 exactly when the chosen side is the high side"
    require(files["choices"], choices["aligned"], same | ~told, expected)
    guided = choices["intended_target"] != ""
    require(files["choices"], choices["high_side"], told | ~guided, "left or right")
    high = choices["left_stimulus"].where(choices["high_side"] == "left", choices["right_stimulus"])
    raised = (high.map(stimuli["direction"]) == 1) | ~guided
    require(files["choices"], choices["high_side"], raised, "the side of the image with direction 1")


def _check_excluded(folder: Path, people: pd.DataFrame, manifest: Mapping[str, Any]) -> None:
    """Check that who is excluded by hand in participants.csv is so by the entries of the manifest."""
    out = set(holding(entries_in(manifest)))
    marked = people["excluded"] == 1 if "excluded" in people else pd.Series(False, index=people.index)
    cells = people["participant_id"]
    same = cells.isin(out) == marked
    require(table_path(folder, "participants"), cells, same, "excluded exactly as manifest.json says")


def _check_planned_images(folder: Path, stimuli: pd.DataFrame, plan: StudyPlan) -> None:
    """Check that every stimulus of the plan is in stimuli.csv with the plan's digest and theme."""
    digests = dict(zip(stimuli["stimulus_id"], stimuli["image_sha256"], strict=True))
    planned = stimuli["stimulus_id"].map(
        {stimulus.id: plan.theme_of_scene[stimulus.base_scene] for stimulus in plan.stimuli}
    )
    same = planned.isna() | (planned == stimuli["theme"])
    require(table_path(folder, "stimuli"), stimuli["theme"], same, "the theme of plan.json")
    for stimulus in plan.stimuli:
        if stimulus.id not in digests:
            problem = f"lacks stimulus {stimulus.id}"
            raise InputError(table_path(folder, "stimuli"), problem, "every stimulus of plan.json")
        if digests[stimulus.id] != stimulus.sha256:
            raise DigestMismatch(f"stimulus {stimulus.id}", stimulus.sha256, digests[stimulus.id])
