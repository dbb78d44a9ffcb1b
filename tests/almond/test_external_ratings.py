"""Tables that others collected: maps, the export that is made of them, what verify and report say of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from almond.analysis.analyse import analyse_export
from almond.analysis.external import stimuli_text
from almond.cli.main import main
from almond.errors import InputError
from almond.evidence.export import read_export
from almond.evidence.external.judgements import read_judgements
from almond.evidence.external.table_map import TableMap, read_table_map
from almond.evidence.verify import verify
from almond.exchange.layout import table_path
from almond.rng import generator
from almond.shapes import ShapeError, read
from almond.stimuli.images import png_bytes

DATA = os.environ.get("ALMOND_REAL_DATA", "")
LONG = {
    "title": "Pictures rated elsewhere",
    "person": "who",
    "stimulus": "picture",
    "construct": "scale",
    "value": "answer",
    "range": [1, 7],
}


def long_table(people=12, stimuli=9, share=0.6, seed=3):
    """Ratings on 1 to 7 with planned missing cells, in mixed order."""
    rng = np.random.default_rng(seed)
    person, stimulus = np.nonzero(rng.random((people, stimuli)) < share)
    parts = []
    for scale, spread in (("warm", 1.0), ("tense", 0.6)):
        value = 4 + spread * rng.normal(size=stimuli)[stimulus] + rng.normal(size=len(person))
        parts.append(
            pd.DataFrame(
                {
                    "who": [f"r{number}@lab.example" for number in person],
                    "picture": [f"img {number:02d}" for number in stimulus],
                    "scale": scale,
                    "answer": np.clip(np.round(value), 1, 7).astype(int),
                }
            )
        )
    return pd.concat(parts).sample(frac=1.0, random_state=seed).reset_index(drop=True)


class Folder:
    """A folder with a table and its map, and what the command does with them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.table, self.map = root / "table.csv", root / "map.yaml"
        self.export, self.report = root / "table-export", root / "report"

    def write(self, table, **settings):
        if isinstance(table, pd.DataFrame):
            table.to_csv(self.table, index=False)
        else:
            self.table.write_text(table, encoding="utf-8")
        self.map.write_text(yaml.safe_dump({**LONG, **settings}), encoding="utf-8")
        return self

    def run(self, *options):
        return main(["import-ratings", str(self.table), "--map", str(self.map), *options])

    def ratings(self):
        return read_export(self.export).tables["ratings"]


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_a_pdf_without_a_report_is_refused(folder, capsys):
    assert folder.write(long_table()).run("--pdf") == 1
    assert "--pdf" in capsys.readouterr().err
    assert not folder.export.exists()


def without(settings, *names):
    return {name: value for name, value in settings.items() if name not in names}


def test_one_command_gives_a_report(folder, capsys):
    table = long_table()
    assert folder.write(table).run("--report", str(folder.report)) == 0
    said = capsys.readouterr().out
    assert "External data: not collected by Almond; plan unknown, so exploratory." in said
    assert "Nothing is tested" in said
    page = (folder.report / "report.md").read_text()
    assert page.index("External data: not collected by Almond") < page.index("##")
    assert "What people saw: no image was handed over." in page
    first = page[: page.index("##")]
    assert "How are the ratings distributed? How reliable are the ratings?" in first
    assert "The intraclass correlation of means over people ranges from" in first
    assert f"12 participants, 9 stimuli, {len(table)} ratings." in first
    assert "They cannot be told" in first
    for word in ("guid", "manipul", "predicted", "intended", "base scene", "(planned", "amendment", "on_off"):
        assert word not in page.lower()
    result = json.loads((folder.report / "result.json").read_text())
    assert result["mode"] == "exploratory"
    reasons = {row["analysis"]: row["reason"] for row in result["not_run"]}
    assert reasons["profiles"] == "no stimulus has a condition"
    assert set(reasons) >= {"classification", "choices", "natural", "profiles"}
    for row in result["distributions"]["distributions"]:
        own = table[table["scale"] == row["construct"]]["answer"]
        assert row["mean"] == pytest.approx(own.mean(), abs=1e-8)
        assert row["sd"] == pytest.approx(own.std(), abs=1e-8)
        assert row["counts"] == [int((own == step).sum()) for step in range(1, 8)]
        assert (row["low"], row["high"]) == (1, 7)
    means = table.groupby(["scale", "picture"])["answer"].mean()
    for row in result["distributions"]["stimulus_means"]:
        assert row["mean"] == pytest.approx(means[row["construct"], row["stimulus"]], abs=1e-8)
    assert {row["construct"] for row in result["reliability"]["icc"]} == {"warm", "tense"}


