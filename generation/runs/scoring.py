"""Scoring the images of a set by targets."""

from __future__ import annotations

from typing import Any

from almond.pictures.reading import read_image
from encoder.models import Target
from encoder.runs.features import load_scorer
from generation import services
from generation.models import ImageSet
from jobs.services.execution import RunningJob

BATCH = 8
"""Images scored together."""


def score(job: RunningJob) -> dict[str, Any]:
    """Score the images of a set by targets, ``BATCH`` at a time."""
    image_set = ImageSet.objects.get(pk=job.arguments["image_set"])
    targets = list(Target.objects.filter(pk__in=job.arguments["targets"]).order_by("pk"))
    job.report(0.0, "loading the targets")
    scorer = load_scorer(targets)
    images = list(image_set.stimuli.order_by("pk"))
    for start in range(0, len(images), BATCH):
        members = images[start : start + BATCH]
        job.report(start / len(images), f"image {start + 1} of {len(images)}")
        table = scorer.score_images([read_image(image.path) for image in members])
        for stimulus, values in zip(members, table, strict=True):
            scores = {name: float(v) for name, v in zip(scorer.names, values, strict=True)}
            services.keep_scores(stimulus=stimulus, scores=scores, digests=scorer.digests)
    return {"images": len(images), "targets": list(scorer.names)}
