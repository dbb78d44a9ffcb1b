"""Selecting the pairs of a matched set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from almond.errors import InputError
from almond.stimuli.lowlevel import NAMES
from almond.stimuli.matching import choose_pairs
from encoder.models import Target
from generation import services
from generation.models import MatchedSet, Stimulus
from jobs.services.execution import RunningJob


def match(job: RunningJob) -> dict[str, Any]:
    """Select the pairs of a matched set from all images of its batches."""
    matched = MatchedSet.objects.get(pk=job.arguments["matched_set"])
    job.report(0.0, "reading the pool")
    images = Stimulus.objects.filter(batches__in=matched.batches.all()).distinct().order_by("pk")
    pool = pool_of(images, judged=matched.scored_by == Target.Role.JUDGE)
    selected = choose_pairs(pool, tolerance=matched.tolerance, progress=job).to_json()
    services.keep_pairs(
        matched_set=matched,
        pairs=[
            (row["base_scene"], row["intended_target"], int(row["high"]), int(row["low"]))
            for row in selected["pairs"]
        ],
        balance=selected["balance"],
        reached=selected["reached"],
        kept=selected["kept"],
        by=job.job.requested_by,
    )
    return {"pairs": len(selected["pairs"]), "reached": selected["reached"]}


def pool_of(images: Iterable[Stimulus], *, judged: bool) -> pd.DataFrame:
    """Tabulate the images to match: one row each, with ``score_<target>`` by judges or by guides."""
    rows = []
    for image in images:
        scores = {
            f"score_{name.removesuffix('_judge')}": value
            for name, value in image.scores.items()
            if name.endswith("_judge") == judged
        }
        features = {name: image.lowlevel[name] for name in NAMES}
        rows.append(
            {
                "stimulus_id": image.pk,
                "image_sha256": image.digest,
                "base_scene": image.base_scene,
                "intended_target": image.intended_target,
                "direction": image.direction,
                "strength": image.strength,
                **scores,
                **features,
            }
        )
    if not rows:
        raise InputError("stimulus pool", "is empty", "batches whose images have been made")
    return pd.DataFrame(rows)
