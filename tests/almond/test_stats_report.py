"""From an export to its report: what runs, what is said, and that it repeats to the last byte."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from almond.analysis.analyse import AnalysisResult, analyse_export, rounded
from almond.analysis.document import draw_study, study_document
from almond.analysis.report import write_report
from almond.analysis.sample import apply_exclusions
from almond.analysis.study_data import read_study
from almond.cli.main import main
from almond.errors import InputError
from almond.report.figures_style import inline_svg, svg_of
from almond.report.render import render_html, render_markdown
from almond.report.wording import decimal, p_cell, p_text, signed, span, t_cell
from tests.almond.export_maker import make_export, reseal


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "export"
    return make_export(folder, incomplete=2, scenes=8, effect=2.5, choice_effect=1.5)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A study of the same kinds of answers, for what does not depend on how many there are."""
    return make_export(
        tmp_path_factory.mktemp("small") / "export", participants=4, scenes=3, permutations=19, effect=2.5
    )


@pytest.fixture(scope="module")
def result(export):
    return analyse_export(export)


def test_the_answer_comes_first_and_in_plain_words(result):
    first, second = result.headline[:2]
    assert first.startswith(
        "Participants rated images differently depending on which region they were made for (F("
    )
    assert re.search(r"accuracy of 0\.\d\d \(95 % CI 0\.\d\d to \d\.\d\d; chance 0\.25\)\.$", first)
    assert second.startswith("Choices followed the manipulation: participants chose the image manipulated ")
    overall = result.data["choices"]["overall"]
    assert f"t(7) = {overall['t']:.2f}, p = .0078)." in second
    assert overall["low"] < overall["share"] < overall["high"]
    tile = study_document(result.data).key_numbers[1]
    assert tile.value == f"{100 * overall['share']:.0f} %"
    assert tile.note.startswith(f"95 % interval {100 * overall['low']:.0f} % to ")
    assert result.confirmatory
    assert result.summary["chance"] == 0.25
    assert result.summary["choice_p"] == result.data["choices"]["overall"]["p"]


def test_units_and_exclusions_are_everywhere(result):
    data = result.data
    for name in ("classification", "choices", "profiles", "reliability"):
        assert data[name]["units"]["participants"] == 12, name
        assert data[name]["units"]["scenes"] == 8, name
        assert "stimuli" in data[name]["units"], name
    assert data["sample"]["exclusions"][0] == {
        "rule": "completed only",
        "what": "participants",
        "count": 2,
        "of": 14,
    }
    assert [row["analysis"] for row in data["not_run"]][:2] == ["choice_specificity", "natural"]
    assert data["classification"]["difference"]["participants"] == 12
    assert data["classification"]["attainable"]["accuracy"] > 0.5
    lda = data["classification"]["lda"]
    assert (lda["permutations"], lda["seed"]) == (199, 7)
    assert lda["null_mean"] == pytest.approx(0.25, abs=0.02)
    assert sum(lda["null"]["count"]) == 199
    own = {("LB", "threat"), ("CM", "urgency"), ("SF", "social"), ("AStr", "pleasantness")}
    for row in data["profiles"]["shifts"]:
        assert (row["p"] < 0.001) == ((row["target"], row["construct"]) in own), row


def test_primary_tests_are_confirmatory_and_holm_is_beside(result):
    rows = {row["test"]: row for row in result.data["tests"]}
    assert {name: row["status"] for name, row in rows.items()} == {
        "classification": "confirmatory",
        "choices": "confirmatory",
    }
    assert all(row["p_holm_primary"] >= row["p"] for row in rows.values())


