"""Pictures in a folder: each is drawn once, stored with its record, and read again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from almond.digest import digest_json
from almond.generating.expand import Planned
from almond.generating.folder import (
    IMAGES,
    ImageRecord,
    Manifest,
    begin_folder,
    finished,
    read_record,
    write_record,
)
from almond.generating.make import record_of
from almond.guidance.backends.base import Generator
from almond.guidance.recipe import Recipe
from almond.guidance.sampler import DifferentiableScorer, generate
from almond.pictures.reading import read_image
from almond.progress import Progress
from almond.stimuli.images import png_bytes
from almond.typing import ImageArray


class DrawnPictures:
    """A folder of pictures with their records, as ``python -m almond generate`` writes them.

    It is for one generator and one set of guides; with others it is refused. A picture that is there is not
    drawn again, so that stopped work, or a larger budget, goes on at the first missing one.
    """

    def __init__(self, folder: Path, generator: Generator, scorer: DifferentiableScorer) -> None:
        self.folder, self.generator, self.scorer = folder, generator, scorer
        self.digests: dict[str, str] = dict(getattr(scorer, "digests", {}))
        self.manifest = Manifest(
            generator=generator.name,
            generator_digest=generator.digest,
            targets=self.digests,
            judges={},
            images=0,
            recipes=digest_json("as they are asked for"),
        )
        begin_folder(folder, self.manifest)

    def draw(self, recipes: Sequence[Recipe], target: str, progress: Progress) -> list[ImageRecord]:
        """Return the record of each recipe's picture, drawn now where it is missing.

        :raises DigestMismatch: a stored picture was changed, or made with other weights.
        """
        there = set(finished(self.folder))
        distinct = {recipe.digest: recipe for recipe in recipes if recipe.digest not in there}
        missing = list(distinct.values())
        made = generate(missing, generator=self.generator, scorer=self.scorer, progress=progress)
        for recipe, picture in zip(missing, made, strict=True):
            planned = Planned(recipe, target, recipe.objective_kind) if recipe.guided else Planned(recipe)
            png = png_bytes(picture.image)
            write_record(self.folder, record_of(planned, picture, png, self.digests), png)
        return [read_record(self.folder, recipe.digest, self.manifest)[0] for recipe in recipes]

    def image(self, record: ImageRecord) -> ImageArray:
        """Read the pixels (H, W, 3) uint8 of a picture, checked against its record."""
        return read_image(self.png(record), name=str(self._file(record)))

    def png(self, record: ImageRecord) -> bytes:
        """Read the bytes of a picture, checked against its record."""
        return read_record(self.folder, record.name, self.manifest)[1]

    def _file(self, record: ImageRecord) -> Path:
        return self.folder / IMAGES / f"{record.name}.png"