@pytest.mark.parametrize(
    ("units", "text"),
    [
        ({"stimuli": 72, "scenes": 72, "themes": 72}, "72 stimuli"),
        ({"stimuli": 72, "scenes": 72, "themes": 6}, "72 stimuli of 6 themes"),
        ({"stimuli": 72, "scenes": 24, "themes": 24}, "72 stimuli in 24 scenes"),
        ({"stimuli": 72, "scenes": 24, "themes": 6}, "72 stimuli in 24 scenes of 6 themes"),
        ({"scenes": 24, "themes": 6}, "24 scenes of 6 themes"),
    ],
)
def test_scenes_and_themes_are_named_where_they_are_told(units, text):
    assert stimuli_text(units) == text


def test_the_export_holds_every_judgement_on_both_scales(folder):
    table = long_table()
    assert folder.write(table).run("--key", str(folder.root / "key.csv")) == 0
    key = pd.read_csv(folder.root / "key.csv").set_index("participant_id")["person"]
    rows = folder.ratings()
    back = pd.DataFrame(
        {
            "who": rows["participant_id"].map(key),
            "picture": rows["stimulus_id"],
            "scale": rows["construct"],
            "answer": rows["original_value"].astype(int),
        }
    )
    names = list(back)
    pd.testing.assert_frame_equal(
        back.sort_values(names).reset_index(drop=True), table.sort_values(names).reset_index(drop=True)
    )
    np.testing.assert_allclose(rows["value"], 100 * (rows["original_value"] - 1) / 6)
    assert (rows["theme"] == rows["stimulus_id"]).all()
    assert not any("lab.example" in path.read_text() for path in folder.export.rglob("*.csv"))


def test_trials_stand_in_the_order_of_rows_or_of_times(folder):
    text = "who,picture,scale,answer,at\na,x,warm,1,2026-01-01T10:05\na,y,warm,2,2026-01-01T10:00\n"
    assert folder.write(text).run() == 0
    assert list(folder.ratings()["stimulus_id"]) == ["x", "y"]
    folder.export = folder.root / "ordered"
    assert folder.write(text, time="at", utc_offset="+01:00").run("--out", str(folder.export)) == 0
    rows = folder.ratings()
    assert list(rows["stimulus_id"]) == ["y", "x"]
    assert list(rows["received_at"]) == ["2026-01-01T10:00:00+01:00", "2026-01-01T10:05:00+01:00"]


def test_the_same_cell_twice_is_a_repeat(folder):
    text = "who,picture,scale,answer\na,x,warm,1\na,x,tense,3\na,x,warm,2\nb,x,warm,5\n"
    assert folder.write(text).run() == 0
    rows = folder.ratings().sort_values(["participant_id", "trial_index", "construct"])
    assert list(rows["repeat"]) == [0, 0, 1, 0]
    assert list(rows["trial_index"]) == [0, 0, 1, 0]
    assert rows["response_id"].nunique() == 3
    assert list(read_export(folder.export).tables["participants"]["trials_done"]) == [2, 1]


