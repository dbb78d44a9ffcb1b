"""Real BOLD (Haxby et al. 2001, subject 1): files that nobody here made.

Runs where ``ALMOND_REAL_DATA`` names a folder that holds ``haxby2001_pymvpa`` (PyMVPA's copy of the data).
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from almond.encoding.artifacts.artifact import load_artifact
from almond.encoding.pipeline.fit import fit, parse_config
from almond.progress import Silent
from almond.rng import generator

DATA = Path(os.environ.get("ALMOND_REAL_DATA", "")) / "haxby2001_pymvpa"
RUNS = range(1, 13)
VOLUMES = 121
PERMUTATIONS = 6

pytestmark = pytest.mark.skipif(
    "ALMOND_REAL_DATA" not in os.environ or not DATA.is_dir(),
    reason="ALMOND_REAL_DATA has no haxby2001_pymvpa",
)


def events_of(run):
    return DATA / "haxby2001" / "sub001" / "BOLD" / f"task001_run{run:03d}" / "bold_events.tsv"


def slice_runs(events):
    """The twelve runs of one slice, which lie in one file."""
    return [
        {
            "subject": "001",
            "run": run,
            "bold": str(DATA / "bold.nii.gz"),
            "volumes": [VOLUMES * (run - 1), VOLUMES * run],
            "events": str(events(run)),
        }
        for run in RUNS
    ]


def slice_fit(folder, name, events=events_of, **changes):
    mapping = {
        "runs": slice_runs(events),
        "tr": 2.5,
        "regions": {"slice": str(DATA / "mask.nii.gz")},
        "features": "events",
        "components": 4,
        "crossvalidation": "runs",
        "null_control": False,
        "output": str(folder / name),
    }
    return fit(parse_config({**mapping, **changes}, folder), progress=Silent())


def changed_events(folder, name, change):
    """Events of every run after ``change``, as files."""
    target = folder / name
    target.mkdir()
    for run in RUNS:
        events = change(pd.read_csv(events_of(run), sep="\t"), run)
        events.to_csv(target / f"{run}.tsv", sep="\t", index=False)
    return lambda run: target / f"{run}.tsv"


def r_of(report, model="pls", region="slice"):
    return report.metrics[model][region]


def test_real_bold_is_predicted_better_than_by_shuffled_or_shifted_blocks(tmp_path):
    real = slice_fit(tmp_path, "real", model=["pls", "ridge"])
    assert r_of(real) > 0.06
    assert r_of(real, "ridge") > 0.06
    found = load_artifact(real.artifacts[0].path)
    assert found.weights.shape == (8, 530)
    assert len(found.metrics["heldout_r_voxels"]) == 530
    rng = generator(1, "haxby")

    def shuffled(events, run):
        return events.assign(trial_type=rng.permutation(events["trial_type"].to_numpy()))

    chance = [
        r_of(slice_fit(tmp_path, f"p{n}", changed_events(tmp_path, f"events{n}", shuffled)))
        for n in range(PERMUTATIONS)
    ]
    # Shuffled labels keep when something was shown, so that they still predict a little.
    assert r_of(real) > max(chance) + 0.01
    assert r_of(real) > np.mean(chance) + 4 * np.std(chance, ddof=1) / np.sqrt(PERMUTATIONS)

    def shifted(events, run):
        shift = rng.uniform(30.0, 270.0)
        return events.assign(onset=(events["onset"] + shift) % 290.0)

    moved = r_of(slice_fit(tmp_path, "moved", changed_events(tmp_path, "events-moved", shifted)))
    assert moved < r_of(real) / 2


def test_random_folds_inflate_on_real_bold(tmp_path):
    random = slice_fit(tmp_path, "random", crossvalidation="random", components=8)
    runs = slice_fit(tmp_path, "runs", crossvalidation="runs", components=8)
    assert r_of(random) > r_of(runs) + 0.02
    assert "neighbouring volumes" in random.artifacts[0].metrics["warning"]


def test_whole_brain_runs_with_a_feature_table(tmp_path):
    """The 25 mm runs, a mask from the data, and features from a table made of the events."""
    conditions = sorted(set(pd.read_csv(events_of(1), sep="\t")["trial_type"]))
    for run in RUNS:
        events = pd.read_csv(events_of(run), sep="\t")
        times = np.arange(VOLUMES * 5) * 0.5
        table = pd.DataFrame(0.0, index=range(len(times)), columns=conditions)
        for onset, duration, kind in events[["onset", "duration", "trial_type"]].to_numpy():
            table.loc[(times >= onset) & (times < onset + duration), kind] = 1.0
        table.to_csv(tmp_path / f"features-{run}.csv", index=False)
    bold = DATA / "haxby2001" / "sub001" / "BOLD"
    masks = DATA / "haxby2001" / "sub001" / "masks" / "25mm"
    mapping = {
        "runs": [
            {"subject": "001", "run": run, "bold": str(bold / f"task001_run{run:03d}" / "bold_25mm.nii.gz")}
            for run in RUNS
        ],
        "regions": {
            "vt": str(masks / "vt.nii.gz"),
            "hoc": {"map": str(masks / "hoc.nii.gz"), "above": 0},  # an image of labels
        },
        "features": {"kind": "table", "path": "features-{run}.csv", "interval": 0.5},
        "crossvalidation": "runs",
    }
    report = fit(parse_config(mapping, tmp_path), progress=Silent())
    assert r_of(report, region="vt") > 0.2
    assert r_of(report, region="hoc") > 0.05
