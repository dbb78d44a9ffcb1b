"""Whole-brain encoding in chunks equals fitting all voxels at once, and holds no more than a chunk."""

import gc
import tracemalloc

import numpy as np
import pytest

from almond.encoding.evaluation.heldout import heldout_metrics
from almond.encoding.models.estimators import Pls, Ridge, solve
from almond.encoding.models.folds import Folds
from almond.encoding.pipeline import streaming
from almond.encoding.pipeline.streaming import stream_pls, stream_ridge
from almond.errors import Cancelled, InputError
from almond.progress import Silent
from tests.almond.engine_data import film, problem

FACTORS = (0.01, 0.3, 3.0, 100.0)


class Reading:
    """Gives columns of an array and remembers the most it was asked for, and how often."""

    def __init__(self, bold):
        self.bold, self.most, self.times = bold, 0, 0

    def __call__(self, voxels):
        self.most, self.times = max(self.most, len(voxels)), self.times + 1
        return self.bold[:, voxels]


@pytest.mark.parametrize(("rows", "features"), [(140, 30), (70, 120)])
@pytest.mark.parametrize("small", [False, True])
def test_ridge_in_chunks_equals_ridge_at_once(tmp_path, monkeypatch, rows, features, small):
    x, y = film(rows, features, 23)
    posed = problem(x, y, [np.arange(23)], n_folds=3)
    if small:
        monkeypatch.setattr(streaming, "FACTOR_BYTES", 1)
    reader = Reading(y)
    found = stream_ridge(
        x,
        reader,
        23,
        folds=posed.folds,
        inner=posed.inner,
        factors=FACTORS,
        weights=tmp_path / "w.npy",
        chunk=5,
        progress=Silent(),
    )
    (whole,) = solve(Ridge(FACTORS), posed, progress=Silent())
    metrics = heldout_metrics(whole, y, Folds("blocks", tuple(posed.folds)), 4.0)
    np.testing.assert_allclose(found.r, metrics["heldout_r_voxels"], atol=1e-6)
    np.testing.assert_allclose(found.r2, metrics["heldout_r2_voxels"], atol=1e-6)
    kept = np.load(tmp_path / "w.npy", mmap_mode="r")
    assert kept.shape == (features + 1, 23)
    np.testing.assert_allclose(kept[:-1], whole.final.weights, atol=1e-5)
    np.testing.assert_allclose(kept[-1], whole.final.intercept, rtol=1e-5)
    assert np.median(found.selected) == pytest.approx(whole.final.hyperparameters["penalty_median"])
    assert reader.most == 5
    assert reader.times == 5 * (4 if small else 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.npy"]


def test_pls_by_parcel_equals_pls_at_once():
    x, y = film(140, 30, 23)
    parcels = [np.array([3, 1, 2]), np.arange(4, 14), np.arange(15, 23)]
    posed = problem(x, y, parcels, n_folds=3)
    reader = Reading(y)
    found = stream_pls(
        x,
        reader,
        23,
        parcels,
        folds=posed.folds,
        inner=posed.inner,
        components=(1, 3, 5),
        chunk=11,
        progress=Silent(),
    )
    for one, parcel in zip(solve(Pls((1, 3, 5)), posed, progress=Silent()), parcels, strict=True):
        metrics = heldout_metrics(one, y[:, parcel], Folds("blocks", tuple(posed.folds)), 4.0)
        np.testing.assert_allclose(found.r[parcel], metrics["heldout_r_voxels"], atol=1e-6)
        np.testing.assert_allclose(found.r2[parcel], metrics["heldout_r2_voxels"], atol=1e-6)
        assert (found.selected[parcel] == one.final.hyperparameters["components"]).all()
    assert np.isnan(found.r[[0, 14]]).all()
    assert reader.most <= 11
    assert reader.times == 3


@pytest.fixture
def no_cycles():
    """Arrays that only the search for cycles would free are as good as leaked."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("model", ["ridge", "pls"])
@pytest.mark.usefixtures("no_cycles")
def test_memory_does_not_grow_with_the_voxels(model):
    x, y = film(60, 10, 2)
    posed = problem(x, y, [np.arange(2)], n_folds=2)

    def reader(voxels):
        phase = voxels[None, :] * 0.37 + np.arange(60)[:, None] * 0.2
        return np.sin(phase) + x[:, :1]

    def peak(voxels):
        settings = {"folds": posed.folds, "inner": posed.inner, "chunk": 100, "progress": Silent()}
        tracemalloc.start()
        if model == "ridge":
            stream_ridge(x, reader, voxels, factors=FACTORS, **settings)
        else:
            parcels = np.array_split(np.arange(voxels), voxels // 50)
            stream_pls(x, reader, voxels, parcels, components=(1, 2), **settings)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(100)
    few, many = peak(2000), peak(4000)
    assert many - few < 2000 * 8 * 12  # a few numbers per voxel; BOLD alone would be 60


def test_a_stopped_run_leaves_no_file(tmp_path):
    x, y = film(60, 10, 12)
    posed = problem(x, y, [np.arange(12)], n_folds=2)

    class Stopping:
        def report(self, fraction, message=""):
            if fraction > 0.5:
                raise Cancelled("enough")

    settings = {"folds": posed.folds, "inner": posed.inner, "factors": FACTORS}
    with pytest.raises(Cancelled):
        stream_ridge(x, Reading(y), 12, **settings, weights=tmp_path / "w.npy", chunk=3, progress=Stopping())
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_refused():
    x, y = film(60, 10, 12)
    posed = problem(x, y, [np.arange(12)], n_folds=2)
    settings = {"folds": posed.folds, "inner": posed.inner, "progress": Silent()}
    with pytest.raises(InputError, match="voxels: are 0"):
        stream_ridge(x, Reading(y), 0, factors=FACTORS, **settings)
    with pytest.raises(InputError, match=r"has the shape \(59, 12\)"):
        stream_ridge(x, Reading(y[:-1]), 12, factors=FACTORS, **settings)
    with pytest.raises(InputError, match="not finite"):
        stream_ridge(x, Reading(np.full_like(y, np.nan)), 12, factors=FACTORS, **settings)
    for parcels in ([], [np.array([1, 2]), np.array([2])], [np.array([12])], [np.array([-1])]):
        with pytest.raises(InputError, match="parcels"):
            stream_pls(x, Reading(y), 12, parcels, components=(1,), **settings)
