"""Tables of features in real files of every kind, the MATLAB ones as MATLAB lays them out."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse

from almond.encoding.features.matlab import read_variable
from almond.encoding.features.networks.image_preprocessing import read_mean
from almond.encoding.features.tables import load_table
from almond.errors import InputError
from almond.rng import generator

N, D = 30, 8
FRAMES = "video_imageFeatures"


@pytest.fixture(scope="module")
def values():
    return generator(1, "features table").standard_normal((N, D))


def save_v73(path, variables, *, extra=None):
    """A file as MATLAB -v7.3 writes it: 512 bytes of text before the HDF5, arrays with axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as stored:
        for name, (array, kind) in variables.items():
            stored[name] = np.ascontiguousarray(np.asarray(array).T)
            stored[name].attrs["MATLAB_class"] = np.bytes_(kind)
        if extra is not None:
            extra(stored)
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  6 12:00:00 2025 HDF5 schema 1.00 ."
    header = text.ljust(116) + bytes(8) + b"\x00\x02IM"
    with path.open("r+b") as stream:
        stream.write(header)


def save_v5(path, variables):
    scipy.io.savemat(path, {name: array for name, (array, _kind) in variables.items()})


@pytest.fixture(params=["v5", "v7.3"])
def save(request):
    return save_v5 if request.param == "v5" else save_v73


def test_frames_by_4096_features_as_published(save, tmp_path):
    frames = generator(2, "fc7").standard_normal((25, 4096)).astype(np.float32)
    path = tmp_path / "500_days_of_summer_fc7_features.mat"
    save(path, {FRAMES: (frames, "single")})
    for found in (
        load_table(path, rows="time"),
        load_table(path, variable=FRAMES, rows="time", expected_rows=25),
        load_table(path, expected_rows=25),
    ):
        np.testing.assert_array_equal(found.values, frames)
        assert found.values.dtype == np.float64
        assert len(found.names) == 4096
    save(path, {FRAMES: (frames.T, "single")})
    np.testing.assert_array_equal(load_table(path, rows="features").values, frames)


def test_the_header_of_v73_is_the_one_of_matlab(tmp_path, values):
    save_v73(tmp_path / "x.mat", {"x": (values, "double")})
    assert (tmp_path / "x.mat").read_bytes()[:19] == b"MATLAB 7.3 MAT-file"
    with h5py.File(tmp_path / "x.mat") as stored:
        assert stored["x"].shape == (D, N)


def test_which_variable_is_asked_for_when_there_are_several(save, tmp_path, values):
    path = tmp_path / "several.mat"
    save(path, {"a": (values, "double"), "rate": (np.array([[24.0]]), "double")})
    np.testing.assert_array_equal(load_table(path, rows="time").values, values)  # a scalar is no table
    save(path, {"a": (values, "double"), "b": (2 * values, "double")})
    with pytest.raises(InputError, match=r"several arrays: a \(30 x 8 double\), b \(30 x 8 double\)"):
        load_table(path, rows="time")
    np.testing.assert_array_equal(load_table(path, variable="b", rows="time").values, 2 * values)
    with pytest.raises(InputError, match="has no variable c"):
        load_table(path, variable="c", rows="time")


def test_activations_of_a_layer_come_with_leading_ones(save, tmp_path):
    frames = generator(2, "fc7").standard_normal((25, 40))
    save(tmp_path / "x.mat", {"x": (frames.T.reshape(1, 1, 40, 25), "double")})
    np.testing.assert_array_equal(load_table(tmp_path / "x.mat", rows="features").values, frames)


def test_a_mean_image_keeps_its_axes(save, tmp_path):
    mean = generator(3, "mean image").uniform(0, 255, (7, 5, 3))
    save(tmp_path / "mean.mat", {"average": (mean, "double")})
    np.testing.assert_allclose(read_mean(tmp_path / "mean.mat"), mean, rtol=1e-6)


