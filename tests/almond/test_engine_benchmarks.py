"""Benchmarks of encoders on sizes that take no time: what they report; that peers do the same work."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from benchmarks import encoder, encoder_growth, encoder_wholebrain
from benchmarks.encoder_data import Scale, contiguous, regions, simulated

SMALL = {"rows": 150, "features": 40, "voxels": 25, "components": 4, "penalties": 3}


def child(benchmark, task, settings, folder):
    folder.mkdir(exist_ok=True)
    benchmark.CHILDREN[task](settings, folder)
    with np.load(folder / "arrays.npz") as stored:
        return json.loads((folder / "report.json").read_text()), {name: stored[name] for name in stored.files}


def test_data_are_smooth_of_low_rank_and_the_same_again():
    x, y = simulated(Scale(rows=400, features=80, voxels=10))
    again = simulated(Scale(rows=400, features=80, voxels=10))
    np.testing.assert_array_equal(x, again[0])
    np.testing.assert_array_equal(y, again[1])
    for series in (x, y):
        centred = series - series.mean(axis=0)
        beside = (centred[1:] * centred[:-1]).sum(axis=0) / (centred**2).sum(axis=0)
        assert beside.mean() > 0.7
    sizes = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    assert sizes[:30].sum() / sizes.sum() > 0.6


def test_regions_and_folds_cover_everything_once():
    parts = regions(250)
    assert len(parts["whole"]) == 250
    np.testing.assert_array_equal(np.concatenate(list(parts.values())[1:]), parts["whole"])
    assert len(parts) == 5
    np.testing.assert_array_equal(np.concatenate([fold.test for fold in contiguous(23, 5)]), np.arange(23))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_pls_and_its_peer_do_the_same_work(tmp_path):
    settings = encoder.Settings(**SMALL, full=True)
    ours, mine = child(encoder, "pls_ours", settings, tmp_path / "a")
    peer, theirs = child(encoder, "pls_peer", settings, tmp_path / "b")
    assert ours["fits"] == sum(len(spent) for spent in peer["seconds"].values()) == 30
    shared = sorted(theirs)
    assert shared == sorted(name for name in mine if name.startswith("curve"))
    for name in shared:
        assert mine[name].shape == theirs[name].shape
        np.testing.assert_allclose(mine[name][0], theirs[name][0], atol=5e-3)


def test_ridge_and_its_peer_choose_the_same(tmp_path):
    settings = encoder.Settings(**SMALL, full=True)
    _, mine = child(encoder, "ridge_ours", settings, tmp_path / "a")
    _, theirs = child(encoder, "ridge_peer", settings, tmp_path / "b")
    np.testing.assert_allclose(mine["penalties"], theirs["penalties"], rtol=1e-9)
    np.testing.assert_allclose(mine["predicted"], theirs["predicted"], rtol=1e-9)


def test_the_whole_brain_and_growth_report_what_they_say(tmp_path):
    settings = encoder_wholebrain.Settings(
        rows=120, features=20, voxels=60, parcel=20, chunk=40, components=2, gap=4.0
    )
    for task in ("ridge", "pls"):
        report, arrays = child(encoder_wholebrain, task, settings, tmp_path / task)
        assert arrays["r"].shape == (60,)
        assert report["heldout_r_mean"] > 0.02
        assert report["peak_mb"] > 0
    rows = []
    for name, size in (("rows", 100), ("rows", 150), ("features", 20), ("voxels", 9), ("subjects", 2)):
        row = {"grows": name, "size": size}
        for task in ("pls", "ridge"):
            given = encoder_growth.Settings(**{**asdict(encoder_growth.Settings(**SMALL)), name: size})
            report, _ = child(encoder_growth, task, given, tmp_path / task)
            row |= {f"{task}_{name}": report[name] for name in ("seconds", "processor_seconds", "peak_mb")}
        rows.append(row)
    assert encoder_growth.table(rows).count("\n") == len(rows) + 1
    encoder_growth.draw(rows, tmp_path / "growth.svg")
    assert (tmp_path / "growth.svg").read_text().startswith("<?xml")
