"""Importing photographs with their norms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from almond.progress import Part
from generation import services
from generation.models import ImageSet, Stimulus
from generation.runs.image_source import read_source
from jobs.services.execution import RunningJob


def import_images(job: RunningJob) -> dict[str, Any]:
    """Import a folder or zip file: everything is read and checked before the first byte is written."""
    image_set = ImageSet.objects.get(pk=job.arguments["image_set"])
    if image_set.imported_at is not None:
        return {"images": image_set.stimuli.count()}
    norms_file = Path(image_set.norms_file) if image_set.norms_file else None
    source = read_source(
        Path(image_set.folder), norms_file, theme=image_set.theme_column, progress=Part(job, 0.0, 0.8)
    )
    writing = Part(job, 0.8, 1.0)
    rows = []
    for number, image in enumerate(source.images):
        writing.report(number / len(source.images), f"writing {image.name}")
        digest = services.keep_bytes(image.read(), image.suffix)
        rows.append(
            Stimulus(
                digest=digest,
                suffix=image.suffix,
                name=image.name,
                width=image.width,
                height=image.height,
                base_scene=image.name,
                lowlevel=image.lowlevel,
                norms=image.norms,
                stated_theme=image.theme,
                image_set=image_set,
            )
        )
    services.keep_images(image_set=image_set, rows=rows, norms=source.norm_names, by=job.job.requested_by)
    for line in source.remarks:
        job.log(line)
    if not image_set.theme_column:
        job.log("no column of themes was named: every image counts as a theme of its own")
    return {"images": len(rows), "norms": list(source.norm_names)}
