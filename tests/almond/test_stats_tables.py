"""Exports that are not what they say are refused before anything is computed."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from almond.analysis.rating_profiles import select, standardise, stimulus_profiles
from almond.analysis.study_data import read_study
from almond.digest import digest_json
from almond.errors import DigestMismatch, InputError
from almond.evidence.verify import verify
from almond.exchange.manifest import manifest_bytes
from tests.almond.export_maker import make_export, reseal, seal
from tests.almond.small_export import SmallStudy


@pytest.fixture
def export(tmp_path):
    return make_export(tmp_path / "export", participants=3, scenes=3)


def edit(folder, table, change, *, sealed=True):
    path = folder / "data" / f"{table}.csv"
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    frame = change(frame)
    frame.to_csv(path, index=False, lineterminator="\n")
    if sealed:
        reseal(folder)


def put(column, row, value):
    def change(frame):
        frame.loc[row, column] = value
        return frame

    return change


def test_a_sound_export_is_read_with_types(export):
    data = read_study(export)
    assert data.plan.title == "A made study"
    assert data.ratings["value"].dtype == "float64"
    assert data.choices["aligned"].dtype == "int64"
    assert data.score_columns == ("score_LB", "score_CM", "score_SF", "score_AStr")
    assert data.norm_columns == ()
    assert (data.stimuli["intended_target"] != "").all()


@pytest.mark.parametrize("name", ["data/ratings.csv", "plan.json", "manifest.json"])
def test_a_changed_byte_is_found(export, name):
    path = export / name
    path.write_bytes(path.read_bytes().replace(b"2", b"3", 1))
    with pytest.raises((DigestMismatch, InputError)):
        read_study(export)


def test_a_changed_image_is_named(export):
    image = next((export / "stimuli").iterdir())
    image.write_bytes(b"other")
    with pytest.raises(DigestMismatch, match=image.name):
        read_study(export)


def test_a_missing_file_is_named(export):
    image = next((export / "stimuli").iterdir())
    image.unlink()
    with pytest.raises(InputError, match=f"{image.name}: is missing"):
        read_study(export)


def test_a_manifest_may_not_point_outside(export):
    path = export / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["../../etc/passwd"] = "0" * 64
    manifest["digest"] = digest_json({name: value for name, value in manifest.items() if name != "digest"})
    path.write_bytes(manifest_bytes(manifest))
    with pytest.raises(InputError, match="inside the export"):
        read_study(export)


def test_analysis_and_verification_read_the_manifest_alike(export):
    path = export / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_bytes(manifest_bytes({name: value for name, value in manifest.items() if name != "digest"}))
    with pytest.raises(InputError, match="do not fit its own digest"):
        read_study(export)
    assert "do not fit its own digest" in verify(export)[0].problems[0]
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="its bytes changed"):
        read_study(export)
    assert "its bytes changed" in verify(export)[0].problems[0]


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("ratings", put("value", 4, "101"), "ratings.csv: column value, row 6: '101' is not a number"),
        ("ratings", put("value", 0, "high"), "column value, row 2: 'high'"),
        ("ratings", put("rt_ms", 1, "-5"), "column rt_ms, row 3: '-5' is not a number at least 0"),
        ("ratings", put("repeat", 0, "0.5"), "column repeat, row 2"),
        ("ratings", put("participant_id", 0, ""), "column participant_id, row 2: '' is not a text"),
        ("ratings", put("participant_id", 0, "P999"), "participant_id, row 2: 'P999'.*participants.csv"),
        ("ratings", put("stimulus_id", 0, "none"), "stimulus_id, row 2: 'none'.*stimuli.csv"),
        ("ratings", put("construct", 0, "joy"), "construct, row 2: 'joy'.*plan.json"),
        ("ratings", put("direction", 0, "0"), "direction, row 2.*what stimuli.csv says"),
        ("ratings", put("theme", 0, ""), "column theme, row 2: '' is not a text"),
        ("ratings", put("theme", 0, "other"), "ratings.csv: column theme, row 2: 'other'.*what stimuli.csv"),
        ("choices", put("theme", 2, "other"), "choices.csv: column theme, row 4: 'other'.*on the left"),
        ("ratings", lambda frame: frame.drop(columns="value"), "lacks the columns value"),
        ("ratings", lambda frame: pd.concat([frame, frame[:1]]), "repeats the response_id and construct"),
        ("choices", put("chosen", 0, "up"), "column chosen, row 2: 'up' is not left or right"),
        ("choices", put("aligned", 0, "2"), "column aligned, row 2"),
        ("stimuli", put("score_LB", 0, "inf"), "column score_LB, row 2: 'inf' is not a number"),
        ("stimuli", lambda frame: frame[1:], "stimulus|stimuli.csv"),
    ],
)
def test_wrong_cells_are_named_by_file_column_and_row(export, table, change, message):
    edit(export, table, change)
    with pytest.raises(InputError, match=message):
        read_study(export)


def test_themes_of_the_tables_are_those_of_the_plan(export):
    for table in ("ratings", "choices", "stimuli"):
        edit(export, table, lambda frame: frame.assign(theme="one for all"))
    with pytest.raises(InputError, match=r"stimuli.csv: column theme, row 2: 'one for all'.*plan\.json"):
        read_study(export)


def test_every_response_has_the_theme_that_the_plan_states(tmp_path):
    data = read_study(make_export(tmp_path / "export", participants=2, scenes=6, scenes_per_theme=2))
    assert data.themes == ("theme-00", "theme-01", "theme-02")
    assert data.theme_remark == ""
    for frame in (data.ratings, data.choices, data.stimuli):
        assert set(zip(frame["base_scene"], frame["theme"], strict=True)) == {
            (f"scene-{scene:02d}", f"theme-{scene // 2:02d}") for scene in range(6)
        }
    profiles = stimulus_profiles(standardise(data.ratings), ["threat", "social"])
    themes = dict(zip(data.stimuli["stimulus_id"], data.stimuli["theme"], strict=True))
    assert profiles.themes == tuple(themes[name] for name in profiles.stimuli)
    assert select(profiles, [3, 0]).themes == (profiles.themes[3], profiles.themes[0])


def test_an_export_from_before_themes_takes_prompts_and_says_so(tmp_path):
    folder = make_export(tmp_path / "export", participants=2, scenes=3, themes_told=False)
    assert "theme" not in (folder / "data" / "ratings.csv").read_text().splitlines()[0]
    data = read_study(folder)
    for frame in (data.ratings, data.choices, data.stimuli):
        assert set(frame["theme"]) == {"a street"}
    assert data.themes == ("a street",)
    assert "the prompt stands for the theme of 3 base scenes" in data.theme_remark


def test_an_export_of_photographs_from_before_themes_has_one_each_and_says_so(tmp_path):
    folder = make_export(tmp_path / "export", participants=2, scenes=5, natural=True, themes_told=False)
    data = read_study(folder)
    assert list(data.ratings["theme"]) == list(data.ratings["base_scene"])
    assert data.choices["theme"].empty
    assert "5 base scenes without a prompt count as a theme each" in data.theme_remark


def test_tables_from_before_themes_beside_a_plan_that_states_them(tmp_path):
    """The plan is frozen and states them; its words count."""
    folder = make_export(tmp_path / "export", participants=2, scenes=4, scenes_per_theme=2)
    for table in ("ratings", "choices", "stimuli"):
        edit(folder, table, lambda frame: frame.drop(columns="theme"))
    data = read_study(folder)
    assert set(data.choices["theme"]) == {"theme-00", "theme-01"}
    assert data.theme_remark == ""


def test_alignment_must_follow_from_the_sides(export):
    def change(frame):
        frame.loc[0, "aligned"] = "1" if frame.loc[0, "aligned"] == "0" else "0"
        return frame

    edit(export, "choices", change)
    with pytest.raises(InputError, match=r"column aligned, row 2.*high side"):
        read_study(export)


def test_many_problems_are_counted(export):
    edit(export, "ratings", lambda frame: frame.assign(value="x"))
    with pytest.raises(InputError, match=r"and \d+ more"):
        read_study(export)


def test_a_plan_of_another_study_is_refused(export, tmp_path):
    other = make_export(tmp_path / "other", participants=3, scenes=3, seed=8)
    digest = json.loads((export / "manifest.json").read_bytes())["plan_digest"]
    (export / "plan.json").write_bytes((other / "plan.json").read_bytes())
    seal(export, digest)
    with pytest.raises(DigestMismatch, match=r"plan\.json"):
        read_study(export)


def test_a_folder_without_a_manifest_is_no_export(tmp_path):
    with pytest.raises(InputError, match="with its manifest"):
        read_study(tmp_path)


def test_what_our_own_writer_writes_is_read(tmp_path):
    data = read_study(SmallStudy(tmp_path).write())
    assert len(data.participants) == 3
    assert set(data.stimuli["direction"]) == {1, -1}
    assert {"score_T0", "score_T1"} <= set(data.score_columns)
    assert "contrast" in data.stimuli.columns
    assert "theme" not in data.norm_columns + data.score_columns
