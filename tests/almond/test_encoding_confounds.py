"""Nuisance regressors, high-pass filter and censored volumes."""

import os
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from scipy.fft import dct
from scipy.signal import detrend

from almond.encoding.bold.bids import Run
from almond.encoding.bold.censoring import read_censor, uncensored_rows
from almond.encoding.bold.cleaning import cosines, nuisance, without
from almond.encoding.bold.confounds import read_confounds, read_regressors
from almond.encoding.config.fit_config import parse_config
from almond.encoding.config.preparation import (
    ConfoundSettings,
)
from almond.errors import InputError
from almond.rng import generator
from tests.almond.sections import section_of

HAXBY = Path(os.environ.get("ALMOND_REAL_DATA", "")) / "haxby2001_pymvpa"


def bold(folder, name="sub-1_task-x_run-1_bold.nii", n=6):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.ones((2, 2, 2, n), np.int16), np.eye(4)), path)
    return path


def run_of(folder, **how):
    path = how.pop("path", None) or bold(folder)
    return Run("1", "task-x_run-1", path, **how)


TABLE = """trans_x\ttrans_x_derivative1\trot_z\tframewise_displacement\tcosine00
1\tn/a\t3\tn/a\t0.5
2\t1\t3\t0.2\t0.4
3\t1\t4\t0.1\t0.3
5\t2\t4\t0.3\t0.1
8\t3\t5\t0.2\t-0.3
9\t1\t6\t0.2\t-0.5
"""


def test_columns_by_name_and_glob_with_the_first_row_filled(tmp_path):
    run = run_of(tmp_path)
    (tmp_path / "sub-1_task-x_run-1_desc-confounds_timeseries.tsv").write_text(TABLE)
    found = read_confounds(run, ["framewise_displacement", "trans_*", "trans_x"])
    expected = [[1, 2, 3, 5, 8, 9], [1, 1, 1, 2, 3, 1], [0.2, 0.2, 0.1, 0.3, 0.2, 0.2]]
    np.testing.assert_array_equal(found.T, expected)
    with pytest.raises(InputError, match=r"no column trans_y \(expected columns such as trans_x"):
        read_confounds(run, ["trans_y"])
    with pytest.raises(InputError, match=r"no column rot_\?\?"):
        read_confounds(run, ["rot_z", "rot_??"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("3\t1\t4\t0.1", "3\t1\t4\tn/a"), "framewise_displacement has no number in row 4"),
        (("5\t2\t4", "x\t2\t4"), "row 5, column trans_x is 'x', not a number"),
        (("9\t1\t6\t0.2\t-0.5\n", ""), r"has 5 rows, .* has 6 volumes"),
        (
            ("2\t1\t3\t0.2", "2\tinf\t3\t0.2"),
            "row 3, column trans_x_derivative1 is .inf., not a finite",
        ),
        (
            ("n/a\t3\tn/a", "n/a\t3\t-inf"),
            "row 2, column framewise_displacement is .-inf.",
        ),
    ],
)
def test_tables_that_do_not_fit(tmp_path, change, problem):
    run = run_of(tmp_path)
    text = TABLE.replace(*change)
    (tmp_path / "sub-1_task-x_run-1_desc-confounds_timeseries.tsv").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_confounds(run, ["*"])


