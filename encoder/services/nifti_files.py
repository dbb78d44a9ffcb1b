"""NIfTI files as a page checks them: by name and first bytes; no image library is loaded."""

from __future__ import annotations

import os
from pathlib import Path

from almond.errors import InputError

NIFTI_SUFFIXES = (".nii", ".nii.gz")


def check_nifti_file(path: Path) -> None:
    """Check the name, existence and first bytes of a NIfTI file; a fit compares its grid with the BOLD.

    ``os.path`` tells whether a file exists: a path that is too long is no file rather than an error.

    :raises InputError: another kind of file, or none.
    """
    if not path.name.lower().endswith(NIFTI_SUFFIXES):
        raise InputError(path, "is not a NIfTI file", "a mask ending in .nii or .nii.gz")
    if not os.path.isfile(path):
        raise InputError(path, "is not a file on this server", "a NIfTI mask")
    head = _first_bytes(path)
    sizes = {int.from_bytes(head, "little"), int.from_bytes(head, "big")}
    if head[:2] != b"\x1f\x8b" and sizes.isdisjoint((348, 540)):
        raise InputError(path, "does not start with a NIfTI header", "a NIfTI mask")


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(4)
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}", "a NIfTI mask") from error
