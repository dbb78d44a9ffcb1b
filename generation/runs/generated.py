"""Taking in the images that ``python -m almond generate`` made, on a cluster for example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from almond.errors import DigestMismatch, InputError
from almond.generating.folder import ImageRecord, Manifest, finished, generated_folders, read_record
from almond.guidance.backends.load import load_generator
from almond.guidance.generators import GENERATORS
from almond.pictures.reading import read_image
from almond.progress import Part
from generation import services
from generation.models import Batch
from generation.services.batches import known_targets
from jobs.services.execution import RunningJob


def import_generated(job: RunningJob) -> dict[str, Any]:
    """Take in a folder: everything is verified before the first byte is kept; all rows are written at once.

    A job that was stopped verifies again; bytes that it kept are not written twice.
    """
    batch = Batch.objects.get(pk=job.arguments["batch"])
    manifest, folders = generated_folders(Path(batch.folder))
    begun = Manifest(**{name: batch.manifest[name] for name in manifest.to_json() if name != "format"})
    begun.refuse_other(manifest, batch.folder)
    known_targets(manifest)
    check_generator(manifest)
    places = images_of(folders)
    if not places:
        raise InputError(batch.folder, "holds no finished image", "images beside their records")
    if len(places) > manifest.images:
        raise InputError(
            batch.folder, f"holds {len(places)} images", f"the {manifest.images} it was begun for"
        )
    part = Part(job, 0.0, 0.7)
    for number, (record, png) in enumerate(verified(places, manifest)):
        part.report(number / len(places), f"verifying {record.name[:12]}")
        check_image(record, png, manifest)
    part = Part(job, 0.7, 0.95)
    rows = []
    for number, (record, png) in enumerate(verified(places, manifest)):
        part.report(number / len(places), f"keeping {record.name[:12]}")
        rows.append((record, services.keep_bytes(png, "png")))
    services.keep_imported(batch=batch, images=rows, by=job.job.requested_by)
    if len(rows) < manifest.images:
        job.log(f"{manifest.images - len(rows)} of {manifest.images} images are not in {batch.folder} yet")
    return {"images": len(rows), "folders": len(folders)}


def check_generator(manifest: Manifest) -> None:
    """Compare an embedded generator with this lab's own; the weights of any other need not be here.

    :raises DigestMismatch: the images were made with another version of it.
    """
    if manifest.generator in GENERATORS.names():
        own = load_generator(manifest.generator).digest
        if own != manifest.generator_digest:
            raise DigestMismatch(f"generator {manifest.generator}", own, manifest.generator_digest)


def images_of(folders: list[Path]) -> dict[str, Path]:
    """Map recipe digests to the folder that holds their image; the first of several shards."""
    places: dict[str, Path] = {}
    for folder in folders:
        for name in finished(folder):
            places.setdefault(name, folder)
    return places


def verified(places: Mapping[str, Path], manifest: Manifest) -> Iterator[tuple[ImageRecord, bytes]]:
    """Yield every record with its image's bytes, compared with their digests and those of the manifest."""
    for name, folder in sorted(places.items()):
        yield read_record(folder, name, manifest)


def check_image(record: ImageRecord, png: bytes, manifest: Manifest) -> None:
    """Check that a record belongs to the manifest, and that its image can be read and has its size.

    :raises DigestMismatch: a recipe that was guided by another target.
    :raises InputError: guided by a target that the manifest does not name, or another size.
    """
    for name, digest in record.recipe.target_digests.items():
        if manifest.targets.get(name) != digest:
            raise DigestMismatch(
                f"recipe {record.name}: target {name}", manifest.targets.get(name, "none"), digest
            )
    if record.intended_target and record.intended_target not in manifest.targets:
        raise InputError(
            f"recipe {record.name}",
            f"is for {record.intended_target}",
            f"one of {', '.join(manifest.targets)}",
        )
    height, width = read_image(png, name=record.name).shape[:2]
    if (width, height) != (record.width, record.height):
        raise InputError(
            f"image of recipe {record.name}",
            f"has {width} x {height} pixels",
            f"{record.width} x {record.height}, as its record says",
        )
