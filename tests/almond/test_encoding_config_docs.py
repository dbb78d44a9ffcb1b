"""docs/fit.md and the schema say the same: every key is described, and nothing else is."""

import dataclasses
import re
import shutil
from pathlib import Path

import pytest
import yaml

from almond.encoding.config import evaluation as settings_evaluation
from almond.encoding.config import model as config_model
from almond.encoding.config import runs as config_data
from almond.encoding.config import validation as settings_validation
from almond.encoding.config import whole_brain as settings_brain
from almond.encoding.config.features import FEATURE_KINDS, every_feature_key
from almond.encoding.config.fit_config import KEYS, ConfigError, FitConfig, load_config
from almond.encoding.config.multisubject import FlowSettings, SharedSettings
from almond.encoding.config.prediction import BetasSettings, PredictionSettings
from almond.encoding.config.regions import region_keys

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "fit.md").read_text()
ROW = re.compile(r"^\| `([a-z_0-9.]+)` \| ?(.*?) ?\| ?(.*?) ?\|$", re.MULTILINE)
SETTINGS = DOCUMENT[DOCUMENT.index("## Settings") : DOCUMENT.index("## What comes out")]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


def fields(kind):
    return [field.name for field in dataclasses.fields(kind)]


NESTED = {
    "runs": config_data.RUN_KEYS,
    "regions": region_keys(),
    "features": every_feature_key(),
    "confounds": ("columns", "path"),
    "censor": ("path", "mode"),
    "null_control": ("features",),
    "repeats": fields(config_model.Repeats),
    "shared": fields(SharedSettings),
    "flow": fields(FlowSettings),
    "evaluation": settings_evaluation.KEYS,
    "evaluation.random_regions": settings_evaluation.RANDOM_KEYS,
    "evaluation.stimuli": settings_evaluation.STIMULI_KEYS,
    "prediction": fields(PredictionSettings),
    "betas": fields(BetasSettings),
    "brain": settings_brain.KEYS,
    "validation": settings_validation.KEYS,
    "validation.sets": settings_validation.SET_KEYS,
}
EVERY = [*KEYS, *(f"{section}.{key}" for section, keys in NESTED.items() for key in keys)]


def test_every_key_is_described_once_and_every_described_key_exists():
    described = [match[1] for match in ROW.finditer(SETTINGS)]
    assert sorted(described) == sorted(EVERY)
    assert all(match[2] or match[3] for match in ROW.finditer(SETTINGS))


def test_described_defaults_are_the_defaults():
    names = {"model": "models"}
    checked = 0
    for match in ROW.finditer(SETTINGS):
        key, said = match[1], match[2]
        if "." in key or not re.fullmatch(r"`[^`]*`", said):
            continue
        default = {field.name: field.default for field in dataclasses.fields(FitConfig)}[names.get(key, key)]
        value = yaml.safe_load(said.strip("`"))
        if key == "null_control":
            value = value["features"]
        if isinstance(default, tuple):
            (default,) = default
        assert str(default) == str(value) or default == value, key
        checked += 1
    assert checked > 15


@pytest.mark.parametrize("section", ["shared", "flow", "evaluation", "validation", "features"])
def test_described_defaults_of_sections_are_the_defaults(section):
    kinds = {
        "shared": SharedSettings,
        "flow": FlowSettings,
        "evaluation": settings_evaluation.EvaluationSettings,
        "validation": settings_validation.ValidationSettings,
    }
    if section == "features":
        shapes = FEATURE_KINDS.entries().values()
        defaults = {name: field.default for shape in shapes for name, field in shape.model_fields.items()}
    else:
        defaults = {field.name: field.default for field in dataclasses.fields(kinds[section])}
    for match in ROW.finditer(SETTINGS):
        start, _, key = match[1].partition(".")
        if start != section or "." in key or not re.fullmatch(r"`[^`/]*`", match[2]):
            continue
        if key in defaults and not isinstance(yaml.safe_load(match[2].strip("`")), str):
            assert yaml.safe_load(match[2].strip("`")) == pytest.approx(defaults[key]), match[1]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_name_known_settings_only(example, tmp_path):
    """Where their data are missing, that is all that is wrong with them."""
    shutil.copy(example, tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / example.name)
    assert all("not found" in line for line in caught.value.problems), caught.value.problems
    assert example.name in DOCUMENT


def test_blocks_of_yaml_in_the_document_use_known_keys():
    for block in re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL):
        assert set(yaml.safe_load(block)) <= set(KEYS)