def test_the_same_export_gives_the_same_bytes(small, tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        write_report(analyse_export(small), folder)
    files = sorted(path.relative_to(folders[0]) for path in folders[0].rglob("*") if path.is_file())
    assert {"report.html", "report.md", "result.json"} <= {str(path) for path in files}
    for path in files:
        assert (folders[0] / path).read_bytes() == (folders[1] / path).read_bytes(), path


def test_other_settings_are_exploratory_and_listed(export):
    found = analyse_export(export, permutations=50)
    assert not found.confirmatory
    assert {"kind": "analysis", "what": "permutations", "planned": 199, "done": 50} in found.data[
        "deviations"
    ]
    assert {row["status"] for row in found.data["tests"]} == {"exploratory"}
    assert "permutations 199 planned, 50 used" in page_of(found)
    assert not analyse_export(export, permutations=50, seed=1).confirmatory
    with pytest.raises(InputError, match="permutations"):
        analyse_export(export, permutations=0)


def svgs(found: AnalysisResult) -> dict[str, str]:
    return {name: svg_of(figure) for name, figure in draw_study(found.data).items()}


def page_of(found: AnalysisResult) -> str:
    return render_html(study_document(found.data), svgs(found))


def test_the_page_needs_nothing_from_elsewhere(result):
    page = page_of(result)
    assert page.startswith("<!doctype html>")
    assert page.count("<svg ") == len(draw_study(result.data)) >= 6
    assert "prefers-color-scheme:dark" in page
    assert not re.search(r'(src|href)="(?!#)', page)
    assert not re.search(r"url\((?!#)", page)
    assert "<script" not in page
    for digest in (result.data["study"]["plan_digest"], result.data["study"]["manifest_sha256"]):
        assert digest in page
    assert page.index("Participants rated images differently") < page.index("<svg ")


def test_figures_follow_the_reader_s_colours(result):
    text = inline_svg(svgs(result)["choices"], "label")
    assert "var(--accent)" in text
    assert not re.search(r"#[0-9a-f]{6}", text)
    assert 'aria-label="label"' in text


def test_titles_are_escaped(result):
    data = json.loads(json.dumps(result.data))
    data["study"]["title"] = "<script>alert(1)</script>"
    page = page_of(AnalysisResult(data))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_markdown_says_the_same(result):
    text = render_markdown(study_document(result.data))
    assert text.startswith("# A made study\n")
    assert result.headline[0] in text
    assert "natural did not run" in text.lower()
    assert "| classifier | accuracy |" in text


def test_natural_images_are_correlated_with_scores_and_norms(tmp_path):
    folder = make_export(tmp_path / "export", natural=True, scenes=20, predicted=1.0)
    found = analyse_export(folder)
    assert found.headline[0].startswith("Predicted responses correlated with how people rated the images")
    assert "LB and threat" in found.headline[0]
    assert {row["analysis"] for row in found.data["not_run"]} >= {"classification", "choices", "profiles"}
    assert found.data["natural"]["norms"]["associations"][0]["predictor"] == "norm_valence"
    assert found.data["tests"][0]["status"] == "confirmatory"
    assert write_report(found, tmp_path / "report").is_file()


def test_photographs_without_scores_are_answered_by_their_norms(tmp_path):
    folder = make_export(tmp_path / "export", natural=True, scenes=20)
    path = folder / "data" / "stimuli.csv"
    stimuli = pd.read_csv(path, dtype=str, keep_default_na=False)
    scores = [name for name in stimuli.columns if name.startswith("score_")]
    stimuli.drop(columns=scores).to_csv(path, index=False, lineterminator="\n")
    reseal(folder)
    found = analyse_export(folder)
    assert found.headline[0].startswith("Published norms ")
    assert "over all 4 pairs" in found.headline[0]
    norms = found.data["natural"]["norms"]["associations"]
    (row,) = found.data["tests"]
    assert (row["test"], row["primary"], row["status"]) == ("natural", True, "confirmatory")
    assert row["p"] == min(pair["p_max"] for pair in norms)


def test_a_study_nobody_finished_still_gets_a_report(tmp_path):
    folder = make_export(tmp_path / "export", participants=1, scenes=3)
    path = folder / "data" / "participants.csv"
    people = pd.read_csv(path, dtype=str, keep_default_na=False)
    people["trials_done"] = "1"
    people.to_csv(path, index=False, lineterminator="\n")
    reseal(folder)
    found = analyse_export(folder)
    assert found.headline[1].startswith("No test of the question could be run")
    assert "no participant completed every trial" in found.headline[1]
    assert write_report(found, tmp_path / "report").is_file()


def test_one_participant_gives_what_can_be_had(tmp_path):
    found = analyse_export(make_export(tmp_path / "export", participants=1, scenes=4))
    assert found.data["choices"] is None
    assert any("1 participants" in row["reason"] for row in found.data["not_run"])
    assert write_report(found, tmp_path / "report").is_file()


def test_responses_to_other_images_are_left_out_by_rule(tmp_path):
    folder = make_export(tmp_path / "export", participants=3, scenes=3)
    path = folder / "data" / "ratings.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows.loc[[0, 5], "image_sha256"] = "0" * 64
    rows.to_csv(path, index=False, lineterminator="\n")
    reseal(folder)
    sample = apply_exclusions(read_study(folder))
    assert sample.exclusions[1].count == 2
    assert len(sample.ratings) == len(rows) - 2


@pytest.mark.usefixtures("blank_figures")
def test_the_command_writes_beside_the_export(small, capsys):
    assert main(["analyse", str(small)]) == 0
    assert "which region they were made for" in capsys.readouterr().out
    assert small.with_name("export-report").joinpath("report.html").is_file()


@pytest.mark.usefixtures("blank_figures")
def test_the_command_prints_the_result_as_json(small, tmp_path, capsys):
    assert main(["analyse", str(small), "--out", str(tmp_path / "out"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["format"] == "almond-analysis/1"


def test_the_command_names_what_is_wrong(tmp_path, capsys):
    assert main(["analyse", str(tmp_path)]) == 1
    assert "manifest.json: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.00001, "< .0001"), (0.0001, ".0001"), (0.01299, ".013"), (0.64, ".64"), (0.999, "> .99")],
)
def test_p_values_in_print(p, text):
    assert p_cell(p) == text
    assert p_text(p) == (f"p {text}" if text[0] in "<>" else f"p = {text}")


def test_what_rounds_to_zero_has_no_sign():
    assert signed(-0.001) == signed(0.0) == signed(-0.0) == decimal(-0.004, 2) == "0.00"
    assert span(-0.004, 0.014) == "0.00 to +0.01"
    assert span(-0.006, -0.0, sign="") == "-0.01 to 0.00"
    assert t_cell(-0.001, 11) == "0.00 (11)"
    assert signed(-0.25) == "-0.25"
    assert str(rounded({"a": -0.0, "b": [-0.0, -1.5]})) == "{'a': 0.0, 'b': [0.0, -1.5]}"
