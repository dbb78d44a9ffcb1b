"""Which runs and subjects a configuration names."""

from __future__ import annotations

from almond.encoding.bold.bids import Run, find_runs
from almond.encoding.config.fit_config import FitConfig
from almond.errors import InputError
from almond.folders import normalised
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
    runs = [
        Run(normalised(item.subject), item.run, item.bold, item.events, None, item.volumes)
        for item in config.runs
        if wanted is None or normalised(item.subject) in wanted
    ]
    missing = sorted(set(wanted or ()) - {run.subject for run in runs})
    if missing:
        raise InputError("subjects", f"{missing[0]} has no run", "subjects that the runs name")
    return runs


def subjects_of(config: FitConfig) -> list[str]:
    """List the subjects to fit, sorted (2 before 10)."""
    return sorted({run.subject for run in all_runs(config)}, key=natural)
