"""Reports of imported tables speak of conditions and expected choices, those of our own of targets."""

from __future__ import annotations

import csv
import re
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from almond.analysis.analyse import AnalysisResult, analyse_export
from almond.analysis.document import draw_study, study_document
from almond.analysis.questions.base import answered, load_questions
from almond.analysis.vocabulary import EXTERNAL, GUIDED, vocabulary_of
from almond.evidence.external.importing import import_table
from almond.evidence.external.table_map import read_table_map
from almond.evidence.verify import verify
from almond.exchange.imported_columns import worded_columns
from almond.exchange.schema import table_schemas
from almond.report.render import render_markdown
from almond.stimuli.images import png_bytes
from tests.almond.export_maker import make_export

OURS = re.compile(r"manipulat|intended|guid|pushed|region|target|aligned|base scene|prompt", re.IGNORECASE)
"""Words for what Almond does to images: nobody did it to the stimuli of an imported table."""

RATED = {"person": "who", "stimulus": "photo", "theme": "place", "condition": "kind", "range": [1, 5]}
LONG = {"construct": "scale", "value": "answer"}
PAIRS = {"name": "warmer", "left": "first", "right": "second", "answer": "said", "expected": "hoped"}


def ratings(directions: bool) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    rows = []
    for person in range(14):
        for place in range(6):
            for kind in ("calm", "tense"):
                for level in (1, -1) if directions else (1,):
                    if rng.random() < 0.8:
                        where = (f"p{person}", f"{kind} {place} {level}", f"place {place}", kind, level)
                        for scale, sign in (("fear", 1), ("ease", -1)):
                            middle = 3 + 0.8 * sign * level * (kind == "tense")
                            value = int(np.clip(round(middle + rng.normal()), 1, 5))
                            rows.append((*where, scale, value))
    return pd.DataFrame(rows, columns=["who", "photo", "place", "kind", "level", "scale", "answer"])


def choices() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    rows = []
    for person in range(12):
        for pair in range(8):
            sides = [f"lit{pair}", f"dim{pair}"]
            left, right = sides if rng.random() < 0.5 else sides[::-1]
            said = sides[int(rng.random() > 0.75)]
            rows.append(
                (f"p{person}", left, right, said, sides[0], f"room {pair}", ["lamp", "sun"][pair % 2])
            )
    return pd.DataFrame(rows, columns=["who", "first", "second", "said", "hoped", "room", "light"])


def draw(folder: Path, names: list[str]) -> str:
    folder.mkdir()
    rng = np.random.default_rng(6)
    for name in names:
        image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        (folder / f"{name}.png").write_bytes(png_bytes(image))
    return str(folder)


def imported(folder: Path, table: pd.DataFrame, **settings: object) -> Path:
    table.to_csv(folder / "table.csv", index=False)
    (folder / "map.yaml").write_text(yaml.safe_dump({"title": "From elsewhere", **settings}))
    out = folder / "export"
    now = datetime(2026, 1, 1, tzinfo=UTC)
    import_table(folder / "table.csv", read_table_map(folder / "map.yaml"), out, created=now)
    return out


def texts_of(result: AnalysisResult) -> str:
    """Everything that a report says, its figures' labels too."""
    drawn = [
        text.get_text()
        for figure in draw_study(result.data).values()
        for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))
    ]
    return "\n".join([render_markdown(study_document(result.data)), *result.headline, *drawn])


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> AnalysisResult:
    folder = tmp_path_factory.mktemp("rated")
    table = ratings(directions=False)
    images = draw(folder / "images", sorted(set(table["photo"])))
    export = imported(folder, table, **RATED, **LONG, scene="place", images=images)
    return analyse_export(export, permutations=19)


@pytest.fixture(scope="module")
def up_and_down(tmp_path_factory: pytest.TempPathFactory) -> AnalysisResult:
    folder = tmp_path_factory.mktemp("directed")
    export = imported(folder, ratings(directions=True), **RATED, **LONG, direction="level", scene="place")
    return analyse_export(export, permutations=19)


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> AnalysisResult:
    folder = tmp_path_factory.mktemp("chosen")
    table = choices()
    images = draw(folder / "images", sorted({*table["first"], *table["second"]}))
    settings = {"person": "who", "theme": "room", "condition": "light", "images": images}
    return analyse_export(imported(folder, table, **settings, choices=PAIRS), permutations=19)


@pytest.mark.parametrize("name", ["rated", "up_and_down", "chosen"])
def test_nothing_is_said_to_be_manipulated_in_an_imported_table(
    name: str, request: pytest.FixtureRequest
) -> None:
    result = request.getfixturevalue(name)
    assert result.data["tests"]
    assert [OURS.findall(line) for line in texts_of(result).splitlines() if OURS.search(line)] == []


def test_conditions_are_classified_by_name(rated: AnalysisResult) -> None:
    said = texts_of(rated)
    for words in (
        "Do rating profiles identify the condition of a stimulus?",
        "classified by condition from their mean ratings",
        "The conditions’ rating profiles",
        "How were the stimuli of each condition rated?",
    ):
        assert words in said
    assert "Ratings on few points" in said
    assert {"classification", "lowlevel", "ordinal"} == {row["test"] for row in rated.data["tests"]}


def test_directions_are_those_of_the_table(up_and_down: AnalysisResult) -> None:
    said = texts_of(up_and_down)
    assert "with the direction of the stimuli" in said
    assert "Filled: stimuli of direction 1; hollow: of direction -1." in said


def test_choices_are_as_expected_or_not(chosen: AnalysisResult) -> None:
    said = texts_of(chosen)
    share = chosen.data["choices"]["overall"]["share"]
    assert f"participants chose the expected stimulus in {100 * share:.0f} % of trials" in said
    assert "| condition | as expected |" in said
    assert {"choices", "lowlevel_choices"} == {row["test"] for row in chosen.data["tests"]}
    assert "0 ratings" not in said


def test_a_study_of_our_own_speaks_of_targets(tmp_path: Path) -> None:
    result = analyse_export(make_export(tmp_path / "export"), permutations=19)
    said = texts_of(result)
    for words in (GUIDED.identified[0], GUIDED.chosen, GUIDED.expected, GUIDED.rated, "aligned choices"):
        assert words in said
    assert vocabulary_of(result.data) is GUIDED
    assert [question.title for question, _ in answered(result.data)] == [
        question.title for question in load_questions() if result.data.get(question.name)
    ]


def test_the_words_for_imported_tables_name_nothing_of_ours() -> None:
    for field in fields(EXTERNAL):
        value = getattr(EXTERNAL, field.name)
        for text in (value,) if isinstance(value, str) else value:
            assert not OURS.search(text), field.name


def test_the_codebook_of_an_imported_table_tells_conditions(tmp_path: Path) -> None:
    export = imported(tmp_path, ratings(directions=True), **RATED, **LONG, direction="level")
    rows = list(csv.DictReader((export / "codebook.csv").read_text().splitlines()))
    meant = {row["column"]: row["description"] for row in rows}
    assert meant["intended_target"].startswith("Condition of the stimulus, as the imported table tells it")
    assert not [row["description"] for row in rows if re.search(r"guid|pushed|push", row["description"])]
    assert all(check.ok for check in verify(export))


def test_the_codebook_of_a_study_of_our_own_is_as_it_was() -> None:
    tables = {name: table.columns for name, table in table_schemas(("rating", "choice")).items()}
    assert worded_columns(tables, imported=False) == {name: list(own) for name, own in tables.items()}
