"""The data of one subject: predictors and BOLD of all runs, prepared run by run and then stacked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from almond.encoding.bold.bids import Run
from almond.encoding.bold.censoring import read_censor, uncensored_rows
from almond.encoding.bold.cleaning import nuisance, standardised_courses, without
from almond.encoding.bold.confounds import read_confounds
from almond.encoding.bold.nifti import read_masked
from almond.encoding.bold.quality import VoxelQuality
from almond.encoding.bold.run_headers import (
    number_of_volumes,
    remark_orientation,
    repetition_time,
    start_time,
)
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.config.section import DEFAULT
from almond.encoding.features.run_features import Predictors, Scan
from almond.encoding.hemodynamics.convolution import align, align_film
from almond.encoding.hemodynamics.hrf import CANONICAL
from almond.encoding.regions.resolve import Region
from almond.errors import InputError
from almond.progress import Progress
from almond.remarks import Remarks
from almond.typing import Floats

TR_TOLERANCE = 1e-3
SHORT_SHARE = 0.5
"""Of the median number of volumes: a shorter run may have been broken off."""

RESPONSE_SECONDS = CANONICAL[-1]


@dataclass(frozen=True)
class SubjectData:
    """Predictors ``x`` (n, K D), BOLD ``bold`` (n, V) of the grid positions ``voxels`` (V, 3).

    ``dropped`` (V,) marks voxels that are constant in a run; ``lengths`` are the volumes of the runs in
    order. ``remarks`` say what is doubtful about the values.
    """

    x: Floats
    bold: Floats
    voxels: NDArray[np.int64]
    dropped: NDArray[np.bool_]
    lengths: tuple[int, ...]
    tr: float
    remarks: Remarks = field(default_factory=Remarks)

    def columns(self, region: Region, subject: str) -> NDArray[np.int64]:
        """Which columns of ``bold`` are the region's voxels that vary; ``InputError`` when none does."""
        inside = places_of([region], self.voxels)[region.name]
        varying = inside[~self.dropped[inside]]
        if len(varying) == 0:
            raise InputError(
                region.path, f"every voxel of {region.name} is constant in sub-{subject}", "measured data"
            )
        return np.asarray(varying, np.int64)


