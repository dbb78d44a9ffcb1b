"""Contact sheets to take along: a PNG for each scene, all of a batch in a zip file, a manifest beside."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from almond import __version__
from almond.digest import digest_bytes
from almond.pictures.contact_sheets import SheetCell, SheetRow, draw_contact_sheet
from almond.pictures.reading import read_image
from generation.admin.sheets import Cell, SceneSheet, contact_sheet
from generation.models import Batch, Stimulus

FORMAT = "almond-contact-sheets/1"
MANIFEST = "manifest.json"


def scene_sheets(batch: Batch, scenes: Iterable[str] | None = None) -> list[SceneSheet]:
    """Arrange the images of a batch by scene; only those of some scenes where they are named."""
    images = batch.stimuli.in_sheet_order().defer("trace")
    shown = images if scenes is None else images.filter(base_scene__in=list(scenes))
    return contact_sheet(shown, judged=batch.judges.exists())


def sheet_png(batch: Batch, sheet: SceneSheet) -> bytes:
    """Draw the sheet of one scene.

    :raises InputError: bytes of an image that are gone or changed.
    """
    rows = [
        SheetRow("\n".join(filter(None, (line.target, line.way))), [_cell(cell) for cell in line.cells])
        for line in sheet.lines
    ]
    title = f"{sheet.prompt}, seed {sheet.seed} - {batch.name}"
    return draw_contact_sheet(title, [heading.replace("−", "-") for heading in sheet.headings], rows)


def _cell(cell: Cell) -> SheetCell:
    if cell.stimulus is None:
        return SheetCell(None)
    read = partial(read_image, cell.stimulus.path, name=str(cell.stimulus))
    return SheetCell(read, "" if cell.score is None else f"{cell.score:+.2f}")


def sheet_file(sheet: SceneSheet) -> str:
    return f"sheets/{sheet.name}.png"


def manifest_of_sheets(
    batch: Batch, sheets: Iterable[SceneSheet], digests: dict[str, str] | None = None
) -> dict[str, Any]:
    """Write down what the sheets show and where it comes from: every image with digest, recipe and scores.

    :param digests: SHA-256 of the sheets that lie beside it, by file.
    """
    shown = list(sheets)
    images = {image.digest + image.recipe_digest: image for sheet in shown for image in sheet.images}
    return {
        "format": FORMAT,
        "code": f"almond {__version__}",
        "batch": batch.name,
        "folder": batch.folder,
        "recipes": [
            {"name": recipe.name, "digest": recipe.digest, "generator": recipe.generator}
            for recipe in batch.recipes.all()
        ],
        "judges": {judge.score_name: judge.digest for judge in batch.judges.all()},
        "scores_shown": "held-out judge" if batch.judges.exists() else "guide",
        "sheets": [
            {
                "file": sheet_file(sheet),
                "sha256": (digests or {}).get(sheet_file(sheet)),
                "prompt": sheet.prompt,
                "seed": sheet.seed,
                "columns": sheet.headings,
                "rows": [
                    {
                        "target": line.target,
                        "way": line.way,
                        "images": [cell.stimulus.digest if cell.stimulus else None for cell in line.cells],
                    }
                    for line in sheet.lines
                ],
            }
            for sheet in shown
        ],
        "images": [_image_entry(image) for image in images.values()],
    }


def _image_entry(image: Stimulus) -> dict[str, Any]:
    return {
        "file": image_file(image),
        "sha256": image.digest,
        "intended_target": image.intended_target,
        "direction": image.direction,
        "strength": image.strength,
        "recipe": image.recipe_json,
        "recipe_digest": image.recipe_digest,
        "scores": image.scores,
        "score_digests": image.score_digests,
        "lowlevel": image.lowlevel,
    }


def image_file(image: Stimulus) -> str:
    return f"images/{image.digest}.{image.suffix}"


class _Chunks(io.RawIOBase):
    """What a zip file writes, to be sent piece by piece."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        data, self.parts = b"".join(self.parts), []
        return data


def zipped_sheets(batch: Batch) -> Iterator[bytes]:
    """Yield a zip file of all sheets, all images and, at its end, the manifest that names their digests."""
    chunks, digests = _Chunks(), dict[str, str]()
    sheets = scene_sheets(batch)
    with zipfile.ZipFile(chunks, "w", zipfile.ZIP_STORED) as archive:
        written: set[str] = set()
        for sheet in sheets:
            png = sheet_png(batch, sheet)
            digests[sheet_file(sheet)] = digest_bytes(png)
            archive.writestr(sheet_file(sheet), png)
            for image in sheet.images:
                if image_file(image) not in written:
                    archive.write(image.path, image_file(image))
                    written.add(image_file(image))
                yield chunks.taken()
        archive.writestr(MANIFEST, manifest_json(manifest_of_sheets(batch, sheets, digests)))
    yield chunks.taken()


def manifest_json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False)
