"""Folders of pictures: which files count, and pictures that are read when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import overload

from almond.errors import InputError
from almond.files.folders import visible
from almond.pictures.formats import IMAGE_SUFFIXES, is_picture
from almond.pictures.reading import read_image
from almond.typing import ImageArray


def image_files(folder: Path) -> list[Path]:
    """List the images directly in a folder, by name; ``InputError`` for none, or one that is not read."""
    if not folder.is_dir():
        raise InputError(folder, "is not a folder", "a folder of images")
    files = [path for path in visible(folder.iterdir()) if path.is_file()]
    paths = [path for path in files if is_picture(path.name, str(path))]
    if not paths:
        raise InputError(folder, "holds no image", ", ".join(sorted(IMAGE_SUFFIXES)))
    return paths


class LazyImages(Sequence[ImageArray]):
    """Image files that are read when they are indexed, so that few are in memory at a time."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> ImageArray: ...

    @overload
    def __getitem__(self, index: slice) -> LazyImages: ...

    def __getitem__(self, index: int | slice) -> ImageArray | LazyImages:
        if isinstance(index, slice):
            return LazyImages(self.paths[index])
        return read_image(self.paths[index])
