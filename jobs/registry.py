"""Kinds of jobs: name -> dotted path of a run function, loaded only where it is run.

A run function takes a :class:`jobs.services.execution.RunningJob` and returns its result as JSON data or
None. The paths are strings, so that a page may ask for work without loading what does it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from almond.errors import InputError

KINDS: dict[str, str] = {
    "encoder.fit": "encoder.runs.fits.fit",
    "encoder.fit_group": "encoder.runs.fits.fit_group",
    "encoder.draw": "encoder.runs.maps.draw",
    "encoder.make_target": "encoder.runs.targets.make_target",
    "encoder.import_betas": "encoder.runs.weights.import_betas",
    "encoder.evaluate": "encoder.runs.reports.evaluate",
    "encoder.validate": "encoder.runs.reports.validate",
    "generation.generate": "generation.runs.generate",
    "generation.match": "generation.runs.match",
    "generation.import_images": "generation.runs.import_images",
    "generation.score": "generation.runs.score",
    "ratings.simulate": "ratings.runs.simulate",
    "analysis.export": "analysis.runs.export",
    "analysis.analyse": "analysis.runs.analyse",
}


def check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise InputError("kind", f"{kind!r} is no kind of job", f"one of {', '.join(sorted(KINDS))}")


def load(kind: str) -> Callable[[Any], Any]:
    """The run function of a kind; imports its module."""
    check_kind(kind)
    module, _, name = KINDS[kind].rpartition(".")
    run: Callable[[Any], Any] = getattr(importlib.import_module(module), name)
    return run