def test_tables_are_found_in_derivatives_and_by_patterns(tmp_path):
    raw = bold(tmp_path / "sub-1" / "ses-a" / "func", "sub-1_ses-a_task-x_run-1_bold.nii")
    run = Run("1", "ses-a_task-x_run-1", raw)
    with pytest.raises(InputError, match="no confounds table beside it or in derivatives"):
        read_confounds(run, ["*"])
    beside = tmp_path / "derivatives" / "fmriprep" / "sub-1" / "ses-a" / "func"
    beside.mkdir(parents=True)
    (beside / "sub-1_ses-a_task-x_run-2_desc-confounds_timeseries.tsv").write_text(TABLE.replace("9", "7"))
    (beside / "sub-1_ses-a_task-x_run-1_desc-confounds_regressors.tsv").write_text(TABLE)
    assert read_confounds(run, ["trans_x"])[-1, 0] == 9
    # Preprocessed in one or another space: the table has neither entity.
    made = bold(beside, "sub-1_ses-a_task-x_run-1_space-MNI_desc-preproc_bold.nii")
    assert read_confounds(Run("1", "ses-a_task-x_run-1", made), ["trans_x"])[-1, 0] == 9
    # A second pipeline beside the first one, and BOLD made by a third without a table.
    third = bold(
        tmp_path / "derivatives" / "denoised" / "sub-1" / "ses-a" / "func",
        "sub-1_ses-a_task-x_run-1_space-MNI_desc-denoised_bold.nii",
    )
    assert read_confounds(Run("1", "ses-a_task-x_run-1", third), ["trans_x"])[-1, 0] == 9
    other = tmp_path / "derivatives" / "other" / "sub-1" / "ses-a" / "func"
    other.mkdir(parents=True)
    (other / "sub-1_ses-a_task-x_run-1_desc-confounds_timeseries.tsv").write_text(TABLE)
    with pytest.raises(InputError, match=r"several confounds tables: .*fmriprep.*other.*confounds.path"):
        read_confounds(run, ["trans_x"])
    with pytest.raises(InputError, match="no confounds table"):
        read_confounds(Run("1", "1", bold(tmp_path, "bold.nii")), ["trans_x"])
    (tmp_path / "motion").mkdir()
    (tmp_path / "motion" / "1-a-ses-a_task-x_run-1.1D").write_text("# comment\n" + "1 2 3 4 5 6\n" * 6)
    pattern = str(tmp_path / "motion" / "{subject}-{ses}-{run}.1D")
    assert read_confounds(run, ["motion_1", "motion_[56]"], pattern).tolist() == [[1, 5, 6]] * 6
    with pytest.raises(InputError, match=r"confounds.path: .*field \{acq\}"):
        read_confounds(run, ["*"], "{acq}.1D")
    with pytest.raises(InputError, match="file not found for sub-1 ses-a_task-x_run-1"):
        read_confounds(run, ["*"], str(tmp_path / "{bold}.1D"))


def test_text_tables(tmp_path):
    (tmp_path / "a.1D").write_text('# ColumnLabels = "roll ; pitch"\n1 2\n3 4\n')
    assert read_regressors(tmp_path / "a.1D").names == ("roll", "pitch")
    (tmp_path / "b.par").write_text("1 2\n3\n")
    with pytest.raises(InputError, match="line 2 has 1 numbers, others 2"):
        read_regressors(tmp_path / "b.par")
    (tmp_path / "c.txt").write_text("# nothing\n")
    with pytest.raises(InputError, match="holds no rows"):
        read_regressors(tmp_path / "c.txt")
    (tmp_path / "d.txt").write_text("one two\n")
    with pytest.raises(InputError, match="row 1, column motion_1 is 'one', not a number"):
        read_regressors(tmp_path / "d.txt").column("motion_1").numbers()


def test_a_column_that_starts_late_is_no_column(tmp_path):
    run = run_of(tmp_path, path=bold(tmp_path, n=20))
    (tmp_path / "late.tsv").write_text("a\tb\n" + "n/a\tn/a\n" * 11 + "1\tn/a\n" * 9)
    for name in ("a", "b"):
        with pytest.raises(InputError, match=f"column {name} has no number in the first 11 rows"):
            read_confounds(run, [name], str(tmp_path / "late.tsv"))