def test_a_column_for_each_construct(folder):
    text = "who;picture;hot;cold;rt\na;x;1,5;n/a;1,25\na;y;2;3;2\nb;x;;4;0,5\n"
    scales = {
        "heat": {"column": "hot", "range": [0, 10]},
        "chill": {"column": "cold", "question": "How cold?"},
    }
    time = {"column": "rt", "unit": "s"}
    folder.write(text, constructs=scales, decimal="comma", response_time=time)
    folder.map.write_text(
        yaml.safe_dump(
            {
                **without(LONG, "construct", "value"),
                "constructs": scales,
                "decimal": "comma",
                "response_time": time,
            }
        )
    )
    assert folder.run() == 0
    rows = folder.ratings()
    assert sorted(zip(rows["construct"], rows["original_value"], rows["rt_ms"], strict=True)) == [
        ("chill", 3.0, 2000.0),
        ("chill", 4.0, 500.0),
        ("heat", 1.5, 1250.0),
        ("heat", 2.0, 2000.0),
    ]
    assert sorted(rows["value"]) == pytest.approx([15.0, 20.0, 100 * 2 / 6, 50.0])
    facts = read_export(folder.export).manifest["about"]["external"]
    assert facts["cells_without_value"] == 2
    assert facts["scales"] == {"heat": [0.0, 10.0], "chill": [1.0, 7.0]}


def test_a_column_for_each_stimulus(folder):
    text = "who,kind,scale,x,y,age\na,face,warm,1,2,30\na,body,warm,3,,30\n"
    folder.write(text)
    columns = {"first": "x", "last": "y", "beside": ["kind"]}
    folder.map.write_text(yaml.safe_dump({**without(LONG, "stimulus", "value"), "stimulus_columns": columns}))
    assert folder.run() == 0
    rows = folder.ratings()
    assert dict(zip(rows["stimulus_id"], rows["original_value"], strict=True)) == {
        "face x": 1.0,
        "face y": 2.0,
        "body x": 3.0,
    }


def conditions(scenes=6, people=8):
    """Every scene in two conditions, rated by everybody; ``up`` is rated higher."""
    rng = np.random.default_rng(8)
    rows = [
        (
            f"p{person}",
            f"{scene}-{condition}",
            f"scene {scene}",
            f"topic {scene // 2}",
            condition,
            scale,
            value,
        )
        for person in range(people)
        for scene in range(scenes)
        for condition in ("calm", "loud")
        for scale, value in (
            ("warm", np.clip(round(4 + 1.5 * (condition == "calm") + rng.normal()), 1, 7)),
            ("tense", np.clip(round(4 + rng.normal()), 1, 7)),
        )
    ]
    return pd.DataFrame(rows, columns=["who", "picture", "scene", "topic", "kind", "scale", "answer"])


def test_scenes_themes_and_conditions_are_filled(folder):
    folder.write(conditions(), scene="scene", theme="topic", condition="kind")
    assert folder.run() == 0
    stimuli = read_export(folder.export).tables["stimuli"].set_index("stimulus_id")
    assert tuple(stimuli.loc["3-loud", ["base_scene", "theme", "intended_target", "direction"]]) == (
        "scene 3",
        "topic 1",
        "loud",
        1,
    )
    result = analyse_export(folder.export, permutations=99)
    assert result.data["mode"] == "exploratory"
    assert result.data["profiles"]["cells"]
    assert all(row["status"] == "exploratory" for row in result.data["tests"])


def test_images_are_handed_over(folder):
    pictures = folder.root / "pictures"
    pictures.mkdir()
    for number in range(9):
        image = generator(1, number).integers(0, 256, (8, 10, 3)).astype(np.uint8)
        (pictures / f"img {number:02d}.png").write_bytes(png_bytes(image))
    folder.write(long_table(), images="pictures")
    assert folder.run() == 0
    export = read_export(folder.export)
    assert len(list((folder.export / "stimuli").iterdir())) == 9
    assert export.tables["stimuli"]["median_red"].notna().all()
    assert (export.plan.stimuli[0].width, export.plan.stimuli[0].height) == (10, 8)
    assert all(check.ok for check in verify(folder.export))
    (pictures / "img 03.png").unlink()
    with pytest.raises(InputError, match="has no file for stimulus 'img 03'"):
        run_raising(folder, "--out", str(folder.root / "again"))


