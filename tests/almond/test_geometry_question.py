"""The question about the geometry of ratings: what runs with which export, and what the report says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from almond.analysis.analyse import plain_values
from almond.analysis.questions.base import NotApplicable, Settings, make_context
from almond.analysis.questions.geometry import FEATURES, PREDICTED, QUESTION
from almond.analysis.study_data import read_study
from almond.progress import Silent
from almond.report.figures_style import style, svg_of
from tests.almond.export_maker import CONSTRUCTS, TARGETS, make_export, reseal


def change_stimuli(folder: Path, change) -> Path:
    path = folder / "data" / "stimuli.csv"
    table = change(pd.read_csv(path, keep_default_na=False))
    table.to_csv(path, index=False, lineterminator="\n")
    reseal(folder)
    return folder


def answer(folder: Path, permutations: int = 99):
    context = make_context(read_study(folder), Settings(permutations, 1, 0.05))
    return plain_values(QUESTION.run(context, Silent()))


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = make_export(tmp_path_factory.mktemp("guided") / "export", scenes=10, participants=8, effect=2.0)
    rng = np.random.default_rng(1)

    def change(table):
        noise = rng.normal(size=(2 + len(TARGETS), len(table)))
        own = [(table["intended_target"] == name) * table["direction"] for name in TARGETS]
        scores = {f"score_{name}": own[k] + 0.2 * noise[2 + k] for k, name in enumerate(TARGETS)}
        return table.assign(luminance=noise[0], contrast=noise[1], **scores)

    return change_stimuli(folder, change)


@pytest.fixture(scope="module")
def result(study):
    return answer(study)


def test_a_guided_study_has_components_pairs_and_similarity(result):
    assert result["constructs"] == list(CONSTRUCTS)
    assert result["scores"] == [f"score_{name}" for name in TARGETS]
    assert result["units"]["themes"] == 10
    assert len(result["components"]["eigenvalues"]) == 4
    assert sum(result["components"]["eigenvalues"]) == pytest.approx(4.0)
    assert len(result["components"]["stability"]) == result["components"]["retained"]
    assert [pair["number"] for pair in result["cca"]["pairs"]] == [1, 2, 3, 4]
    assert min(pair["p_max"] for pair in result["cca"]["pairs"]) == 0.01
    assert [row["model"] for row in result["rsa"]["scores"]] == [PREDICTED, FEATURES]
    predicted, features = result["rsa"]["scores"]
    assert predicted["p"] < 0.05 < features["p"]
    assert result["absent"] == {}
    json.dumps(result, allow_nan=False)


def test_the_same_export_gives_the_same_numbers(study, result):
    assert answer(study) == result


def test_the_headline_answers_what_was_compared(result):
    said = str(QUESTION.headline(result, 0.05))
    assert said.startswith("Geometry of ratings: ratings and predicted responses shared ")
    assert "noise ceiling" in said
    none = json.loads(json.dumps(result))
    for pair in none["cca"]["pairs"]:
        pair["p_max"] = 0.5
    none["rsa"]["scores"][0]["p_t"] = 0.5
    said = str(QUESTION.headline(none, 0.05))
    assert "shared no dimension beyond chance" in said
    assert "did not follow" in said


def test_the_section_shows_three_figures_and_says_what_is_fixed(result):
    section = QUESTION.section("Geometry", result)
    assert section is not None
    assert [picture.name for picture in section.figures] == ["scree", "loadings", "rsa"]
    assert "with the participants fixed" in " ".join(section.notes)
    with style():
        figures = QUESTION.figures(result)
    assert set(figures) == {"scree", "loadings", "rsa"}
    assert "noise ceiling" in svg_of(figures["rsa"])
    assert all(len(row) == len(table.header) for table in section.tables for row in table.rows)


def test_scores_of_judges_take_the_place_of_those_of_guides(study, tmp_path):
    def change(table):
        return table.assign(score_LB_judge=table["score_LB"] + 0.1, score_CM_judge=table["score_CM"])

    folder = make_export(tmp_path / "export", scenes=6, participants=4, permutations=19)
    assert answer(change_stimuli(folder, change), 19)["scores"] == ["score_LB_judge", "score_CM_judge"]


def test_photographs_without_scores_have_components_alone(tmp_path):
    def change(table):
        return table.drop(columns=[name for name in table if name.startswith("score_")])

    folder = make_export(
        tmp_path / "export", scenes=16, scenes_per_theme=2, participants=6, permutations=19, natural=True
    )
    result = answer(change_stimuli(folder, change), 19)
    assert result["components"]["retained"] >= 0
    assert result["cca"] is None
    assert "no predicted scores" in result["absent"]["cca"]
    assert "neither predicted scores nor low-level features" in result["absent"]["rsa"]
    assert QUESTION.headline(result, 0.05) is None
    section = QUESTION.section("", result)
    assert section is not None
    assert section.items[0].startswith("No canonical correlations: ")


def test_scores_that_some_images_lack_are_left_out_and_named(tmp_path):
    def change(table):
        cells = table["score_LB"].astype(object)
        cells.iloc[0] = ""
        return table.assign(score_LB=cells, score_CM=1.0)

    folder = make_export(tmp_path / "export", scenes=8, participants=4, permutations=19, natural=True)
    result = answer(change_stimuli(folder, change), 19)
    assert result["scores"] == ["score_SF", "score_AStr"]
    assert result["skipped"] == {
        "score_LB": "absent for some images",
        "score_CM": "does not vary over images",
    }


def test_too_few_themes_are_named(tmp_path):
    folder = make_export(tmp_path / "export", scenes=10, scenes_per_theme=2, participants=4, permutations=19)
    with pytest.raises(NotApplicable, match="5 themes and 4 constructs; at least 6 and 2"):
        answer(folder)


def test_more_dissimilarities_than_can_be_compared_are_refused_with_the_number(study, monkeypatch):
    monkeypatch.setattr("almond.analysis.questions.geometry.LARGEST", 1000)
    result = answer(study, 19)
    assert result["rsa"] is None
    assert result["absent"]["rsa"].startswith("23040 dissimilarities")
    assert result["components"] is not None
