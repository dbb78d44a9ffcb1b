"""The export folder: whole or not at all, the same bytes each time, every column in the codebook."""

from __future__ import annotations

import csv
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almond.analysis.study_data import read_study
from almond.design.plan import StudyPlan
from almond.digest import digest_file
from almond.errors import DigestMismatch, InputError
from almond.evidence.export import read_export
from almond.evidence.table_writer import write_table
from almond.evidence.tables import read_export_table, write_number
from almond.evidence.verify import first_broken, verify
from almond.exchange.layout import table_path
from almond.exchange.schema import PARTICIPANTS, STIMULI, table_schemas
from tests.almond.design_plans import natural_plan
from tests.almond.small_export import CREATED, SmallStudy


@pytest.fixture
def study(tmp_path: Path) -> SmallStudy:
    return SmallStudy(tmp_path)


def tree(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): digest_file(p) for p in folder.rglob("*") if p.is_file()}


def test_the_folder_holds_what_the_manifest_says(study: SmallStudy):
    folder = study.write()
    export = read_export(folder)
    files = tree(folder)
    files.pop("manifest.json")
    assert export.manifest["files"] == files
    assert export.manifest["counts"] == {"participants": 3, "ratings": 48, "choices": 12, "stimuli": 8}
    assert export.manifest["study"] == "A small study"
    assert export.manifest["about"] == {"simulated": True}
    assert export.plan == study.plan
    assert {f"stimuli/{digest}.png" for digest in study.images} <= set(files)
    assert {f"recipes/{digest}.json" for digest in study.recipes} <= set(files)


def test_tables_read_back_as_they_were_written(study: SmallStudy):
    export = read_export(study.write())
    rows = {(row["response_id"], row["construct"]): row for row in study.ratings}
    assert len(export.tables["ratings"]) == len(rows)
    for row in export.tables["ratings"].to_dict("records"):
        given_row = rows[row["response_id"], row["construct"]]
        assert {name: row[name] for name in given_row} == given_row
    scores = dict(
        zip(export.tables["stimuli"]["stimulus_id"], export.tables["stimuli"]["score_T1"], strict=True)
    )
    assert scores == {row["stimulus_id"]: row["score_T1"] for row in study.stimulus_rows}


def test_the_same_input_in_another_order_gives_the_same_bytes(study: SmallStudy):
    first = study.write("first")
    frames = {
        name: pd.DataFrame(getattr(study, name)).sample(frac=1, random_state=1)
        for name in ("participants", "ratings", "choices")
    }
    stimuli = pd.DataFrame(study.stimulus_rows[::-1])
    second = study.write("second", **frames, stimuli=stimuli[sorted(stimuli.columns)])
    assert tree(first) == tree(second)


def test_every_column_is_in_the_codebook_and_the_reverse(study: SmallStudy):
    folder = study.write()
    with (folder / "codebook.csv").open(newline="") as stream:
        described = {(row["table"], row["column"]) for row in csv.DictReader(stream)}
    present = set()
    for table in {name for name, _ in described}:
        with table_path(folder, table).open(newline="") as stream:
            present |= {(table, name) for name in next(csv.reader(stream))}
    assert len(list((folder / "data").iterdir())) == len({name for name, _ in described})
    assert described == present


def test_themes_stand_next_to_scenes_and_are_described(study: SmallStudy):
    folder = study.write()
    for table in ("ratings", "choices", "stimuli"):
        header = table_path(folder, table).read_text().splitlines()[0].split(",")
        assert header[header.index("base_scene") + 1] == "theme"
    with (folder / "codebook.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["table"] for row in rows if row["column"] == "theme"] == ["ratings", "choices", "stimuli"]
    assert first_broken(verify(folder, bold=study.bold)) is None


def test_an_export_without_themes_is_written_described_and_verified_as_before(tmp_path: Path):
    study = SmallStudy(tmp_path, themes=False)
    folder = study.write()
    assert "theme" not in (folder / "codebook.csv").read_text()
    assert first_broken(verify(folder, bold=study.bold)) is None
    assert set(read_study(folder).ratings["theme"]) == {"a street"}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ("ratings", "theme is not that of its stimulus"),
        ("choices", "theme is not that of pair"),
        ("stimuli", "theme differs between the plan and data/table-stimuli_data.csv"),
    ],
)
def test_a_theme_that_is_not_the_plans_is_a_broken_link(study: SmallStudy, table: str, problem: str):
    rows = {"ratings": study.ratings, "choices": study.choices, "stimuli": study.stimulus_rows}[table]
    changed = [{**row, "theme": "another"} if number == 1 else row for number, row in enumerate(rows)]
    changes: dict[str, Any] = {table: changed}
    folder = study.write(**changes)
    broken = [check for check in verify(folder, bold=study.bold) if check.problems]
    assert any(problem in text for check in broken for text in check.problems)