def run_raising(folder, *options):
    """Import as the command does, with its error."""
    from datetime import UTC, datetime

    from almond.evidence.external.importing import import_table

    out = Path(options[1]) if options else folder.root / "raising"
    return import_table(
        folder.table, read_table_map(folder.map), out, created=datetime(2026, 1, 1, tzinfo=UTC)
    )


def test_verify_says_what_cannot_be_known(folder, capsys):
    assert folder.write(long_table()).run() == 0
    assert all(check.ok for check in verify(folder.export))
    capsys.readouterr()
    assert main(["verify", str(folder.export)]) == 0
    said = capsys.readouterr().out
    assert "The chain is whole as far as the export reaches.\nThe data come from elsewhere" in said
    assert "what people saw: no image was handed over" in said
    assert main(["verify", str(folder.export), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["not_known"]) > 2


def test_a_changed_byte_is_named(folder, capsys):
    assert folder.write(long_table()).run() == 0
    path = table_path(folder.export, "ratings")
    path.write_bytes(path.read_bytes().replace(b",4.0\n", b",5.0\n", 1))
    capsys.readouterr()
    assert main(["verify", str(folder.export)]) == 1
    assert "its bytes changed" in capsys.readouterr().err
    assert main(["analyse", str(folder.export)]) == 1


def test_values_outside_the_scale_are_named_by_row(folder):
    folder.write("who,picture,scale,answer\na,x,warm,1\na,y,warm,8\nb,x,warm,0\n")
    with pytest.raises(
        InputError, match=r"row 3, warm: 8 is not within 1 to 7; row 4, warm: 0 is not within 1 to 7"
    ):
        run_raising(folder)
    folder.write("who,picture,scale,answer\na,x,warm,1\na,y,warm,much\n")
    with pytest.raises(InputError, match="row 3, column answer"):
        run_raising(folder)
    folder.write("who,picture,scale,answer\na,x,warm,1\na,y,warm,-9\n", missing=["-9"])
    assert run_raising(folder, "--out", str(folder.root / "told")).empty == 1


def test_rows_that_contradict_each_other_are_named(folder):
    text = "who,picture,scale,answer,kind\na,x,warm,1,calm\nb,x,warm,2,loud\n"
    folder.write(text, condition="kind")
    with pytest.raises(InputError, match="row 3: condition of stimulus 'x' is 'loud', 'calm' before"):
        run_raising(folder)
    folder.write(text, scene="picture", theme="kind")
    with pytest.raises(InputError, match="row 3: theme of stimulus 'x' is 'loud'"):
        run_raising(folder)


def test_constructs_that_the_map_does_not_know_are_named_or_ignored(folder):
    text = "who,picture,scale,answer\na,x,warm,1\na,x,check,yes\nb,x,warm,3\n"
    warm = {"warm": {"question": "How warm?"}}
    folder.write(text.replace("yes", "2"), constructs=warm)
    with pytest.raises(InputError, match=r"row 3, column scale is 'check'"):
        run_raising(folder)
    folder.write(text, constructs=warm, ignore=["check"])
    imported = run_raising(folder, "--out", str(folder.root / "ignored"))
    assert (imported.judgements, imported.ignored, imported.constructs) == (2, 1, ("warm",))


def test_every_error_of_a_map_is_named_at_once():
    wrong = {"title": "", "person": [], "stimulsu": "x", "construct": "scale", "direction": "d", "image": "f"}
    with pytest.raises(ShapeError) as caught:
        read(TableMap, wrong, source="map.yaml")
    said = "\n".join(caught.value.problems)
    for problem in ("title: is empty", "stimulsu: unknown setting; did you mean stimulus?", "person: "):
        assert problem in said


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (without(LONG, "range"), "range: is missing: the lowest and the highest"),
        ({**LONG, "range": [7, 1]}, "range: is 7 to 1, not from a lower"),
        (without(LONG, "value"), "value: construct and value are needed together"),
        (without(LONG, "stimulus"), "stimulus: one of stimulus and stimulus_columns"),
        (without(LONG, "construct", "value"), "constructs: is missing"),
        ({**LONG, "constructs": {"warm": {"column": "w"}}}, "constructs.warm.column: has no meaning"),
        ({**without(LONG, "range"), "constructs": {"warm": {}}}, "constructs.warm.range: is missing"),
        ({**LONG, "direction": "d"}, "direction: has no meaning without condition"),
        ({**LONG, "images": "nowhere"}, "images: folder not found"),
        ({**LONG, "utc_offset": "+01:00"}, "utc_offset: has no meaning without time"),
    ],
)
def test_what_a_map_says_against_itself_is_named(settings, problem):
    with pytest.raises(ShapeError, match=problem.replace("(", r"\(")):
        read(TableMap, settings, source="map.yaml")