@pytest.mark.skipif("ALMOND_REAL_DATA" not in os.environ or not HAXBY.is_dir(), reason="no ALMOND_REAL_DATA")
def test_real_motion_parameters_and_a_run_that_is_part_of_a_file(tmp_path):
    values = np.loadtxt(HAXBY / "bold_mc.par")
    table = read_regressors(HAXBY / "bold_mc.par")
    np.testing.assert_array_equal([table.column(name).numbers() for name in table.names], values.T)
    assert len(table.names) == 6
    # Twelve runs of 121 volumes lie in one file; so do their motion parameters.
    motion = generator(5, "motion").standard_normal((1452, 6))
    np.savetxt(tmp_path / "motion.par", motion, fmt="%.17g")
    for number in (1, 12):
        run = Run("1", str(number), HAXBY / "bold.nii.gz", volumes=(121 * (number - 1), 121 * number))
        found = read_confounds(run, ["*"], str(tmp_path / "motion.par"))
        np.testing.assert_array_equal(found, motion[slice(*run.volumes)])
        with pytest.raises(InputError, match="a row per volume"):
            read_confounds(run, ["*"], str(HAXBY / "bold_mc.par"))


@pytest.mark.parametrize(("n", "tr", "cutoff"), [(121, 2.5, 1 / 128), (300, 0.8, 0.01), (90, 2.0, 1 / 90)])
def test_high_pass_is_spms_cosine_set(n, tr, cutoff):
    """Rows of scipy's discrete cosine transform are the vectors of ``spm_dctmtx``; their number is SPM's."""
    found = cosines(n, tr, cutoff)
    order = int(np.fix(2 * (n * tr) * cutoff + 1))
    np.testing.assert_allclose(found, dct(np.eye(n), norm="ortho", axis=0).T[:, 1:order], atol=1e-12)
    np.testing.assert_allclose(found.T @ found, np.eye(order - 1), atol=1e-12)
    # The slowest that stays is faster than the cut-off.
    assert order / (2 * n * tr) > cutoff - 1e-9


def test_high_pass_removes_what_is_slow_and_keeps_what_is_fast():
    time = np.arange(400) * 1.5
    basis = nuisance(400, 1.5, high_pass=1 / 100)
    slow, fast = np.cos(np.pi * (time / 1.5 + 0.5) / 400 * 6), np.sin(2 * np.pi * time / 20)
    left = without(np.stack([slow + 9, fast], axis=1), basis)
    assert np.abs(left[:, 0]).max() < 1e-12
    assert left[:, 1].std() / fast.std() > 0.99


def test_nuisance_is_a_regression_on_all_regressors_at_once():
    rng = generator(1, "nuisance")
    y, confounds = rng.standard_normal((80, 5)) * 3 + 100, rng.standard_normal((80, 4))
    confounds[:, 3] = confounds[:, 0] + 2 * confounds[:, 1]
    basis = nuisance(80, 2.0, detrend="linear", high_pass=1 / 64, confounds=confounds)
    design = np.c_[np.ones(80), np.arange(80), cosines(80, 2.0, 1 / 64), confounds]
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    np.testing.assert_allclose(without(y, basis), residual, atol=1e-10)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-12)
    # 1 + 1 + 5 + 4, one of them said twice.
    assert basis.shape[1] == np.linalg.matrix_rank(design) == 10


def test_linear_trend_as_before_and_nothing_where_nothing_is_asked():
    y = generator(2, "trend").standard_normal((50, 3)).cumsum(axis=0)
    np.testing.assert_allclose(
        without(y, nuisance(50, 1.0, detrend="linear")), detrend(y, axis=0), atol=1e-12
    )
    empty = nuisance(50, 1.0)
    assert empty.shape == (50, 0)
    assert without(y, empty) is y
    assert nuisance(2, 1.0, detrend="linear").shape == (2, 1)
    constant = nuisance(50, 1.0, confounds=np.full((50, 2), 3.0))
    np.testing.assert_allclose(without(y, constant), y - y.mean(axis=0), atol=1e-12)


def test_nuisance_over_kept_volumes_only():
    rng = generator(3, "kept")
    kept = rng.random(60) > 0.2
    confounds, y = rng.standard_normal((60, 2)), rng.standard_normal((60, 3))
    # What was filled in for censored volumes must not matter.
    confounds[~kept] = 1e6
    basis = nuisance(60, 2.0, high_pass=0.01, confounds=confounds, uncensored=kept)
    design = np.c_[np.ones(60), cosines(60, 2.0, 0.01), confounds][kept]
    residual = y[kept] - design @ np.linalg.lstsq(design, y[kept], rcond=None)[0]
    np.testing.assert_allclose(without(y[kept], basis), residual, atol=1e-10)


