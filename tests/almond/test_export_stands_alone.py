"""An export that stands alone: Psych-DS, Parquet, licence, and starters that repeat the primary estimates."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from almond.analysis.analyse import analyse_export
from almond.analysis.report import write_report
from almond.design.plan import StudyPlan
from almond.errors import InputError
from almond.evidence.export import read_export, write_export
from almond.evidence.psych_ds_rules import psych_ds_problems
from almond.evidence.starters import starter_files
from almond.evidence.table_writer import SortedChunks
from almond.evidence.tables import codebook_bytes
from almond.evidence.verify import first_broken, verify
from almond.exchange.layout import earlier_file, parquet_file, table_path
from almond.exchange.publication import Publication
from almond.exchange.schema import table_columns, table_schemas
from almond.shapes import ShapeError
from tests.almond.export_maker import make_export
from tests.almond.screened_export import screened_export
from tests.almond.small_export import CREATED, SmallStudy

pytestmark = pytest.mark.usefixtures("blank_figures")

EMPTY = {"recipes": {}, "target_folder": None, "artifact_root": None}


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return SmallStudy(tmp_path)


def made(folder: Path, *, crossed: bool = False, **world: Any) -> Path:
    """Write the tables of a made study by the writer of exports.

    ``crossed``: a question with a target of its own is asked of another target's pairs too, and some answers
    are “no difference”.
    """
    old = make_export(folder / "older", **world)
    plan = StudyPlan.from_bytes((old / "plan.json").read_bytes(), old)
    frames = {
        name: pd.read_csv(table_path(old, name), keep_default_na=False, dtype={"participant_id": str})
        for name in table_schemas(plan.kinds)
    }
    if crossed:
        plan, frames["choices"] = asked_of_others(plan, frames["choices"])
    stimuli = frames.pop("stimuli").assign(recipe_digest="")
    images = {path.stem: ("png", path) for path in (old / "stimuli").iterdir()}
    return write_export(
        folder / "export",
        plan=plan,
        participants=frames.pop("participants"),
        responses=frames,
        stimuli=stimuli,
        image_bytes=images,
        meta={"created": CREATED},
        **EMPTY,
    )


def asked_of_others(plan: StudyPlan, choices: pd.DataFrame) -> tuple[StudyPlan, pd.DataFrame]:
    """Ask of the pairs of AStr what is asked of those of LB, whose own question it is."""
    values = plan.to_json()
    values["constructs"] = [
        {**construct, "target": "LB"} if construct["name"] == "threat" else construct
        for construct in values["constructs"]
    ]
    values["pairs"] = [
        {**pair, "construct": "threat"} if pair["target"] == "AStr" else pair for pair in values["pairs"]
    ]
    values["blocks"][1]["no_difference"] = True
    values["analysis"]["primary"] = ["classification", "choices", "choice_specificity"]
    asked = choices["construct"].mask(choices["intended_target"] == "AStr", "threat")
    same = choices.index % 7 == 0
    return StudyPlan.from_json(values), choices.assign(
        construct=asked,
        chosen=choices["chosen"].mask(same, ""),
        aligned=choices["aligned"].astype(object).mask(same, ""),
        no_difference=same.astype(int),
    )


def printed(folder: Path, *words: str) -> dict[str, float]:
    """Run a starter inside an export; return what it prints by name."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = [re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines()]
    return {name: float(value) for name, value in lines}


def expected(folder: Path) -> dict[str, float]:
    """The primary estimates of the whole analysis, by the names that starters give them."""
    data = analyse_export(folder, permutations=19).data
    said = {}
    if data["choices"]:
        overall = data["choices"]["overall"]
        said |= {f"choices: {name}": overall[name] for name in ("t", "df", "p")}
        said["choices: share aligned"] = overall["share"]
    if data["classification"]:
        difference = data["classification"]["difference"]
        said |= {
            f"profiles: {name.upper() if name == 'f' else name}": difference[name] for name in ("f", "df1")
        }
        said |= {f"profiles: {name}": difference[name] for name in ("df2", "p")}
    if data["natural"]:
        rows = [
            row
            for family in ("scores", "norms")
            for row in (data["natural"][family] or {"associations": []})["associations"]
        ]
        said |= {f"natural: r {row['construct']} {row['predictor']}": row["r"] for row in rows}
    return said


WORLDS: list[dict[str, Any]] = [
    {"participants": 7, "scenes": 6},
    {"participants": 6, "scenes": 12, "natural": True},
    {"participants": 7, "scenes": 6, "crossed": True},
]


