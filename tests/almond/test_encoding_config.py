"""The configuration of a fit: everything that is wrong is said at once, each with its path."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from almond.encoding.config.fit_config import load_config, parse_config
from almond.encoding.config.model import COMPONENTS
from almond.encoding.config.regions import MaskSpec
from almond.errors import InputError
from almond.shapes import ShapeError


@pytest.fixture
def base(tmp_path):
    (tmp_path / "brains").mkdir()
    (tmp_path / "bold.nii.gz").write_bytes(b"x")
    (tmp_path / "mask.nii.gz").write_bytes(b"x")
    return tmp_path


def valid(**changes):
    return {"dataset": "brains", "features": "world", "regions": {"LB": "mask.nii.gz"}, **changes}


def problems(mapping, base):
    with pytest.raises(ShapeError) as caught:
        parse_config(mapping, base)
    return caught.value.problems


def test_defaults(base):
    config = parse_config(valid(), base)
    assert config.dataset == base / "brains"
    assert config.regions == {"LB": MaskSpec(mask=base / "mask.nii.gz")}
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
        "runs[0].subject: is 1, not text; write it in quotes",
        "runs[0].volumes: is [5, 5], not [first, one past the last]",
        "runs[1].run: is missing",
        "runs[1].bold: file not found:",
        "runs[1].colour: unknown setting",
        "features.path: file not found:",
        "features.interval: is 0, not a number above 0",
        "regions.LB: file not found:",
        "regions.CM: file not found:",
        "model: is 'lasso', not one of pls, ridge",
        "components[0]: is 0, not a number of at least 1",
        "folds: is 1, not a number of at least 2",
        "gap: is -1, not a number of at least 0",
        "standardise: is 'yes', not true or false",
        "detrend: is 'cubic', not one of linear, none",
        "subjects[0]: is 1, not text",
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
        (
            {"components": 10**20},
            "is 100000000000000000000, not a number of at most 9007199254740991",
        ),
        ({"features": {"kind": "world", "path": "x.csv"}}, "features.path: has no meaning"),
        ({"features": {"kind": "table", "conditions": ["a"]}}, "features.conditions: has no meaning"),
        ({"features": None}, "features: is missing"),
        ({"regions": {}}, "regions: is not a mapping"),
        ({"entities": ["x"]}, "entities: is ['x'], not a mapping"),
        ({"runs": [{"subject": "1", "run": 1, "bold": "bold.nii.gz"}] * 2}, "two runs called 1"),
    ],
)
def test_single_errors(base, mapping, message):
    assert any(message in line for line in problems({**valid(), **mapping}, base))


def test_what_is_no_mapping_and_no_yaml(base):
    assert problems([1, 2], base) == ("value: is [1, 2], not a mapping",)
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
    with pytest.raises(ShapeError) as caught:
        load_config(base / "fit.yaml")
    assert all("file not found" in line for line in caught.value.problems)


def test_every_error_of_every_section_at_once(base):
    found = problems(
        valid(
            preset="paper",
            hrf="fir",
            order="paper-amygdala",
            device="cuda",
            high_pass=0,
            confounds={"columns": [1], "file": "x.tsv"},
            censor={"path": "c.1D", "mode": "keep"},
            null_control={"features": 0},
            repeats={"by": "stim_file", "window": [8, 4]},
            permutations=-1,
            target="median",
            model=["banded", "flow"],
            regions={"LB": {"atlas": "mask.nii.gz", "labels": ["LB"]}, "CM": {"union": ["LD"]}},
            shared={"dimension": 3},
            flow={"epochs": 0},
            evaluation={"fdr": 2},
            validation={"sets": {}},
            prediction={"images": "nowhere"},
            betas={"names": []},
            subject=["01"],
            derivatives=3,
        ),
        base,
    )
    expected = (
        "preset: is 'paper', not one of paper-amygdala, paper-subregions",
        "delays: is missing; hrf: fir needs delays",
        "hrf: is fir, but order: paper-amygdala is defined for spm only",
        "device: is cuda, which needs backend: torch",
        "high_pass: is 0",
        "confounds.file: unknown setting",
        "confounds.columns[0]: is 1, not text",
        "censor.mode: is 'keep', not one of drop, zero-filled",
        "null_control.features: is 0",
        "repeats.window: is [8, 4], not two rising numbers",
        "permutations: is -1",
        "target: is 'median', not one of voxels, mean",
        "model: banded needs several feature spaces",
        "regions.LB.table: is missing",
        "regions.CM.union[0]: LD is neither",
        "shared.dimension: unknown setting; did you mean dimensions?",
        "flow.epochs: is 0",
        "evaluation.fdr: is 2, not a number below 1",
        "validation.sets: is empty",
        "prediction.images: folder not found",
        "betas.names: is [], not a mapping",
        "subject: unknown setting; did you mean subjects?",
        "derivatives: is 3, not true, false or the name",
    )
    for line in expected:
        assert any(one.startswith(line) for one in found), line
    assert len(found) == len(expected)


def test_names_of_regions_are_looked_up_in_every_section(base):
    (base / "norms.csv").write_text("x")
    sets = {"a": {"images": "brains", "norms": "norms.csv"}}
    found = problems(
        valid(evaluation={"whole": "Amy"}, validation={"sets": sets, "control": "VC"}),
        base,
    )
    assert any(line.startswith("evaluation.whole: ") and "Amy" in line for line in found)
    assert "validation.control: VC is no region; known are LB" in found


def test_presets_are_what_they_stand_for_and_single_keys_win(base):
    for order in ("paper-amygdala", "paper-subregions"):
        config = parse_config(valid(preset=order), base)
        assert (config.order, config.hrf, config.detrend, config.standardise) == (order, "spm", "none", False)
        assert (config.models, config.components, config.crossvalidation) == (("pls",), (20,), "random")
        assert (config.folds, config.null_control) == (5, 300)
    config = parse_config(valid(preset="paper-amygdala", crossvalidation="blocks", components=[5, 10]), base)
    assert (config.crossvalidation, config.components, config.order) == ("blocks", (5, 10), "paper-amygdala")


def test_settings_hold_what_changes_numbers_and_no_folder(base):
    plain = parse_config(valid(), base).settings()
    same = {
        "evaluation": {"fdr": 0.1},
        "prediction": {"images": "brains"},
        "betas": {"folder": "b"},
        "flow": {"epochs": 3},
        "shared": {"dimensions": 4},
        "output": "elsewhere",
        "subjects": ["01"],
        "backend": "torch",
        "device": "cpu",
        "null_control": True,
    }
    for key, value in same.items():
        assert parse_config(valid(**{key: value}), base).settings() == plain, key
    changed = {
        "task": "film",
        "entities": {"space": "MNI"},
        "suffix": "bold_blur",
        "derivatives": True,
        "features": {"kind": "events", "conditions": ["a"]},
        "components": 3,
        "penalties": 2,
        "target": "mean",
        "precision": "float32",
        "crossvalidation": "runs",
        "folds": 4,
        "gap": 3,
        "null_control": False,
        "repeats": {"by": "runs"},
        "permutations": 5,
        "detrend": "none",
        "standardise": False,
        "confounds": {"columns": ["a"]},
        "high_pass": 0.01,
        "censor": {"path": "c.1D", "mode": "drop"},
        "order": "paper-subregions",
        "hrf": "none",
        "seed": 1,
    }
    for key, value in changed.items():
        assert parse_config(valid(**{key: value}), base).settings() != plain, key
    assert str(base) not in json.dumps(plain)
    of = parse_config(valid(model=["pls", "flow", "shared"], flow={"epochs": 3}), base)
    assert of.settings("pls") == plain
    assert of.settings("flow")["flow"]["epochs"] == 3
    assert "shared" not in of.settings("flow")
    assert "flow" not in of.settings("shared")


def test_several_spaces_and_the_only_one(base):
    one = parse_config(valid(), base)
    assert one.features.kind == "world"
    many = parse_config(valid(features={"a": "world", "b": {"kind": "events"}}, model="banded"), base)
    assert list(many.spaces) == ["a", "b"]
    with pytest.raises(InputError, match="has the spaces a, b"):
        _ = many.features
    other = parse_config(valid(features={"b": {"kind": "events"}, "a": "world"}, model="banded"), base)
    assert other.settings() != many.settings()


def test_reading_a_configuration_loads_nothing_heavy():
    code = "import sys, almond.encoding.config.fit_config; print(*(set(sys.modules) & set(sys.argv[1:])))"
    heavy = ("torch", "nibabel", "scipy", "sklearn", "himalaya", "h5py", "av")
    found = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
