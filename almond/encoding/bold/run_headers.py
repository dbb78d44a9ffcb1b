"""What the image headers of BOLD runs say: repetition times and numbers of volumes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from almond.encoding.bold.bids import Run
from almond.encoding.bold.nifti import grid_of, load_nifti
from almond.errors import InputError
from almond.remarks import Remarks

TR_TOLERANCE = 1e-3
LEAST_TR, LARGEST_TR = 0.05, 100.0
"""Seconds. A header with a time outside of these counts other units, or something else."""

SECONDS = {0: 1.0, 8: 1.0, 16: 1e-3, 24: 1e-6}
"""NIfTI's code of a unit of time -> seconds; the bits of ``xyzt_units`` that it stands in are ``TIME``."""

TIME = 0x38


def repetition_time(run: Run, stated: float | None = None, remarks: Remarks | None = None) -> float:
    """The TR in seconds from header, sidecar and configuration, which must agree where they speak.

    Headers are often rewritten by a pipeline in other units. What sidecar and configuration agree on holds
    against the header, with a remark: nobody but the user can know better than both. So does what one of them
    says where the other is silent and the header's time cannot be one (2000 s).

    :param remarks: takes what is said about a header that is overruled.
    :raises InputError: two of them differ by more than a millisecond otherwise, or none gives one.
    """
    in_header = _of_header(run)
    known = {
        "header": in_header,
        "sidecar": run.sidecar_tr,
        "configuration": stated,
    }
    said = {where: value for where, value in known.items() if value is not None}
    if not said:
        raise InputError(run.bold, "has no repetition time in header or sidecar", "tr: seconds")
    if in_header is not None and len(said) == 1 and _is_impossible(in_header):
        raise InputError(run.bold, f"has a repetition time of {in_header:g} s in its header", "tr: seconds")
    if max(said.values()) - min(said.values()) > TR_TOLERANCE:
        where, used = _against_header(in_header, run.sidecar_tr, stated)
        if remarks is not None and used is not None:
            text = f"has a repetition time of {in_header:g} s in its header"
            remarks.add(
                "repetition-time", run.bold, f"{text}; {used:g} s of {where} were used", about=run.name
            )
            return used
        text = ", ".join(f"{where} {value:g} s" for where, value in said.items())
        raise InputError(
            run.bold,
            f"its repetition times disagree: {text}",
            "one TR: the scanner's, in the sidecar and as tr:; then the header no longer counts",
        )
    return said.get("configuration") or said.get("sidecar") or said["header"]


def remark_orientation(run: Run, remarks: Remarks) -> None:
    """Say what the header of a run leaves open about where it lies."""
    grid = grid_of(load_nifti(run.bold))
    if grid.doubt:
        remarks.add("orientation", run.bold, grid.doubt, about=run.name)


def _of_header(run: Run) -> float | None:
    header = load_nifti(run.bold).header
    zooms = header.get_zooms()
    time = float(zooms[3]) if len(zooms) > 3 else 0.0
    unit = SECONDS.get(int(header["xyzt_units"]) & TIME)
    return time * unit if unit and np.isfinite(time) and time > 0 else None


def _against_header(
    in_header: float | None, sidecar: float | None, stated: float | None
) -> tuple[str, float | None]:
    """Find the time that holds against a header, and who says it; None where nobody does."""
    if in_header is None:
        return "", None
    if sidecar is not None and stated is not None:
        agree = abs(sidecar - stated) <= TR_TOLERANCE
        return "sidecar and tr:", stated if agree else None
    return "tr:" if sidecar is None else "the sidecar", (stated or sidecar) if _is_impossible(
        in_header
    ) else None


def _is_impossible(seconds: float) -> bool:
    return not LEAST_TR <= seconds <= LARGEST_TR


def number_of_volumes(run: Run) -> int:
    if run.volumes:
        return run.volumes[1] - run.volumes[0]
    shape: Sequence[int] = load_nifti(run.bold).shape
    if len(shape) != 4:
        raise InputError(run.bold, f"has shape {tuple(shape)}", "a 4-D BOLD run")
    return int(shape[3])
