"""Real BOLD (Haxby et al. 2001, subject 1): what beats chance, what does not, and which folds can be trusted.

Runs where ``ALMOND_REAL_DATA`` names a folder that holds ``haxby2001_pymvpa`` (PyMVPA's copy of the data).
"""

import os
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import binary_dilation
from scipy.signal import lfilter

from almond.encoding.pipeline.fit import fit, parse_config
from almond.progress import Silent
from almond.rng import generator

DATA = Path(os.environ.get("ALMOND_REAL_DATA", "")) / "haxby2001_pymvpa"
RUNS = range(1, 13)
VOLUMES, TR = 121, 2.5
NOISE, TIME_CONSTANT = 300, 20.0

pytestmark = pytest.mark.skipif(
    "ALMOND_REAL_DATA" not in os.environ or not DATA.is_dir(),
    reason="ALMOND_REAL_DATA has no haxby2001_pymvpa",
)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Autocorrelated features that know nothing of the experiment, one file per run, without a break."""
    folder = tmp_path_factory.mktemp("noise")
    rng = generator(0, "noise features")
    keep = np.exp(-TR / TIME_CONSTANT)
    courses = lfilter([1.0], [1.0, -keep], rng.normal(size=(VOLUMES * len(RUNS), NOISE)), axis=0)
    for run in RUNS:
        rows = courses[VOLUMES * (run - 1) : VOLUMES * run]
        pd.DataFrame(rows).add_prefix("n").to_csv(folder / f"noise-{run}.csv", index=False)
    return folder


def noise_fit(folder, folds):
    mapping = {
        "runs": [
            {
                "subject": "001",
                "run": run,
                "bold": str(DATA / "bold.nii.gz"),
                "volumes": [VOLUMES * (run - 1), VOLUMES * run],
            }
            for run in RUNS
        ],
        "tr": TR,
        "regions": {"slice": str(DATA / "mask.nii.gz")},
        "features": {"kind": "table", "path": str(folder / "noise-{run}.csv")},
        "components": 20,
        "crossvalidation": folds,
        "output": str(folder / folds),
    }
    report = fit(parse_config(mapping, folder), progress=Silent())
    return report.metrics["pls"]["slice"]


def test_noise_features_are_near_zero_with_blocks_and_runs_and_inflated_with_random_folds(noise):
    reached = {folds: noise_fit(noise, folds) for folds in ("random", "runs", "blocks")}
    assert reached["random"] > 0.2
    assert abs(reached["runs"]) < 0.05
    assert abs(reached["blocks"]) < 0.05


def volumes_fit(folder, name, **changes):
    """The whole brain at 25 mm: the ventral temporal mask, and the air around the head."""
    bold = DATA / "haxby2001" / "sub001" / "BOLD"
    masks = DATA / "haxby2001" / "sub001" / "masks" / "25mm"
    mapping = {
        "runs": [
            {
                "subject": "001",
                "run": run,
                "bold": str(bold / f"task001_run{run:03d}" / "bold_25mm.nii.gz"),
                "events": str(bold / f"task001_run{run:03d}" / "bold_events.tsv"),
            }
            for run in RUNS
        ],
        "regions": {"VT": str(masks / "vt.nii.gz"), "air": str(air(masks / "brain.nii.gz", folder))},
        "features": "events",
        "crossvalidation": "runs",
        "components": 4,
        "permutations": 199,
        "output": str(folder / name),
    }
    return fit(parse_config({**mapping, **changes}, folder), progress=Silent())


def air(brain, folder):
    """Voxels at least 50 mm from the brain: nearer ones hold its smoothing and its ghosts."""
    image = nibabel.load(brain)
    near = binary_dilation(image.get_fdata() > 0, np.ones((3, 3, 3)), iterations=2)
    path = folder / "air.nii.gz"
    nibabel.save(nibabel.Nifti1Image((~near).astype(np.uint8), image.affine), path)
    return path


def test_the_ventral_temporal_mask_beats_chance_and_air_does_not(tmp_path):
    report = volumes_fit(tmp_path, "out")
    found = {item.region: item.metrics for item in report.artifacts}
    assert found["VT"]["heldout_r"]["mean"] > 0.2
    assert found["VT"]["permutation"]["p"] <= 0.01
    assert abs(found["VT"]["null_control"]["heldout_r"]) < 0.06
    assert abs(found["air"]["heldout_r"]["mean"]) < 0.03
    assert found["air"]["permutation"]["p"] > 0.05
