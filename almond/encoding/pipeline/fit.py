"""From a configuration to fitted encoders on disk: one subject at a time, every region on the same folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from almond.encoding.artifacts.fit_index import FittedRegion
from almond.encoding.bold.bids import Run
from almond.encoding.bold.select import all_runs, subjects_of
from almond.encoding.config.fit_config import FitConfig, load_config, parse_config
from almond.encoding.pipeline.families import families_of, fit_families
from almond.encoding.pipeline.inputs import gather_inputs
from almond.encoding.pipeline.subject_fit import SubjectFit
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
    families = families_of(config)
    alone = len(families) < len(config.models)
    share = 0.5 if alone and families else 1.0 if alone else 0.0
    fitted: list[FittedRegion] = []
    for number, subject in enumerate(subjects if alone else ()):
        part = Part(progress, share * number / len(subjects), share * (number + 1) / len(subjects))
        fitted += _fit_subject(config, subject, runs, config.output, part)
    fitted += fit_families(config, out=config.output, progress=Part(progress, share, 1.0))
    progress.report(1.0, f"{len(fitted)} encoders in {config.output}")
    return FitReport(fitted, mean_heldout_r(fitted))


def mean_heldout_r(fitted: Sequence[FittedRegion]) -> dict[str, dict[str, float]]:
    """Return model -> region -> mean over subjects of the mean held-out r."""
    r: dict[str, dict[str, list[float]]] = {}
    for item in fitted:
        of_region = r.setdefault(item.model, {}).setdefault(item.region, [])
        of_region.append(float(item.metrics["heldout_r"]["mean"]))
    return {
        model: {region: float(np.mean(values)) for region, values in regions.items()}
        for model, regions in r.items()
    }


def fit_subject(config: FitConfig, subject: str, *, out: Path, progress: Progress) -> list[FittedRegion]:
    """Fit every region and model of one subject and write the artifacts below ``out``.

    Families learn from all subjects and are not among them: see ``fit_families``. A
    model that was fitted before from the same files, masks, features and settings is found in the index
    beside the artifacts, checked and returned; nothing is fitted twice, also after a stop in the middle.

    :raises InputError: anything about the files that does not fit; nothing is written for that subject then.
    """
    return _fit_subject(config, subject, all_runs(config), out, progress)


def _fit_subject(
    config: FitConfig, subject: str, runs: Sequence[Run], out: Path, progress: Progress
) -> list[FittedRegion]:
    inputs = gather_inputs(config, subject, out=out, progress=Part(progress, 0.0, 0.1), runs=runs)
    return SubjectFit(inputs, out).run(Part(progress, 0.1, 1.0))
