"""PictureFiles that recipes name by the digests of their files, and how they are cut to a model's size."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from almond.digest import digest_file, digest_json
from almond.errors import DigestMismatch, InputError
from almond.pictures.files import image_files
from almond.pictures.reading import read_image
from almond.typing import ImageArray

MIDDLE_GREY = 128


class PictureFiles:
    """Files by the SHA-256 of their bytes. They are read when they are needed, and compared again.

    ``cached`` keeps what was computed of folders.
    """

    def __init__(self) -> None:
        self._files: dict[str, Path] = {}
        self._folders: dict[str, tuple[str, ...]] = {}
        self.cached: dict[Hashable, Any] = {}

    def add(self, path: Path) -> str:
        """Add a file; returns its digest."""
        digest = digest_file(path)
        self._files[digest] = path
        return digest

    def add_folder(self, folder: Path) -> str:
        """Add the pictures directly in a folder; returns the digest of theirs, whatever their names."""
        digests = tuple(sorted({self.add(path) for path in image_files(folder)}))
        digest = digest_json(list(digests))
        self._folders[digest] = digests
        return digest

    def members(self, digest: str) -> tuple[str, ...]:
        """List the digests of a folder's pictures."""
        if digest not in self._folders:
            raise InputError("recipe.adapter.reference", f"{digest[:12]}… is not at hand", "its folder")
        return self._folders[digest]

    def require(self, digest: str, field: str) -> None:
        """Refuse the digest of a picture that was not added."""
        if digest not in self._files:
            raise InputError(field, f"the picture {digest[:12]}… is not at hand", "its file")

    def read(self, digest: str, field: str) -> ImageArray:
        """Read the pixels (H, W, 3) of a picture.

        :raises InputError: it was never added.
        :raises DigestMismatch: the file was changed since.
        """
        self.require(digest, field)
        path = self._files[digest]
        data = path.read_bytes()
        if (now := digest_file(path)) != digest:
            raise DigestMismatch(path, digest, now)
        return read_image(data, name=str(path))


def centre_square(image: ImageArray) -> ImageArray:
    """Cut the largest square (S, S, 3) around the middle of a picture."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def fitted(image: ImageArray, size: int) -> ImageArray:
    """Cut a picture to a square and resize it to (size, size, 3) by Lanczos' filter."""
    square = centre_square(image)
    if square.shape[0] == size:
        return np.ascontiguousarray(square)
    resized = Image.fromarray(np.ascontiguousarray(square)).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(resized)


def fitted_mask(image: ImageArray, size: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Cut a mask as its photograph is cut: (size, size), True where it is at least middle grey."""
    bright = np.round(centre_square(image).mean(axis=2)).astype(np.uint8)
    resized = Image.fromarray(bright).resize((size, size), Image.Resampling.NEAREST)
    return np.asarray(resized) >= MIDDLE_GREY
