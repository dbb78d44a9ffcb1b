"""Maps of a whole brain equal a fit of the same voxels as a region, and are made once."""

import json

import nibabel
import numpy as np
import pytest
import yaml

from almond.cli.main import main
from almond.encoding.artifacts.artifact import load_artifact
from almond.encoding.config.fit_config import parse_config
from almond.encoding.pipeline.fit import fit
from almond.encoding.pipeline.whole_brain import map_brain
from almond.errors import InputError
from almond.progress import Silent
from almond.shapes import ShapeError
from almond.world.brains import simulate_dataset


@pytest.fixture(scope="module")
def brains(tmp_path_factory):
    """Two subjects; a mask of all voxels of two regions and one outside the head."""
    root = tmp_path_factory.mktemp("brains")
    made = simulate_dataset(
        root / "data", n_subjects=2, n_runs=2, n_volumes=60, tr=2.0, seed=4, progress=Silent()
    )
    masks = [nibabel.load(made.regions[name]) for name in ("LB", "VC")]
    together = np.sum([mask.get_fdata() for mask in masks], axis=0)
    together[0, 0, 0] = 1
    nibabel.save(nibabel.Nifti1Image(together.astype(np.uint8), masks[0].affine), root / "mask.nii.gz")
    return root


def settings(root, **changes):
    return {
        "dataset": str(root / "data"),
        "features": "world",
        "regions": {"LB": "data/derivatives/regions/LB.nii.gz"},
        "model": "ridge",
        "penalties": [0.1, 1.0, 10.0],
        "folds": 3,
        "null_control": {"features": 20},
        "brain": {"mask": "mask.nii.gz", "chunk": 17, "weights": True},
        "output": str(root / "out"),
        **changes,
    }


def test_maps_equal_a_fit_of_the_same_voxels(brains):
    config = parse_config(settings(brains), brains)
    results = map_brain(config, out=brains / "maps", progress=Silent())
    whole = parse_config(settings(brains, regions={"whole": str(brains / "mask.nii.gz")}), brains)
    fitted = {one.subject: load_artifact(one.path) for one in fit(whole, progress=Silent()).artifacts}
    for result in results:
        artifact = fitted[result["subject"]]
        folder = brains / "maps" / f"sub-{result['subject']}"
        place = tuple(artifact.voxels.T)
        r = nibabel.load(folder / "r.nii.gz").get_fdata()
        np.testing.assert_allclose(r[place], artifact.metrics["heldout_r_voxels"], atol=2e-5)
        assert np.isfinite(r).sum() == result["voxels"] == len(artifact.voxels)
        r2 = nibabel.load(folder / "r2.nii.gz").get_fdata()
        np.testing.assert_allclose(r2[place], artifact.metrics["heldout_r2_voxels"], atol=5e-5)
        weights = np.load(folder / "weights.npy")
        np.testing.assert_allclose(weights[:-1], artifact.weights, atol=1e-4 * np.abs(artifact.weights).max())
        np.testing.assert_allclose(weights[-1], artifact.intercept, atol=1e-4)
        noise = nibabel.load(folder / "r_noise.nii.gz").get_fdata()
        assert result["null_control"]["heldout_r"] == pytest.approx(np.nanmean(noise), abs=1e-5)
        assert abs(result["null_control"]["heldout_r"]) < 0.15 < result["heldout_r"]["mean"]
        assert sorted(path.name for path in folder.iterdir()) == [
            "penalty.nii.gz",
            "r.nii.gz",
            "r2.nii.gz",
            "r_noise.nii.gz",
            "result.json",
            "voxels.csv",
            "weights.npy",
        ]


def test_what_was_mapped_is_not_mapped_again_and_other_settings_replace_it(brains):
    out = brains / "again"
    config = parse_config(settings(brains, subjects=["01"], null_control=False), brains)
    map_brain(config, out=out, progress=Silent())
    before = (out / "sub-01" / "r.nii.gz").stat().st_ino
    map_brain(config, out=out, progress=Silent())
    assert (out / "sub-01" / "r.nii.gz").stat().st_ino == before
    changed = parse_config(settings(brains, subjects=["01"], null_control=False, folds=4), brains)
    map_brain(changed, out=out, progress=Silent())
    found = json.loads((out / "sub-01" / "result.json").read_bytes())
    assert found["folds"]["number"] == 4
    assert not (out / "sub-01" / "r_noise.nii.gz").exists()


def test_command_and_what_it_refuses(brains, capsys):
    path = brains / "map.yaml"
    path.write_text(yaml.safe_dump(settings(brains, subjects=["02"], null_control=False)))
    assert main(["map", str(path), "--out", str(brains / "cli")]) == 0
    assert "02" in capsys.readouterr().out
    (brains / "taken" / "sub-01").mkdir(parents=True)
    config = parse_config(settings(brains), brains)
    with pytest.raises(InputError, match="holds no maps"):
        map_brain(config, out=brains / "taken", progress=Silent())
    for changes, expected in (({"model": "pls"}, "model: is pls"), ({"brain": None}, "brain: is missing")):
        with pytest.raises(InputError, match=expected):
            map_brain(parse_config(settings(brains, **changes), brains), out=brains / "x", progress=Silent())
    with pytest.raises(ShapeError) as caught:
        parse_config(settings(brains, brain={"mask": "no.nii.gz", "chunk": 0, "weight": 1}), brains)
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "brain.mask",
        "brain.chunk",
        "brain.weight",
    ]
