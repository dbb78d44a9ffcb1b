"""Random changes to bytes of files: what is read is what the bytes say, or an ``InputError`` is raised.

Nothing else is raised, and nothing is allocated that the file does not hold.
"""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
import warnings

import h5py
import nibabel
import numpy as np
import pytest
import scipy.io

from almond.encoding.bold.nifti import grid_of, load_nifti, read_data, read_masked
from almond.encoding.bold.sidecars import read_sidecar
from almond.encoding.features.tables import load_table
from almond.encoding.regions.resolve import load_region
from almond.errors import InputError
from almond.files.arrays import read_npz
from almond.files.writing import npz_bytes
from almond.rng import generator

COUNT = 1200
"""Mutations of a kind of file, shared out among its variants."""

LARGEST = 10
"""Times the size of a file that reading it may allocate."""

OWN = 256 << 10
"""Bytes that a reader allocates whatever the file is, such as for a message."""


def mutated(data, rng):
    """One to four bytes set, bits flipped, or a piece left out, doubled, or cut off."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        # Half of the changes hit the first bytes, where headers are.
        end = len(changed) if rng.random() < 0.5 else min(len(changed), 600)
        place = int(rng.integers(end)) if end else 0
        length = int(rng.integers(1, 9))
        what = rng.integers(8)
        if not changed:
            break
        if what < 4:
            changed[place] ^= 1 << int(rng.integers(8))
        elif what < 6:
            changed[place] = int(rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))]))
        elif what == 6:
            piece = changed[place : place + length]
            changed[place : place + (0 if rng.random() < 0.5 else length)] = (
                piece if rng.random() < 0.5 else b""
            )
        else:
            del changed[len(changed) - int(rng.integers(len(changed))) :]
    return bytes(changed)


def outcomes(path, data, read, right, *, seed, share=1):
    """Read mutations of a file, one of ``share`` parts of them; return the shares read and refused."""
    count = COUNT // share
    rng = generator(seed, "mutations", path.name)
    path.write_bytes(data)
    assert right(path, data, read(path)), "the file itself"
    known = refused = 0
    tracemalloc.start()
    try:
        for number in range(count):
            path.unlink()  # a new file each time, for caches that know files by their state
            changed = mutated(data, rng)
            path.write_bytes(changed)
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            value, error = None, None
            try:
                value = read(path)
            except InputError as refusal:
                error = refusal
            peak = tracemalloc.get_traced_memory()[1] - before
            assert peak <= LARGEST * max(len(changed), len(data)) + OWN, (number, peak)
            if error is None:
                known += 1
                assert right(path, changed, value), number
            else:
                refused += 1
                assert path.name in str(error), number
    finally:
        tracemalloc.stop()
    return known / count, refused / count


BOLD = generator(1, "mutated bold").integers(-900, 900, (5, 4, 3, 8)).astype(np.int16)
AFFINE = np.array([[-3.0, 0, 0.2, 12], [0, 3, 0, -9], [0, -0.2, 3.5, -9], [0, 0, 0, 1]])
EVERY = np.argwhere(np.ones((2, 2, 2)))


def nifti_bytes(values, version=nibabel.Nifti1Image):
    image = version(values, AFFINE)
    image.header.set_slope_inter(1, 0)
    image.set_qform(AFFINE, 1)
    return image.to_bytes()


def read_bold(path):
    image = load_nifti(path)
    grid = grid_of(image, path)
    courses = read_masked(path, EVERY)
    data = read_data(image)
    np.testing.assert_array_equal(courses, data[tuple(EVERY.T)].T)
    return data, grid.affine


def as_nibabel_reads(path, data, value):
    """Equal to what was written, or to what an independent reader makes of the bytes."""
    values, affine = value
    if values.shape == BOLD.shape and np.array_equal(values, BOLD) and np.allclose(affine, AFFINE, atol=1e-3):
        return True
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = nibabel.load(path)
        theirs = np.asarray(image.dataobj, np.float64)
    same = np.array_equal(values.ravel(order="F"), theirs.ravel(order="F"), equal_nan=True)
    return same and np.array_equal(affine, image.affine)


@pytest.mark.parametrize("version", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.filterwarnings("ignore::UserWarning:nibabel")
def test_nifti(tmp_path, version):
    known, refused = outcomes(
        tmp_path / "bold.nii", nifti_bytes(BOLD, version), read_bold, as_nibabel_reads, seed=1, share=4
    )
    assert min(known, refused) > 0.1


def test_compressed_nifti_is_what_was_written_or_refused(tmp_path):
    def as_written(path, data, value):
        return np.array_equal(value[0], BOLD) and np.allclose(value[1], AFFINE, atol=1e-3)

    data = gzip.compress(nifti_bytes(BOLD), mtime=0)
    _, refused = outcomes(tmp_path / "bold.nii.gz", data, read_bold, as_written, seed=2, share=2)
    assert refused > 0.9


def read_mask(path):
    return load_region("m", path)


def test_masks(tmp_path):
    inside = np.zeros((5, 4, 3), np.uint8)
    inside[2:4, 2:4, 1:3] = 1

    def in_the_file(path, data, region):
        return 0 < len(region.voxels) <= int(np.prod(region.grid.shape)) and len(data) >= 352

    known, refused = outcomes(
        tmp_path / "mask.nii",
        nifti_bytes(inside),
        lambda path: load_region("m", path),
        in_the_file,
        seed=3,
        share=2,
    )
    assert min(known, refused) > 0.1


TABLE = generator(1, "mutated table").standard_normal((20, 12))


def as_numpy_reads(path, data, table):
    theirs = np.load(io.BytesIO(data), allow_pickle=False)
    return np.array_equal(table.values, np.asarray(theirs, np.float64))


def read_rows(path):
    return load_table(path, rows="time")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_npy(tmp_path, order):
    stream = io.BytesIO()
    np.save(stream, np.asarray(TABLE, order=order))
    known, refused = outcomes(
        tmp_path / "table.npy", stream.getvalue(), read_rows, as_numpy_reads, seed=4, share=2
    )
    assert min(known, refused) > 0.05


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_is_what_was_written_or_refused(tmp_path, compressed):
    arrays = {"values": TABLE, "names": np.array([f"f{number}" for number in range(12)])}
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    data = stream.getvalue() if compressed else npz_bytes(arrays)

    def as_written(path, data, read):
        return all(np.array_equal(read[name], arrays[name]) for name in read.keys() & arrays.keys())

    _, refused = outcomes(tmp_path / "table.npz", data, read_npz, as_written, seed=5, share=2)
    assert refused > 0.5


@pytest.mark.parametrize("compressed", [False, True])
def test_matlab_5(tmp_path, compressed):
    stream = io.BytesIO()
    scipy.io.savemat(stream, {"values": TABLE, "note": "text"}, do_compression=compressed)

    kinds = [
        f"{order}{kind}" for order in "<>" for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8", "i8")
    ]

    def as_the_bytes_say(path, data, table):
        """No other reader is asked: scipy's crashes at some of these files."""
        if compressed:
            return np.array_equal(table.values, TABLE)
        with np.errstate(all="ignore"):
            return any(table.values.astype(kind).tobytes(order="F") in data for kind in kinds)

    known, refused = outcomes(
        tmp_path / "table.mat", stream.getvalue(), read_rows, as_the_bytes_say, seed=6, share=4
    )
    assert refused > 0.1
    assert compressed or known > 0.1


