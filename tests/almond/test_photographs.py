"""A network with ImageNet weights, and the example that goes with it on real photographs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from almond.cli.main import main
from almond.encoding.config.features import FeatureSpec
from almond.encoding.features.networks import efficientnet_lite
from almond.encoding.features.open import open_space
from almond.errors import InputError
from almond.shapes import read
from examples import photographs

OASIS = Path(os.environ.get("ALMOND_REAL_DATA", "/nowhere")) / "oasis"
on_photographs = pytest.mark.skipif(not OASIS.is_dir(), reason="needs real photographs: set ALMOND_REAL_DATA")


def test_the_network_gives_features_and_gradients():
    space = open_space(read(FeatureSpec, efficientnet_lite.FEATURES, source="features"))
    assert (space.dimension, space.image_size) == (1280, 224)
    images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1)).requires_grad_()
    features = space.forward(images)
    features.square().sum().backward()
    assert features.shape == (1, 1280)
    assert bool(torch.isfinite(images.grad).all())
    assert float(images.grad.abs().max()) > 0
    pixels = (images.detach()[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    np.testing.assert_allclose(space.extract([pixels])[0], features.detach()[0], atol=0.05)


def test_without_its_packages_the_network_is_refused(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(InputError, match=r"almond\[real\]"):
        efficientnet_lite.make_lite0()


@on_photographs
@pytest.mark.slow
def test_the_example_predicts_the_arousal_of_photographs_nobody_saw(tmp_path, monkeypatch):
    monkeypatch.setattr(photographs, "SUBJECTS", 3)
    monkeypatch.setattr(photographs, "RUNS", 2)
    folder = tmp_path / "example"
    photographs.make(OASIS / "images", OASIS / "OASIS.csv", folder, theme="Theme", seed=1)
    config = yaml.safe_load((folder / "fit.yaml").read_text())
    config["validation"]["permutations"] = 199
    (folder / "fit.yaml").write_text(yaml.safe_dump(config))
    for command in ("fit", "validate"):
        assert main([command, str(folder / "fit.yaml")]) == 0
    result = json.loads((folder / "artifacts" / "validation" / "result.json").read_text())
    r = {(row["region"], row["rating"]): row["r"] for row in result["correlations"]}
    assert r["arousal", "arousal"] > 0.35
    assert abs(r["noise", "arousal"]) < 0.3
    assert not {path.name for path in (folder / "scanned").iterdir()} & {
        path.name for path in (folder / "others").iterdir()
    }
