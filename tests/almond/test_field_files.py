"""Files as they come from the field: names, headers, check sums, orientations and masks."""

from __future__ import annotations

import gzip
import io
import shutil
import unicodedata
import zipfile

import h5py
import nibabel
import numpy as np
import pytest
import scipy.io
from PIL import Image

from almond.encoding.bold.bids import Run, find_runs
from almond.encoding.bold.confounds import find_confounds
from almond.encoding.bold.nifti import grid_of, load_nifti, read_data, read_masked
from almond.encoding.bold.run_files import file_of_run
from almond.encoding.bold.run_headers import repetition_time
from almond.encoding.bold.sidecars import read_sidecar
from almond.encoding.config.regions import AtlasSpec, MapSpec, MaskSpec
from almond.encoding.features.matlab import read_variable
from almond.encoding.features.tables import load_table
from almond.encoding.regions.resolve import bold_grid, load_region, resolve_regions
from almond.errors import InputError
from almond.exchange.manifest import files_in
from almond.files.arrays import read_npy, read_npz
from almond.files.folders import find_path
from almond.progress import Silent
from almond.remarks import Remarks
from almond.rng import generator
from generation.runs.image_source import read_source

NFC = unicodedata.normalize("NFC", "Gemälde-é.png")
NFD = unicodedata.normalize("NFD", NFC)
AFFINE = np.diag([-3.0, 3.0, 3.0, 1.0])
BOLD = generator(1, "field bold").integers(0, 900, (4, 3, 2, 5)).astype(np.int16)


def write(path, values, affine=AFFINE, *, sform=(None, 1), qform=(None, 1), tr=None, kind=None):
    image = nibabel.Nifti1Image(values, affine, dtype=kind)
    image.set_sform(affine if sform[0] is None else sform[0], sform[1])
    image.set_qform(affine if qform[0] is None else qform[0], qform[1])
    if tr is not None:
        image.header.set_xyzt_units("mm", "sec")
        image.header["pixdim"][4] = tr
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)
    return path


def dataset(root, names, sub="01"):
    for name in names:
        path = root / f"sub-{sub}" / "func" / f"sub-{sub}_{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".json"):
            path.write_text('{"RepetitionTime": 2.5}')
        elif "bold" in name:
            write(path, BOLD)
        else:
            path.write_text("onset\tduration\ttrial_type\n0\t1\ta\n")
    return root


# Names


@pytest.mark.parametrize(("raw", "own"), [("01", "1"), ("1", "01"), ("007", "7"), ("10", "10")])
def test_indices_are_compared_as_numbers(tmp_path, raw, own):
    dataset(tmp_path, [f"task-x_run-{raw}_events.tsv", f"task-x_run-{raw}_bold.json"])
    below = tmp_path / "derivatives" / "prep"
    dataset(below, [f"task-x_run-{own}_desc-preproc_bold.nii.gz"])
    dataset(below, [f"task-x_run-{raw}_desc-confounds_timeseries.tsv"])
    (run,) = find_runs(below, "x", only={"run": raw})
    assert (run.name, run.sidecar_tr) == (f"task-x_run-{own}", 2.5)
    assert run.events.name == f"sub-01_task-x_run-{raw}_events.tsv"
    assert find_confounds(run).name == f"sub-01_task-x_run-{raw}_desc-confounds_timeseries.tsv"
    (tmp_path / f"motion_01_task-x_run-{raw}.1D").write_text("1\n")
    assert file_of_run(str(tmp_path / "motion_{subject}_{run}.1D"), run, "censor.path").is_file()
    with pytest.raises(InputError, match="holds no BOLD run"):
        find_runs(below, "x", only={"run": "2"})


