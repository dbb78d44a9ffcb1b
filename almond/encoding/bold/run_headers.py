"""What the image headers of BOLD runs say: repetition times and numbers of volumes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from almond.encoding.bold.bids import Run
from almond.encoding.bold.nifti import load_nifti
from almond.errors import InputError
from almond.remarks import Remarks

TR_TOLERANCE = 1e-3
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "unknown": 1.0}


def repetition_time(run: Run, stated: float | None = None, remarks: Remarks | None = None) -> float:
    """The TR in seconds from header, sidecar and configuration, which must agree where they speak.

    What sidecar and configuration agree on holds against the header, with a remark: headers are often
    rewritten by a pipeline in other units, and nobody but the user can know better than both.

    :param remarks: takes what is said about a header that is overruled.
    :raises InputError: two of them differ by more than a millisecond otherwise, or none gives one.
    """
    header = load_nifti(run.bold).header
    zooms = header.get_zooms()
    unit = SECONDS.get(header.get_xyzt_units()[1], 1.0)
    in_header = float(zooms[3]) * unit if len(zooms) > 3 else 0.0
    known = {
        "header": in_header if np.isfinite(in_header) and in_header > 0 else None,
        "sidecar": run.sidecar_tr,
        "configuration": stated,
    }
    said = {where: value for where, value in known.items() if value is not None}
    if not said:
        raise InputError(run.bold, "has no repetition time in header or sidecar", "tr: seconds")
    if max(said.values()) - min(said.values()) > TR_TOLERANCE:
        if remarks is not None and stated is not None and _agree(run.sidecar_tr, stated):
            text = f"has a repetition time of {in_header:g} s in its header"
            used = f"{stated:g} s of sidecar and tr: were used"
            remarks.add("repetition-time", run.bold, f"{text}; {used}", about=run.name)
            return stated
        text = ", ".join(f"{where} {value:g} s" for where, value in said.items())
        raise InputError(run.bold, f"its repetition times disagree: {text}", "one TR")
    return said.get("configuration") or said.get("sidecar") or said["header"]


def _agree(first: float | None, second: float) -> bool:
    return first is not None and abs(first - second) <= TR_TOLERANCE


def number_of_volumes(run: Run) -> int:
    if run.volumes:
        return run.volumes[1] - run.volumes[0]
    shape: Sequence[int] = load_nifti(run.bold).shape
    if len(shape) != 4:
        raise InputError(run.bold, f"has shape {tuple(shape)}", "a 4-D BOLD run")
    return int(shape[3])