@pytest.mark.parametrize("world", WORLDS, ids=["targets", "natural", "crossed"])
def test_the_starters_repeat_the_primary_estimates(tmp_path: Path, world: dict[str, Any]) -> None:
    folder = made(tmp_path, **world)
    aims = expected(folder)
    assert len(aims) >= 8
    assert printed(folder, sys.executable, "start.py") == pytest.approx(aims, rel=5e-5)
    if shutil.which("Rscript"):
        assert printed(folder, "Rscript", "start.R") == pytest.approx(aims, rel=5e-5)


def test_the_starters_leave_out_whom_the_report_lists(tmp_path: Path) -> None:
    folder = screened_export(tmp_path / "export", participants=12, scenes=6)
    report = write_report(analyse_export(folder, permutations=19), tmp_path / "report").parent
    aims, left_out = expected(folder), str(report / "excluded.csv")
    assert len(pd.read_csv(left_out)) == 6
    for table in ("participants", "stimuli", "ratings", "choices"):
        (folder / "data" / f"{table}.csv").rename(folder / "data" / f"table-{table}_data.csv")
    schemas = table_schemas(("rating", "choice"))
    columns = {
        name: table_columns(table, pd.read_csv(folder / "data" / f"table-{name}_data.csv").columns)
        for name, table in schemas.items()
    }
    (folder / "codebook.csv").write_bytes(codebook_bytes(columns))
    for name, content in starter_files().items():
        (folder / name).write_bytes(content)
    assert printed(folder, sys.executable, "start.py", left_out) == pytest.approx(aims, rel=5e-5)
    if shutil.which("Rscript"):
        assert printed(folder, "Rscript", "start.R", left_out) == pytest.approx(aims, rel=5e-5)
    words = [sys.executable, "start.py"]
    alone = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True, timeout=120)
    assert "exclusion rules" in alone.stderr


def test_the_notebook_is_the_script(study: SmallStudy) -> None:
    folder = study.write()
    book = json.loads((folder / "start.ipynb").read_bytes())
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    code = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in book["cells"] if cell["cell_type"] == "code")
    script = (folder / "start.py").read_text()
    assert all(part in script for part in code)
    compile("\n".join(code), "start.ipynb", "exec")


def test_parquet_holds_what_the_tables_hold_typed_and_with_the_same_bytes(study: SmallStudy) -> None:
    first, second = study.write("first"), study.write("second")
    export = read_export(first)
    for name, table in export.tables.items():
        path = first / parquet_file(name)
        assert path.read_bytes() == (second / parquet_file(name)).read_bytes()
        read = pq.read_table(path)
        assert read.column_names == list(table.columns)
        assert read.num_rows == len(table)
        for column in read.column_names:
            cells = ["" if cell is None else cell for cell in read[column].to_pylist()]
            if str(read.schema.field(column).type) == "timestamp[us, tz=UTC]":
                cells = ["" if cell == "" else cell.isoformat() for cell in cells]
            assert cells == ["" if pd.isna(cell) else cell for cell in table[column].tolist()], column
    assert {"data/table-ratings_data.csv", "parquet/ratings.parquet"} <= set(export.manifest["files"])


def test_chunks_give_the_bytes_of_whole_tables(study: SmallStudy) -> None:
    whole = study.write("whole")
    ratings = sorted(study.ratings, key=lambda row: row["participant_id"])
    names = sorted({row["participant_id"] for row in ratings})
    parts = [[row for row in ratings if row["participant_id"] == name] for name in names]
    chunks = [{key: [row[key] for row in part] for key in part[0]} for part in parts]
    assert len(chunks) > 1
    streamed = study.write("streamed", ratings=SortedChunks(iter(chunks)))
    for path in ("data/table-ratings_data.csv", "parquet/ratings.parquet", "manifest.json"):
        assert (whole / path).read_bytes() == (streamed / path).read_bytes()
    with pytest.raises(InputError, match="do not come sorted"):
        study.write("unsorted", ratings=SortedChunks(chunks[::-1]))
    doubled = {name: [*cells, cells[0]] for name, cells in chunks[-1].items()}
    with pytest.raises(InputError, match="stands twice"):
        study.write("twice", ratings=SortedChunks([*chunks[:-1], doubled]))
    assert not (study.root / "twice").exists()


