"""What a configuration may say about features, every error with its path."""

from __future__ import annotations

import subprocess
import sys

import pytest

from almond.encoding.config.features import (
    FEATURE_KINDS,
    FeatureSpaces,
    FeatureSpec,
    feature_keys,
)
from almond.encoding.features.kinds.events import EventsSpec
from almond.encoding.features.kinds.table import TableSpec
from almond.encoding.features.kinds.world import WorldSpec
from almond.encoding.features.open import open_space
from almond.errors import InputError
from tests.almond.sections import part_of


@pytest.fixture
def base(tmp_path):
    for name in ("x.csv", "x.mat", "w.pt", "w.safetensors", "film.mp4", "mean.npy", "x.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "clip").mkdir()
    return tmp_path


def parsed(value, base):
    return part_of(FeatureSpec, value, base, at="features", shape=FeatureSpec)


def spaces(value, base):
    return part_of(FeatureSpaces, value, base, at="features", shape=FeatureSpec)


EXAMPLES = {
    "world": {"kind": "world", "interval": 0.5},
    "table": {"kind": "table", "path": "x.mat", "variable": "video_imageFeatures", "rows": "features"},
    "events": {"kind": "events", "conditions": ["face", "house"]},
    "emonet": {"kind": "emonet", "weights": "w.pt", "layer": "fc6", "mean": [1, 2, 3], "scale": 2},
    "timm": {"kind": "timm", "model": "resnet50", "pretrained": "a1_in1k", "layer": "layer3", "pool": "mean"},
    "open_clip": {"kind": "open_clip", "model": "ViT-B-32", "weights": "w.safetensors"},
    "transformers": {"kind": "transformers", "path": "clip", "video": "film.mp4", "every": 3},
    "torch": {
        "kind": "torch",
        "model": "lab.networks:make",
        "weights": "own",
        "layer": "features.3",
        "resize": 64,
        "filter": "bilinear",
        "range": 255,
        "mean": "mean.npy",
        "std": [1, 2, 3],
    },
}


@pytest.mark.parametrize("kind", FEATURE_KINDS.names())
def test_every_kind_is_read_and_comes_back_from_json(kind, base):
    spec, problems = parsed(EXAMPLES[kind], base)
    assert problems == []
    assert spec.kind == kind
    again, problems = parsed(spec.to_json(), base)
    assert (again, problems) == (spec, [])
    given = {key for key in EXAMPLES[kind] if key not in ("kind", "interval")}
    assert given <= set(feature_keys(kind))


def test_paths_are_absolute_in_a_spec_and_names_in_its_settings(base):
    spec, _ = parsed(EXAMPLES["torch"], base)
    assert spec.mean == base / "mean.npy"
    assert spec.files() == (base / "mean.npy",)
    settings = spec.settings()
    assert settings["mean"] == "mean.npy"
    assert settings["weights"] == "own"
    assert str(base) not in str(settings)
    film, _ = parsed({"kind": "emonet", "weights": "w.pt", "video": "film.mp4"}, base)
    assert (film.is_network, film.every) == (True, 5)
    assert film.files() == (base / "film.mp4", base / "w.pt")


def test_settings_of_the_first_kinds_are_what_they_were(base):
    assert EventsSpec(kind="events", conditions=("a",)).settings() == {
        "kind": "events",
        "path": "",
        "interval": None,
        "conditions": ["a"],
    }
    assert TableSpec(kind="table", path=base / "x.csv", interval=2.0).settings() == {
        "kind": "table",
        "path": "x.csv",
        "interval": 2.0,
        "conditions": [],
    }


def test_a_kind_alone_is_a_spec(base):
    assert parsed("world", base) == (WorldSpec(kind="world"), [])
    spec, problems = parsed({"kind": "table", "path": "{subject}/{run}.parquet"}, base)
    assert problems == []
    assert spec.path == base / "{subject}/{run}.parquet"
    assert spec.files() == ()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "features: is missing; give a kind"),
        ({"kind": "worlds"}, "features.kind: is 'worlds', not one of world"),
        ({"kind": "world", "pth": 1}, "features.pth: unknown setting; did you mean path?"),
        ({"kind": "world", "path": "x.csv"}, "features.path: has no meaning for the kind world"),
        ({"kind": "world", "layer": "a"}, "features.layer: has no meaning for the kind world"),
        ({"kind": "events", "rows": "time"}, "features.rows: has no meaning for the kind events"),
        ({"kind": "table", "path": "absent.csv"}, "features.path: file not found"),
        ({"kind": "table", "path": "x.txt"}, "features.path: x.txt does not end in .csv"),
        ({"kind": "table", "path": "{run}.txt"}, "features.path: {run}.txt does not end in .csv"),
        (
            {"kind": "table", "path": "x.csv", "rows": "both"},
            "features.rows: is 'both', not one of time, features",
        ),
        ({"kind": "emonet", "layer": "fc9"}, "features.layer: is 'fc9', not one of fc6, fc7, fc8"),
        ({"kind": "emonet", "weights": "absent.pt"}, "features.weights: file not found"),
        ({"kind": "emonet", "weights": "x.csv"}, "features.weights: x.csv does not end in .pt"),
        ({"kind": "emonet", "mean": [1, 2]}, "features.mean: is [1, 2], not three numbers"),
        ({"kind": "emonet", "mean": [1, 2, "a"]}, "features.mean[2]: is 'a', not a number"),
        ({"kind": "emonet", "mean": "x.csv"}, "features.mean: x.csv does not end in .npy"),
        ({"kind": "emonet", "scale": 0}, "features.scale: is 0, not a number above 0"),
        ({"kind": "emonet", "every": 2}, "features.every: has no meaning without video"),
        (
            {"kind": "emonet", "video": "film.mp4", "every": 0},
            "features.every: is 0, not a number of",
        ),
        (
            {"kind": "emonet", "video": "film.mp4", "interval": 1},
            "features.interval: has no meaning with video",
        ),
        ({"kind": "emonet", "video": "x.csv"}, "features.video: x.csv does not end in .mp4"),
        ({"kind": "timm", "pretrained": "a"}, "features.model: is missing"),
        ({"kind": "timm", "model": "resnet50"}, "features.weights: is missing; give a file, or the tag"),
        (
            {"kind": "timm", "model": "resnet50", "pretrained": "a", "weights": "w.pt"},
            "features.weights: is given together with pretrained",
        ),
        ({"kind": "transformers", "path": "absent"}, "features.path: folder not found"),
        ({**EXAMPLES["torch"], "model": "lab.networks"}, "not package.module:factory"),
        ({**EXAMPLES["torch"], "std": [1, 0, 1]}, "features.std[1]: is 0, not a number above 0"),
        ({**EXAMPLES["torch"], "range": 2}, "features.range: is 2, not one of 1, 255"),
        ({**EXAMPLES["torch"], "resize": None}, "features.resize: is missing"),
        (
            {**EXAMPLES["torch"], "weights": None},
            "features.weights: is missing; give a file of",
        ),
        ({**EXAMPLES["torch"], "layer": None}, "features.layer: is missing"),
        ({**EXAMPLES["torch"], "pool": "max"}, "features.pool: is 'max', not one of flatten, mean, first"),
    ],
)
def test_every_error_is_reported_with_its_path(value, problem, base):
    _, problems = parsed(value, base)
    assert any(problem in line for line in problems), problems
    assert len(problems) == 1


