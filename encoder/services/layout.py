"""Is this folder in BIDS layout? Read from names alone, so that a page can answer at once.

``os.path`` asks whether a file is there: a name that is too long or out of reach is no file, not a fault.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from almond.errors import InputError

BOLD = re.compile(r"sub-(?P<subject>[A-Za-z0-9]+)_(?:[a-z]+-[A-Za-z0-9]+_)*bold\.nii(?:\.gz)?")
NIFTI_SUFFIXES = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Layout:
    """What a BIDS folder holds: subjects without ``sub-``, sorted, and the number of BOLD runs."""

    subjects: tuple[str, ...]
    runs: int


def check_layout(root: Path) -> Layout:
    """Subjects and runs of a BIDS folder.

    :raises InputError: not a folder; no readable ``dataset_description.json``; no BOLD run; a BOLD file in
        the folder of another subject.
    """
    if not os.path.isdir(root):
        raise InputError(root, "is not a folder on this server", "the folder of a BIDS dataset")
    _check_description(root / "dataset_description.json")
    files = [path for path in sorted(root.glob("sub-*/**/func/*_bold.nii*")) if path.is_file()]
    subjects = {_subject_of(path, root) for path in files}
    if not files:
        raise InputError(root, "holds no BOLD run", "files like sub-01/func/sub-01_task-rest_bold.nii.gz")
    return Layout(tuple(sorted(subjects)), len(files))


def _check_description(path: Path) -> None:
    expected = "a JSON file with Name and BIDSVersion"
    if not os.path.isfile(path):
        raise InputError(path, "is missing", expected)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}", expected) from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(path, f"is not JSON: {error}", expected) from error
    missing = [name for name in ("Name", "BIDSVersion") if not isinstance(found, dict) or name not in found]
    if missing:
        raise InputError(path, f"has no {' and no '.join(missing)}", expected)


def _subject_of(path: Path, root: Path) -> str:
    named = BOLD.fullmatch(path.name)
    folder = path.relative_to(root).parts[0]
    if named is None or folder != f"sub-{named['subject']}":
        raise InputError(
            path, f"does not belong into {folder}", f"a name like {folder}_task-rest_bold.nii.gz"
        )
    return str(named["subject"])


def check_mask_file(path: Path) -> None:
    """A NIfTI file by name and existence; its grid is compared with the BOLD runs when it is used."""
    if not path.name.endswith(NIFTI_SUFFIXES):
        raise InputError(path, "is not a NIfTI file", "a mask ending in .nii or .nii.gz")
    if not os.path.isfile(path):
        raise InputError(path, "is not a file on this server", "a NIfTI mask")
    head = _first_bytes(path)
    zipped = path.name.endswith(".gz")
    if zipped and head[:2] != b"\x1f\x8b":
        raise InputError(path, "is not gzip data", "a compressed NIfTI mask")
    if (
        not zipped
        and int.from_bytes(head, "little") not in (348, 540)
        and int.from_bytes(head, "big") not in (348, 540)
    ):
        raise InputError(path, "does not start with a NIfTI header", "a NIfTI mask")


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(4)
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}", "a NIfTI mask") from error
