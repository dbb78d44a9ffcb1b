"""One YAML file through the commands, as a user types them: fit, predict, export-betas, import-betas."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from almond.cli.main import main
from almond.encoding.artifacts.mean_weights import read_betas
from almond.progress import Silent
from almond.rng import generator
from almond.world.brains import simulate_dataset
from almond.world.scenes import draw_scene, render

REGIONS = ("LB", "VC")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Two simulated subjects, eight pictures, one configuration; everything is fitted."""
    root = tmp_path_factory.mktemp("lab")
    simulate_dataset(root / "brains", n_subjects=2, n_runs=2, n_volumes=60, tr=2.0, seed=3, progress=Silent())
    (root / "pictures").mkdir()
    rng = generator(9, "pictures")
    for number in range(8):
        Image.fromarray(render(draw_scene(rng))).save(root / "pictures" / f"{number}.png")
    write(root, "lab", {**configuration(), "prediction": {"images": "pictures"}})
    assert main(["fit", str(root / "lab.yaml")]) == 0
    return root


def configuration():
    masks = {name: f"brains/derivatives/regions/{name}.nii.gz" for name in REGIONS}
    return {
        "dataset": "brains",
        "features": "world",
        "regions": {**masks, "both": {"union": list(REGIONS)}},
        "components": 3,
        "null_control": False,
    }


def write(root, name, mapping):
    (root / f"{name}.yaml").write_text(yaml.safe_dump(mapping))


def run(capsys, *words):
    capsys.readouterr()
    assert main([str(word) for word in words]) == 0
    return capsys.readouterr().out


def test_predictions_of_a_folder_of_images(lab, capsys):
    found = json.loads(run(capsys, "predict", lab / "lab.yaml", "--json"))
    assert (found["images"], found["subjects"]) == (8, ["01", "02"])
    table = pd.read_csv(found["file"], dtype={"subject": str})
    assert len(table) == 8 * 2 * 3
    wide = table.pivot_table(index="image", columns=["region", "subject"], values="score")
    # The union's mean is that of its parts, each counted by its voxels: 40 of LB and 70 of VC.
    assert np.corrcoef(wide["both"]["01"], (40 * wide["LB"] + 70 * wide["VC"])["01"])[0, 1] > 0.9
    others = table.set_index(["image", "region", "subject"])["score_others"]
    np.testing.assert_allclose(
        others.xs(("LB", "01"), level=("region", "subject")).to_numpy(),
        wide["LB"]["02"].to_numpy(),
        rtol=1e-9,
    )
    text = run(capsys, "predict", lab / "lab.yaml")
    assert "8 images, 2 subjects" in text


def test_weights_go_out_and_come_back_as_encoders_that_predict_the_same(lab, capsys):
    betas = lab / "betas"
    found = json.loads(run(capsys, "export-betas", lab / "lab.yaml", "--out", betas, "--json"))
    assert "meanbeta_sub-01_LB_fc7_invert_imageFeatures.csv" in found["files"]
    assert len(read_betas(betas)) == 6
    made = json.loads(
        run(capsys, "import-betas", betas, "--out", lab / "encoders", "--features", "world", "--json")
    )
    assert len(made["imported"]) == 6
    write(lab, "given", {"encoders": "encoders", "features": "world", "prediction": {"images": "pictures"}})
    outs = [lab / "own.csv", lab / "given.csv"]
    for name, out in zip(("lab", "given"), outs, strict=True):
        run(capsys, "predict", lab / f"{name}.yaml", "--out", out)
    keys = ["image", "subject", "region"]
    own, given = (pd.read_csv(out, dtype={"subject": str}).sort_values(keys) for out in outs)
    np.testing.assert_allclose(own["score"], given["score"], rtol=1e-12)
    assert set(given["model"]) == {"imported"}


def test_commands_say_what_is_missing(lab, capsys):
    write(lab, "other", {**configuration(), "components": 2, "prediction": {"images": "pictures"}})
    write(lab, "nothing", configuration())
    (lab / "empty").mkdir()
    write(lab, "empty", {"encoders": "empty", "features": "world", "prediction": {"images": "pictures"}})
    write(lab, "given-fit", {"encoders": "empty", "features": "world"})
    for words, expected in (
        (["predict", lab / "other.yaml"], "has no pls encoder of LB for sub-01 and 5 more"),
        (["predict", lab / "nothing.yaml"], "prediction: says nothing to predict"),
        (["predict", lab / "empty.yaml"], "holds no encoder"),
        (["predict", lab / "lab.yaml", "--images", lab / "empty"], "holds no image"),
        (["export-betas", lab / "lab.yaml", "--model", "ridge"], "is ridge (expected one of pls)"),
        (["import-betas", lab / "empty", "--out", lab / "x", "--features", "world"], "holds no weights"),
        (["fit", lab / "given-fit.yaml"], "nothing to fit"),
    ):
        assert main([str(word) for word in words]) == 1
        assert expected in capsys.readouterr().err
    assert not (lab / "x").exists()


def test_another_network_is_refused_by_its_digest(lab, capsys):
    betas = lab / "wrong"
    betas.mkdir()
    (betas / "meanbeta_sub-1_LB_fc7_invert_imageFeatures.csv").write_text("Var1\n1\n2\n3\n")
    assert main(["import-betas", str(betas), "--out", str(lab / "y"), "--features", "world"]) == 1
    assert "the 256 features of world-fc7" in capsys.readouterr().err