def test_several_spaces_side_by_side(base):
    several, problems = spaces({"early": "world", "late": EXAMPLES["emonet"]}, base)
    assert {name: spec.kind for name, spec in several.items()} == {"early": "world", "late": "emonet"}
    assert problems == []
    assert spaces("world", base) == ({"world": WorldSpec(kind="world")}, [])
    assert spaces({"kind": "world"}, base) == ({"world": WorldSpec(kind="world")}, [])
    _, problems = spaces({"early": {"kind": "worlds"}, "late": {"kind": "table"}}, base)
    assert [line.split(":")[0] for line in problems] == ["features.early.kind", "features.late.path"]


def test_a_mistyped_kind_is_not_taken_for_a_name(base):
    nothing, problems = spaces({"kin": "world"}, base)
    assert nothing is None
    assert "did you mean kind?" in problems[0]


def test_specs_load_without_any_heavy_library():
    heavy = ("torch", "scipy", "nibabel", "sklearn", "h5py", "av", "himalaya", "pyarrow.parquet")
    code = (
        "import sys\nfrom almond.encoding.config.features import FEATURE_KINDS\nFEATURE_KINDS.entries()\n"
        f"sys.exit(','.join(name for name in {heavy!r} if name in sys.modules) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("value", [{"kind": "table", "path": "x.csv"}, {"kind": "events"}])
def test_what_has_no_network_opens_no_space(value, base):
    with pytest.raises(InputError, match=f"{value['kind']} has no network"):
        open_space(parsed(value, base)[0])


def test_the_world_opens_and_says_what_it_does():
    space = open_space(WorldSpec(kind="world"))
    assert space.describe()["dimension"] == space.dimension == 256
    assert space.describe()["digest"] == space.digest