def test_nuisance_that_leaves_nothing():
    rng = generator(4, "nothing")
    with pytest.raises(InputError, match=r"run 1: 10 nuisance regressors leave nothing of 10 volumes"):
        nuisance(10, 1.0, confounds=rng.standard_normal((10, 12)), source="run 1")
    with pytest.raises(InputError, match="has 9 rows for 10 volumes"):
        nuisance(10, 1.0, confounds=np.ones((9, 1)))


def vector(folder, values):
    (folder / "kept.1D").write_text("\n".join(str(int(value)) for value in values) + "\n")
    return str(folder / "kept.1D")


def test_censored_volumes_that_the_file_still_has(tmp_path):
    run = run_of(tmp_path)
    kept = read_censor(run, vector(tmp_path, [1, 0, 1, 1, 0, 1]), "zero-filled")
    assert kept.tolist() == [True, False, True, True, False, True]
    y = generator(1, "censor").standard_normal((6, 3))
    np.testing.assert_array_equal(uncensored_rows(y, kept, "zero-filled", "x"), y[[0, 2, 3, 5]])
    y[[1, 4]] = 0
    np.testing.assert_array_equal(uncensored_rows(y, kept, "zero-filled", "x"), y[[0, 2, 3, 5]])
    with pytest.raises(InputError, match="volume 2 is 0 everywhere and not censored"):
        uncensored_rows(y, ~kept, "zero-filled", "x")
    y[4] = 1
    with pytest.raises(InputError, match="volume 5 is censored and holds data, others are 0"):
        uncensored_rows(y, kept, "zero-filled", "x")
    with pytest.raises(InputError, match=r"has 5 rows, .* has 6 volumes"):
        read_censor(run, vector(tmp_path, [1, 0, 1, 1, 0]), "zero-filled")


def test_censored_volumes_that_the_file_lacks(tmp_path):
    run = run_of(tmp_path)
    kept = read_censor(run, vector(tmp_path, [1, 0, 1, 1, 0, 1, 1, 1]), "drop")
    assert kept.tolist() == [True, False, True, True, False, True, True, True]
    y = np.ones((6, 2))
    assert uncensored_rows(y, kept, "drop", "x") is y
    with pytest.raises(InputError, match=r"keeps 4 of 6 volumes, .* has 6: it still has .*mode: zero-filled"):
        read_censor(run, vector(tmp_path, [1, 0, 1, 1, 0, 1]), "drop")
    with pytest.raises(InputError, match="keeps 5 of 8 volumes"):
        read_censor(run, vector(tmp_path, [1, 0, 0, 1, 0, 1, 1, 1]), "drop")
    (tmp_path / "sub-1_task-x_run-1_desc-confounds_timeseries.tsv").write_text(TABLE + "1\t2\t3\t4\t5\n" * 2)
    assert read_confounds(run, ["rot_z"], n_volumes=8).shape == (8, 1)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1\n2\n1\n1\n1\n1\n", "other than 0 and 1"),
        ("0\n" * 6, "keeps no volume"),
        ("1 1\n" * 6, "has 2 columns"),
    ],
)
def test_vectors_that_are_none(tmp_path, text, problem):
    (tmp_path / "kept.1D").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_censor(run_of(tmp_path), str(tmp_path / "kept.1D"), "zero-filled")


def test_a_row_of_values_is_a_vector_too(tmp_path):
    (tmp_path / "kept.1D").write_text("1 0 1 1 1 1\n")
    assert (
        read_censor(
            run_of(tmp_path), str(tmp_path / "{subject}").replace("{subject}", "kept.1D"), "zero-filled"
        ).sum()
        == 5
    )


