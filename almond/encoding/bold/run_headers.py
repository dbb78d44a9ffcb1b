"""What the image headers of BOLD runs say: repetition times and numbers of volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from almond.encoding.bold.bids import Run
from almond.encoding.bold.nifti import load_nifti
from almond.encoding.bold.timing import remark_timing
from almond.errors import InputError
from almond.remarks import Remarks

TR_TOLERANCE = 1e-3
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "unknown": 1.0}


def repetition_time(run: Run, stated: float | None = None, remarks: Remarks | None = None) -> float:
    """The TR in seconds from header, sidecar and configuration, which must agree where they speak.

    What sidecar and configuration agree on holds against the header, with a remark: headers are often
    rewritten by a pipeline in other units, and nobody but the user can know better than both. VolumeTiming
    stands for a repetition time where its times are evenly spaced.

    :param remarks: takes what is said about a header that is overruled.
    :raises InputError: two of them differ by more than a millisecond otherwise, none gives one, or
        VolumeTiming is uneven.
    """
    in_header, spacing = _header_tr(run), _volume_spacing(run)
    in_sidecar = spacing if run.sidecar_tr is None else run.sidecar_tr
    known = {
        "header": in_header if np.isfinite(in_header) and in_header > 0 else None,
        "sidecar": run.sidecar_tr,
        "VolumeTiming": spacing,
        "configuration": stated,
    }
    said = {where: value for where, value in known.items() if value is not None}
    if not said:
        raise InputError(run.bold, "has no repetition time in header or sidecar", "tr: seconds")
    if max(said.values()) - min(said.values()) > TR_TOLERANCE:
        text = ", ".join(f"{where} {value:g} s" for where, value in said.items())
        without_header = [value for where, value in said.items() if where != "header"]
        agree = max(without_header) - min(without_header) <= TR_TOLERANCE
        if remarks is None or stated is None or in_sidecar is None or not agree:
            raise InputError(run.bold, f"its repetition times disagree: {text}", "one TR")
        seen = f"has a repetition time of {in_header:g} s in its header"
        remarks.add(
            "repetition-time", run.bold, f"{seen}; {stated:g} s of sidecar and tr: were used", about=run.name
        )
    return stated or in_sidecar or said["header"]


def _header_tr(run: Run) -> float:
    """Read the TR of the header in seconds; 0 where it has none."""
    header = load_nifti(run.bold).header
    zooms = header.get_zooms()
    unit = SECONDS.get(header.get_xyzt_units()[1], 1.0)
    return float(zooms[3]) * unit if len(zooms) > 3 else 0.0


def _volume_spacing(run: Run) -> float | None:
    """Return the seconds from volume to volume in VolumeTiming; None where it is not given."""
    times = run.timing.volumes
    if not times:
        return None
    shape = load_nifti(run.bold).shape
    if len(shape) == 4 and len(times) != shape[3]:
        raise InputError(
            run.bold,
            f"has {shape[3]} volumes, but VolumeTiming of its sidecar has {len(times)} times",
            "a time per volume",
        )
    steps = np.diff(times[slice(*run.volumes)] if run.volumes else times)
    if not len(steps):
        return None
    if steps.max() - steps.min() > TR_TOLERANCE:
        raise InputError(
            run.bold,
            f"was measured at uneven times: VolumeTiming of its sidecar has {steps.min():g} to "
            f"{steps.max():g} s between volumes",
            "evenly spaced volumes, for which RepetitionTime stands",
        )
    return round(float(steps.mean()), 6)


def start_time(run: Run, tr: float, stated: float | None, remarks: Remarks) -> float:
    """Seconds from the start of a volume to the time that it stands for: 0 where nothing is said.

    :param stated: by the configuration.
    :raises InputError: sidecar and configuration disagree, or it is not within the TR.
    """
    timing = run.timing
    said = {"sidecar": timing.start_time, "configuration": stated}
    known = {where: value for where, value in said.items() if value is not None}
    for where, value in known.items():
        if value >= tr:
            raise InputError(
                run.bold,
                f"StartTime of its {where} is {value:g} s, and a volume lasts {tr:g} s",
                "seconds from the start of a volume to the time that it stands for",
            )
    if len(known) > 1 and abs(known["sidecar"] - known["configuration"]) > TR_TOLERANCE:
        text = ", ".join(f"{where} {value:g} s" for where, value in known.items())
        raise InputError(run.bold, f"its StartTime is not one: {text}", "one time")
    doubts = timing if stated is None else replace(timing, start_time=0.0)  # the user has said it
    remark_timing(doubts, tr, remarks, run.bold, run.name)
    return next(iter(known.values()), 0.0)


def number_of_volumes(run: Run) -> int:
    if run.volumes:
        return run.volumes[1] - run.volumes[0]
    shape: Sequence[int] = load_nifti(run.bold).shape
    if len(shape) != 4:
        raise InputError(run.bold, f"has shape {tuple(shape)}", "a 4-D BOLD run")
    return int(shape[3])
