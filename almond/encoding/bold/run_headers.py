"""What the image headers of BOLD runs say: repetition times and numbers of volumes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from almond.encoding.bold.bids import Run
from almond.encoding.bold.nifti import grid_of, load_nifti
from almond.encoding.bold.timing import remark_timing
from almond.errors import InputError
from almond.remarks import Remarks

TR_TOLERANCE = 1e-3
WORDS = {"configuration": "tr:"}

SHORTEST_TR, LONGEST_TR = 0.02, 100.0
"""Seconds: a repetition time beyond them is in another unit, such as milliseconds called seconds."""

SECONDS = {0: 1.0, 8: 1.0, 16: 1e-3, 24: 1e-6}
"""NIfTI's code of a unit of time -> seconds; the bits of ``xyzt_units`` that it stands in are ``TIME``."""

TIME = 0x38


def repetition_time(run: Run, stated: float | None = None, remarks: Remarks | None = None) -> float:
    """The TR in seconds from header, sidecar and configuration, which must agree where they speak.

    What sidecar and configuration agree on holds against the header, with a remark: headers are often
    rewritten by a pipeline in other units, and nobody but the user can know better than both. Either of them
    holds against a header whose time cannot be meant in seconds. VolumeTiming stands for a repetition time
    where its times are evenly spaced.

    :param remarks: takes what is said about a header that is overruled.
    :raises InputError: two of them differ by more than a millisecond otherwise, none gives one, it cannot be
        one in seconds, or VolumeTiming is uneven.
    """
    in_header, spacing = _header_tr(run), _volume_spacing(run)
    in_sidecar = spacing if run.sidecar_tr is None else run.sidecar_tr
    known = {
        "header": in_header,
        "sidecar": run.sidecar_tr,
        "VolumeTiming": spacing,
        "configuration": stated,
    }
    said = {where: value for where, value in known.items() if value is not None}
    if not said:
        raise InputError(run.bold, "has no repetition time in header or sidecar", "tr: seconds")
    tr = stated or in_sidecar or said["header"]
    others = {WORDS.get(where, where): value for where, value in said.items() if where != "header"}
    if not _agree(said.values()):
        impossible = in_header is not None and not SHORTEST_TR <= in_header <= LONGEST_TR
        sure = len(others) > 1 or impossible
        if remarks is None or in_header is None or not sure or not _agree(others.values()):
            text = ", ".join(f"{where} {value:g} s" for where, value in said.items())
            expected = "one TR: the scanner's, in the sidecar and as tr:; then the header no longer counts"
            raise InputError(run.bold, f"its repetition times disagree: {text}", expected)
        seen = f"has a repetition time of {in_header:g} s in its header"
        used = f"{tr:g} s of {' and '.join(others)} were used"
        remarks.add("repetition-time", run.bold, f"{seen}; {used}", about=run.name)
    if not SHORTEST_TR <= tr <= LONGEST_TR:
        where, expected = "", f"{SHORTEST_TR:g} to {LONGEST_TR:g} s"
        if not others:
            where, expected = " in its header", "tr: seconds"
        raise InputError(run.bold, f"has a repetition time of {tr:g} s{where}", expected)
    return tr


def _agree(times: Iterable[float]) -> bool:
    ordered = sorted(times)
    return not ordered or ordered[-1] - ordered[0] <= TR_TOLERANCE


def remark_orientation(run: Run, remarks: Remarks) -> None:
    """Say what the header of a run leaves open about where it lies."""
    grid = grid_of(load_nifti(run.bold))
    if grid.doubt:
        remarks.add("orientation", run.bold, grid.doubt, about=run.name)


def _header_tr(run: Run) -> float | None:
    """Read the TR of the header in seconds; None where it has none."""
    header = load_nifti(run.bold).header
    zooms = header.get_zooms()
    time = float(zooms[3]) if len(zooms) > 3 else 0.0
    unit = SECONDS.get(int(header["xyzt_units"]) & TIME)
    return time * unit if unit and np.isfinite(time) and time > 0 else None


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
