"""What happens to BOLD and features before they meet, against the same done by hand with numpy and scipy."""

import nibabel
import numpy as np
import pandas as pd
import pytest
from scipy.signal import resample_poly

from almond.encoding.features.film_predictors import split_film
from almond.encoding.features.run_features import RunFeatures, Scan
from almond.encoding.pipeline.design_matrix import read_subject
from almond.encoding.pipeline.fit import fit, parse_config
from almond.encoding.pipeline.inputs import gather_inputs
from almond.errors import InputError
from almond.progress import Silent
from almond.rng import generator
from tests.almond.encoding_data import configured, fitted, slow, write_runs

N, V, D, TR = 80, 6, 3, 2.0


@pytest.fixture
def folder(tmp_path):
    rng = generator(1, "preparation")
    features = slow(rng, 2 * N, D, 3.0)
    weights = rng.normal(size=(D, V))
    courses = [features[N * r : N * (r + 1)] @ weights + rng.normal(size=(N, V)) + 100 for r in range(2)]
    write_runs(tmp_path, courses)
    np.save(tmp_path / "features.npy", features)
    for run in range(2):
        motion = slow(rng, N, 4, 6.0)
        table = pd.DataFrame(motion, columns=["trans_x", "trans_y", "trans_z", "global_signal"])
        table.to_csv(tmp_path / f"confounds{run}.tsv", sep="\t", index=False)
    return tmp_path


def prepared(folder, **changes):
    config = configured(folder, **changes)
    inputs = gather_inputs(config, "s1", out=folder / "out", progress=Silent())
    return read_subject(config, inputs.regions, inputs.scans, inputs.predictors, Silent())


def courses_of(folder, runs=2):
    loaded = [np.asarray(nibabel.load(folder / f"run{n}.nii.gz").dataobj, float) for n in range(runs)]
    return [run[:, 0, 0].T for run in loaded]


def test_projecting_out_equals_regressing_with_nuisance_columns(folder):
    """Frisch, Waugh, Lovell: the same weights as with every nuisance regressor of every run beside."""
    found = fitted(
        folder,
        high_pass=0.02,
        confounds={"columns": ["trans_*"], "path": "confounds{run}.tsv"},
        penalties=1e-13,
    )
    features, measured = np.load(folder / "features.npy"), np.concatenate(courses_of(folder))
    blocks = []
    for run in range(2):
        time = np.arange(N)
        count = int(np.floor(2 * N * TR * 0.02 + 1) - 1)
        cosines = [np.cos(np.pi * (2 * time + 1) * k / (2 * N)) for k in range(1, count + 1)]
        motion = pd.read_csv(folder / f"confounds{run}.tsv", sep="\t").iloc[:, :3].to_numpy()
        block = np.column_stack([np.ones(N), time, *cosines, motion])
        blocks.append(np.pad(block, ((N * run, N * (1 - run)), (0, 0))))
    design = np.column_stack([features, *blocks])
    expected = np.linalg.lstsq(design, measured, rcond=None)[0][:D]
    np.testing.assert_allclose(found.weights, expected, atol=1e-8)


def test_nothing_is_taken_out_unless_asked(folder):
    data = prepared(folder, detrend="none")
    np.testing.assert_allclose(data.bold, np.concatenate(courses_of(folder)), rtol=1e-12)
    np.testing.assert_array_equal(data.x, np.load(folder / "features.npy"))


def test_censored_volumes_are_the_same_dropped_or_filled(folder):
    rng = generator(2, "censor")
    kept = [rng.random(N) > 0.2 for _ in range(2)]
    courses = courses_of(folder)
    for run, keep in enumerate(kept):
        np.savetxt(folder / f"censor{run}.1D", keep.astype(int), fmt="%d")
    write_runs(
        folder, [np.where(keep[:, None], c, 0.0) for c, keep in zip(courses, kept, strict=True)], name="f"
    )
    write_runs(folder, [course[keep] for course, keep in zip(courses, kept, strict=True)], name="d")
    shared = {"high_pass": 0.01, "hrf": "spm", "penalties": 1e-12}
    made = {
        name: fitted(
            folder, name=name, censor={"path": "censor{run}.1D", "mode": mode}, output=f"out-{name}", **shared
        )
        for name, mode in (("f", "zero-filled"), ("d", "drop"))
    }
    np.testing.assert_allclose(made["f"].weights, made["d"].weights, atol=1e-10)
    assert made["f"].metrics["n_volumes"] == sum(keep.sum() for keep in kept)
    assert [run["censored"] for run in made["d"].provenance["runs"]] == [int((~keep).sum()) for keep in kept]
    # Without knowing which volumes are missing, the features do not fit.
    with pytest.raises(InputError, match="160 rows of features for 2 runs"):
        fitted(folder, name="d", **shared)


