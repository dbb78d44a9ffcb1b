"""Tables from the field: each case with its right value, or the error that names file and place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from almond.cli.main import main
from almond.encoding.bold.bids import find_runs
from almond.encoding.features.stimulus_events import conditions_of
from almond.encoding.features.tables import load_table
from almond.errors import InputError
from generation.runs.image_source import read_norms

CASES = Path(__file__).parent / "cases"
CLEAN = 0.709


@pytest.mark.parametrize(
    ("case", "conditions"),
    [
        ("clean", ("faces", "houses")),
        ("numeric-trial-types", ("1", "2")),
        ("quote-in-events", ("faces", "houses")),
    ],
)
def test_events_of_the_field_give_the_clean_result(tmp_path, capsys, case, conditions):
    folder = CASES / "encoder" / case
    assert main(["fit", str(folder / "c.yaml"), "--out", str(tmp_path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["heldout_r"]["ridge"]["m"] == pytest.approx(CLEAN, abs=0.0005)
    (artifact,) = result["artifacts"]
    card = json.loads((Path(artifact["path"]) / "artifact.json").read_text(encoding="utf-8"))["feature_space"]
    assert card["dimension"] == 2
    assert conditions_of(find_runs(folder / "ds", "x")) == conditions


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("index-column/index.csv", ["index.csv: has no name for column 1 of 5", "expected a name"]),
        (
            "semicolons-decimal-commas/semi.csv",
            ["semi.csv: its header holds the separator ';' (semicolon): 'a;b;c;d'", "separated by ','"],
        ),
    ],
)
def test_feature_tables_that_are_none_say_why(case, words):
    with pytest.raises(InputError) as caught:
        load_table(CASES / "features" / case)
    assert [word for word in words if word not in str(caught.value)] == []


def test_norms_with_decimal_commas_are_named_by_cell():
    path = CASES / "analysis" / "norms-decimal-comma" / "norms.csv"
    with pytest.raises(InputError) as caught:
        read_norms(path, ["a.jpg", "b.jpg", "c.jpg"])
    text = str(caught.value)
    assert "norms.csv: 2 problems" in text
    assert "row 2: valence is '3,5', a number with a comma" in text
    assert "row 3: valence is '4,5', a number with a comma" in text
