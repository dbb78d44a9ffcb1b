"""Runs found by their names, and BOLD read inside a mask."""

import gzip
import json
import os
import shutil
import tracemalloc
from pathlib import Path

import nibabel
import numpy as np
import pytest

from almond.encoding.bold.bids import find_runs, source_dataset
from almond.encoding.bold.events import read_events
from almond.encoding.bold.nifti import Grid, load_nifti, read_masked, write_map
from almond.encoding.bold.run_headers import number_of_volumes, repetition_time
from almond.encoding.hemodynamics.convolution import align_film
from almond.encoding.pipeline.fit import fit, parse_config
from almond.errors import InputError
from almond.naming import natural
from almond.progress import Silent
from almond.rng import generator

DATA = Path(os.environ.get("ALMOND_REAL_DATA", "")) / "nndb_ds002837"
NNDB = "500daysofsummer"


def write(path, n=4, tr=1.0, seed=0, kind=np.int16):
    """A tiny BOLD run; returns its values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = generator(seed, "bold").integers(0, 900, (3, 4, 2, n)).astype(kind)
    image = nibabel.Nifti1Image(values, np.diag([3.0, 3, 3, 1]))
    image.header.set_zooms((3.0, 3.0, 3.0, tr))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    return values


def bids(root, *names, **how):
    for name in names:
        parts = name.split("_")
        folder = root / parts[0] / (parts[1] if parts[1].startswith("ses-") else "") / "func"
        write(folder / name, **how)
    return root


def names(runs):
    return [(run.subject, run.name) for run in runs]


def test_subjects_and_runs_in_natural_order(tmp_path):
    bids(
        tmp_path,
        *[f"sub-{number}_task-film_run-{run}_bold.nii.gz" for number in (20, 1, 3, 10) for run in (10, 2)],
        "sub-1_task-rest_bold.nii",
        "sub-1_task-film_run-2_sbref.nii.gz",
    )
    found = names(find_runs(tmp_path, "film"))
    assert [subject for subject, _ in found[::2]] == ["1", "3", "10", "20"]
    assert found[0][1] == "task-film_run-2"
    assert found[1][1] == "task-film_run-10"
    assert names(find_runs(tmp_path, subjects=["1"])) == [
        ("1", "task-film_run-2"),
        ("1", "task-film_run-10"),
        ("1", "task-rest"),
    ]
    assert sorted(["10", "9", "b2", "b10", "a"], key=natural) == ["9", "10", "a", "b2", "b10"]


def test_sessions_acquisitions_and_directions_are_runs_of_their_own(tmp_path):
    bids(
        tmp_path,
        "sub-01_ses-a_task-x_dir-AP_run-1_bold.nii.gz",
        "sub-01_ses-a_task-x_dir-PA_run-1_bold.nii.gz",
        "sub-01_ses-b_task-x_run-1_bold.nii.gz",
    )
    assert [name for _, name in names(find_runs(tmp_path))] == [
        "ses-a_task-x_dir-AP_run-1",
        "ses-a_task-x_dir-PA_run-1",
        "ses-b_task-x_run-1",
    ]


def test_versions_of_one_run_must_be_chosen_between(tmp_path):
    root = tmp_path / "derivatives" / "fmriprep"
    bids(
        root,
        "sub-01_task-x_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz",
        "sub-01_task-x_space-T1w_desc-preproc_bold.nii.gz",
    )
    with pytest.raises(InputError, match=r"second file for the run of .* \(space, res differ\)"):
        find_runs(root)
    for how in ({"root": root}, {"root": tmp_path, "derivatives": "fmriprep"}):
        found = find_runs(**how, only={"space": "T1w", "desc": "preproc"})
        assert names(found) == [("01", "task-x")]


def test_what_is_missing_is_said_with_what_is_there(tmp_path):
    bids(tmp_path, "sub-1_task-x_bold.nii.gz", "sub-2_task-x_bold.nii.gz")
    bids(tmp_path / "derivatives", "sub-1_task-x_bold_blur.nii.gz")
    with pytest.raises(InputError, match=r"no BOLD run bold of sub-01 \(expected sub-1\)"):
        find_runs(tmp_path, subjects=["01"])
    with pytest.raises(InputError, match=r"suffix: bold; derivatives: true with suffix: bold_blur"):
        find_runs(tmp_path, suffix="bold_blurr")
    with pytest.raises(InputError, match="bold with task-y"):
        find_runs(tmp_path, "y")
    with pytest.raises(InputError, match="is not a folder"):
        find_runs(tmp_path, derivatives="fmriprep")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="files like sub-01/func"):
        find_runs(tmp_path / "empty")


def test_sidecars_and_events_are_inherited_and_derivatives_take_those_of_the_raw_runs(tmp_path):
    bids(tmp_path, "sub-1_task-x_run-1_bold.nii.gz", "sub-1_task-x_run-2_bold.nii.gz", tr=2.0)
    (tmp_path / "task-x_bold.json").write_text('{"RepetitionTime": 2.0}')
    (tmp_path / "task-x_events.tsv").write_text("onset\tduration\n0\t1\n")
    own = tmp_path / "sub-1" / "func" / "sub-1_task-x_run-2_events.tsv"
    own.write_text("onset\tduration\n5\t1\n")
    raw = find_runs(tmp_path)
    assert [run.sidecar_tr for run in raw] == [2.0, 2.0]
    assert raw[0].events == tmp_path / "task-x_events.tsv"
    assert raw[1].events == own
    made = tmp_path / "derivatives" / "fmriprep"
    bids(made, "sub-1_task-x_run-2_space-MNI_desc-preproc_bold.nii.gz", tr=2.0)
    (run,) = find_runs(made)
    assert run.events == own
    assert run.sidecar_tr == 2.0
    assert source_dataset(made).samefile(tmp_path)
    assert source_dataset(tmp_path / "derivatives").samefile(tmp_path)
    assert source_dataset(tmp_path) == tmp_path
    sidecar = made / "sub-1" / "func" / "sub-1_task-x_run-2_space-MNI_desc-preproc_bold.json"
    sidecar.write_text('{"RepetitionTime": 1.5}')
    (run,) = find_runs(made)
    with pytest.raises(InputError, match=r"header 2 s, sidecar 1\.5 s"):
        repetition_time(run)
    sidecar.write_text('{"RepetitionTime": "fast"}')
    with pytest.raises(InputError, match="RepetitionTime is 'fast'"):
        find_runs(made)


@pytest.fixture
def nndb(tmp_path):
    """The published metadata with tiny images under the published names."""
    if "ALMOND_REAL_DATA" not in os.environ or not DATA.is_dir():
        pytest.skip("ALMOND_REAL_DATA has no nndb_ds002837")
    root = tmp_path / "ds002837"
    for file in DATA.rglob("*"):
        if file.suffix in (".json", ".tsv"):
            (root / file.relative_to(DATA)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, root / file.relative_to(DATA))
    for subject in range(1, 21):
        for run in (1, 2, 3) if subject == 1 else (1, 2):
            write(root / f"sub-{subject}/func/sub-{subject}_task-{NNDB}_run-0{run}_bold.nii.gz")
        for kind in ("bold_blur_censor", "bold_no_blur_no_censor", "bold_blur_censor_ica"):
            write(root / f"derivatives/sub-{subject}/func/sub-{subject}_task-{NNDB}_{kind}.nii.gz", n=9)
    return root


def test_nndb_as_published(nndb):
    raw = find_runs(nndb, NNDB)
    assert len(raw) == 3 + 19 * 2
    assert names(raw)[:4] == [("1", f"task-{NNDB}_run-0{run}") for run in (1, 2, 3)] + [
        ("2", f"task-{NNDB}_run-01")
    ]
    # Sub-1 and sub-7 come with their sidecars.
    assert [run.sidecar_tr for run in raw if run.subject in ("1", "7")] == [1.0, None, None, 1.0, 1.0]
    for how in (
        {"root": nndb, "derivatives": True},
        {"root": nndb / "derivatives"},
    ):
        found = find_runs(**how, task=NNDB, suffix="bold_blur_censor")
        assert names(found) == [(str(subject), f"task-{NNDB}") for subject in range(1, 21)]
        assert found[0].bold.name == f"sub-1_task-{NNDB}_bold_blur_censor.nii.gz"
        assert number_of_volumes(found[0]) == 9
        assert found[0].sidecar_tr == 1.0
        assert repetition_time(found[6], 1.0) == 1.0
        assert found[1].sidecar_tr is None
        assert found[0].events is None
    with pytest.raises(InputError, match=r"holds no BOLD run bold_blur_censor .*derivatives: true"):
        find_runs(nndb, NNDB, suffix="bold_blur_censor")


def test_nndb_from_names_to_encoders(nndb, tmp_path):
    """The censored file of two subjects, a film's features as a table, the settings of the paper."""
    rng = generator(9, "film")
    film = rng.standard_normal((480, 4)).cumsum(axis=0)
    np.savez(tmp_path / "film.npz", values=film)
    predicted = align_film(film, n_volumes=100, tr=1.0, order="paper-amygdala")
    kept = np.ones(100)
    kept[40:43] = 0
    for subject in (2, 10):
        values = 100 + predicted @ rng.standard_normal((4, 24)) + rng.standard_normal((100, 24))
        values[kept == 0] = 0
        image = nibabel.Nifti1Image(
            values.T.reshape(3, 4, 2, 100).astype(np.float32), np.diag([3.0, 3, 3, 1])
        )
        image.header.set_zooms((3.0, 3.0, 3.0, 1.0))
        folder = nndb / f"derivatives/sub-{subject}"
        nibabel.save(image, folder / f"func/sub-{subject}_task-{NNDB}_bold_blur_censor.nii.gz")
        (folder / "regressors").mkdir()
        censored = folder / f"regressors/sub-{subject}_task-{NNDB}_censored_timepoints.1D"
        np.savetxt(censored, kept, fmt="%d")
    nibabel.save(
        nibabel.Nifti1Image(np.ones((3, 4, 2), np.int16), np.diag([3.0, 3, 3, 1])), tmp_path / "m.nii"
    )
    mapping = {
        "dataset": "ds002837",
        "derivatives": True,
        "suffix": "bold_blur_censor",
        "task": NNDB,
        "subjects": ["10", "2"],
        "preset": "paper-amygdala",
        "components": 4,
        "features": {"kind": "table", "path": "film.npz", "rows": "time", "interval": 1 / 4.8},
        "censor": {
            "path": "ds002837/derivatives/sub-{sub}/regressors/sub-{sub}_task-{task}_censored_timepoints.1D",
            "mode": "zero-filled",
        },
        "regions": {"all": "m.nii"},
    }
    report = fit(parse_config(mapping, tmp_path), progress=Silent())
    assert [item.subject for item in report.artifacts] == ["2", "10"]
    for item in report.artifacts:
        assert item.metrics["n_volumes"] == 97
        assert item.metrics["heldout_r"]["mean"] > 0.7