def test_every_column_says_what_it_means():
    for columns in (table.columns for table in table_schemas().values()):
        for column in columns:
            assert column.description.endswith(".")
            assert column.type in {"text", "integer", "number", "flag", "digest", "time"}


def test_rows_are_sorted_by_participant_and_trial(study: SmallStudy):
    export = read_export(study.write())
    order = list(
        zip(export.tables["choices"]["participant_id"], export.tables["choices"]["trial_index"], strict=True)
    )
    assert order == sorted(order)


def refused(study: SmallStudy, **changes: Any) -> str:
    with pytest.raises((InputError, DigestMismatch)) as caught:
        study.write(**changes)
    left = [path.name for path in study.root.iterdir() if path.name not in ("bold", "artifacts", "targets")]
    assert left == [], "a refused export leaves nothing behind"
    return str(caught.value)


def test_an_export_is_never_written_over(study: SmallStudy):
    folder = study.write()
    before = tree(folder)
    with pytest.raises(InputError, match="exists already"):
        study.write()
    assert tree(folder) == before


def test_personal_columns_are_refused(study: SmallStudy):
    rows = [{**row, "prolific_id": "5f0c"} for row in study.participants]
    assert "unknown columns prolific_id" in refused(study, participants=rows)


@pytest.mark.parametrize("name", ["=1+1", "me@example.org", "", "a b", "x" * 65])
def test_participants_have_our_own_names_only(study: SmallStudy, name: str):
    study.participants[0]["participant_id"] = name
    for row in study.ratings + study.choices:
        row["participant_id"] = name if row["participant_id"] == "p0" else row["participant_id"]
    assert "participant_id" in refused(study)


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("value", 101, "value is 101.0, not 0 to 100"),
        ("value", None, "value is empty"),
        ("rt_ms", -3, "rt_ms is -3.0, not 0 or more"),
        ("rt_ms", math.inf, "rt_ms is inf, not of type number"),
        ("trial_index", 1.5, "trial_index is 1.5, not of type integer"),
        ("image_sha256", "ab12", "image_sha256 is 'ab12', not of type digest"),
        ("received_at", "yesterday", "received_at is 'yesterday', not of type time"),
        ("received_at", "2026-03-01T12:00:00", "received_at is '2026-03-01T12:00:00', not of type time"),
        ("direction", 2, "direction is 2, not -1, 0 or 1"),
        ("repeat", 3, "repeat is 3, not 0 or 1"),
        ("stimulus_id", "nobody", "stimulus_id 'nobody' is not known"),
        ("participant_id", "p9", "participant_id 'p9' is not known"),
        ("construct", "joy", "construct 'joy' is not known"),
    ],
)
def test_cells_that_are_not_as_the_codebook_says_are_refused(study: SmallStudy, column, value, problem):
    study.ratings[5][column] = value
    assert problem in refused(study)


def test_missing_columns_and_double_rows_are_refused(study: SmallStudy):
    assert "lacks rt_ms" in refused(study, choices=pd.DataFrame(study.choices).drop(columns="rt_ms"))
    assert "stands twice" in refused(study, choices=[*study.choices, study.choices[0]])


def test_what_stimuli_rest_on_must_be_given(study: SmallStudy):
    image, recipe = next(iter(study.images)), next(iter(study.recipes))
    assert "but is missing" in refused(study, image_bytes={})
    assert "but it is missing" in refused(study, recipes={})
    assert "it was changed" in refused(study, image_bytes={**study.images, image: (".png", b"other")})
    changed = {**study.recipes[recipe], "seed": 99}
    assert "it was changed" in refused(study, recipes={**study.recipes, recipe: changed})
    assert "has suffix 'svg'" in refused(study, image_bytes={**study.images, image: (".svg", b"")})
    assert "cannot be read" in refused(study, target_folder=study.root / "artifacts")
    assert "is missing" in refused(study, artifact_root=study.root / "targets")


def test_the_plan_and_the_stimuli_must_agree(study: SmallStudy):
    assert "of the plan is not in table stimuli" in refused(
        study, stimuli=study.stimulus_rows[1:], ratings=[]
    )