@pytest.mark.parametrize("chunks", [None, (6, 10)])
def test_matlab_73(tmp_path, chunks):
    path = tmp_path / "table.mat"
    with h5py.File(path, "w", userblock_size=512) as stored:
        stored.create_dataset("values", data=TABLE.T, chunks=chunks, compression="gzip" if chunks else None)
        stored["values"].attrs["MATLAB_class"] = np.bytes_("double")
    whole = path.read_bytes()

    def as_hdf_reads(path, data, table):
        with h5py.File(path, "r") as stored:
            return any(np.array_equal(table.values, stored[name][()].T) for name in stored)

    known, refused = outcomes(path, whole, read_rows, as_hdf_reads, seed=7, share=4)
    assert min(known, refused) > 0.05


def test_sidecars(tmp_path):
    content = {"RepetitionTime": 2.0, "TaskName": "Gesichter – Häuser", "SliceTiming": [0.0, 1.0, 0.5] * 20}
    data = json.dumps(content, ensure_ascii=False, indent=1).encode()

    def as_json_reads(path, data, sidecar):
        return repr(sidecar) == repr(json.loads(data))

    known, refused = outcomes(tmp_path / "task-x_bold.json", data, read_sidecar, as_json_reads, seed=8)
    assert min(known, refused) > 0.05
