"""Everything of a subject that is known before its BOLD is read: runs, regions, features, nuisance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from almond.encoding.artifacts import provenance
from almond.encoding.bold.bids import Run, source_dataset
from almond.encoding.bold.nifti import Grid
from almond.encoding.bold.select import all_runs
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.evaluation.noise_features import null_predictors
from almond.encoding.features.card import FeatureSpaceCard
from almond.encoding.features.extract import extract_predictors
from almond.encoding.features.kinds.events import EventsSpec
from almond.encoding.features.run_features import Predictors, Presentation, Scan, bands, joined_card
from almond.encoding.features.stimulus_events import conditions_of
from almond.encoding.pipeline.design_matrix import (
    check_one_tr,
    prepared_predictors,
    remark_lengths,
    scan_of,
)
from almond.encoding.pipeline.variation import remark_features
from almond.encoding.regions.resolve import Region, bold_grid, resolve_regions
from almond.errors import InputError
from almond.progress import Part, Progress
from almond.remarks import Remarks
from almond.rng import generator
from almond.typing import Floats

__all__ = ["Inputs", "gather_inputs"]


@dataclass(frozen=True)
class NoisePredictors:
    """Noise (n, K D') prepared as the real predictors are, its ``bands``, the number of ``features`` and the
    time constant in seconds."""

    x: Floats
    bands: dict[str, slice]
    features: int
    time_constant: float


@dataclass(frozen=True)
class Inputs:
    """One subject's, all checked against each other; ``provenance`` holds their digests, ``remarks`` what is
    doubtful."""

    config: FitConfig
    subject: str
    scans: tuple[Scan, ...]
    regions: tuple[Region, ...]
    grid: Grid
    predictors: dict[str, Predictors]
    card: FeatureSpaceCard
    bands: dict[str, slice]
    provenance: dict[str, Any]
    remarks: Remarks

    @property
    def grid_json(self) -> dict[str, Any]:
        """Return the shape and affine (voxel indices to millimetres) of the BOLD."""
        return {"shape": list(self.grid.shape), "affine": self.grid.affine.tolist()}

    def noise(self) -> NoisePredictors | None:
        """Make the noise predictors, if the configuration has the control."""
        if not self.config.null_control:
            return None
        rng = generator(self.config.seed, "null features", self.subject)
        made, constant = null_predictors(self.predictors, self.config.null_control, rng)
        x = prepared_predictors(self.config, self.scans, made)
        return NoisePredictors(x, bands(made), self.config.null_control, constant)

    def check_strict(self, *more: Remarks) -> None:
        """Take the inputs' remarks and others as an error where the configuration is strict.

        :raises InputError: there is one.
        """
        if self.config.strict:
            Remarks([*self.remarks, *chain.from_iterable(more)]).refuse(f"sub-{self.subject}")

    def release(self) -> None:
        """Free the feature arrays, hundreds of megabytes for a film, once predictors are made."""
        self.predictors.clear()


def gather_inputs(
    config: FitConfig, subject: str, *, out: Path, progress: Progress, runs: Sequence[Run] | None = None
) -> Inputs:
    """Read a subject's regions on the grid of its BOLD, features of its runs and nuisance regressors.

    :param out: folder of the artifacts; ``out/features`` caches the features of networks.
    :param runs: those of all subjects (default: searched for).

    :raises InputError: anything about the files that does not fit.
    """
    every = list(runs) if runs is not None else all_runs(config)
    own = [run for run in every if run.subject == subject]
    if not own:
        raise InputError("subjects", f"{subject} has no run", "a subject of the data set")
    remarks = Remarks()
    progress.report(0.0, f"sub-{subject}: regions and runs")
    grid = bold_grid([run.bold for run in own])
    regions = resolve_regions(config.regions, grid, subject=subject)
    for region in regions.values():
        remarks.extend(region.remarks)
    scans = tuple(scan_of(config, run, remarks) for run in own)
    check_one_tr(scans)
    remark_lengths(scans, remarks)
    progress.report(0.2, f"sub-{subject}: features")
    presentation = Presentation(
        scans,
        order=config.order,
        conditions=_conditions(config, every),
        stimuli=source_dataset(config.dataset) / "stimuli" if config.dataset else config.base,
        cache=out / "features",
        progress=Part(progress, 0.2, 1.0),
        device=config.device,
        remarks=remarks,
    )
    predictors = extract_predictors(config.spaces, presentation)
    remark_features(predictors, scans, remarks)
    described = provenance.of_subject(config, scans, predictors)
    inputs = Inputs(
        config,
        subject,
        scans,
        tuple(regions.values()),
        grid,
        predictors,
        joined_card(predictors),
        bands(predictors),
        described,
        remarks,
    )
    inputs.check_strict()
    return inputs


def _conditions(config: FitConfig, runs: Sequence[Run]) -> tuple[str, ...]:
    specs = config.spaces.values()
    open_ended = [spec for spec in specs if isinstance(spec, EventsSpec) and not spec.conditions]
    return conditions_of(runs) if open_ended else ()