def test_integers_and_logicals_are_numbers(save, tmp_path):
    counts = np.arange(12, dtype=np.int16).reshape(4, 3)
    save(tmp_path / "x.mat", {"x": (counts, "int16")})
    np.testing.assert_array_equal(load_table(tmp_path / "x.mat", rows="time").values, counts)
    save(tmp_path / "x.mat", {"x": ((counts > 4).astype(np.uint8), "logical")})
    np.testing.assert_array_equal(load_table(tmp_path / "x.mat", rows="time").values, counts > 4)


def test_what_is_no_matrix_is_said_in_version_5(tmp_path, values):
    path = tmp_path / "x.mat"
    cell = np.empty((1, 2), object)
    cell[0, 0], cell[0, 1] = values, values
    scipy.io.savemat(
        path,
        {
            "cells": cell,
            "words": "text",
            "record": {"field": values},
            "sparse": scipy.sparse.csc_matrix(np.eye(4)),
            "complex": values * 1j,
        },
    )
    for name, problem in {
        "cells": "cells is a cell array",
        "words": "words is text",
        "record": "record is a struct",
        "sparse": "sparse is a sparse matrix",
        "complex": "complex holds complex numbers",
    }.items():
        with pytest.raises(InputError, match=problem):
            load_table(path, variable=name, rows="time")


def test_what_is_no_matrix_is_said_in_version_73(tmp_path, values):
    def rest(stored):
        references = stored.create_group("#refs#")
        references["a"] = values
        stored.create_dataset("cells", (1, 1), h5py.ref_dtype)[0, 0] = references["a"].ref
        stored["cells"].attrs["MATLAB_class"] = np.bytes_("cell")
        record = stored.create_group("record")
        record["field"] = values
        record.attrs["MATLAB_class"] = np.bytes_("struct")
        sparse = stored.create_group("sparse")
        sparse.attrs["MATLAB_class"] = np.bytes_("double")
        sparse.attrs["MATLAB_sparse"] = np.uint64(4)
        stored["empty"] = np.zeros(2, np.uint64)
        stored["empty"].attrs["MATLAB_class"] = np.bytes_("double")
        stored["empty"].attrs["MATLAB_empty"] = np.uint8(1)
        stored["foreign"] = values
        stored["complex"] = np.zeros((2, 3), [("real", "f8"), ("imag", "f8")])
        stored["complex"].attrs["MATLAB_class"] = np.bytes_("double")

    path = tmp_path / "x.mat"
    save_v73(path, {"words": (np.array([[116, 101]], np.uint16), "char")}, extra=rest)
    for name, problem in {
        "cells": "cells is a cell array",
        "words": "words is text",
        "record": "record is a struct",
        "sparse": "sparse is a sparse matrix",
        "empty": "has shape",
        "foreign": "foreign is no array that MATLAB wrote",
        "complex": "complex holds complex numbers",
    }.items():
        with pytest.raises(InputError, match=problem):
            load_table(path, variable=name, rows="time")


