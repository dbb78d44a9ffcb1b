"""From files to artifacts: on simulated brains whose truth is known, and on input that is wrong."""

import gzip
import json

import nibabel
import numpy as np
import pandas as pd
import pytest

from almond.cli.main import main
from almond.digest import digest_file
from almond.encoding.artifacts.artifact import load_artifact
from almond.encoding.bold.bids import find_runs
from almond.encoding.bold.nifti import read_masked
from almond.encoding.bold.run_headers import repetition_time
from almond.encoding.bold.select import subjects_of
from almond.encoding.pipeline.fit import fit, fit_subject, parse_config
from almond.encoding.regions.resolve import load_region
from almond.errors import Cancelled, DigestMismatch, InputError
from almond.progress import Silent
from almond.rng import generator
from almond.targets.target import region_target, scores
from almond.world.attributes import Scene
from almond.world.brains import region_weights, simulate_dataset
from almond.world.lab import REGIONS
from almond.world.scenes import LATENTS, draw_scene, latents


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two subjects, two runs; the features are the latents themselves, so that the truth is in reach."""
    folder = tmp_path_factory.mktemp("fit")
    made = simulate_dataset(
        folder / "brains", n_subjects=2, n_runs=2, n_volumes=200, tr=1.5, seed=5, progress=Silent()
    )
    scenes = json.loads((made.root / "stimuli" / "scenes.json").read_text())
    values = np.array([latents(Scene(**scene)) for scene in scenes.values()])
    np.savez(folder / "latents.npz", values=values, names=LATENTS, stim_file=list(scenes))
    return made


def configured(world, out, **changes):
    mapping = {
        "dataset": "brains",
        "features": {"kind": "table", "path": "latents.npz"},
        "regions": {name: str(path) for name, path in world.regions.items()},
        "components": [2, 4, 8],
        "null_control": {"features": 20},
        "output": str(out),
    }
    return parse_config({**mapping, **changes}, world.root.parent)


@pytest.fixture(scope="module")
def fitted(world, tmp_path_factory):
    out = tmp_path_factory.mktemp("artifacts")
    return fit(configured(world, out, model=["pls", "ridge"]), progress=Silent())


def test_heldout_r_comes_near_the_ceiling(world, fitted):
    for model, regions in fitted.metrics.items():
        ceiling = {name: np.mean([of[name] for of in world.ceiling.values()]) for name in REGIONS}
        assert set(regions) == set(REGIONS)
        for name, reached in regions.items():
            assert 0.75 * ceiling[name] < reached < ceiling[name] + 0.02, (model, name)
        order = sorted(REGIONS, key=lambda name: -ceiling[name])
        assert sorted(REGIONS, key=lambda name: -regions[name])[:2] == order[:2]


@pytest.mark.parametrize("model", ["pls", "ridge"])
def test_targets_recover_the_truth(fitted, model):
    rng = generator(9, "scenes")
    features = np.array([latents(draw_scene(rng)) for _ in range(400)])
    for region in REGIONS:
        chosen = [item for item in fitted.artifacts if (item.region, item.model) == (region, model)]
        target = region_target(region, [load_artifact(item.path) for item in chosen], features)
        truth = features @ region_weights(region)
        assert np.corrcoef(scores(target, features), truth)[0, 1] > 0.9


def test_artifact_says_where_it_came_from(world, fitted):
    item = fitted.artifacts[0]
    found = load_artifact(item.path)
    assert (found.digest, found.subject, found.region) == (item.digest, item.subject, item.region)
    assert found.mask_digest == digest_file(world.regions[item.region])
    bold = found.provenance["bold"]
    assert len(bold) == 2
    for name, digest in bold.items():
        assert digest_file(world.root / name) == digest
    assert found.provenance["preprocessing"]["detrend"] == "linear"
    assert found.feature_space.dimension == 16
    np.testing.assert_array_equal(found.voxels, load_region("x", world.regions[item.region]).voxels)
    metrics = found.metrics
    assert len(metrics["heldout_r_voxels"]) == metrics["n_voxels"] == found.weights.shape[1]
    r = metrics["heldout_r"]
    assert r["lower_quartile"] <= r["median"] <= r["upper_quartile"]
    assert r["mean"] == pytest.approx(np.mean(metrics["heldout_r_voxels"]), abs=1e-5)
    assert metrics["heldout_r_region_mean"] > r["mean"]


def test_nothing_is_fitted_twice(world, fitted, tmp_path):
    out = fitted.artifacts[0].path.parent
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = fit(configured(world, out, model=["pls", "ridge"]), progress=Silent())
    assert [item.digest for item in again.artifacts] == [item.digest for item in fitted.artifacts]
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_a_stopped_fit_goes_on_and_a_damaged_artifact_is_made_again(world, tmp_path):
    config = configured(world, tmp_path, regions={"LB": str(world.regions["LB"])}, model=["pls", "ridge"])

    class StopAtRidge:
        def report(self, fraction, message=""):
            if "ridge" in message:
                raise Cancelled("stop")

    with pytest.raises(Cancelled):
        fit_subject(config, "01", out=tmp_path, progress=StopAtRidge())
    (kept,) = (path for path in tmp_path.iterdir() if len(path.name) == 64)
    written = (kept / "weights.npz").stat().st_mtime_ns
    done = fit_subject(config, "01", out=tmp_path, progress=Silent())
    assert [item.model for item in done] == ["pls", "ridge"]
    assert done[0].path == kept
    assert (kept / "weights.npz").stat().st_mtime_ns == written
    (kept / "weights.npz").write_bytes(b"damaged")
    with pytest.raises(DigestMismatch):
        load_artifact(kept)
    again = fit_subject(config, "01", out=tmp_path, progress=Silent())
    assert load_artifact(again[0].path).digest == kept.name


def test_command_line_prints_json(world, tmp_path, capsys):
    config = {
        "dataset": str(world.root),
        "subjects": ["01"],
        "features": {"kind": "table", "path": str(world.root.parent / "latents.npz")},
        "regions": {"AStr": str(world.regions["AStr"])},
        "components": 4,
        "folds": 3,
    }
    (tmp_path / "fit.yaml").write_text(json.dumps(config))
    assert main(["fit", str(tmp_path / "fit.yaml"), "--json", "--out", str(tmp_path / "out")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert 0.2 < printed["heldout_r"]["pls"]["AStr"] < 0.6
    assert main(["fit", str(tmp_path / "fit.yaml"), "--out", str(tmp_path / "out")]) == 0
    assert "AStr" in capsys.readouterr().out
    (tmp_path / "fit.yaml").write_text(json.dumps({**config, "regions": {"LB": "nowhere.nii.gz"}}))
    assert main(["fit", str(tmp_path / "fit.yaml")]) == 1
    assert "regions.LB: file not found" in capsys.readouterr().err


@pytest.fixture
def small(tmp_path):
    """One subject with two short runs given by files, on a 5 x 4 x 3 grid; voxel (0, 0, 0) never changes."""
    rng = generator(1, "small")
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    features = rng.standard_normal((160, 2))
    np.save(tmp_path / "features.npy", features)
    for run in range(2):
        bold = rng.standard_normal((5, 4, 3, 80)) + features[80 * run : 80 * run + 80, 0]
        bold[0, 0, 0] = 100.0
        write_bold(tmp_path / f"run{run}.nii.gz", bold, affine)
    mask = np.zeros((5, 4, 3), np.uint8)
    mask[:2, :2] = 1
    nibabel.save(nibabel.Nifti1Image(mask, affine), tmp_path / "mask.nii.gz")
    return tmp_path


def write_bold(path, bold, affine, tr=2.0, unit="sec"):
    image = nibabel.Nifti1Image(bold.astype(np.float32), affine)
    image.header.set_xyzt_units("mm", unit)
    image.header.set_zooms((3.0, 3.0, 3.0, tr))
    nibabel.save(image, path)


def small_config(folder, **changes):
    mapping = {
        "runs": [{"subject": "s1", "run": run, "bold": f"run{run}.nii.gz"} for run in range(2)],
        "features": {"kind": "table", "path": "features.npy"},
        "regions": {"ROI": "mask.nii.gz"},
        "hrf": "none",
        "components": 1,
        "folds": 4,
        "gap": 4,
        "null_control": {"features": 5},
    }
    return parse_config({**mapping, **changes}, folder)


def test_constant_voxels_are_dropped_and_remembered(small):
    (item,) = fit(small_config(small), progress=Silent()).artifacts
    found = load_artifact(item.path)
    assert found.dropped.tolist() == [[0, 0, 0]]
    assert [0, 0, 0] not in found.voxels.tolist()
    assert (item.metrics["n_voxels"], item.metrics["n_dropped"]) == (11, 1)
    assert found.weights[0].min() > 0.3 > np.abs(found.weights[1]).max()


def test_a_region_of_constant_voxels_is_an_error(small):
    mask = np.zeros((5, 4, 3), np.uint8)
    mask[0, 0, 0] = 1
    nibabel.save(nibabel.Nifti1Image(mask, np.diag([3.0, 3.0, 3.0, 1.0])), small / "mask.nii.gz")
    with pytest.raises(InputError, match=r"every voxel of ROI is constant in sub-s1"):
        fit(small_config(small), progress=Silent())


def test_truncated_and_damaged_bold_are_named(small):
    path = small / "run1.nii.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"run1.nii.gz: its data end early or are damaged"):
        fit(small_config(small), progress=Silent())
    assert not [entry for entry in (small / "artifacts").glob("*") if len(entry.name) == 64]
    path.write_bytes(gzip.compress(b"no header at all"))
    with pytest.raises(InputError, match=r"run1.nii.gz: is not a readable NIfTI file"):
        fit(small_config(small), progress=Silent())
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"run1.nii.gz"):
        fit(small_config(small), progress=Silent())


def test_voxels_with_values_that_are_not_numbers_are_left_out_and_said(small):
    image = nibabel.load(small / "run0.nii.gz")
    bold = np.asarray(image.dataobj).copy()
    bold[1, 1, 1, 7] = np.nan
    write_bold(small / "run0.nii.gz", bold, image.affine)
    (item,) = fit(small_config(small), progress=Silent()).artifacts
    # The voxel of the mask that never changes, and this one.
    assert load_artifact(item.path).dropped.tolist() == [[0, 0, 0], [1, 1, 1]]
    (remark,) = item.metrics["remarks"]
    assert remark["kind"] == "bold-values"
    assert (
        "run0.nii.gz (0) holds values that are not numbers in 1 of 12 voxels"
        in f"{remark['source']} {remark['text']}"
    )
    with pytest.raises(InputError, match=r"run0.nii.gz .*1 of 12 voxels"):
        fit(small_config(small, strict=True), progress=Silent())
    bold[..., 7] = np.inf
    write_bold(small / "run0.nii.gz", bold, image.affine)
    with pytest.raises(InputError, match=r"run0.nii.gz: \(0\) holds no numbers in 1 of 80 volumes: 8"):
        fit(small_config(small), progress=Silent())
    bold[...] = np.nan
    write_bold(small / "run0.nii.gz", bold, image.affine)
    with pytest.raises(InputError, match=r"run0.nii.gz: .*not numbers in every voxel"):
        fit(small_config(small), progress=Silent())


def test_a_mask_of_another_shape_or_space_shows_both(small):
    strict = {"ROI": {"mask": "mask.nii.gz", "resample": False}}
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 4, 3), np.uint8), np.eye(4)), small / "mask.nii.gz")
    with pytest.raises(InputError, match=r"shape \(4, 4, 3\) .* run0.nii.gz has shape \(5, 4"):
        fit(small_config(small, regions=strict), progress=Silent())
    moved = np.diag([3.0, 3.0, 3.0, 1.0])
    moved[0, 3] = 6.0
    nibabel.save(nibabel.Nifti1Image(np.ones((5, 4, 3), np.uint8), moved), small / "mask.nii.gz")
    with pytest.raises(InputError, match=r"affine .*6.0.* run0.nii.gz has .*affine"):
        fit(small_config(small, regions=strict), progress=Silent())
    # By default the mask is resampled: 2 voxels of 3 mm further along x, 3 x 4 x 3 are left.
    (item,) = fit(small_config(small), progress=Silent()).artifacts
    assert load_artifact(item.path).voxels[:, 0].min() == 2
    assert item.metrics["n_voxels"] == 36


@pytest.mark.parametrize(
    ("mask", "message"), [(np.zeros((5, 4, 3)), "is empty"), (np.ones((5, 4, 3, 2)), "3-D mask")]
)
def test_masks_that_are_none(small, mask, message):
    nibabel.save(nibabel.Nifti1Image(mask.astype(np.uint8), np.eye(4)), small / "mask.nii.gz")
    with pytest.raises(InputError, match=message):
        fit(small_config(small), progress=Silent())


def test_features_with_the_wrong_number_of_rows_name_file_and_expectation(small):
    np.save(small / "features.npy", np.arange(300.0).reshape(150, 2))
    with pytest.raises(InputError, match=r"y: has 150 rows .* 2 runs of 80, 80 volumes .*160 rows"):
        fit(small_config(small), progress=Silent())
    features = {"kind": "table", "path": "run{run}.npy"}
    for run in range(2):
        np.save(small / f"run{run}.npy", np.arange(120.0 + 40 * run).reshape(-1, 2))
    with pytest.raises(InputError, match=r"run0.npy: has 60 rows of features for a run of 80 volumes"):
        fit(small_config(small, features=features), progress=Silent())


def test_repetition_times_must_agree(small):
    bids = small / "bids"
    func = bids / "sub-01" / "func"
    func.mkdir(parents=True)
    (small / "run0.nii.gz").rename(func / "sub-01_task-x_bold.nii.gz")
    (bids / "task-x_bold.json").write_text('{"RepetitionTime": 2.5}')
    (run,) = find_runs(bids)
    with pytest.raises(InputError, match=r"repetition times disagree: header 2 s, sidecar 2.5 s"):
        repetition_time(run)
    (func / "sub-01_task-x_bold.json").write_text('{"RepetitionTime": 2.0}')
    assert repetition_time(find_runs(bids)[0]) == 2.0
    with pytest.raises(InputError, match=r"configuration 3 s"):
        repetition_time(find_runs(bids)[0], 3.0)
    (func / "sub-01_task-x_bold.json").write_text('{"RepetitionTime": "two"}')
    with pytest.raises(InputError, match="RepetitionTime is 'two'"):
        find_runs(bids)
    image = nibabel.load(func / "sub-01_task-x_bold.nii.gz")
    write_bold(func / "sub-01_task-x_bold.nii.gz", np.asarray(image.dataobj), image.affine, 2000.0, "msec")
    (func / "sub-01_task-x_bold.json").write_text("{}")
    (bids / "task-x_bold.json").unlink()
    assert repetition_time(find_runs(bids)[0]) == 2.0
    write_bold(func / "sub-01_task-x_bold.nii.gz", np.asarray(image.dataobj), image.affine, 0.0)
    with pytest.raises(InputError, match="no repetition time"):
        repetition_time(find_runs(bids)[0])
    assert repetition_time(find_runs(bids)[0], 2.0) == 2.0


def test_finding_runs(world, tmp_path):
    assert len(find_runs(world.root, subjects=["02"])) == 2
    with pytest.raises(InputError, match="with task-rest"):
        find_runs(world.root, task="rest")
    with pytest.raises(InputError, match="of sub-99"):
        find_runs(world.root, subjects=["01", "99"])
    with pytest.raises(InputError, match="is not a folder"):
        find_runs(tmp_path / "nowhere")
    func = tmp_path / "sub-1" / "ses-b" / "func"
    func.mkdir(parents=True)
    for name in ("run-10_space-a", "run-2_space-a", "run-2_space-b"):
        (func / f"sub-1_ses-b_task-x_{name}_bold.nii.gz").touch()
    with pytest.raises(InputError, match="second file for the run"):
        find_runs(tmp_path)
    found = find_runs(tmp_path, only={"space": "a"})
    assert [run.name for run in found] == ["ses-b_task-x_run-2", "ses-b_task-x_run-10"]


def test_reading_inside_a_mask_equals_reading_everything(small):
    voxels = np.array([[0, 1, 2], [4, 3, 1]])
    whole = np.asarray(nibabel.load(small / "run0.nii.gz").dataobj, np.float64)
    np.testing.assert_array_equal(read_masked(small / "run0.nii.gz", voxels), whole[tuple(voxels.T)].T)
    np.testing.assert_array_equal(
        read_masked(small / "run0.nii.gz", voxels, (10, 25)), whole[tuple(voxels.T)].T[10:25]
    )
    with pytest.raises(InputError, match="has 80 volumes, not 0 to 81"):
        read_masked(small / "run0.nii.gz", voxels, (0, 81))


def events_file(folder, **columns):
    pd.DataFrame(columns).to_csv(folder / "events.tsv", sep="\t", index=False)
    runs = [{"subject": "s1", "run": n, "bold": f"run{n}.nii.gz", "events": "events.tsv"} for n in range(2)]
    return {"runs": runs, "features": "events"}


def test_events_become_columns(small):
    changes = events_file(small, onset=[0, 40, 80], duration=[20, 20, 20], trial_type=["b", "a", "b"])
    (item,) = fit(small_config(small, **changes), progress=Silent()).artifacts
    assert load_artifact(item.path).feature_space.dimension == 2


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"onset": [1], "duration": [2]}, "events.tsv: has no column trial_type"),
        ({"onset": ["x"], "duration": [2], "trial_type": ["a"]}, "row 2, column onset is 'x', not a number"),
        ({"onset": [1], "trial_type": ["a"]}, "has no column duration"),
        ({"onset": [1], "duration": [-2], "trial_type": ["a"]}, "durations below 0"),
        ({"onset": [900], "duration": [2], "trial_type": ["a"]}, "1 of 1 events outside .* 160 s"),
    ],
)
def test_bad_events_are_named(small, columns, message):
    with pytest.raises(InputError, match=message):
        fit(small_config(small, **events_file(small, **columns)), progress=Silent())


def test_stimuli_that_are_missing_or_elsewhere(small):
    changes = events_file(small, onset=[1], duration=[2], stim_file=["a.png"])
    with pytest.raises(InputError, match=r"a.png: stimulus not found"):
        fit(small_config(small, **{**changes, "features": "world"}), progress=Silent())
    (small / "a.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"a.png: is not an image"):
        fit(small_config(small, **{**changes, "features": "world"}), progress=Silent())
    changes = events_file(small, onset=[1], duration=[2], stim_file=["../a.png"])
    with pytest.raises(InputError, match="outside the folder of stimuli"):
        fit(small_config(small, **{**changes, "features": "world"}), progress=Silent())


def test_runs_are_prepared_one_by_one(small):
    """A huge offset and trend of one run must not reach the other."""
    plain = fit(small_config(small), progress=Silent()).artifacts[0]
    image = nibabel.load(small / "run1.nii.gz")
    ramp = np.asarray(image.dataobj) + 1000.0 + 5.0 * np.arange(80)
    ramp[0, 0, 0] = 100.0
    write_bold(small / "run1.nii.gz", ramp, image.affine)
    moved = fit(small_config(small), progress=Silent()).artifacts[0]
    first, second = load_artifact(plain.path), load_artifact(moved.path)
    np.testing.assert_allclose(first.weights, second.weights, atol=1e-3)


def test_subjects_are_chosen(world):
    config = configured(world, world.root)
    assert subjects_of(config) == ["01", "02"]
    assert subjects_of(config.model_copy(update={"subjects": ("02",)})) == ["02"]
    with pytest.raises(InputError, match="has no run"):
        fit_subject(config, "77", out=world.root, progress=Silent())


def test_the_shipped_network_predicts_simulated_brains(world, tmp_path):
    config = configured(world, tmp_path, features="world", components=[4, 8], subjects=["01"])
    report = fit(config, progress=Silent())
    assert all(value > 0.1 for value in report.metrics["pls"].values())
    assert list((tmp_path / "features").iterdir())


def test_models_of_all_subjects_are_fitted_beside_the_others(world, tmp_path):
    """The shared family gives ordinary encoders; adding it fits nothing else again."""
    regions = {"regions": {name: str(world.regions[name]) for name in ("LB", "VC")}, "penalties": [0.1, 1]}
    alone = fit(configured(world, tmp_path, model="ridge", **regions), progress=Silent())
    settings = {"model": ["ridge", "shared"], "shared": {"dimensions": 4}, **regions}
    both = fit(configured(world, tmp_path, **settings), progress=Silent())
    assert {item.digest for item in alone.artifacts} < {item.digest for item in both.artifacts}
    assert len(both.artifacts) == 2 * len(alone.artifacts)
    for region, reached in both.metrics["shared"].items():
        assert reached > 0.6 * both.metrics["ridge"][region]
    shared = [load_artifact(item.path) for item in both.artifacts if item.model == "shared"]
    assert all(one.grid["shape"] == list(nibabel.load(world.regions["LB"]).shape) for one in shared)
    again = fit(configured(world, tmp_path, **settings), progress=Silent())
    assert [item.digest for item in again.artifacts] == [item.digest for item in both.artifacts]
    tuned = configured(world, tmp_path, **{**settings, "shared": {"dimensions": 3}})
    other = {item.digest for item in fit(tuned, progress=Silent()).artifacts}
    assert other & {item.digest for item in both.artifacts} == {item.digest for item in alone.artifacts}
