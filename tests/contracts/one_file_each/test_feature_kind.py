"""A feature kind is one module and one entry of the registry: one that a test defines works throughout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from almond.encoding.artifacts.artifact import load_artifact
from almond.encoding.config.features import (
    FEATURE_KINDS,
    FeatureSpaces,
    FeatureSpec,
    feature_keys,
    network_kinds,
)
from almond.encoding.features.open import open_space
from almond.encoding.features.specs import PredictorSpec
from almond.encoding.pipeline.fit import fit, parse_config
from almond.progress import Silent
from almond.rng import generator
from almond.shapes import Shape, ShapeError, read
from tests.almond.encoding_data import write_runs
from tests.contracts.one_file_each.colour_kind import ColourSpec

VALUE = {"kind": "colour", "gamma": 2.2}


class Section(Shape):
    features: FeatureSpaces


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    with FEATURE_KINDS.registered("colour", "tests.contracts.one_file_each.colour_kind:ColourSpec"):
        yield


def read_section(features: Any) -> Any:
    return read(Section, {"features": features}, source="configuration").features


def test_a_configuration_reads_it_alone_and_beside_others() -> None:
    assert read_section("colour") == {"colour": ColourSpec(kind="colour")}
    spaces = read_section({"early": VALUE, "late": "world"})
    assert spaces["early"] == ColourSpec(kind="colour", gamma=2.2)
    assert spaces["early"].to_json() == VALUE
    assert spaces["early"].settings() == {"path": "", "interval": None, "conditions": [], **VALUE}
    assert feature_keys("colour") == ("video", "every", "gamma")
    assert network_kinds()[-1] == "colour"


def test_errors_name_it_and_its_keys() -> None:
    with pytest.raises(ShapeError) as raised:
        read_section({"a": {"kind": "color"}, "b": {**VALUE, "gama": 1, "layer": "fc7", "scale": None}})
    assert raised.value.problems == (
        f"features.a.kind: is 'color', not one of {', '.join(FEATURE_KINDS.names())}; did you mean colour?",
        "features.b.gama: unknown setting; did you mean gamma?",
        "features.b.layer: has no meaning for the kind colour",
    )


def test_the_json_schema_holds_it() -> None:
    schema = Section.model_json_schema()
    (kinds,) = (shape["oneOf"] for shape in schema["$defs"].values() if "oneOf" in shape)
    assert "colour" in kinds[0]["enum"]
    (colour,) = (kind for kind in kinds[1:] if kind["properties"]["kind"].get("const") == "colour")
    assert colour["properties"]["gamma"]["description"] == "power of pixel values before their mean"
    assert len(kinds) == 1 + len(FEATURE_KINDS.names())
    json.dumps(schema)


def test_it_opens_and_predicts_voxels(tmp_path: Path) -> None:
    rng = generator(4, "colours")
    pixels = rng.integers(0, 256, (30, 1, 1, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    space = open_space(read(FeatureSpec, VALUE, source="features"))
    colours = space.extract(list(pixels)).astype(np.float64)
    assert space.dimension == 3
    runs = [rng.permutation(30) for _ in range(2)]
    shown = [np.repeat(colours[order], 2, axis=0) for order in runs]
    weights = rng.standard_normal((3, 4))
    write_runs(tmp_path, [rows @ weights + 0.01 * rng.standard_normal((60, 4)) for rows in shown])
    for number, order in enumerate(runs):
        lines = [f"{4 * index}\t4\t{image}.png" for index, image in enumerate(order)]
        (tmp_path / f"run{number}.tsv").write_text("\n".join(["onset\tduration\tstim_file", *lines]) + "\n")
    entries = [
        {"subject": "s1", "run": n, "bold": f"run{n}.nii.gz", "events": f"run{n}.tsv"} for n in range(2)
    ]
    settings = {"regions": {"ROI": "mask.nii.gz"}, "model": "ridge", "penalties": 1e-9, "standardise": False}
    settings |= {"hrf": "none", "folds": 3, "gap": 4, "null_control": False}
    features = {**VALUE, "interval": 2.0}
    config = parse_config({"runs": entries, "features": features, **settings}, tmp_path)
    (region,) = fit(config, progress=Silent()).artifacts
    artifact = load_artifact(region.path)
    assert artifact.feature_space.digest == space.digest
    assert artifact.metrics["heldout_r"]["mean"] > 0.9


@pytest.mark.parametrize("name", FEATURE_KINDS.names())
def test_every_kind_describes_its_keys_and_makes_predictors(name: str) -> None:
    spec = FEATURE_KINDS.load(name)
    assert issubclass(spec, PredictorSpec)
    assert (spec.__doc__ or "").strip()
    assert all(field.description for key, field in spec.model_fields.items() if key != "kind")