def test_no_matlab_file_and_a_cut_one_are_named(tmp_path, values):
    (tmp_path / "text.mat").write_text("not MATLAB")
    scipy.io.savemat(tmp_path / "cut.mat", {"x": values}, do_compression=True)
    data = (tmp_path / "cut.mat").read_bytes()
    (tmp_path / "cut.mat").write_bytes(data[: len(data) // 2])
    save_v73(tmp_path / "cut73.mat", {"x": (values, "double")})
    data = (tmp_path / "cut73.mat").read_bytes()
    (tmp_path / "cut73.mat").write_bytes(data[: len(data) // 2])
    for name in ("text.mat", "cut.mat", "cut73.mat"):
        with pytest.raises(InputError, match=rf"{name}: cannot be read"):
            load_table(tmp_path / name, rows="time")
    with pytest.raises(InputError, match="file not found"):
        read_variable(tmp_path / "absent.mat", None)


def test_parquet_and_text_say_their_columns(tmp_path, values):
    frame = pd.DataFrame(values[:4, :2], columns=["warm", "bright"])
    frame.to_parquet(tmp_path / "x.parquet")
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_csv(tmp_path / "x.tsv", index=False, sep="\t")
    for name in ("x.parquet", "x.csv", "x.tsv"):
        found = load_table(tmp_path / name, expected_rows=4)
        np.testing.assert_allclose(found.values, values[:4, :2], rtol=1e-12)
        assert found.names == ("warm", "bright")
        turned = load_table(tmp_path / name, rows="features", expected_rows=2)
        np.testing.assert_allclose(turned.values, values[:4, :2].T, rtol=1e-12)
    frame.assign(stim_file=list("wxyz")).to_parquet(tmp_path / "keys.parquet")
    assert load_table(tmp_path / "keys.parquet").keys == ("w", "x", "y", "z")
    frame.assign(stim_file=["w", None, "y", "z"]).to_parquet(tmp_path / "keys.parquet")
    with pytest.raises(InputError, match="row 2 has no stim_file"):
        load_table(tmp_path / "keys.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match=r"bad\.parquet: cannot be read"):
        load_table(tmp_path / "bad.parquet")


def test_arrays_of_an_npz(tmp_path, values):
    path = tmp_path / "x.npz"
    np.savez(path, layer=values, note=np.array(["text"]))
    np.testing.assert_array_equal(load_table(path).values, values)
    np.savez(path, layer=values, other=-values)
    with pytest.raises(InputError, match=r"several matrices: layer \(30, 8\), other \(30, 8\)"):
        load_table(path)
    np.testing.assert_array_equal(load_table(path, variable="other").values, -values)
    with pytest.raises(InputError, match="has no array absent"):
        load_table(path, variable="absent")
    np.savez(path, values=values[:, :2], names=["a", "a"])
    with pytest.raises(InputError, match="has the column a twice"):
        load_table(path)
    np.savez(path, words=np.array([["a", "b"]]))
    with pytest.raises(InputError, match="holds no matrix of numbers"):
        load_table(path)


@pytest.mark.parametrize("kind", ["npy", "npz", "mat"])
def test_the_orientation_is_never_guessed(tmp_path, values, kind):
    path = tmp_path / f"x.{kind}"

    def save(array):
        if kind == "mat":
            scipy.io.savemat(path, {"x": array})
        elif kind == "npy":
            np.save(path, array)
        else:
            np.savez(path, values=array)

    save(values)
    assert load_table(path, expected_rows=N).values.shape == (N, D)
    with pytest.raises(
        InputError, match=r"30 x 8; rows: time would read 30 rows of 8 features, rows: features 8"
    ):
        load_table(path, expected_rows=D)  # transposed it would fit, but that has to be said
    with pytest.raises(InputError, match="rows: features would fit"):
        load_table(path, expected_rows=D)
    with pytest.raises(InputError, match="neither reading fits"):
        load_table(path, expected_rows=31)
    np.testing.assert_array_equal(load_table(path, rows="features", expected_rows=D).values, values.T)
    with pytest.raises(InputError, match="has 30 rows of 8 features as rows says"):
        load_table(path, rows="time", expected_rows=D)
    save(values[:D])
    with pytest.raises(InputError, match="is square"):
        load_table(path, expected_rows=D)
    np.testing.assert_array_equal(load_table(path, rows="features", expected_rows=D).values, values[:D].T)


def test_a_matlab_file_of_unknown_length_needs_rows(tmp_path, values):
    scipy.io.savemat(tmp_path / "x.mat", {"x": values})
    with pytest.raises(InputError, match="does not say what its rows are"):
        load_table(tmp_path / "x.mat")


def test_settings_that_have_no_meaning_are_refused(tmp_path, values):
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(InputError, match="variable has no meaning"):
        load_table(tmp_path / "x.npy", variable="x")
    with pytest.raises(InputError, match="rows: is 'columns'"):
        load_table(tmp_path / "x.npy", rows="columns")
    np.save(tmp_path / "x.npy", values * 1j)
    with pytest.raises(InputError, match="values of type complex"):
        load_table(tmp_path / "x.npy")
    values = values.copy()
    values[3, 2] = np.nan
    np.save(tmp_path / "x.npy", values)
    with pytest.raises(InputError, match="row 4, column feature_2 is not a number"):
        load_table(tmp_path / "x.npy")
