"""The simulated brains: a valid data set with the truth that it promises, and the same bytes every time."""

import hashlib
import json
from itertools import pairwise

import nibabel
import numpy as np
import pandas as pd
import pytest

from almond.encoding.bold.bids import find_runs
from almond.encoding.bold.run_headers import repetition_time
from almond.errors import Cancelled, InputError
from almond.progress import Silent
from almond.rng import generator
from almond.world.brain_files import ShownScene
from almond.world.brains import (
    SIZES,
    TRUTH,
    bold_responses,
    brain_mask,
    draw_brain,
    draw_film,
    haemodynamic_response,
    measured_noise,
    region_masks,
    region_weights,
    simulate_dataset,
    time_course,
)
from almond.world.lab import REGIONS
from almond.world.scenes import LATENTS, draw_scene


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("world") / "brains"
    return simulate_dataset(root, n_subjects=2, n_runs=2, n_volumes=60, tr=1.5, seed=3, progress=Silent())


def digests(root):
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_truth_is_over_known_latents():
    assert tuple(TRUTH) == REGIONS
    for region, weights in TRUTH.items():
        assert set(weights) <= set(LATENTS)
        assert region_weights(region).shape == (16,)
        assert np.count_nonzero(region_weights(region)) == len(weights)


def test_masks_are_in_the_brain_and_do_not_overlap():
    masks = region_masks()
    assert {name: int(mask.sum()) for name, mask in masks.items()} == SIZES
    assert sum(mask.astype(int) for mask in masks.values()).max() == 1
    assert all((mask <= brain_mask()).all() for mask in masks.values())
    assert 0.2 < brain_mask().mean() < 0.7


def test_layout_is_bids(dataset):
    root = dataset.root
    described = json.loads((root / "dataset_description.json").read_text())
    assert {"Name", "BIDSVersion", "DatasetType"} <= set(described)
    assert (root / "participants.tsv").read_text().split() == ["participant_id", "sub-01", "sub-02"]
    runs = find_runs(root, task="scenes")
    assert [(run.subject, run.name) for run in runs] == [
        (subject, f"task-scenes_run-{run}") for subject in ("01", "02") for run in (1, 2)
    ]
    for run in runs:
        image = nibabel.load(run.bold)
        assert image.shape == (24, 28, 20, 60)
        assert image.get_data_dtype() == np.float32
        assert repetition_time(run) == 1.5
        events = pd.read_csv(run.events, sep="\t")
        assert list(events.columns) == ["onset", "duration", "trial_type", "stim_file"]
        assert (np.diff(events["onset"]) > 1.9).all()
        assert all((root / "stimuli" / name).is_file() for name in events["stim_file"])
    for region, path in dataset.regions.items():
        mask = nibabel.load(path)
        np.testing.assert_allclose(mask.affine, nibabel.load(runs[0].bold).affine)
        assert int(np.asarray(mask.dataobj).sum()) == SIZES[region]


def test_all_subjects_watch_the_same_film(dataset):
    events = {run.subject: run.events.read_bytes() for run in find_runs(dataset.root) if "run-1" in run.name}
    assert events["01"] == events["02"]


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path):
    shared = {"n_subjects": 1, "n_runs": 1, "n_volumes": 40, "tr": 1.5, "progress": Silent()}
    first = simulate_dataset(tmp_path / "a", seed=3, **shared)
    again = simulate_dataset(tmp_path / "b", seed=3, **shared)
    other = simulate_dataset(tmp_path / "c", seed=4, **shared)
    assert digests(first.root) == digests(again.root)
    bold = "sub-01/func/sub-01_task-scenes_run-1_bold.nii.gz"
    assert digests(first.root)[bold] != digests(other.root)[bold]


def test_bold_looks_measured(dataset):
    bold = np.asarray(nibabel.load(find_runs(dataset.root)[0].bold).dataobj, np.float64)
    brain = brain_mask()
    assert (bold >= 0).all()
    assert bold[brain].mean() > 50 * bold[~brain].mean()
    spread = bold[brain].std(axis=1) / bold[brain].mean(axis=1)
    assert 0.005 < np.median(spread) < 0.02
    centred = bold[brain] - bold[brain].mean(axis=1, keepdims=True)
    lag = (centred[:, 1:] * centred[:, :-1]).sum(axis=1) / (centred**2).sum(axis=1)
    assert lag.mean() > 0.3
    assert all(0.3 < value < 0.8 for of in dataset.ceiling.values() for value in of.values())


def test_noise_has_the_variance_it_says():
    brain = draw_brain(generator(1, "brain"), region_masks())
    noise = measured_noise(generator(2, "noise"), brain, 400, 500)
    time = np.linspace(-1, 1, 400)
    trend = np.polynomial.polynomial.polyvander(time, 2)
    rest = noise - trend @ np.linalg.lstsq(trend, noise, rcond=None)[0]
    assert noise.dtype == np.float32
    assert rest.std() == pytest.approx(1.0, abs=0.1)


def test_response_to_one_scene_is_late_and_of_the_right_size():
    scene = draw_scene(generator(1, "scene"), {"object": "snake", "presence": "nobody"})
    film = [ShownScene(10.0, 2.0, scene, "x.png")]
    course = time_course(film, 40, 1.0)
    brain = draw_brain(generator(1, "brain"), region_masks())
    response = bold_responses(brain, course, 40, 1.0)["LB"].mean(axis=1)
    assert np.abs(response[:11]).max() < 0.02 * np.abs(response).max()
    assert 14 <= int(np.abs(response).argmax()) <= 18
    curve = haemodynamic_response(5.0, 15.0, 6.0)
    assert curve.argmax() * 0.1 == pytest.approx(5.0, abs=0.3)
    assert curve.sum() == pytest.approx(1 - 1 / 6)


def test_film_fits_its_run():
    film = draw_film(generator(1, "film"), 1, 120.0)
    assert film[0].onset == 6.0
    assert film[-1].onset + film[-1].duration <= 111.0
    assert all(2.0 <= shown.duration <= 4.0 for shown in film)
    for earlier, later in pairwise(film):
        assert later.onset == pytest.approx(earlier.onset + earlier.duration)


def test_nothing_half_written(tmp_path):
    class Stop:
        def report(self, fraction, message=""):
            if fraction > 0.5:
                raise Cancelled("stop")

    shared = {"n_subjects": 2, "n_runs": 1, "n_volumes": 40, "tr": 1.5, "seed": 1}
    with pytest.raises(Cancelled):
        simulate_dataset(tmp_path / "brains", progress=Stop(), **shared)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        simulate_dataset(tmp_path / "full", progress=Silent(), **shared)
    with pytest.raises(InputError, match="too short a run"):
        simulate_dataset(tmp_path / "x", progress=Silent(), **{**shared, "n_volumes": 10})
    with pytest.raises(InputError, match="n_subjects"):
        simulate_dataset(tmp_path / "x", progress=Silent(), **{**shared, "n_subjects": 0})