def test_nndb_with_a_wrong_header(nndb):
    """The raw sidecars speak for the file that a pipeline made of the runs."""
    path = nndb / f"derivatives/sub-7/func/sub-7_task-{NNDB}_bold_blur_censor.nii.gz"
    write(path, n=9, tr=2.0)
    (run,) = find_runs(nndb, subjects=["7"], suffix="bold_blur_censor", derivatives=True)
    with pytest.raises(InputError, match="header 2 s, sidecar 1 s"):
        repetition_time(run)
    sidecar = nndb / f"sub-7/func/sub-7_task-{NNDB}_run-02_bold.json"
    sidecar.write_text(json.dumps({"RepetitionTime": 1.1}))
    with pytest.raises(InputError, match=r"run-01_bold 1 s, .*run-02_bold 1.1 s"):
        find_runs(nndb, subjects=["7"], suffix="bold_blur_censor", derivatives=True)


def test_data_that_were_not_fetched(tmp_path):
    bids(tmp_path, "sub-1_task-x_bold.nii.gz")
    func = tmp_path / "sub-1" / "func"
    target = "../../.git/annex/objects/Xk/9q/MD5E-s1500000000--0123.nii.gz/MD5E-s1500000000--0123.nii.gz"
    (func / "sub-1_task-y_bold.nii.gz").symlink_to(target)
    (func / "sub-1_task-z_bold.nii.gz").write_text("/annex/objects/MD5E-s1500000000--0123.nii.gz\n")
    (func / "sub-1_task-w_bold.nii.gz").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    )
    (func / "sub-1_task-v_bold.nii.gz").symlink_to("nowhere.nii.gz")
    runs = {run.name: run for run in find_runs(tmp_path)}
    assert len(runs) == 5
    for name, said in (
        ("task-y", r"git-annex link to data that were not fetched.*datalad get sub-1_task-y_bold.nii.gz"),
        ("task-z", "pointer to data that were not fetched"),
        ("task-w", "pointer to data that were not fetched"),
        ("task-v", "is a link to data that were not fetched"),
    ):
        with pytest.raises(InputError, match=said):
            repetition_time(runs[name])
    assert repetition_time(runs["task-x"]) == 1.0
    (func / "sub-1_task-x_bold.json").symlink_to("../../.git/annex/objects/a.json")
    with pytest.raises(InputError, match=r"json: is a git-annex link"):
        find_runs(tmp_path, "x")
    (func / "sub-1_task-x_events.tsv").write_text("/annex/objects/MD5E-s15--0.tsv")
    with pytest.raises(InputError, match="not fetched"):
        read_events(func / "sub-1_task-x_events.tsv")