def spm_like():
    return np.load("tests/almond/fixtures/spm_hrf.npz")["hrf_rt2"].ravel()


@pytest.mark.parametrize("order", ["paper-amygdala", "paper-subregions"])
def test_published_orders_take_all_runs_as_one_film(folder, order):
    rng = generator(3, "film")
    frames = slow(rng, 371, D, 9.0)
    np.save(folder / "features.npy", frames)
    data = prepared(folder, order=order, hrf="spm", detrend="none")
    response = spm_like()

    def convolved(values):
        return np.stack([np.convolve(c, response)[: len(values)] for c in values.T], axis=1)

    if order == "paper-amygdala":
        expected = convolved(resample_poly(frames, 2 * N, 371, axis=0))
    else:
        expected = resample_poly(convolved(frames), 2 * N, 371, axis=0)
    np.testing.assert_allclose(data.x, expected, atol=1e-10)


def test_the_sound_order_never_crosses_a_border(folder):
    data = prepared(folder, hrf="spm", detrend="none")
    features, response = np.load(folder / "features.npy"), spm_like()
    expected = [
        np.convolve(features[N * run : N * (run + 1), d], response)[:N] for run in range(2) for d in range(D)
    ]
    found = [data.x[N * run : N * (run + 1), d] for run in range(2) for d in range(D)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_delays_and_derivatives_keep_their_own_weights(folder):
    delays = fitted(folder, hrf="fir", delays=[0, 2, 4], detrend="none", penalties=1e-12)
    features = np.load(folder / "features.npy")
    lagged = []
    for lag in range(3):
        runs = [features[N * run : N * (run + 1)] for run in range(2)]
        lagged.append(np.concatenate([np.vstack([np.zeros((lag, D)), run[: N - lag]]) for run in runs]))
    design = np.column_stack([*lagged, np.ones(2 * N)])
    expected = np.linalg.lstsq(design, np.concatenate(courses_of(folder)), rcond=None)[0][:-1]
    assert delays.basis_weights.shape == (3, D, V)
    np.testing.assert_allclose(delays.basis_weights.reshape(3 * D, V), expected, atol=1e-6)
    np.testing.assert_allclose(delays.weights, delays.basis_weights.sum(axis=0))
    derivative = fitted(folder, hrf="spm+derivative", output="out2")
    assert derivative.basis_weights.shape == (2, D, V)
    np.testing.assert_array_equal(derivative.weights, derivative.basis_weights[0])
    assert fitted(folder, output="out3").basis_weights is None


def test_several_spaces_lie_side_by_side_for_every_delay(folder):
    features = np.load(folder / "features.npy")
    np.save(folder / "a.npy", features[:, :1])
    np.save(folder / "b.npy", features[:, 1:])
    spaces = {"a": {"kind": "table", "path": "a.npy"}, "b": {"kind": "table", "path": "b.npy"}}
    one = prepared(folder, hrf="spm+derivatives")
    many = prepared(folder, hrf="spm+derivatives", features=spaces)
    np.testing.assert_allclose(many.x, one.x, atol=1e-12)
    found = fitted(folder, features=spaces)
    assert (found.feature_space.name, found.feature_space.dimension) == ("a+b", 3)
    np.testing.assert_allclose(found.weights, fitted(folder, output="one").weights, atol=1e-10)


def test_the_mean_of_a_region_as_target(folder):
    found = fitted(folder, target="mean", penalties=1e-13)
    features = [np.load(folder / "features.npy")[N * r : N * (r + 1)] for r in range(2)]
    trends = [
        np.pad(np.column_stack([np.ones(N), np.arange(N)]), ((N * r, N * (1 - r)), (0, 0))) for r in (0, 1)
    ]
    design = np.column_stack([np.concatenate(features), *trends])
    mean = np.concatenate(courses_of(folder)).mean(axis=1)
    expected = np.linalg.lstsq(design, mean, rcond=None)[0][:D]
    np.testing.assert_allclose(found.weights[:, 0], expected, atol=1e-8)
    assert found.is_mean
    assert found.voxels.shape == (V, 3)
    assert found.metrics["n_voxels"] == V
    assert len(found.metrics["heldout_r_voxels"]) == 1


def test_artifacts_know_grid_and_every_input(folder):
    found = fitted(folder, confounds={"columns": ["global_signal"], "path": "confounds{run}.tsv"})
    image = nibabel.load(folder / "run0.nii.gz")
    assert found.grid == {"shape": [V, 1, 1], "affine": image.affine.tolist()}
    before = found.digest
    table = pd.read_csv(folder / "confounds0.tsv", sep="\t")
    table["global_signal"] *= -1.5
    table.loc[3, "global_signal"] += 1
    table.to_csv(folder / "confounds0.tsv", sep="\t", index=False)
    again = fitted(folder, confounds={"columns": ["global_signal"], "path": "confounds{run}.tsv"})
    assert again.digest != before
    assert again.provenance["region"]["spec"] == {"kind": "mask", "path": "mask.nii.gz"}


def film_of(rows, interval=0.2):
    return RunFeatures(np.arange(rows, dtype=np.float32)[:, None], interval, "film.mp4")


def test_a_film_goes_on_in_the_next_run():
    scans = [Scan(None, 7, 1.5), Scan(None, 10, 1.5)]
    first, second = split_film(film_of(130), scans)
    # Rows at 0, .2, ...: the first run lasts 10.5 s, so that its last row is at 10.4 s, the next at 10.6 s.
    assert (first.values[0, 0], first.values[-1, 0], first.start) == (0, 52, 0.0)
    assert (second.values[0, 0], second.values[-1, 0]) == (53, 127)
    assert second.start == pytest.approx(0.1)
    with pytest.raises(InputError, match=r"lasts 20.0 s, the 2 runs that show it 25.5 s"):
        split_film(film_of(100), scans)
    (short,) = split_film(film_of(299), [Scan(None, 40, 1.5)])
    assert len(short.values) == 300
    assert short.values[-1, 0] == 0


def test_events_as_time_courses_of_stimuli_give_the_same_predictors(folder):
    """Five pictures with 40 features each: five time courses are kept, and multiplied at the end."""
    rng = generator(4, "pictures")
    names = [f"{n}.png" for n in range(5)]
    values = rng.normal(size=(5, 40))
    np.savez(folder / "table.npz", values=values, stim_file=names, names=[f"f{n}" for n in range(40)])
    onsets = np.arange(3.3, 150, 7.7)
    shown = rng.integers(5, size=len(onsets))
    table = pd.DataFrame({"onset": onsets, "duration": 1.7, "stim_file": [names[n] for n in shown]})
    table.to_csv(folder / "events.tsv", sep="\t", index=False)
    runs = [{"subject": "s1", "run": n, "bold": f"run{n}.nii.gz", "events": "events.tsv"} for n in range(2)]
    config = parse_config(
        {
            "runs": runs,
            "features": {"kind": "table", "path": "table.npz"},
            "regions": {"ROI": "mask.nii.gz"},
            "hrf": "spm+derivative",
            "detrend": "none",
        },
        folder,
    )
    inputs = gather_inputs(config, "s1", out=folder, progress=Silent())
    data = read_subject(config, inputs.regions, inputs.scans, inputs.predictors, Silent())
    assert inputs.predictors["table"].runs[0].values.shape[1] == 5
    fine = np.zeros((N * 10, 40))
    for onset, stimulus in zip(onsets, shown, strict=True):
        for row in range(N * 10):
            overlap = min(onset + 1.7, (row + 1) * 0.2) - max(onset, row * 0.2)
            fine[row] += max(0.0, overlap) / 0.2 * values[stimulus]
    at_volumes = resample_poly(fine, 1, 10, axis=0)
    expected = np.stack([np.convolve(c, spm_like())[:N] for c in at_volumes.T], axis=1)
    np.testing.assert_allclose(data.x[:N, :40], expected, atol=1e-9)


def test_a_preset_and_the_same_spelled_out_are_one_fit(folder):
    np.save(folder / "features.npy", np.load(folder / "features.npy")[:150])
    plain = {"runs": [{"subject": "s1", "run": n, "bold": f"run{n}.nii.gz"} for n in range(2)]}
    plain |= {"features": {"kind": "table", "path": "features.npy"}, "regions": {"ROI": "mask.nii.gz"}}
    preset = parse_config({**plain, "preset": "paper-amygdala", "components": 2}, folder)
    spelled = {
        "detrend": "none",
        "standardise": False,
        "crossvalidation": "random",
        "order": "paper-amygdala",
    }
    same = parse_config({**plain, **spelled, "components": 2}, folder)
    assert preset.settings() == same.settings()
    (one,) = fit(preset, progress=Silent()).artifacts
    (other,) = fit(same, progress=Silent()).artifacts
    assert one.digest == other.digest
    assert "noise features" in one.metrics["warning"]


def test_published_orders_take_no_more_components_than_voxels(folder):
    mask = np.zeros((V, 1, 1), np.uint8)
    mask[:2] = 1
    image = nibabel.load(folder / "mask.nii.gz")
    nibabel.save(nibabel.Nifti1Image(mask, image.affine), folder / "two.nii.gz")
    changes = {"regions": {"all": "mask.nii.gz", "two": "two.nii.gz"}, "model": "pls", "components": 3}
    changes |= {"hrf": "spm", "output": "limited"}
    limited = fit(configured(folder, order="paper-amygdala", **changes), progress=Silent()).artifacts
    assert [item.metrics["chosen"]["components"] for item in limited] == [3, 2]
    assert [item.region for item in limited] == ["all", "two"]
    sound = fit(configured(folder, **changes), progress=Silent()).artifacts
    assert [item.metrics["chosen"]["components"] for item in sound] == [3, 3]


def test_banded_ridge_drops_a_space_that_says_nothing(folder):
    rng = generator(5, "bands")
    np.save(folder / "noise.npy", slow(rng, 2 * N, 40, 3.0))
    spaces = {
        "real": {"kind": "table", "path": "features.npy"},
        "noise": {"kind": "table", "path": "noise.npy"},
    }
    changes = {"features": spaces, "penalties": [0.01, 1], "folds": 2}
    banded = fitted(folder, model="banded", output="banded", null_control={"features": 4}, **changes)
    bands = banded.metrics["chosen"]["bands"]
    assert bands["real"]["share_median"] > 0.8 > 0.2 > bands["noise"]["share_median"]
    assert bands["real"]["weights_length_mean"] > 3 * bands["noise"]["weights_length_mean"]
    ridge = fitted(folder, model="ridge", output="ridge", **changes)
    assert banded.metrics["heldout_r"]["mean"] > ridge.metrics["heldout_r"]["mean"]
    assert banded.metrics["null_control"]["features"] == 4


@pytest.mark.parametrize("model", ["pls", "ridge"])
def test_torch_and_numpy_give_the_same_artifacts_within_rounding(folder, model):
    changes = {"model": model, "components": [1, 2, 3], "penalties": [0.01, 1.0]}
    made = [fitted(folder, output=backend, backend=backend, **changes) for backend in ("numpy", "torch")]
    np.testing.assert_allclose(made[0].weights, made[1].weights, rtol=1e-8, atol=1e-10)
    assert made[0].config == made[1].config
    assert [one.provenance["engine"]["backend"] for one in made] == ["numpy", "torch"]


def test_single_precision_warns_where_it_matters(folder):
    features = np.load(folder / "features.npy")
    changes = {"precision": "float32", "detrend": "none"}
    calm = fitted(folder, output="calm", penalties=0.1, **changes)
    assert "precision_warning" not in calm.metrics
    np.save(folder / "features.npy", features @ np.array([[1, 1, 0], [1, 1 + 1e-5, 0], [0, 0, 1]]))
    risky = fitted(folder, output="risky", penalties=1e-5, **changes)
    assert "use precision: float64" in risky.metrics["precision_warning"]
    assert "precision_warning" not in fitted(folder, output="double", detrend="none").metrics