def test_settings(tmp_path):
    said = {"columns": ["trans_*"], "path": "motion/{subject}.1D"}
    confounds, problems = section_of(tmp_path, confounds=said)
    assert problems == []
    assert (confounds.columns, confounds.path) == (("trans_*",), str(tmp_path / "motion/{subject}.1D"))
    assert confounds.to_json() == {"columns": ["trans_*"], "path": "{subject}.1D"}
    assert section_of(tmp_path, confounds={"columns": ["a"]})[0] == ConfoundSettings(columns=("a",))
    censor, problems = section_of(tmp_path, censor={"path": "c/{bold}.1D", "mode": "drop"})
    assert (censor.path, censor.mode) == (str(tmp_path / "c/{bold}.1D"), "drop")
    assert censor.to_json() == {"path": "{bold}.1D", "mode": "drop"}
    config = parse_config({"encoders": ".", "features": "world", "hrf": "fir", "delays": [4, 2.5]}, tmp_path)
    assert config.delays == (2.5, 4.0)
    assert section_of(tmp_path, high_pass=0.01) == (0.01, [])
    for key in ("confounds", "censor", "high_pass"):
        assert section_of(tmp_path, **{key: None}) == (None, [])
    assert section_of(tmp_path, delays=None) == ((), [])


@pytest.mark.parametrize(
    ("section", "paths"),
    [
        ({"confounds": {"path": 3}}, ["confounds.columns", "confounds.path"]),
        ({"confounds": "trans_x"}, ["confounds"]),
        ({"censor": {"mode": "dropped", "pth": "x"}}, ["censor.path", "censor.mode", "censor.pth"]),
        ({"censor": [1]}, ["censor"]),
        ({"delays": [2, -1, None, 2]}, ["delays[1]", "delays[2]", "delays"]),
        ({"delays": 3}, ["delays", "delays"]),
        ({"high_pass": 0}, ["high_pass"]),
    ],
)
def test_what_is_wrong_with_settings(tmp_path, section, paths):
    assert [line.split(": ")[0] for line in section_of(tmp_path, **section)[1]] == paths


def test_words_are_no_confounds(tmp_path):
    run = run_of(tmp_path)
    pd.DataFrame({"a": ["x"] * 6}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match="row 2, column a is 'x', not a number"):
        read_confounds(run, ["a"], str(tmp_path / "t.csv"))


def test_other_words_for_a_missing_number_are_declared(tmp_path):
    run = run_of(tmp_path)
    (tmp_path / "t.tsv").write_text("a\tb\nnan\t1\n2\t2\n3\t3\n4\tNA\n5\t5\n6\t6\n")
    path = str(tmp_path / "t.tsv")
    with pytest.raises(InputError, match=r"row 2, column a is 'nan', not a number .*n/a or an empty cell"):
        read_confounds(run, ["a"], path)
    assert read_confounds(run, ["a"], path, missing=["nan"]).T.tolist() == [[2, 2, 3, 4, 5, 6]]
    with pytest.raises(InputError, match="column b has no number in row 5"):
        read_confounds(run, ["b"], path, missing=["nan", "NA"])
    confounds, problems = section_of(tmp_path, confounds={"columns": ["a"], "missing": ["nan", -999]})
    assert problems == []
    assert confounds.missing == ("nan", "-999")
    assert confounds.to_json()["missing"] == ["nan", "-999"]
    _, problems = section_of(tmp_path, confounds={"columns": ["a"], "missing": [None]})
    assert ["null needs quotes" in problem for problem in problems] == [True]


def test_tables_of_no_kind_are_named(tmp_path):
    run = run_of(tmp_path)
    for text, problem in (
        ("\ta\n0\t1\n", "has no name for column 1 of 2"),
        ("a\ta\n0\t1\n", "has the column a twice"),
        ("0.1\t0.2\n0\t1\n", "has numbers instead of a header"),
        ("a;b\n0,1;1\n", "holds the separator ';'"),
    ):
        (tmp_path / "t.tsv").write_text(text)
        with pytest.raises(InputError, match=problem):
            read_confounds(run, ["a"], str(tmp_path / "t.tsv"))