@pytest.mark.parametrize("created", [None, "now", "2026-03-01"])
def test_the_time_of_export_has_its_offset(study: SmallStudy, created: str | None):
    assert "meta.created" in refused(study, meta={"created": created} if created else {})


def test_times_may_be_datetimes(study: SmallStudy):
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    study.participants[0]["started_at"] = moment
    assert read_export(study.write()).tables["participants"]["started_at"][0] == CREATED


def test_targets_and_artifacts_may_be_left_out_and_are_then_listed(study: SmallStudy):
    folder = study.write(artifact_root=None)
    sources = sorted(digest for target in study.targets.values() for digest in target.sources)
    assert read_export(folder).manifest["absent"] == {"targets": [], "artifacts": sources}
    assert first_broken(verify(folder)) is None
    folder = study.write("without", target_folder=None, artifact_root=None)
    digests = sorted(target.digest for target in study.targets.values())
    assert read_export(folder).manifest["absent"] == {"targets": digests, "artifacts": []}
    assert first_broken(verify(folder)) is None


def test_natural_images_have_norms_and_no_recipe(study: SmallStudy):
    data = {name: value[1] for name, value in study.images.items()}
    digests = list(data)
    values = natural_plan(len(digests), len(digests)).to_json()
    for item, digest in zip(values["stimuli"], digests, strict=True):
        item["sha256"] = digest
    plan = StudyPlan.from_json(values)
    rows = [
        {
            "stimulus_id": item.id,
            "image_sha256": item.sha256,
            "base_scene": item.base_scene,
            "prompt": "",
            "seed": None,
            "intended_target": None,
            "direction": 0,
            "strength": 0.0,
            "recipe_digest": "",
            "norm_valence_mean": 1.5 + number,
        }
        for number, item in enumerate(plan.stimuli)
    ]
    empty: dict[str, Any] = {
        "ratings": [],
        "choices": [],
        "recipes": {},
        "target_folder": None,
        "artifact_root": None,
    }
    done = [{**row, "trials_done": 0, "finished_at": None, "status": "active"} for row in study.participants]
    folder = study.write(plan=plan, stimuli=rows, participants=done, meta={"created": CREATED}, **empty)
    export = read_export(folder)
    assert list(export.tables["stimuli"]["norm_valence_mean"]) == [row["norm_valence_mean"] for row in rows]
    assert export.tables["stimuli"]["seed"].isna().all()
    assert set(export.tables["participants"]["finished_at"]) == {""}
    assert first_broken(verify(folder)) is None


def test_large_seeds_and_quoted_texts_survive(study: SmallStudy, tmp_path: Path):
    write_table(
        tmp_path / "folder",
        STIMULI,
        pd.DataFrame(
            [
                {
                    **study.stimulus_rows[number],
                    "file": f"stimuli/{number}.png",
                    "seed": 2**63 - 1 if number else None,
                    "prompt": 'a "dark" street,\nat night; ü' if number else "",
                }
                for number in range(2)
            ],
            dtype=object,
        ),
    )
    read = read_export_table(table_path(tmp_path / "folder", "stimuli"), STIMULI).set_index("stimulus_id")
    second = read.loc[study.stimulus_rows[1]["stimulus_id"]]
    assert second["seed"] == 2**63 - 1
    assert second["prompt"] == 'a "dark" street,\nat night; ü'


@settings(deadline=None, derandomize=True)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_read_back_exactly(value: float):
    assert float(write_number(value)) == value
    assert float(write_number(np.float64(value))) == value


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b'participant_id,list\n"p'])
def test_what_is_no_table_is_refused(tmp_path: Path, data: bytes):
    path = tmp_path / "participants.csv"
    path.write_bytes(data)
    with pytest.raises(InputError):
        read_export_table(path, PARTICIPANTS)


def test_what_is_no_export_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read"):
        read_export(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "another"}')
    with pytest.raises(InputError, match="is not the manifest of an export"):
        read_export(tmp_path)


def test_the_analysis_reads_what_the_export_writes(study: SmallStudy):
    folder = study.write()
    export, data = read_export(folder), read_study(folder)
    for table in ("participants", "ratings", "choices", "stimuli"):
        ours, theirs = export.tables[table], getattr(data, table)
        assert list(ours.columns) == list(theirs.columns)
        assert len(ours) == len(theirs)
    assert data.ratings["value"].equals(export.tables["ratings"]["value"])
    assert data.plan == export.plan