VOXELS = np.array([[2, 3, 1], [0, 0, 0], [1, 2, 1]])


@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.float32, np.dtype(">i2")])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_reading_inside_the_mask_equals_reading_everything(tmp_path, ending, kind):
    path = tmp_path / f"bold{ending}"
    values = generator(1, "read").integers(0, 200, (3, 4, 2, 7)).astype(kind)
    image = nibabel.Nifti1Image(values, np.eye(4))
    image.header.set_data_dtype(kind)
    image.header.set_slope_inter(0.5, 3.0) if np.dtype(kind).kind in "iu" else None
    nibabel.save(image, path)
    everything = nibabel.load(path).get_fdata()
    x, y, z = VOXELS.T
    np.testing.assert_array_equal(read_masked(path, VOXELS), everything[x, y, z].T)
    np.testing.assert_array_equal(read_masked(path, VOXELS, (2, 5)), everything[x, y, z, 2:5].T)
    into = np.zeros((7, 3), np.float32)
    assert read_masked(path, VOXELS, out=into) is into
    np.testing.assert_allclose(into, everything[x, y, z].T, rtol=1e-6)


def test_gzip_files_of_several_members_and_with_padding(tmp_path):
    values = write(tmp_path / "bold.nii", n=6)
    content = (tmp_path / "bold.nii").read_bytes()
    joined = b"".join(gzip.compress(content[at : at + 100]) for at in range(0, len(content), 100))
    (tmp_path / "bold.nii.gz").write_bytes(joined + b"\0" * 512)
    x, y, z = VOXELS.T
    np.testing.assert_array_equal(read_masked(tmp_path / "bold.nii.gz", VOXELS), values[x, y, z].T)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_damaged_files_name_themselves(tmp_path, ending):
    path = tmp_path / f"bold{ending}"
    write(path, n=50)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=rf"bold{ending}: its data end early or are damaged"):
        read_masked(path, VOXELS)
    if ending == ".nii.gz":
        broken = bytearray(whole)
        broken[len(broken) // 2] ^= 0xFF
        path.write_bytes(bytes(broken))
        with pytest.raises(InputError, match="damaged"):
            read_masked(path, VOXELS)
    path.write_bytes(whole)
    with pytest.raises(InputError, match="voxels outside it"):
        read_masked(path, np.array([[3, 0, 0]]))
    with pytest.raises(InputError, match="volumes inside the file"):
        read_masked(path, VOXELS, (0, 51))


def test_a_compressed_run_is_streamed_in_little_memory(tmp_path, monkeypatch):
    path = tmp_path / "bold.nii.gz"
    values = generator(2, "large").integers(0, 4000, (32, 32, 20, 300)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    read = []
    opened = Path.open

    def counting(self, *args, **kwargs):
        stream = opened(self, *args, **kwargs)
        if self == path and args == ("rb",):
            inner = stream.read
            stream = CountingFile(stream, inner, read)
        return stream

    class CountingFile:
        def __init__(self, stream, inner, read):
            self.stream, self.inner, self.counts = stream, inner, read

        def read(self, size=-1):
            data = self.inner(size)
            self.counts.append(len(data))
            return data

        def __enter__(self):
            return self

        def __exit__(self, *args):
            self.stream.close()

    monkeypatch.setattr(Path, "open", counting)
    tracemalloc.start()
    found = read_masked(path, np.argwhere(np.ones((2, 2, 2))))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(found, values[:2, :2, :2].reshape(8, 300).T)
    # A fraction of its 12 MB of content at a time. The first time, it is read to its check sum before.
    size = path.stat().st_size
    first, slack = sum(read), (1 << 20) + 100
    assert 2 * size <= first <= 2 * size + slack
    assert peak < 9e6
    read_masked(path, np.argwhere(np.ones((2, 2, 2))))
    assert size <= sum(read) - first <= size + slack


def test_only_nifti_images_with_numbers_are_read(tmp_path):
    nibabel.save(nibabel.MGHImage(np.zeros((2, 2, 2), np.float32), np.eye(4)), tmp_path / "bold.mgz")
    with pytest.raises(InputError, match=r"not a readable NIfTI file .* convert others, such as .*\.mgz"):
        load_nifti(tmp_path / "bold.mgz")
    nibabel.save(nibabel.Nifti1Image(np.zeros((3, 4, 2, 2), np.complex64), np.eye(4)), tmp_path / "c.nii")
    with pytest.raises(InputError, match="values of the kind complex64"):
        read_masked(tmp_path / "c.nii", VOXELS)
    values = np.zeros((3, 4, 2, 2), np.float32)
    values[0, 0, 0, 1] = np.nan
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "n.nii")
    assert np.isnan(read_masked(tmp_path / "n.nii", VOXELS)).tolist() == [[False] * 3, [False, True, False]]


def test_a_map_lies_at_its_voxels_and_has_the_same_bytes_twice(tmp_path):
    """Read back by nibabel, against the file that nibabel itself writes."""
    affine = np.array([[-2.0, 0, 0.1, 19], [0, 2.0, 0, -20], [0, 0, 2.0, -16], [0, 0, 0, 1]])
    grid = Grid.from_json({"shape": [4, 5, 3], "affine": affine.tolist()})
    voxels, values = np.array([[0, 0, 0], [3, 4, 2], [1, 2, 0]]), np.array([1.5, -2.0, np.nan])
    for name in ("a.nii.gz", "b.nii.gz", "c.nii"):
        write_map(tmp_path / name, values, voxels, grid)
    expected = np.full((4, 5, 3), np.nan, np.float32)
    expected[0, 0, 0], expected[3, 4, 2] = 1.5, -2.0
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    for name in ("a.nii.gz", "c.nii"):
        image = nibabel.load(tmp_path / name)
        np.testing.assert_array_equal(np.asarray(image.dataobj), expected)
        np.testing.assert_allclose(image.affine, affine)
        assert (image.get_data_dtype(), image.header.get_xyzt_units()[0]) == (np.float32, "mm")
    image = nibabel.Nifti1Image(expected, affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "d.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "d.nii.gz").read_bytes()
    write_map(tmp_path / "e.nii.gz", values, voxels, grid, code=1)
    assert int(nibabel.load(tmp_path / "e.nii.gz").header["qform_code"]) == 1
    with pytest.raises(InputError, match="a voxel lies outside"):
        write_map(tmp_path / "f.nii.gz", values, voxels + 1, grid)