def test_verify_finds_what_lies_apart_in_a_table_of_several_parts(
    study: SmallStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial answered twice is found although its responses lie in different parts."""
    folder = study.write()
    monkeypatch.setattr("almond.evidence.reading.PART", 300)
    assert first_broken(verify(folder, bold=study.bold)) is None
    again = {**study.ratings[0], "response_id": "r-again"}
    rows = [*study.ratings, again]
    done = [
        {**row, "trials_done": row["trials_done"] + (number == 0)}
        for number, row in enumerate(study.participants)
    ]
    broken = first_broken(verify(study.write("other", ratings=rows, participants=done), bold=study.bold))
    assert broken is not None
    assert broken.link == "responses belong to participants"
    assert "the trial was answered before by response" in broken.problems[0]


def test_the_folder_is_psych_ds_and_older_ones_are_not_asked(study: SmallStudy) -> None:
    folder = study.write()
    assert psych_ds_problems(folder) == []
    value = json.loads((folder / "dataset_description.json").read_bytes())
    variables = {item["name"]: item for item in value["variableMeasured"]}
    assert variables["value"]["minValue"] == 0.0
    assert variables["value"]["maxValue"] == 100.0
    assert variables["rt_ms"]["unitText"] == "ms"
    assert variables["kind"]["description"] if "kind" in variables else True
    assert {"license", "creator", "citation"} & set(value) == set()
    assert "none was chosen" in (folder / "README.md").read_text()
    assert (folder / "CHANGES.md").is_file()


def edit_description(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "dataset_description.json"
        value = json.loads(path.read_bytes())
        change(value)
        path.write_text(json.dumps(value))

    return edit


def edit_text(change: Callable[[str], str]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = table_path(folder, "ratings")
        path.write_text(change(path.read_text()))

    return edit


BROKEN: list[tuple[Callable[[Path], Any], str]] = [
    (lambda folder: (folder / "dataset_description.json").unlink(), "cannot be read as JSON"),
    (lambda folder: (folder / "dataset_description.json").write_text("[]"), "is not a JSON object"),
    (edit_description(lambda value: value.pop("name")), "name is missing"),
    (edit_description(lambda value: value.update({"@type": "Thing"})), "is not a Dataset of schema.org"),
    (
        lambda folder: table_path(folder, "ratings").rename(folder / earlier_file("ratings")),
        "data/ratings.csv: is not named key-value_data.csv",
    ),
    (edit_description(lambda value: value["variableMeasured"].pop()), "is not in variableMeasured"),
    (
        edit_description(lambda value: value["variableMeasured"].append({"name": "mood"})),
        "variable mood is no column of any table",
    ),
    (edit_text(lambda text: text.replace("trial_id", "response_id", 1)), "has the column response_id twice"),
    (edit_text(lambda text: text.rstrip("\n") + ",1\n"), "cells, the header"),
    (edit_text(lambda text: text.replace("trial_id", "row_id", 1)), "repeats row_id"),
]


@pytest.mark.parametrize(("edit", "problem"), BROKEN, ids=[problem for _, problem in BROKEN])
def test_each_rule_of_psych_ds_is_named_where_it_is_broken(
    study: SmallStudy, edit: Callable[[Path], Any], problem: str
) -> None:
    folder = study.write()
    edit(folder)
    assert any(problem in text for text in psych_ds_problems(folder))


def test_licence_authors_and_citation_are_written_where_others_look(study: SmallStudy) -> None:
    about = Publication(
        licence="CC-BY-4.0", authors=("Ada Lovelace", 'B. "Bo" Ohm'), citation="Lovelace & Ohm (2026)."
    )
    folder = study.write(meta={"created": CREATED, "publication": about})
    value = json.loads((folder / "dataset_description.json").read_bytes())
    assert value["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert [person["name"] for person in value["creator"]] == ["Ada Lovelace", 'B. "Bo" Ohm']
    cited = yaml.safe_load((folder / "CITATION.cff").read_text())
    assert [person["name"] for person in cited["authors"]] == ["Ada Lovelace", 'B. "Bo" Ohm']
    assert cited["license"] == "CC-BY-4.0"
    assert (folder / "LICENSE").read_text().startswith("CC-BY-4.0\n")
    assert "Lovelace & Ohm (2026)." in (folder / "README.md").read_text()
    assert read_export(folder).manifest["publication"]["licence"] == "CC-BY-4.0"
    assert psych_ds_problems(folder) == []


def test_what_is_no_licence_is_refused(study: SmallStudy) -> None:
    with pytest.raises(ShapeError, match="no identifier of SPDX"):
        study.write(meta={"created": CREATED, "publication": {"licence": "do what you like"}})
    assert not (study.root / "export").exists()