def test_labels_are_no_numbers_and_one_index_has_one_file(tmp_path):
    dataset(tmp_path, ["task-1_bold.nii.gz", "task-01_bold.nii.gz"])
    assert [run.name for run in find_runs(tmp_path)] == ["task-01", "task-1"]
    dataset(tmp_path, ["task-x_run-1_bold.nii.gz", "task-x_run-01_bold.nii.gz"])
    with pytest.raises(InputError, match=r"is a second file for the run of .*run-1 and run-01 are the same"):
        find_runs(tmp_path, "x")
    (tmp_path / "sub-01" / "func" / "sub-01_task-x_run-01_bold.nii.gz").unlink()
    dataset(tmp_path, ["task-x_run-1_events.tsv", "task-x_run-01_events.tsv"])
    with pytest.raises(InputError, match=r"run-1_events.tsv: is a second file for the runs of"):
        find_runs(tmp_path, "x")


def test_hidden_files_are_none(tmp_path):
    dataset(tmp_path, ["task-x_run-1_bold.nii.gz", "task-x_run-1_events.tsv", "task-x_run-1_bold.json"])
    dataset(tmp_path, ["task-x_run-1_desc-confounds_timeseries.tsv"])
    func = tmp_path / "sub-01" / "func"
    for path in list(func.iterdir()):
        (func / f"._{path.name}").write_bytes(b"\0\x05\x16\x07" + bytes(200))
    (tmp_path / "._task-x_bold.json").write_bytes(b"\0\x05\x16\x07")
    (func / ".DS_Store").write_bytes(b"\0")
    (run,) = find_runs(tmp_path, "x")
    assert run.events.name == "sub-01_task-x_run-1_events.tsv"
    assert find_confounds(run).name == "sub-01_task-x_run-1_desc-confounds_timeseries.tsv"
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("")
    assert not [name for name in files_in(tmp_path) if name.rpartition("/")[2].startswith(".")]
    assert files_in(tmp_path)[0] == "sub-01/func/sub-01_task-x_run-1_bold.json"


def test_capital_endings_and_decomposed_subjects(tmp_path):
    dataset(tmp_path, ["task-x_bold.nii.gz"], sub=unicodedata.normalize("NFD", "Jürgen"))
    dataset(tmp_path, ["task-x_bold.nii.gz"], sub="Jutta")
    func = tmp_path / "sub-Jutta" / "func"
    (func / "sub-Jutta_task-x_bold.nii.gz").rename(func / "sub-Jutta_task-x_bold.NII.GZ")
    wanted = [unicodedata.normalize("NFC", "Jürgen"), "Jutta"]
    runs = find_runs(tmp_path, subjects=wanted)
    assert {run.subject for run in runs} == set(wanted)
    assert read_masked(func / "sub-Jutta_task-x_bold.NII.GZ", np.array([[0, 0, 0]])).shape == (5, 1)


@pytest.mark.parametrize(("said", "on_disk"), [(NFC, NFD), (NFD, NFC)])
def test_names_are_found_in_either_unicode_form(tmp_path, said, on_disk):
    folder = tmp_path / unicodedata.normalize("NFD", "Bücher")
    folder.mkdir()
    (folder / on_disk).write_bytes(b"x")
    assert find_path(tmp_path / unicodedata.normalize("NFC", "Bücher") / said) == folder / on_disk
    assert find_path(tmp_path / "other" / said) == tmp_path / "other" / said
    (folder / on_disk).unlink()
    assert not find_path(folder / said).exists()


@pytest.mark.parametrize("packed", [False, True])
def test_imported_images_and_norms_in_two_unicode_forms(tmp_path, packed):
    pixels = generator(2, "picture").integers(0, 255, (8, 8, 3)).astype(np.uint8)
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(pixels).save(folder / NFD)
    (folder / f"._{NFD}").write_bytes(b"\0\x05\x16\x07")
    norms = tmp_path / "norms.csv"
    norms.write_text(f"image,valence\n{NFC},3.5\n", encoding="utf-8")
    source = folder
    if packed:
        source = tmp_path / "images.zip"
        with zipfile.ZipFile(source, "w") as archive:
            archive.write(folder / NFD, f"set/{NFD}")
            archive.writestr(f"__MACOSX/set/._{NFD}", b"\0\x05\x16\x07")
            archive.writestr(f"set/.trash/{NFD}", b"no image")
    (photograph,) = read_source(source, norms, progress=Silent()).images
    assert (photograph.name, photograph.norms) == (NFC, {"valence": 3.5})
    if not packed:
        shutil.copy(folder / NFD, folder / NFC)
        with pytest.raises(InputError, match="has the name of another image"):
            read_source(folder, None, progress=Silent())


