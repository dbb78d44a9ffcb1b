"""Kinds of jobs: name -> dotted path of a run function, loaded only where it is run.

A run function takes a :class:`jobs.services.execution.RunningJob` and returns its result as JSON data or
None. A page can thus enqueue work without loading what does it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from almond.registry import Registry

KINDS: Registry[Callable[[Any], Any]] = Registry(
    "kind of job",
    {
        "encoder.fit": "encoder.runs.fits:fit",
        "encoder.fit_group": "encoder.runs.fits:fit_group",
        "encoder.draw": "encoder.runs.maps:draw",
        "encoder.make_target": "encoder.runs.targets:make_target",
        "encoder.import_betas": "encoder.runs.weights:import_betas",
        "encoder.evaluate": "encoder.runs.reports:evaluate",
        "encoder.validate": "encoder.runs.reports:validate",
        "generation.generate": "generation.runs.images:generate",
        "generation.import_generated": "generation.runs.generated:import_generated",
        "generation.match": "generation.runs.matching:match",
        "generation.compare": "generation.runs.comparing:compare",
        "generation.import_images": "generation.runs.importing:import_images",
        "generation.score": "generation.runs.scoring:score",
        "generation.trace": "generation.runs.trajectories:trace",
        "generation.diagnose": "generation.runs.diagnosis:diagnose_setup",
        "generation.view_steps": "generation.runs.steps:view_steps",
        "ratings.simulate": "ratings.runs:simulate",
        "ratings.rehearse": "ratings.runs.rehearsing:rehearse",
        "ratings.reconcile": "ratings.runs:reconcile_panel",
        "analysis.export": "analysis.runs:export",
        "analysis.analyse": "analysis.runs:analyse",
        "analysis.precision": "analysis.runs:check_precision",
        "analysis.power": "analysis.runs:power",
        "analysis.report_rehearsal": "analysis.runs.rehearsal:report_rehearsal",
    },
)
