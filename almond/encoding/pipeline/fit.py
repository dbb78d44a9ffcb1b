"""From a configuration to fitted encoders on disk: one subject at a time, every region on the same folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from almond.encoding.artifacts import provenance
from almond.encoding.artifacts.fit_index import FittedRegion
from almond.encoding.bold.bids import Run
from almond.encoding.bold.select import all_runs, subjects_of
from almond.encoding.config.fit_config import FitConfig, load_config, parse_config
from almond.encoding.config.model import FAMILIES
from almond.encoding.multisubject.interface import SubjectArrays, fit_family
from almond.encoding.pipeline.design_matrix import read_subject
from almond.encoding.pipeline.inputs import Inputs, gather_inputs
from almond.encoding.pipeline.subject_fit import Job, dropped_voxels
from almond.progress import Part, Progress

__all__ = [
    "FitConfig",
    "FitReport",
    "FittedRegion",
    "fit",
    "fit_families",
    "fit_subject",
    "load_config",
    "parse_config",
]


@dataclass(frozen=True)
class FitReport:
    """Everything fitted, and the mean over subjects of the held-out correlation, model -> region -> r."""

    artifacts: list[FittedRegion]
    metrics: dict[str, dict[str, float]]


def fit(config: FitConfig, *, progress: Progress) -> FitReport:
    """Fit every subject into ``config.output``; what is there already is not fitted again.

    Subjects one by one with the models that learn from one subject alone, then the families that learn from
    all of them.
    """
    runs = all_runs(config)
    subjects = subjects_of(config)
    families = [model for model in config.models if model in FAMILIES]
    alone = len(families) < len(config.models)
    share = 0.5 if alone and families else 1.0 if alone else 0.0
    fitted: list[FittedRegion] = []
    for number, subject in enumerate(subjects if alone else ()):
        part = Part(progress, share * number / len(subjects), share * (number + 1) / len(subjects))
        fitted += _fit_subject(config, subject, runs, config.output, part)
    fitted += fit_families(config, out=config.output, progress=Part(progress, share, 1.0))
    progress.report(1.0, f"{len(fitted)} encoders in {config.output}")
    return FitReport(fitted, summary(fitted))


def summary(fitted: Sequence[FittedRegion]) -> dict[str, dict[str, float]]:
    """Model -> region -> mean over subjects of the mean held-out r."""
    found: dict[str, dict[str, list[float]]] = {}
    for item in fitted:
        of_region = found.setdefault(item.model, {}).setdefault(item.region, [])
        of_region.append(float(item.metrics["heldout_r"]["mean"]))
    return {
        model: {region: float(np.mean(values)) for region, values in regions.items()}
        for model, regions in found.items()
    }


def fit_subject(config: FitConfig, subject: str, *, out: Path, progress: Progress) -> list[FittedRegion]:
    """Fit every region and model of one subject and write the artifacts below ``out``.

    Families (``shared``, ``flow``) learn from all subjects and are not among them: see ``fit_families``. A
    model that was fitted before from the same files, masks, features and settings is found in the index
    beside the artifacts, checked and returned; nothing is fitted twice, also after a stop in the middle.

    :raises InputError: anything about the files that does not fit; nothing is written for that subject then.
    """
    return _fit_subject(config, subject, all_runs(config), out, progress)


def _fit_subject(
    config: FitConfig, subject: str, runs: Sequence[Run], out: Path, progress: Progress
) -> list[FittedRegion]:
    inputs = gather_inputs(config, subject, out=out, progress=Part(progress, 0.0, 0.1), runs=runs)
    return Job(inputs, out).run(Part(progress, 0.1, 1.0))


def fit_families(config: FitConfig, *, out: Path, progress: Progress) -> list[FittedRegion]:
    """Fit the models that learn from all subjects at once; an empty list when the configuration has none."""
    families = [model for model in config.models if model in FAMILIES]
    if not families:
        return []
    runs, subjects = all_runs(config), subjects_of(config)
    data = []
    for number, subject in enumerate(subjects):
        part = Part(progress, 0.3 * number / len(subjects), 0.3 * (number + 1) / len(subjects))
        data.append(_arrays(gather_inputs(config, subject, out=out, progress=part, runs=runs), part))
    fitted: list[FittedRegion] = []
    for number, model in enumerate(families):
        borders = [0.3 + 0.7 * place / len(families) for place in (number, number + 1)]
        # Its own settings alone: other models' sections change nothing that this one fits.
        own = config.model_copy(update={"models": (model,)})
        fitted += fit_family(model, own, data, out, Part(progress, *borders))
    return fitted


def _arrays(inputs: Inputs, progress: Progress) -> SubjectArrays:
    config = inputs.config
    data = read_subject(config, inputs.regions, inputs.scans, inputs.predictors, progress)
    noise = inputs.noise()
    columns = {region.name: data.columns(region, inputs.subject) for region in inputs.regions}
    root = config.dataset or config.base
    return SubjectArrays(
        subject=inputs.subject,
        x=data.x,
        bold=data.bold,
        voxels=data.voxels,
        columns=columns,
        lengths=data.lengths,
        tr=data.tr,
        feature_space=inputs.card,
        mask_digests={region.name: region.digest for region in inputs.regions},
        dropped={
            region.name: dropped_voxels(region, data.voxels[columns[region.name]])
            for region in inputs.regions
        },
        grid=inputs.grid_json,
        provenance={
            **inputs.provenance,
            "regions": {region.name: provenance.of_region(region, root) for region in inputs.regions},
        },
        null_x=None if noise is None else noise.x,
    )