def test_sidecars_in_utf_16_are_read_and_doubled_keys_are_not(tmp_path):
    path = tmp_path / "task-x_bold.json"
    path.write_text('{"RepetitionTime": 2, "Ort": "Zürich"}', encoding="utf-16")
    assert read_sidecar(path) == {"RepetitionTime": 2, "Ort": "Zürich"}
    path.write_text('{"RepetitionTime": 2, "RepetitionTime": 3}')
    with pytest.raises(InputError, match="'RepetitionTime' stands in it twice"):
        read_sidecar(path)
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="cannot be read"):
        read_sidecar(path)


# Compressed files


def test_every_flipped_bit_of_a_gzip_file_is_noticed_or_harmless(tmp_path):
    path = write(tmp_path / "bold.nii.gz", BOLD)
    whole, voxels = path.read_bytes(), np.array([[0, 0, 0]])
    right = read_masked(path, voxels, (0, 1))
    refused = 0
    for place in range(0, 8 * len(whole), 7):
        path.unlink()
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            np.testing.assert_array_equal(read_masked(path, voxels, (0, 1)), right)
        except InputError:
            refused += 1
    assert refused > len(whole)


@pytest.mark.parametrize(
    ("change", "fine"),
    [
        (lambda data: gzip.compress(data[:100]) + gzip.compress(data[100:]), True),
        (lambda data: gzip.compress(data) + bytes(1000), True),
        (lambda data: gzip.compress(data) + bytes(600) + gzip.compress(b""), True),
        (lambda data: data, True),
        (lambda data: gzip.compress(data) + b"<html>", False),
        (lambda data: gzip.compress(data)[:-4], False),
        (lambda data: gzip.compress(data)[:-9], False),
        (lambda data: gzip.compress(data[:-1]), False),
        (lambda data: gzip.compress(gzip.compress(data)), False),
        (lambda data: gzip.compress(b""), False),
        (lambda data: b"", False),
    ],
)
def test_members_padding_and_ends_of_gzip_files(tmp_path, change, fine):
    plain = write(tmp_path / "plain.nii", BOLD)
    path = tmp_path / "bold.nii.gz"
    path.write_bytes(change(plain.read_bytes()))
    if fine:
        np.testing.assert_array_equal(read_data(load_nifti(path)), BOLD)
    else:
        with pytest.raises(InputError, match=r"bold\.nii\.gz"):
            load_nifti(path)


# Headers


