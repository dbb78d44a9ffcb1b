"""Selecting photographs under the matching of a set, and ranking them by a column from outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from almond.balance.photographs import (
    guided_rows,
    photograph_rows,
    rank_test,
    select_photographs,
)
from almond.pictures.reading import read_image
from almond.stimuli.lowlevel import NAMES
from almond.stimuli.pairing.yardsticks import QUALITY
from almond.stimuli.quality import measure_quality
from encoder.models import Target
from generation import services
from generation.models import MatchedSet, PhotographComparison, Stimulus
from generation.runs.matching import pool_of
from jobs.services.execution import RunningJob


def compare(job: RunningJob) -> dict[str, Any]:
    """Write the table of guided pairs and selected photographs, and the tests of a column from outside."""
    comparison = PhotographComparison.objects.get(pk=job.arguments["comparison"])
    matched = comparison.matched_set
    job.report(0.0, "reading the photographs")
    photographs = list(comparison.image_set.stimuli.order_by("pk"))
    table = _photographs(photographs, "quality" in matched.held, job)
    targets = sorted(set(matched.pairs.values_list("target", flat=True)))
    features = [*NAMES, *(QUALITY if "quality" in matched.held else ())]
    pairs = min(matched.pairs.filter(target=name).count() for name in targets)
    job.report(0.5, "selecting photographs")
    selection = select_photographs(
        table, targets=targets, pairs=pairs, features=features, yardsticks=matched.yardsticks
    )
    rows = [
        *_guided(matched),
        *photograph_rows(table, selection, features=features, yardsticks=matched.yardsticks),
    ]
    ranks = _ranks(comparison, photographs, targets) if comparison.column else []
    services.keep_comparison(
        comparison=comparison,
        rows=[row.to_json() for row in sorted(rows, key=lambda row: (row.target, row.way))],
        ranks=ranks,
        by=job.job.requested_by,
    )
    return {"targets": targets, "photographs": len(photographs)}


def _photographs(images: list[Stimulus], quality: bool, job: RunningJob) -> pd.DataFrame:
    rows = []
    for number, image in enumerate(images):
        job.report(0.5 * number / len(images), f"photograph {number + 1} of {len(images)}")
        measures = measure_quality(read_image(image.path, name=str(image))) if quality else {}
        scores = {f"score_{name}": value for name, value in image.scores.items()}
        rows.append({**scores, **{name: image.lowlevel[name] for name in NAMES}, **measures})
    return pd.DataFrame(rows)


def _guided(matched: MatchedSet) -> list[Any]:
    pool = pool_of(matched.stimuli().order_by("pk"), judged=matched.scored_by == Target.Role.JUDGE)
    pairs = pd.DataFrame(
        list(matched.pairs.values_list("target", "high_id", "low_id")),
        columns=["intended_target", "high", "low"],
    )
    return guided_rows(pool, pairs, pd.DataFrame(matched.balance), yardsticks=matched.yardsticks)


def _ranks(
    comparison: PhotographComparison, photographs: list[Stimulus], targets: list[str]
) -> list[dict[str, Any]]:
    """Test for each target, by guides and by judges, whether its score ranks what was measured outside."""
    column = comparison.column
    known = [row for row in photographs if row.norms.get(column) is not None]
    outside = np.array([float(row.norms[column]) for row in known])
    themes = [row.theme for row in known]
    tests = []
    for name in [*targets, *(f"{target}_judge" for target in targets)]:
        if all(name in row.scores for row in known):
            scores = np.array([float(row.scores[name]) for row in known])
            test = rank_test(scores, outside, themes, target=name, column=column, seed=comparison.pk)
            tests.append(test.to_json())
    return tests