def places_of(regions: Sequence[Region], voxels: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Map each region to the positions of its voxels among ``voxels`` (V, 3)."""
    place = {tuple(voxel): index for index, voxel in enumerate(voxels.tolist())}
    return {
        region.name: np.array([place[tuple(voxel)] for voxel in region.voxels.tolist()]) for region in regions
    }


def scan_of(config: FitConfig, run: Run, remarks: Remarks) -> Scan:
    """A run's time axis with its censored volumes and confounds, before its BOLD is read."""
    remark_orientation(run, remarks)
    tr, measured = repetition_time(run, config.tr, remarks), number_of_volumes(run)
    uncensored = None if config.censor is None else read_censor(run, config.censor.path, config.censor.mode)
    volumes = measured if uncensored is None else len(uncensored)
    confounds = None
    if config.confounds is not None:
        tables = config.confounds
        confounds = read_confounds(run, tables.columns, tables.path, volumes, missing=tables.missing)
    return Scan(run, volumes, tr, uncensored, confounds, _start_time(config, run, tr, remarks))


def _start_time(config: FitConfig, run: Run, tr: float, remarks: Remarks) -> float:
    """Read for what time a run's volumes stand, and say what became of it."""
    start = start_time(run, tr, config.start_time, remarks)
    text = f"stands for {start:g} s after the start of each volume (StartTime)"
    if start and config.order != DEFAULT:
        unused = f"order: {config.order} stretches features onto the volumes and did not use it"
        remarks.add("start-time", run.bold, f"{text}; {unused}", about=run.name)
    elif start and config.start_time is None:
        used = "events, films and tables with an interval were read at these times"
        remarks.add("start-time", run.bold, f"{text}; {used}", about=run.name)
    return start


def check_one_tr(scans: Sequence[Scan]) -> None:
    trs = sorted({scan.tr for scan in scans})
    if trs[-1] - trs[0] > TR_TOLERANCE:
        text = ", ".join(f"{tr:g} s" for tr in trs)
        raise InputError(f"sub-{scans[0].run.subject}", f"has runs with TRs of {text}", "one TR per subject")


def remark_lengths(scans: Sequence[Scan], remarks: Remarks) -> None:
    """Say which runs are much shorter than the subject's others, or than the response to one event."""
    usual = float(np.median([scan.n_uncensored for scan in scans]))
    for scan in scans:
        if scan.n_uncensored < SHORT_SHARE * usual:
            text = f"has {scan.n_uncensored} volumes, and runs of sub-{scan.run.subject} usually {usual:g}"
            remarks.add("run-length", scan.run.bold, f"{text}; it counts as the others", about=scan.run.name)
        if scan.seconds < RESPONSE_SECONDS:
            text = f"lasts {scan.seconds:g} s, less than the response to one event ({RESPONSE_SECONDS:g} s)"
            remarks.add("run-length", scan.run.bold, f"{text}; it was used", about=scan.run.name)


def nuisance_of(config: FitConfig, scan: Scan) -> Floats:
    """Orthonormal basis (n_uncensored, q) of what is taken from BOLD and predictors of a run."""
    return nuisance(
        scan.n_volumes,
        scan.tr,
        detrend=config.detrend,
        high_pass=config.high_pass,
        confounds=scan.confounds,
        uncensored=scan.uncensored,
        source=scan.run.bold,
    )


def read_subject(
    config: FitConfig,
    regions: Sequence[Region],
    scans: Sequence[Scan],
    predictors: Mapping[str, Predictors],
    progress: Progress,
) -> SubjectData:
    """Read the voxels of all regions once. With the default order nothing crosses the border of a run."""
    voxels = np.unique(np.concatenate([region.voxels for region in regions]), axis=0)
    dropped = np.zeros(len(voxels), bool)
    lengths = tuple(scan.n_uncensored for scan in scans)
    bold = np.empty((sum(lengths), len(voxels)))
    bases, first, remarks = [], 0, Remarks()
    places = places_of(regions, voxels)
    for number, scan in enumerate(scans):
        progress.report(number / len(scans), f"sub-{scan.run.subject}: reading {scan.run.name}")
        part = bold[first : first + scan.n_uncensored]
        bases.append(nuisance_of(config, scan))
        _read_run(config, scan, voxels, part)
        quality = prepare_courses(config, bases[-1], part)
        quality.remark(scan.run, places, remarks)
        dropped |= quality.unusable
        first += scan.n_uncensored
    x = prepared_predictors(config, scans, predictors, bases)
    return SubjectData(x, bold, voxels, dropped, lengths, scans[0].tr, remarks)


def _read_run(config: FitConfig, scan: Scan, voxels: NDArray[np.int64], part: Floats) -> None:
    """Fill ``part`` (n_uncensored, V) with a run's BOLD as it was measured."""
    if scan.uncensored is None or config.censor is None:
        read_masked(scan.run.bold, voxels, scan.run.volumes, out=part)
    else:
        courses = read_masked(scan.run.bold, voxels, scan.run.volumes)
        part[:] = uncensored_rows(courses, scan.uncensored, config.censor.mode, scan.run.bold)


def prepare_courses(config: FitConfig, basis: Floats, part: Floats) -> VoxelQuality:
    """Prepare a run's BOLD ``part`` (n_uncensored, V) in place; voxels that are no numbers become 0."""
    quality = VoxelQuality.of(part)
    part[:, quality.not_finite] = 0.0
    if basis.shape[1]:
        part[:] = without(part, basis)
    if config.standardise:
        part[:] = standardised_courses(part)
    return quality


def prepared_predictors(
    config: FitConfig,
    scans: Sequence[Scan],
    predictors: Mapping[str, Predictors],
    bases: Sequence[Floats] | None = None,
) -> Floats:
    """Predictors (n, K D) of all runs, the nuisance taken out: column k D + d, all spaces side by side."""
    rows_of_runs = aligned(config, scans, predictors)
    nuisances = bases if bases is not None else [nuisance_of(config, scan) for scan in scans]
    parts, first = [], 0
    for scan, basis in zip(scans, nuisances, strict=True):
        rows = rows_of_runs[first : first + scan.n_volumes]
        parts.append(without(rows if scan.uncensored is None else rows[scan.uncensored], basis))
        first += scan.n_volumes
    return np.concatenate(parts)


def aligned(config: FitConfig, scans: Sequence[Scan], predictors: Mapping[str, Predictors]) -> Floats:
    """Predictors (n, K D) at every volume of the runs' time axes, one run after the other."""
    spaces = [_of_space(config, scans, space) for space in predictors.values()]
    if len(spaces) == 1:
        return spaces[0]
    widths = [space.card.dimension for space in predictors.values()]
    responses = spaces[0].shape[1] // widths[0]
    columns = [
        values[:, k * width : (k + 1) * width]
        for k in range(responses)
        for values, width in zip(spaces, widths, strict=True)
    ]
    return np.concatenate(columns, axis=1)


def _of_space(config: FitConfig, scans: Sequence[Scan], predictors: Predictors) -> Floats:
    if config.order != DEFAULT:
        whole, volumes = predictors.whole(), sum(scan.n_volumes for scan in scans)
        return align_film(whole.values, n_volumes=volumes, tr=scans[0].tr, order=config.order)
    parts = [
        rows.mixed(
            align(
                rows.values,
                interval=rows.interval,
                n_volumes=scan.n_volumes,
                tr=scan.tr,
                hrf=config.hrf,
                delays=config.delays,
                start=rows.start,
                reference=scan.start_time,
                source=rows.source,
            )
        )
        for scan, rows in zip(scans, predictors.runs, strict=True)
    ]
    return np.concatenate(parts)