def header_of(path, **fields):
    raw = bytearray(path.read_bytes())
    header = nibabel.Nifti1Header(bytes(raw[:348]))
    for name, value in fields.items():
        header[name] = value
    raw[:348] = header.binaryblock
    path.write_bytes(raw)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dim": [4, 4, 3, 2, 6, 1, 1, 1]}, r"promises 640 bytes, it holds 592"),
        ({"dim": [4, 32767, 32767, 32767, 32767, 1, 1, 1]}, "promises"),
        ({"dim": [4, 4, 0, 2, 5, 1, 1, 1]}, r"has an empty axis: .* \(4, 0, 2, 5\)"),
        ({"dim": [4, 4, -3, 2, 5, 1, 1, 1]}, "has an empty axis"),
        ({"dim": [9, 4, 3, 2, 5, 1, 1, 1]}, "says that it has 9 axes"),
        ({"dim": [2, 4, 3, 1, 1, 1, 1, 1]}, "an image of three axes"),
        ({"vox_offset": 1e6}, "promises"),
        ({"vox_offset": np.nan}, "begin at byte nan|vox offset"),
        ({"vox_offset": 352.5}, "begin at byte 352.5"),
        ({"datatype": 32, "bitpix": 64}, "of the kind complex64"),
        ({"datatype": 128, "bitpix": 24}, "of the kind RGB"),
        ({"datatype": 2304, "bitpix": 32}, "of the kind RGBA"),
        ({"datatype": 1536, "bitpix": 128}, "float128"),
        ({"scl_slope": np.inf}, "scales its values by inf"),
        ({"scl_slope": 2, "scl_inter": np.nan}, "scales its values by 2 and nan"),
        ({"srow_x": [np.nan, 0, 0, 0]}, "an affine without volume"),
        ({"srow_x": [0, 0, 0, 0]}, "an affine without volume"),
        ({"magic": b"ni1"}, "header of a pair of files"),
        ({"sizeof_hdr": 349}, "not a readable NIfTI file"),
    ],
)
def test_headers_that_cannot_be_right_are_refused(tmp_path, fields, words, ending):
    path = write(tmp_path / "bold.nii", BOLD)
    header_of(path, **fields)
    if ending == ".nii.gz":
        path.with_suffix(".nii.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = path.with_suffix(".nii.gz")
    with pytest.raises(InputError, match=words):
        load_nifti(path)


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_unscaled_values_extra_axes_and_byte_orders(tmp_path, slope):
    path = write(tmp_path / "bold.nii", BOLD)
    header_of(path, scl_slope=slope, scl_inter=9, dim=[6, 4, 3, 2, 5, 1, 1, 1], xyzt_units=63)
    image = load_nifti(path)
    assert image.shape == (4, 3, 2, 5)
    np.testing.assert_array_equal(read_data(image), BOLD)
    np.testing.assert_array_equal(read_data(image, 2), BOLD[..., :2])
    header = nibabel.Nifti2Header(endianness=">")
    nibabel.save(nibabel.Nifti2Image(BOLD.astype(">f4"), AFFINE, header), tmp_path / "two.nii.gz")
    np.testing.assert_array_equal(read_data(load_nifti(tmp_path / "two.nii.gz")), BOLD)


@pytest.mark.parametrize(
    ("header", "sidecar", "stated", "used"),
    [
        (2000.0, None, 2.0, 2.0),
        (0.002, None, 2.0, 2.0),
        (2000.0, 2.0, None, 2.0),
        (1.0, 2.0, 2.0, 2.0),
        (1.0, None, 2.0, None),
        (1.0, 2.0, None, None),
        (2000.0, 2.0, 3.0, None),
        (2000.0, None, None, None),
    ],
)
def test_headers_in_other_units_give_way_with_a_remark(tmp_path, header, sidecar, stated, used):
    run = Run("01", "r", write(tmp_path / "bold.nii", BOLD, tr=header), sidecar_tr=sidecar)
    remarks = Remarks()
    if used is None:
        with pytest.raises(InputError, match="tr:"):
            repetition_time(run, stated, remarks)
    else:
        assert repetition_time(run, stated, remarks) == used
        (remark,) = remarks
        assert remark.kind == "repetition-time"
        assert f"{header:g} s in its header" in remark.text


# Where images lie

FLIPPED = np.diag([3.0, 3.0, 3.0, 1.0])
TURNED = np.diag([3.0, -3.0, 3.0, 1.0])  # half a turn about z: no mirror image, but left is right
SHIFTED = AFFINE + np.array([[0, 0, 0, 5.0], [0] * 4, [0] * 4, [0] * 4])
NEAR = AFFINE + np.array([[0, 0, 0, 0.05], [0] * 4, [0] * 4, [0] * 4])


@pytest.mark.parametrize(
    ("sform", "qform", "words", "sided"),
    [
        ((AFFINE, 1), (AFFINE, 1), "", True),
        ((AFFINE, 1), (NEAR, 1), "", True),
        ((AFFINE, 2), (FLIPPED, 0), "", True),
        ((AFFINE, 0), (FLIPPED, 1), "", True),
        (
            (AFFINE, 4),
            (SHIFTED, 1),
            "an sform (mni) and a qform (scanner) that differ by up to 5 mm;",
            True,
        ),
        ((AFFINE, 1), (FLIPPED, 1), "left and right the other way round; the sform was used", False),
        ((AFFINE, 1), (TURNED, 1), "left and right the other way round; the sform was used", False),
        ((AFFINE, 0), (AFFINE, 0), "does not say where it lies (sform and qform have code 0)", False),
    ],
)
def test_doubtful_orientations_are_remarked_and_sides_refused(tmp_path, sform, qform, words, sided):
    bold = write(tmp_path / "bold.nii", BOLD, sform=sform, qform=qform)
    inside = np.zeros((4, 3, 2), np.uint8)
    inside[1:3] = 1
    mask = write(tmp_path / "mask.nii.gz", inside, sform=sform, qform=qform)
    grid = bold_grid([bold])
    assert words in grid.doubt
    assert bool(grid.doubt) == bool(words)
    specs = {"a": MaskSpec(mask=mask), "l": MaskSpec(mask=mask, side="left")}
    region = resolve_regions({"a": specs["a"]}, grid)["a"]
    assert [remark.kind for remark in region.remarks] == ["orientation"] * bool(words)
    assert len(region.voxels) == 12
    if not sided:
        with pytest.raises(InputError, match=r"bold\.nii.*side: left may be the other half"):
            resolve_regions(specs, grid)
        certain = bold_grid([write(tmp_path / "fine.nii", BOLD)])
        if sform[1]:  # without one, the mask lies elsewhere than the run
            with pytest.raises(InputError, match=r"mask\.nii\.gz.*side: left may be the other half"):
                resolve_regions({"l": specs["l"]}, certain)
            with pytest.raises(InputError, match=r"bold\.nii.*side: left may be the other half"):
                resolve_regions(specs, bold_grid([tmp_path / "fine.nii", bold]))


# Masks


def mask_of(tmp_path, values, kind=np.float32):
    filled = np.zeros((4, 3, 2), kind)
    filled.ravel()[: len(values)] = values
    return write(tmp_path / "mask.nii.gz", filled, kind=kind)


@pytest.mark.parametrize(
    ("values", "count", "kinds"),
    [
        ([1, 1], 2, []),
        ([255, 255, 0], 2, []),
        ([-1], 1, []),
        ([np.nan, 1, np.nan], 1, []),
        ([1] * 24, 24, []),
        ([0.9999, 1, 1e-7, 1.00001], 3, ["rounded-values"]),
        ([1000, 999.9, -1e-3, 1e-4], 2, ["rounded-values"]),
    ],
)
def test_masks_of_one_value_and_of_rounded_ones(tmp_path, values, count, kinds):
    region = load_region("m", mask_of(tmp_path, values))
    assert len(region.voxels) == count
    assert [remark.kind for remark in region.remarks] == kinds


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.8] * 4 + [0.004] * 20, r"2 values \(0.004, 0.8\) in 24 of 24 voxels .*above: 0.402"),
        (
            [1, 2, 3, 17],
            r"4 values \(1, 2, 3, 17\) in 4 of 24 voxels .*atlas: mask.nii.gz, labels: \[1\]",
        ),
        ([1, -1], r"2 values \(-1, 1\)"),
        ([1, 0.5], r"2 values \(0.5, 1\)"),
        (np.linspace(0, 1, 24), r"23 values \(0.043\d*, .*, \.\.\., 1\)"),
        ([0, np.nan], "is empty"),
    ],
)
def test_images_with_several_values_are_no_masks(tmp_path, values, words):
    path = mask_of(tmp_path, values)
    with pytest.raises(InputError, match=words):
        load_region("m", path)


