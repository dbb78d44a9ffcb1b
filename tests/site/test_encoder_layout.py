"""A folder is looked at when it is added: clear words for whatever is wrong with it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from almond.errors import InputError
from encoder.services.datasets import check_dataset
from encoder.services.nifti_files import check_nifti_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dataset_description.json").write_text(json.dumps({"Name": "x", "BIDSVersion": "1.9.0"}))
    for subject in ("02", "01"):
        func = tmp_path / f"sub-{subject}" / "func"
        func.mkdir(parents=True)
        (func / f"sub-{subject}_task-rest_run-1_bold.nii.gz").write_bytes(b"")
    return tmp_path


def test_subjects_and_runs_are_found(folder: Path) -> None:
    session = folder / "sub-02" / "ses-a" / "func"
    session.mkdir(parents=True)
    (session / "sub-02_ses-a_task-rest_bold.nii").write_bytes(b"")
    assert check_dataset(folder) == (("01", "02"), 3)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent: is not a folder"):
        check_dataset(tmp_path / "absent")


def test_a_folder_without_description_is_refused(folder: Path) -> None:
    (folder / "dataset_description.json").unlink()
    with pytest.raises(InputError, match=r"dataset_description\.json: is missing"):
        check_dataset(folder)


@pytest.mark.parametrize(
    ("text", "problem"), [("{", "is not JSON"), ('{"Name": "x"}', "no BIDSVersion"), ("[]", "has no Name")]
)
def test_a_broken_description_is_refused(folder: Path, text: str, problem: str) -> None:
    (folder / "dataset_description.json").write_text(text)
    with pytest.raises(InputError, match=problem):
        check_dataset(folder)


def test_a_folder_without_bold_is_refused(folder: Path) -> None:
    for path in folder.glob("sub-*/func/*"):
        path.unlink()
    with pytest.raises(InputError, match="holds no BOLD run"):
        check_dataset(folder)


def test_a_run_in_the_folder_of_another_subject_is_refused(folder: Path) -> None:
    (folder / "sub-01" / "func" / "sub-02_task-rest_bold.nii.gz").write_bytes(b"")
    with pytest.raises(InputError, match="does not belong in sub-01"):
        check_dataset(folder)


def test_masks_are_told_from_other_files(tmp_path: Path) -> None:
    plain, zipped, text = (tmp_path / name for name in ("a.nii", "b.nii.gz", "c.nii"))
    plain.write_bytes((348).to_bytes(4, "little") + bytes(344))
    zipped.write_bytes(gzip.compress(bytes(348)))
    text.write_text("not a header")
    check_nifti_file(plain)
    check_nifti_file(zipped)
    with pytest.raises(InputError, match=r"c\.nii: does not start with a NIfTI header"):
        check_nifti_file(text)
    with pytest.raises(InputError, match="is not a NIfTI file"):
        check_nifti_file(tmp_path / "mask.png")
    with pytest.raises(InputError, match="is not a file"):
        check_nifti_file(tmp_path / "absent.nii")
    zipped.write_bytes(b"plain")
    with pytest.raises(InputError, match="does not start with a NIfTI header"):
        check_nifti_file(zipped)
