"""The documentation and the schema say the same: every key is described, and nothing else is."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from almond.cli.main import main
from almond.cli.output.tables import json_schema, markdown_table, section_names
from almond.encoding.config.encoding_models import ENCODING_MODELS
from almond.encoding.config.features import FEATURE_KINDS, every_feature_key
from almond.encoding.config.fit_config import FitConfig, load_config, parse_config
from almond.encoding.config.model import PRESETS
from almond.encoding.config.regions import region_keys
from almond.errors import InputError
from almond.shapes import ShapeError, keys_of

ROOT = Path(__file__).parents[2]
PAGES = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
DOCUMENT = PAGES["fit.md"]
ROW = re.compile(r"^\| `([a-z_0-9.]+)` \| ?(.*?) ?\| ?(.*?) ?\|$", re.MULTILINE)
SETTINGS = DOCUMENT[DOCUMENT.index("## Settings") : DOCUMENT.index("## What comes out")]
TABLE = re.compile(r"<!-- settings: ([\w-]+) -->\n(.*?)\n<!-- end of settings -->", re.DOTALL)
TABLES = [(page, *match) for page, text in PAGES.items() for match in TABLE.findall(text)]
EXAMPLES = [
    path
    for path in sorted((ROOT / "examples").glob("*.yaml"))
    if "generator" not in yaml.safe_load(path.read_text())  # those of `generate` have tests of their own
]
SCHEMA = json_schema()


@pytest.mark.parametrize(("page", "section", "table"), TABLES, ids=lambda value: value[:20])
def test_tables_of_keys_are_those_of_the_models(page, section, table):
    """Where they differ: ``python -m almond schema --markdown SECTION`` prints what belongs there."""
    assert table == markdown_table(section)


def test_every_section_has_one_table():
    written_by_hand = {"features", "regions"}
    assert sorted(section for _, section, _ in TABLES) == sorted(set(section_names()) - written_by_hand)
    with pytest.raises(InputError, match="did you mean evaluation"):
        markdown_table("evalution")


def test_every_key_of_features_and_regions_is_described_once():
    described = [match[1] for match in ROW.finditer(SETTINGS)]
    features = [f"features.{key}" for key in every_feature_key()]
    assert sorted(key for key in described if key.startswith("features.")) == sorted(features)
    described_forms = [key for key in described if key.startswith("regions.")]
    assert sorted(described_forms) == sorted(f"regions.{form}" for form in region_keys())


def test_described_defaults_of_features_are_the_defaults():
    shapes = FEATURE_KINDS.entries().values()
    defaults = {name: field.default for shape in shapes for name, field in shape.model_fields.items()}
    for match in ROW.finditer(SETTINGS):
        start, _, key = match[1].partition(".")
        if start == "features" and key in defaults and re.fullmatch(r"`[^`/]*`", match[2]):
            value = yaml.safe_load(match[2].strip("`"))
            assert isinstance(value, str) or value == pytest.approx(defaults[key]), match[1]


def objects(schema):
    """Every object of the schema that lists its keys."""
    return [schema, *(part for part in schema["$defs"].values() if "properties" in part)]


def test_every_key_of_the_schema_has_a_meaning_and_a_default():
    for part in objects(SCHEMA):
        assert part["additionalProperties"] is False
        for key, field in part["properties"].items():
            assert field.get("description"), (part["title"], key)
            section = "$ref" in field  # its own keys have defaults
            assert "default" in field or section or key in part["required"], (part["title"], key)
    assert set(SCHEMA["properties"]) == set(keys_of(FitConfig))
    assert SCHEMA["required"] == ["features"]


def test_choices_and_presets_stand_in_the_schema_and_no_folder_of_this_machine():
    text = json.dumps(SCHEMA)
    assert json.dumps(list(ENCODING_MODELS.names())) in text
    assert json.dumps(list(PRESETS)) in text
    assert str(ROOT) not in text
    assert str(Path.home()) not in text


def used_keys(value, part, prefix=""):
    """Each (key, known keys) of a mapping of plain values, as far as the schema lists keys."""
    if "$ref" in part:
        part = SCHEMA["$defs"][part["$ref"].rpartition("/")[2]]
    for option in part.get("anyOf", ()):
        yield from used_keys(value, option, prefix)
    if isinstance(value, list) and "items" in part:
        for member in value:
            yield from used_keys(member, part["items"], prefix)
    if isinstance(value, dict) and "properties" in part:
        for key, inner in value.items():
            yield f"{prefix}{key}", set(part["properties"])
            yield from used_keys(inner, part["properties"].get(key, {}), f"{prefix}{key}.")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_use_keys_of_the_schema(example):
    found = list(used_keys(yaml.safe_load(example.read_text()), SCHEMA))
    assert len(found) > 5
    assert [key for key, known in found if key.rpartition(".")[2] not in known] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_name_known_settings_only(example, tmp_path):
    """Where their data are missing, that is all that is wrong with them."""
    shutil.copy(example, tmp_path)
    with pytest.raises(ShapeError) as caught:
        load_config(tmp_path / example.name)
    assert all("not found" in line for line in caught.value.problems), caught.value.problems
    assert example.name in DOCUMENT


def test_blocks_of_yaml_in_the_document_use_known_keys():
    for block in re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL):
        assert set(yaml.safe_load(block)) <= set(keys_of(FitConfig))


def test_command_prints_the_schema_or_a_table(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMA
    assert main(["schema", "--markdown", "flow"]) == 0
    assert capsys.readouterr().out.strip() == markdown_table("flow")
    assert main(["schema", "--markdown", "flwo"]) == 1
    assert "did you mean flow?" in capsys.readouterr().err


def test_the_old_word_for_the_default_order_means_the_same(tmp_path):
    mapping = {"encoders": ".", "features": "world"}
    old = parse_config({**mapping, "order": "sound"}, tmp_path)
    assert old.order == "default"
    assert old.settings() == parse_config(mapping, tmp_path).settings()
    assert old.settings()["order"] == "sound"
