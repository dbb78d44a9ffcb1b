"""Datasets: BIDS folders that the lab works with. Changes are audited."""

from __future__ import annotations

import json
import os
from pathlib import Path

from django.db import transaction

from accounts.models import User
from accounts.services import record
from almond.encoding.bold.bids import bold_files
from almond.encoding.bold.sidecars import entities
from almond.errors import InputError
from almond.files.folders import normalised
from encoder.models import Dataset
from encoder.services.nifti_files import check_nifti_file


@transaction.atomic
def create_dataset(
    *,
    name: str,
    root: Path | str,
    by: User | None,
    kind: str = Dataset.Kind.MEASURED,
    description: str = "",
    anatomy: Path | str = "",
) -> Dataset:
    """Add a BIDS folder.

    :raises InputError: it is none, or ``anatomy`` is no NIfTI file.
    """
    subjects, runs = check_dataset(Path(root))
    if anatomy:
        check_nifti_file(Path(anatomy))
    dataset = Dataset.objects.create(
        name=name,
        root=str(root),
        kind=kind,
        description=description,
        anatomy=str(anatomy),
        subjects=list(subjects),
        runs=runs,
    )
    record(verb="create", subject=dataset, by=by, root=str(root), runs=runs)
    return dataset


def check_dataset(root: Path) -> tuple[tuple[str, ...], int]:
    """Return the subjects (without ``sub-``, sorted) and the number of BOLD runs of a BIDS folder.

    Only names are read, so that a page can answer at once. ``os.path`` tells whether a file exists: a path
    that is too long or out of reach is no file rather than an error.

    :raises InputError: not a folder; no readable ``dataset_description.json``; no BOLD run; a BOLD file in
        the folder of another subject.
    """
    if not os.path.isdir(root):
        raise InputError(root, "is not a folder on this server", "the folder of a BIDS dataset")
    check_description(root / "dataset_description.json")
    files = [path for path in bold_files(root) if path.is_file()]
    if not files:
        raise InputError(root, "holds no BOLD run", "files like sub-01/func/sub-01_task-rest_bold.nii.gz")
    return tuple(sorted({subject_of(path, root) for path in files})), len(files)


def check_description(path: Path) -> None:
    """Check that ``dataset_description.json`` names the dataset and the version of BIDS.

    :raises InputError: no such file, not JSON, or without either of the two.
    """
    expected = "a JSON file with Name and BIDSVersion"
    if not os.path.isfile(path):
        raise InputError(path, "is missing", expected)
    try:
        description = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}", expected) from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(path, f"is not JSON: {error}", expected) from error
    keys = description if isinstance(description, dict) else {}
    missing = [name for name in ("Name", "BIDSVersion") if name not in keys]
    if missing:
        raise InputError(path, f"has no {' and no '.join(missing)}", expected)


def subject_of(path: Path, root: Path) -> str:
    """Return the subject that a BOLD file is named after, which its folder must agree with."""
    folder = normalised(path.relative_to(root).parts[0])
    subject = entities(path).get("sub", "")
    if folder != f"sub-{subject}":
        raise InputError(path, f"does not belong in {folder}", f"a name like {folder}_task-rest_bold.nii.gz")
    return subject
