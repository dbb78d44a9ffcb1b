"""What is done to BOLD and predictors before a model sees them: nuisance, censoring, alignment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo

from almond.encoding.config.paths import BASE
from almond.encoding.config.section import (
    DEFAULT,
    FILLED,
    Codes,
    ConfigSection,
    DefaultOr,
    NotNegative,
    Positive,
    Texts,
)
from almond.shapes import Flag, OneOf, Text, repeated

ORDERS = (DEFAULT, "paper-amygdala", "paper-subregions")
RESPONSES = ("spm", "spm+derivative", "spm+derivatives", "fir", "none")
CENSOR_MODES = ("drop", "zero-filled")
DETREND = ("linear", "none")


def _below_base(pattern: str, info: ValidationInfo) -> str:
    return str(Path((info.context or {BASE: ""})[BASE]) / pattern)


FilePattern = Annotated[Text, AfterValidator(_below_base)]
"""A path with ``{subject}``, ``{run}``, ``{bold}`` or BIDS entities such as ``{ses}``."""


class PatternSection(ConfigSection):
    """Files of which there is one per run: ``path`` is their pattern."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, of the pattern the last part."""
        values = super().to_json()
        return {**values, "path": values["path"] and values["path"].rsplit("/", 1)[-1]}


def _sorted_delays(delays: tuple[float, ...]) -> tuple[float, ...]:
    if repeated(delays):
        raise ValueError("has the same delay twice")
    return tuple(sorted(delays))


class ConfoundSettings(PatternSection):
    """Nuisance regressors from tables of confounds."""

    columns: Texts
    """names or globs of the table's columns, such as `trans_*`"""
    path: FilePattern | None = None
    """pattern with `{subject}`, `{run}`, `{bold}` or entities, such as `motion/{subject}_{run}.1D`; the file
    beside the run unless given"""
    missing: Codes = ()
    """what else than `n/a` and an empty cell means no number, such as `[nan]`"""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; without codes for missing numbers as if there were no such setting."""
        values = super().to_json()
        return values if self.missing else {key: part for key, part in values.items() if key != "missing"}


class CensorSettings(PatternSection):
    """Vectors of 0 (censored) and 1 (kept) per volume."""

    path: FilePattern
    """pattern as for confounds"""
    mode: Annotated[str, OneOf(CENSOR_MODES)]
    """`drop`: the BOLD files lack those volumes; `zero-filled`: they still have them"""


class PreparationSettings(ConfigSection):
    """Preparation of BOLD and predictors, per run and alike."""

    detrend: Annotated[str, OneOf(DETREND)] = "linear"
    """mean and linear trend, or nothing"""
    high_pass: Positive | None = None
    """Hz, such as `0.008`: slower cosines are projected out (SPM's filter); none unless given"""
    confounds: ConfoundSettings | None = None
    """nuisance regressors, such as `{columns: [trans_*, rot_*]}`; none unless given"""
    censor: CensorSettings | None = None
    """vectors of 0 (censored) and 1 (kept), such as `{path: "censor/{subject}.1D", mode: drop}`; none unless
    given"""
    standardise: Flag = True
    """BOLD to mean 0 and standard deviation 1 per voxel and run"""
    order: Annotated[str, DefaultOr(*ORDERS[1:])] = DEFAULT
    """`default`: resample, then convolve, run by run; the others: all runs of a subject as one film"""
    hrf: Annotated[str, OneOf(RESPONSES)] = "spm"
    """the response: SPM's, with one or two derivatives, a finite impulse response at `delays`, or `none` for
    features that are convolved already"""
    delays: Annotated[tuple[NotNegative, ...], FILLED, AfterValidator(_sorted_delays)] = ()
    """seconds, for `hrf: fir` only, such as `[2, 4, 6, 8]`"""

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Refuse delays without ``fir`` and the reverse, and published orders with other responses."""
        has_delays = "delays" in self.model_fields_set
        if self.hrf == "fir" and not has_delays:
            yield "delays", "is missing; hrf: fir needs delays in seconds, such as [2, 4, 6, 8]"
        if self.hrf != "fir" and has_delays:
            yield "delays", f"has no meaning for hrf: {self.hrf}"
        if self.order != DEFAULT and self.hrf != "spm":
            yield "hrf", f"is {self.hrf}, but order: {self.order} is defined for spm only"
