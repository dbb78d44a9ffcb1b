"""The whole of a fit, from NIfTI files to artifacts, on BOLD whose weights and ceiling are known.

The simulation shares no code with the analysis: SPM's response comes from the fixture that SPM12 computed.
"""

import json
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from almond.encoding.artifacts.artifact import load_artifact
from almond.encoding.pipeline.fit import fit, parse_config
from almond.progress import Silent
from almond.rng import generator

HRF = np.load(Path(__file__).parent / "fixtures" / "spm_hrf.npz")["hrf_rt1"].ravel()
D, RUNS, VOLUMES, VOXELS = 10, 2, 1600, 16
SIGNAL = {"LB": 0.9, "CM": 0.6, "SF": 0.45, "AStr": 0.33}
"""Signal to noise of the regions, as ratio of standard deviations."""


def smooth(rng, rows, columns, seconds):
    """Autocorrelated noise of unit variance with a time constant in samples."""
    keep = np.exp(-1 / seconds)
    return lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.normal(size=(rows, columns)), axis=0)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """One subject with two runs: features.csv, BOLD with known weights, and what can be reached."""
    root = tmp_path_factory.mktemp("known weights")
    rng = generator(11, "known weights")
    features = smooth(rng, RUNS * VOLUMES, D, 3.0)
    pd.DataFrame(features, columns=[f"f{index}" for index in range(D)]).to_csv(
        root / "features.csv", index=False
    )
    grid = (len(SIGNAL), VOXELS, 1)
    truth = {name: rng.normal(size=D) for name in SIGNAL}
    signal = {name: [] for name in SIGNAL}
    bold = {name: [] for name in SIGNAL}
    own = {name: truth[name][:, None] + 0.5 * rng.normal(size=(D, VOXELS)) for name in SIGNAL}
    (root / "sub-01" / "func").mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "known", "BIDSVersion": "1.9.0"}))
    for run in range(RUNS):
        shown = features[run * VOLUMES : (run + 1) * VOLUMES]
        course = lfilter(HRF, [1.0], shown, axis=0)
        volume = np.zeros((*grid, VOLUMES), np.float32)
        for index, name in enumerate(SIGNAL):
            clean = course @ own[name]
            clean *= SIGNAL[name] / clean.std(axis=0)
            noisy = clean + smooth(rng, VOLUMES, VOXELS, 1.0)
            signal[name].append(clean)
            bold[name].append(noisy)
            volume[index, :, 0] = 100 + noisy.T
        image = nibabel.Nifti1Image(volume, np.diag([2.0, 2.0, 2.0, 1.0]))
        image.header.set_xyzt_units("mm", "sec")
        image.header.set_zooms((2.0, 2.0, 2.0, 1.0))
        nibabel.save(image, root / "sub-01" / "func" / f"sub-01_task-film_run-{run + 1}_bold.nii.gz")
    for index, name in enumerate(SIGNAL):
        mask = np.zeros(grid, np.uint8)
        mask[index] = 1
        nibabel.save(nibabel.Nifti1Image(mask, np.diag([2.0, 2.0, 2.0, 1.0])), root / f"{name}.nii.gz")
    ceiling = {
        name: np.mean(
            [
                [np.corrcoef(clean[:, v], noisy[:, v])[0, 1] for v in range(VOXELS)]
                for clean, noisy in zip(signal[name], bold[name], strict=True)
            ]
        )
        for name in SIGNAL
    }
    return root, truth, ceiling


def fitted(root, name, **changes):
    mapping = {
        "dataset": str(root),
        "tr": 1.0,
        "regions": {region: str(root / f"{region}.nii.gz") for region in SIGNAL},
        "features": {"kind": "table", "path": str(root / "features.csv")},
        "model": ["pls", "ridge"],
        "output": str(root / name),
    }
    return fit(parse_config({**mapping, **changes}, root), progress=Silent())


def test_the_ceiling_is_reached_and_the_weights_are_recovered(lab):
    root, truth, ceiling = lab
    report = fitted(root, "sound")
    for model in ("pls", "ridge"):
        reached = report.metrics[model]
        for name in SIGNAL:
            assert 0.95 * ceiling[name] < reached[name] <= 1.02 * ceiling[name], (model, name)
        assert sorted(reached, key=reached.get, reverse=True) == sorted(SIGNAL, key=SIGNAL.get, reverse=True)
    for item in report.artifacts:
        mean = load_artifact(item.path).mean_weights
        found = {name: np.corrcoef(mean, weights)[0, 1] for name, weights in truth.items()}
        assert found[item.region] > 0.9, (item.model, item.region, found)
        assert max(found, key=found.get) == item.region


def test_shuffled_features_predict_nothing(lab):
    """Each feature's whole time course moved by its own amount: as smooth as before, and unrelated."""
    root, _, _ = lab
    features = pd.read_csv(root / "features.csv")
    rng = generator(12, "shuffled")
    found = []
    for number in range(4):
        moved = features.apply(lambda column: np.roll(column, int(rng.integers(200, 3000))))
        moved.to_csv(root / f"moved{number}.csv", index=False)
        report = fitted(
            root,
            f"moved{number}-out",
            features={"kind": "table", "path": str(root / f"moved{number}.csv")},
            model="pls",
            components=5,
        )
        found += list(report.metrics["pls"].values())
    assert abs(np.mean(found)) < 0.03
    assert np.abs(found).max() < 0.12


def test_random_folds_inflate_noise_and_blocks_do_not(lab):
    root, _, _ = lab
    rng = generator(13, "noise features")
    noise = pd.DataFrame(smooth(rng, RUNS * VOLUMES, 300, 20.0)).add_prefix("n")
    noise.to_csv(root / "noise.csv", index=False)
    table = {"kind": "table", "path": str(root / "noise.csv")}
    reached = {
        folds: fitted(root, folds, features=table, model="pls", components=20, crossvalidation=folds).metrics[
            "pls"
        ]
        for folds in ("random", "blocks", "runs")
    }
    mean = {folds: np.mean(list(found.values())) for folds, found in reached.items()}
    assert mean["random"] > 0.15
    assert abs(mean["blocks"]) < 0.06
    assert abs(mean["runs"]) < 0.06
    for name in SIGNAL:
        assert reached["random"][name] > max(reached["blocks"][name], reached["runs"][name]) + 0.05, name