def test_labels_are_rounded_and_thresholds_that_select_all_are_remarked(tmp_path):
    path = mask_of(tmp_path, [1.0001, 2, 2.9999, 3])
    region = load_region("m", AtlasSpec(atlas=path, labels=(3,)))
    assert (len(region.voxels), [remark.kind for remark in region.remarks]) == (2, ["rounded-values"])
    with pytest.raises(InputError, match="not whole numbers"):
        load_region("m", AtlasSpec(atlas=mask_of(tmp_path, [1.5, 2]), labels=(2,)))
    region = load_region("m", MapSpec(map=mask_of(tmp_path, np.arange(1.0, 25.0)), above=0.5))
    (remark,) = region.remarks
    assert remark.kind == "whole-map"
    assert "values from 1 to 24: all 24 voxels pass the threshold" in remark.text
    assert load_region("m", MapSpec(map=mask_of(tmp_path, [0.2, 0.8]), above=0.5)).remarks == ()


# Arrays


def test_numpy_files_hold_plain_numbers_and_all_of_them(tmp_path):
    path = tmp_path / "table.npy"
    np.save(path, np.arange(12.0).reshape(3, 4))
    whole = path.read_bytes()
    np.testing.assert_array_equal(read_npy(path), np.arange(12.0).reshape(3, 4))
    path.write_bytes(whole.replace(b"(3, 4)", b"(3, 9)"))
    with pytest.raises(
        InputError, match=r"table\.npy ends early: its header promises 216 bytes of values, it holds 96"
    ):
        load_table(path, rows="time")
    path.write_bytes(whole.replace(b"(3, 4), ", b"(-3,-4),"))
    with pytest.raises(InputError, match=r"shape \(-3, -4\)"):
        load_table(path, rows="time")
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="type object"):
        load_table(path, rows="time")
    np.save(path, np.zeros(3, [("a", "f4"), ("b", "i4")]))
    with pytest.raises(InputError, match="an array of plain numbers"):
        load_table(path, rows="time")


