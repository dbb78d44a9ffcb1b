"""The configuration of a fit: everything that is wrong is said at once, each with its path."""

from pathlib import Path

import pytest

from almond.encoding.config import COMPONENTS, ConfigError, load_config, parse_config
from almond.encoding.region_specs import RegionSpec
from almond.errors import InputError


@pytest.fixture
def base(tmp_path):
    (tmp_path / "brains").mkdir()
    (tmp_path / "bold.nii.gz").write_bytes(b"x")
    (tmp_path / "mask.nii.gz").write_bytes(b"x")
    return tmp_path


def valid(**changes):
    return {"dataset": "brains", "features": "world", "regions": {"LB": "mask.nii.gz"}, **changes}


def problems(mapping, base):
    with pytest.raises(ConfigError) as caught:
        parse_config(mapping, base)
    return caught.value.problems


def test_defaults(base):
    config = parse_config(valid(), base)
    assert config.dataset == base / "brains"
    assert config.regions == {"LB": RegionSpec("mask", base / "mask.nii.gz")}
    assert (config.models, config.components, config.gap) == (("pls",), COMPONENTS, 10.0)
    assert (config.detrend, config.standardise, config.crossvalidation) == ("linear", True, "blocks")
    assert config.output == base / "artifacts"


def test_one_number_or_many(base):
    config = parse_config(valid(components=20, penalties=[0.1, 1], model=["pls", "ridge"]), base)
    assert (config.components, config.penalties, config.models) == ((20,), (0.1, 1.0), ("pls", "ridge"))


def test_every_error_at_once(base):
    found = problems(
        {
            "datset": "brains",
            "runs": [
                {"subject": 1, "run": 1, "bold": "bold.nii.gz", "volumes": [5, 5]},
                {"subject": "01", "bold": "nowhere.nii.gz", "colour": "red"},
            ],
            "features": {"kind": "table", "path": "features.csv", "interval": 0},
            "regions": {"LB": "masks/LB.nii.gz", "CM": "brains"},
            "model": "lasso",
            "components": [0],
            "folds": 1,
            "gap": -1,
            "standardise": "yes",
            "detrend": "cubic",
            "subjects": [1],
        },
        base,
    )
    text = "\n".join(found)
    for expected in (
        "datset: unknown setting; did you mean dataset?",
        "runs[0].subject: 1 is not text; write it in quotes",
        "runs[0].volumes: is [5, 5], not [first, one past the last]",
        "runs[1].run: is missing",
        "runs[1].bold: file not found:",
        "runs[1].colour: unknown setting",
        "features.path: file not found:",
        "features.interval: is 0, not a number above 0",
        "regions.LB: file not found:",
        "regions.CM: file not found:",
        "model: is 'lasso', not one of pls, ridge",
        "components: is 0, not a whole number of at least 1",
        "folds: is 1, not a whole number of at least 2",
        "gap: is -1, not a number of at least 0",
        "standardise: is 'yes', not true or false",
        "detrend: is 'cubic', not one of linear, none",
        "subjects[0]: 1 is not text",
    ):
        assert expected in text
    assert len(found) == 17


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"dataset": None}, "dataset: give one of a BIDS folder"),
        ({"dataset": "brains", "runs": []}, "dataset: give one of"),
        ({"dataset": "elsewhere"}, "dataset: folder not found"),
        ({"dataset": 300 * "x"}, "dataset: folder not found"),
        ({"regions": {"LB": 300 * "x" + ".nii"}}, "regions.LB: file not found"),
        ({"components": 10**20}, "not a whole number of at least 1 and at most 9007199254740991"),
        ({"features": {"kind": "world", "path": "x.csv"}}, "features.path: has no meaning"),
        ({"features": {"kind": "table", "conditions": ["a"]}}, "features.conditions: has no meaning"),
        ({"features": None}, "features: is missing"),
        ({"regions": {}}, "regions: is not a mapping"),
        ({"entities": ["x"]}, "entities: is not a mapping"),
        ({"runs": [{"subject": "1", "run": 1, "bold": "bold.nii.gz"}] * 2}, "two runs called 1"),
    ],
)
def test_single_errors(base, mapping, message):
    assert any(message in line for line in problems({**valid(), **mapping}, base))


def test_what_is_no_mapping_and_no_yaml(base):
    assert "is not a mapping" in problems([1, 2], base)[0]
    bad = base / "fit.yaml"
    with pytest.raises(InputError, match="file not found"):
        load_config(bad)
    bad.write_text("regions: [")
    with pytest.raises(InputError, match="is not YAML"):
        load_config(bad)


def test_paths_in_a_file_start_from_its_folder(base):
    (base / "fit.yaml").write_text("dataset: brains\nfeatures: events\nregions: {LB: mask.nii.gz}\n")
    assert load_config(base / "fit.yaml").dataset == base / "brains"


def test_the_example_names_known_settings_only(base):
    example = Path(__file__).parents[2] / "examples" / "fit.yaml"
    (base / "fit.yaml").write_bytes(example.read_bytes())
    with pytest.raises(ConfigError) as caught:
        load_config(base / "fit.yaml")
    assert all("file not found" in line for line in caught.value.problems)
