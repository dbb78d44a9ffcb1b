"""Real BOLD (Haxby et al. 2001, subject 1): what beats chance, what does not, and which folds can be trusted.

Runs where ``ALMOND_REAL_DATA`` names a folder that holds ``haxby2001_pymvpa`` (PyMVPA's copy of the data).
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter

from almond.encoding.fit import fit, parse_config
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
    print(reached)
    assert reached["random"] > 0.2
    assert abs(reached["runs"]) < 0.05
    assert abs(reached["blocks"]) < 0.05