def test_npz_members_that_promise_more_than_they_hold(tmp_path):
    path = tmp_path / "table.npz"
    stream = io.BytesIO()
    np.save(stream, np.zeros((3, 4)))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("values.npy", stream.getvalue().replace(b"(3, 4), ", b"(9**9,4)"))
    with pytest.raises(InputError, match=r"table\.npz"):
        read_npz(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("values.npy", stream.getvalue().replace(b"(3, 4), ", b"(99999,4"[:7] + b")"))
    with pytest.raises(InputError, match=r"promises \d+ bytes of values, it holds 96"):
        read_npz(path)


def test_matlab_classes_of_version_5_are_told_apart(tmp_path):
    path = tmp_path / "all.mat"
    x = np.array([[1, 2, 3], [4, 5, 6]])
    for compressed in (False, True):
        variables = {
            "x": x.astype(np.int16),
            "yes": x > 2,
            "z": x + 1j,
            "cells": np.array([x, x], dtype=object),
            "s": {"inner": x},
            "text": "words",
        }
        scipy.io.savemat(path, variables, do_compression=compressed)
        np.testing.assert_array_equal(read_variable(path, "x"), x)
        np.testing.assert_array_equal(read_variable(path, "yes"), x > 2)
        for name, words in {
            "z": "complex",
            "cells": "a cell array",
            "s": "a struct",
            "text": "is text",
        }.items():
            with pytest.raises(InputError, match=words):
                read_variable(path, name)
        with pytest.raises(
            InputError, match=r"holds several arrays: x \(2 x 3 int16\), yes \(2 x 3 logical\)"
        ):
            read_variable(path, None)


def test_hdf5_pieces_that_were_never_written_are_no_zeros(tmp_path):
    path = tmp_path / "table.mat"
    with h5py.File(path, "w") as stored:
        dataset = stored.create_dataset("x", (40, 40), "f4", chunks=(10, 40))
        dataset.attrs["MATLAB_class"] = np.bytes_("double")
        dataset[:10] = 1
    with pytest.raises(InputError, match="1 of 4 pieces of /x are there"):
        read_variable(path, None)
    with h5py.File(path, "w") as stored:
        dataset = stored.create_dataset("x", (1 << 40,), "f8", chunks=(1 << 10,))
        dataset.attrs["MATLAB_class"] = np.bytes_("double")
    with pytest.raises(InputError, match="0 of 1073741824 pieces"):
        read_variable(path, None)
    with h5py.File(path, "w") as stored:
        stored["x"] = h5py.ExternalLink("other.mat", "/x")
    with pytest.raises(InputError, match=r"table\.mat"):
        read_variable(path, "x")


def test_grids_say_their_names(tmp_path):
    image = load_nifti(write(tmp_path / "sub-01_space-T1w_mask.nii", BOLD))
    grid = grid_of(image, image.path)
    assert (grid.space, grid.code, grid.name, grid.sided) == (
        "T1w",
        "scanner",
        "sub-01_space-T1w_mask.nii",
        True,
    )
