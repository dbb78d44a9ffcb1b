"""Tables of choices between two stimuli that others collected."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from almond.cli.main import main
from almond.errors import InputError
from almond.evidence.export import read_export
from almond.evidence.external.importing import import_table
from almond.evidence.external.table_map import TableMap, read_table_map
from almond.evidence.verify import verify
from almond.shapes import ShapeError, read

DATA = os.environ.get("ALMOND_REAL_DATA", "")
DOTS = Path(DATA) / "tinydifferences_2afc" / "sample_data.csv"
SETTINGS = {
    "title": "Choices made elsewhere",
    "person": "who",
    "choices": {"name": "warmer", "left": "a", "right": "b", "answer": "said", "expected": "hoped"},
}


def choices(people=10, pairs=8):
    """Every pair once for everybody; ``hot n`` is expected and chosen in four of five trials."""
    rng = np.random.default_rng(2)
    rows = []
    for person in range(people):
        for pair in range(pairs):
            sides = [f"hot {pair}", f"cold {pair}"]
            left, right = sides if rng.random() < 0.5 else sides[::-1]
            said = sides[0] if rng.random() < 0.8 else sides[1]
            rows.append((f"p{person}", left, right, said, sides[0], f"topic {pair % 4}"))
    return pd.DataFrame(rows, columns=["who", "a", "b", "said", "hoped", "topic"])


def write(folder, table, **settings):
    table = table if isinstance(table, str) else table.to_csv(index=False)
    (folder / "table.csv").write_text(table, encoding="utf-8")
    (folder / "map.yaml").write_text(yaml.safe_dump({**SETTINGS, **settings}), encoding="utf-8")
    return folder / "table.csv", folder / "map.yaml"


def imported(folder, table, **settings):
    path, table_map = write(folder, table, **settings)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return import_table(path, read_table_map(table_map), folder / "export", created=now)


def test_choices_are_imported_and_tested_in_one_command(tmp_path, capsys):
    table = choices()
    path, table_map = write(tmp_path, table, theme="topic")
    options = ["--out", str(tmp_path / "export"), "--report", str(tmp_path / "report")]
    assert main(["import-ratings", str(path), "--map", str(table_map), *options]) == 0
    said = capsys.readouterr().out
    assert "External data: not collected by Almond; plan unknown, so exploratory." in said
    assert "Conditions, directions and expected choices are the table’s" in said
    result = json.loads((tmp_path / "report" / "result.json").read_text())
    assert result["choices"]["overall"]["share"] == pytest.approx((table["said"] == table["hoped"]).mean())
    assert all(row["status"] == "exploratory" for row in result["tests"])
    rows = read_export(tmp_path / "export").tables["choices"]
    assert set(rows["theme"]) == {f"topic {number}" for number in range(4)}
    assert rows["base_scene"].nunique() == 8
    assert all(check.ok for check in verify(tmp_path / "export"))


def test_words_for_sides_are_read(tmp_path):
    text = "who,a,b,said,hoped\nx,1,2,z,m\nx,3,4,m,m\ny,1,2,n/a,m\n"
    words = {**SETTINGS["choices"], "words": {"left": "z", "right": "m"}}
    assert imported(tmp_path, text, choices=words).empty == 1
    rows = read_export(tmp_path / "export").tables["choices"]
    assert list(rows["chosen"]) == ["left", "right"]
    assert list(rows["high_side"]) == ["right", "right"]
    assert list(rows["aligned"]) == [0, 1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("who,a,b,said,hoped\nx,1,2,up,1\n", "row 2, column said is 'up'"),
        ("who,a,b,said,hoped\nx,1,1,1,1\n", "row 2: both stimuli are '1'"),
        ("who,a,b,said,hoped\nx,1,2,1,\n", "row 2, column hoped is empty"),
        ("who,a,b,said,hoped\nx,1,2,,1\n", "holds no choice"),
        ("who,a,b,said,hoped\nx,1,2,1,1\ny,1,2,1,2\n", "row 3: stimulus '2' has another direction"),
        ("who,a,b,said,hoped\nx,1,2,1,1\nx,1,3,1,1\n", "row 3: stimulus '1' has another base_scene"),
    ],
)
def test_what_a_table_of_choices_says_wrong_is_named(tmp_path, text, problem):
    with pytest.raises(InputError, match=problem):
        imported(tmp_path, text)
    assert not (tmp_path / "export").exists()


def test_keys_of_ratings_have_no_meaning_beside_choices():
    with pytest.raises(ShapeError) as caught:
        read(TableMap, {**SETTINGS, "construct": "scale", "range": [1, 7]}, source="map.yaml")
    assert caught.value.problems == (
        "construct: has no meaning beside choices",
        "range: has no meaning beside choices",
    )


@pytest.mark.skipif(not DATA or not DOTS.is_file(), reason="needs real choices: set ALMOND_REAL_DATA")
def test_real_choices_have_the_accuracy_of_the_table(tmp_path):
    named = {
        "name": "more dots",
        "left": ["Image1N", "Image1TSA", "Image1CH"],
        "answer": "SubjectResponse",
        "right": ["Image2N", "Image2TSA", "Image2CH"],
        "expected": "CorrectResponse",
        "words": {"left": "z", "right": "m"},
    }
    settings = {"person": "Subject", "response_time": {"column": "RT", "unit": "ms"}}
    _, table_map = write(tmp_path, "", **settings, choices=named)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    made = import_table(DOTS, read_table_map(table_map), tmp_path / "export", created=now)
    table = pd.read_csv(DOTS)
    assert (made.people, made.stimuli, made.judgements) == (109, 640, len(table))
    rows = read_export(tmp_path / "export").tables["choices"]
    assert rows["aligned"].mean() == pytest.approx(table["Accuracy"].mean())
    assert rows["rt_ms"].sum() == pytest.approx(table["RT"].sum())
