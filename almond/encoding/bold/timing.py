"""When the volumes of a run were measured and what times they stand for, as its sidecars say. Light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almond.errors import InputError
from almond.remarks import Remarks

LONGEST = 1e4
"""Seconds: times beyond it are not of a run."""

LATE = 1.0
"""Seconds after the start of a volume from which on a slice that nobody corrected is worth a remark."""

SILENT_SHARE = 0.1
"""Of the repetition time: more without measuring is sparse acquisition."""


@dataclass(frozen=True)
class Timing:
    """Fields of BIDS sidecars, in seconds; None or () where nothing is said.

    ``start_time``: from the start of a volume to the time that it stands for, as slice timing correction
    leaves it. ``corrected``: whether there was one. ``last_slice``: the largest of SliceTiming. ``silence``:
    DelayTime. ``acquisition``: how long measuring a volume takes. ``volumes``: VolumeTiming.
    """

    start_time: float | None = None
    corrected: bool | None = None
    last_slice: float | None = None
    silence: float = 0.0
    acquisition: float | None = None
    volumes: tuple[float, ...] = ()


UNSAID = Timing()


def read_timing(sidecar: Mapping[str, Any], source: str) -> Timing:
    """Read the fields of a run's merged sidecars.

    :raises InputError: one that is needed is no time, or VolumeTiming does not rise; names ``source``.
    """
    corrected = sidecar.get("SliceTimingCorrected")
    if corrected is not None and not isinstance(corrected, bool):
        raise InputError(source, f"SliceTimingCorrected is {corrected!r}", "true or false")
    volumes = _volumes(sidecar.get("VolumeTiming"), source)
    lasting = "FrameAcquisitionDuration"
    if volumes and lasting not in sidecar:
        # Only here: beside RepetitionTime converters write how long the whole series took.
        lasting = "AcquisitionDuration"
    return Timing(
        start_time=_seconds(sidecar, "StartTime", source),
        corrected=corrected,
        last_slice=_last_slice(sidecar.get("SliceTiming")),
        silence=_seconds(sidecar, "DelayTime", source) or 0.0,
        acquisition=_seconds(sidecar, lasting, source),
        volumes=volumes,
    )


def read_repetition_time(sidecar: Mapping[str, Any], source: str) -> float | None:
    """Read RepetitionTime in seconds.

    :raises InputError: it is no time above 0; names ``source``.
    """
    value = sidecar.get("RepetitionTime")
    if value is not None and (not _is_time(value) or value == 0):
        raise InputError(source, f"RepetitionTime is {value!r}", "seconds, above 0")
    return None if value is None else float(value)


def _seconds(sidecar: Mapping[str, Any], key: str, source: str) -> float | None:
    value = sidecar.get(key)
    if value is not None and not _is_time(value):
        raise InputError(source, f"{key} is {value!r}", "seconds, 0 or above")
    return None if value is None else float(value)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LONGEST


def _last_slice(value: object) -> float | None:
    """Return the latest slice; no number comes from it, so that a list that makes no sense says nothing."""
    if not isinstance(value, list) or not value or not all(_is_time(item) for item in value):
        return None
    return float(max(value))


def _volumes(value: object, source: str) -> tuple[float, ...]:
    if value is None:
        return ()
    wanted = "a list of times in seconds that rise, one per volume"
    if not isinstance(value, list) or not value:
        raise InputError(source, f"VolumeTiming is {value!r}", wanted)
    for number, item in enumerate(value, start=1):
        if not _is_time(item):
            raise InputError(source, f"VolumeTiming holds {item!r} for volume {number}", wanted)
        if number > 1 and item <= value[number - 2]:
            raise InputError(source, f"VolumeTiming does not rise at volume {number}", wanted)
    return tuple(float(item) for item in value)


def remark_timing(timing: Timing, tr: float, remarks: Remarks, bold: Path, about: str) -> None:
    """Say where the sidecars of ``bold`` leave open to what times its volumes belong."""
    at_start = "volumes were taken to stand for their start"
    last = timing.last_slice
    if timing.start_time is None and timing.corrected:
        text = f"was corrected for slice timing, but no StartTime says to which time; {at_start}"
        remarks.add("slice-timing", bold, text, about=about)
    elif timing.start_time is None and last is not None and last > LATE:
        unit = " (SliceTiming may be in milliseconds)" if last >= tr else ""
        text = f"has slices up to {last:g} s after the start of a volume{unit}"
        remarks.add(
            "slice-timing", bold, f"{text}, which nothing says were corrected; {at_start}", about=about
        )
    silence = timing.silence or (tr - timing.acquisition if timing.acquisition else 0.0)
    if silence > SILENT_SHARE * tr:
        text = f"measures nothing for {silence:g} s of every {tr:g} s (sparse acquisition)"
        remarks.add("sparse-acquisition", bold, f"{text}; predictors were made once per volume", about=about)