def test_nothing_is_written_for_a_table_that_is_refused(folder):
    assert folder.write("who,picture,scale,answer\na,x,warm,9\n").run("--report", str(folder.report)) == 1
    assert not folder.export.exists()
    assert not folder.report.exists()


def test_a_site_plan_cannot_lack_an_image(folder):
    folder.write(long_table()).run()
    value = read_export(folder.export).plan.to_json()
    plan = type(read_export(folder.export).plan)
    with pytest.raises(ShapeError, match="only external data may lack an image"):
        plan.from_json({**value, "format": "almond-plan/1"})
    value["stimuli"][0]["width"] = 5
    with pytest.raises(ShapeError, match=r"stimuli\[0\].width: is 5, not 0"):
        plan.from_json(value)


FACES = Path(DATA) / "oracles" / "face_body" / "data" / "gender-female_type-ratings_data.csv"


@pytest.mark.skipif(not DATA or not FACES.is_file(), reason="needs real ratings: set ALMOND_REAL_DATA")
def test_real_ratings_of_faces_have_the_means_of_the_table(folder):
    table = pd.read_csv(FACES)
    columns = {"first": "alexandra", "last": table.columns[-1], "beside": ["type"]}
    settings = {
        **without(LONG, "stimulus", "value"),
        "person": "user_id",
        "construct": "judgment",
        "stimulus_columns": columns,
        "missing": ["NA"],
    }
    folder.map.write_text(yaml.safe_dump(settings))
    judgements = read_judgements(FACES, read_table_map(folder.map))
    code = main(
        [
            "import-ratings",
            str(FACES),
            "--map",
            str(folder.map),
            "--out",
            str(folder.export),
            "--report",
            str(folder.report),
        ]
    )
    assert code == 0
    names = list(table.columns[list(table.columns).index("alexandra") :])
    long = table.melt(["judgment", "type", "user_id"], names, "name", "value").dropna(subset="value")
    assert len(judgements.frame) == len(long)
    result = json.loads((folder.report / "result.json").read_text())
    expected = long.groupby("judgment")["value"].mean()
    told = {row["construct"]: row["mean"] for row in result["distributions"]["distributions"]}
    assert told == pytest.approx(dict(expected), abs=1e-8)
    means = (
        long.assign(stimulus=long["type"] + " " + long["name"])
        .groupby(["judgment", "stimulus"])["value"]
        .mean()
    )
    for row in result["distributions"]["stimulus_means"]:
        assert row["mean"] == pytest.approx(means[row["construct"], row["stimulus"]], abs=1e-8)
    assert {row["construct"] for row in result["reliability"]["icc"]} == set(expected.index)


def test_the_maps_of_the_documentation_are_maps(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "external.md").read_text()
    examples = [yaml.safe_load(block.split("```")[0]) for block in page.split("```yaml\n")[1:]]
    assert len(examples) == 3
    (tmp_path / "pictures").mkdir()
    for example in examples:
        (tmp_path / "map.yaml").write_text(yaml.safe_dump(example))
        assert read_table_map(tmp_path / "map.yaml").title == example["title"]
