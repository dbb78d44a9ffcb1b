"""Which runs and subjects a configuration names."""

from __future__ import annotations

from almond.encoding.bold.bids import Run, find_runs
from almond.encoding.bold.sidecars import sidecar_beside
from almond.encoding.bold.timing import read_repetition_time, read_timing
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.config.runs import RunFiles
from almond.errors import InputError
from almond.files.folders import normalised
from almond.naming import natural


def all_runs(config: FitConfig) -> list[Run]:
    """List the runs that a configuration speaks of, of the subjects that it chooses.

    :raises InputError: there are none, or a subject has none.
    """
    if config.dataset is not None:
        return find_runs(
            config.dataset,
            config.task,
            config.subjects,
            config.entities,
            suffix=config.suffix,
            derivatives=config.derivatives,
        )
    if not config.runs:
        raise InputError("dataset", "is missing: there is nothing to fit", "a BIDS folder, or runs")
    wanted = None if config.subjects is None else {normalised(name) for name in config.subjects}
    runs = [_of_files(item) for item in config.runs if wanted is None or normalised(item.subject) in wanted]
    missing = sorted(set(wanted or ()) - {run.subject for run in runs})
    if missing:
        raise InputError("subjects", f"{missing[0]} has no run", "subjects that the runs name")
    return runs


def _of_files(item: RunFiles) -> Run:
    """A run of single files; a sidecar under the BOLD's name speaks for it."""
    sidecar, said = sidecar_beside(item.bold), f"sidecar of {item.bold}"
    tr, timing = read_repetition_time(sidecar, said), read_timing(sidecar, said)
    return Run(item.subject, item.run, item.bold, item.events, tr, item.volumes, timing)


def subjects_of(config: FitConfig) -> list[str]:
    """List the subjects to fit, sorted (2 before 10)."""
    return sorted({run.subject for run in all_runs(config)}, key=natural)
