"""Image sets: photographs and their norms, imported in a job."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import record
from almond.errors import InputError
from generation.models import ImageSet, Stimulus
from generation.services.checks import check_norms, check_source, check_theme_column
from generation.services.row_jobs import start_job


@transaction.atomic
def import_image_set(
    *,
    name: str,
    folder: Path | str,
    by: User | None,
    norms: Path | str = "",
    theme_column: str = "",
    norm_columns: Sequence[str] = (),
) -> ImageSet:
    """Import the images of a folder or zip file, with a CSV of norms, in a job.

    ``norm_columns`` are the columns of the CSV that are norms: what is tested, and corrected for, in studies
    of these images. Without any, every column of numbers is one that looks like no count or spread.
    Both must lie under one of the server's data folders (``ALMOND_DATA_ROOTS``).

    :param theme_column: column of the norms that states the theme of an image; without one, each has its own.
    """
    source = check_source(Path(folder), "folder")
    table, columns = str(check_norms(Path(norms))) if norms else "", list(norm_columns)
    check_theme_column(theme_column, norms)
    image_set = ImageSet.objects.create(
        name=name, folder=str(source), norms_file=table, norm_columns=columns, theme_column=theme_column
    )
    start_job(image_set, "generation.import_images", {"image_set": image_set.pk}, by)
    record(
        verb="import", subject=image_set, by=by, folder=str(source), norms=table, columns=list(norm_columns)
    )
    return image_set


@transaction.atomic
def retry_import(*, image_set: ImageSet, by: User | None) -> ImageSet:
    """Import again after a failure, once the files were corrected."""
    if image_set.imported_at is not None:
        raise InputError(image_set, "is already imported", "a set whose import failed")
    start_job(image_set, "generation.import_images", {"image_set": image_set.pk}, by)
    record(verb="import", subject=image_set, by=by, folder=image_set.folder)
    return image_set


@transaction.atomic
def keep_images(
    *, image_set: ImageSet, rows: Iterable[Stimulus], norms: Sequence[str], by: User | None
) -> ImageSet:
    """Write the rows of an imported set, all of them or none; a set already imported is left as it is."""
    current = ImageSet.objects.select_for_update().get(pk=image_set.pk)
    if current.imported_at is None:
        made = Stimulus.objects.bulk_create(rows)
        current.imported_at, current.norms = timezone.now(), list(norms)
        current.save(update_fields=["imported_at", "norms"])
        record(verb="keep_images", subject=current, by=by, images=len(made), norms=list(norms))
    return current


POOL = "chosen among images of the lab"
"""What stands as the folder of a set that was not imported."""


@transaction.atomic
def make_pool(*, name: str, images: Iterable[Stimulus], by: User | None) -> ImageSet:
    """Make an image set of images that are there: the same bytes with their scores, recipes and themes.

    A study, scoring or matching takes it as it takes imported photographs; in an export its images are such,
    for one recipe has one row. Images that share their bytes stand in it once.

    :raises InputError: no images, or a name that is taken.
    """
    different = {image.digest: image for image in images}
    if not different:
        raise InputError("images", "none were chosen", "one or more")
    if not name.strip() or ImageSet.objects.filter(name=name).exists():
        raise InputError("name", "is empty or taken", "a new name")
    pool = ImageSet.objects.create(name=name, folder=POOL, imported_at=timezone.now(), theme_column="prompt")
    rows = [_pooled(pool, image, number) for number, image in enumerate(different.values(), 1)]
    Stimulus.objects.bulk_create(rows)
    record(verb="pool", subject=pool, by=by, images=len(rows))
    return pool


def _pooled(pool: ImageSet, image: Stimulus, number: int) -> Stimulus:
    return Stimulus(
        digest=image.digest,
        suffix=image.suffix,
        name=f"{number:03d} {image}"[:200],
        width=image.width,
        height=image.height,
        base_scene=image.base_scene,
        stated_theme=image.theme,
        recipe_json=image.recipe_json,
        scores=image.scores,
        score_digests=image.score_digests,
        lowlevel=image.lowlevel,
        measures=image.measures,
        norms=image.norms,
        image_set=pool,
    )
