"""Images out: written so that equal pixels are equal bytes. ``almond.pictures`` reads them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from almond.digest import digest_bytes
from almond.errors import InputError
from almond.files.writing import write_atomically
from almond.pictures.reading import read_image as read_image  # scripts of users know it under this address
from almond.typing import ImageArray

COMPRESSION = 6


def png_bytes(image: np.ndarray[Any, Any]) -> bytes:
    """Encode an RGB image (H, W, 3) uint8 as PNG without metadata or time: equal pixels give equal bytes."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            "image", f"an array of shape {image.shape} and type {image.dtype}", "(H, W, 3) uint8"
        )
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(stream, format="PNG", compress_level=COMPRESSION)
    return stream.getvalue()


def write_png(path: Path, image: np.ndarray[Any, Any]) -> str:
    """Write an image (H, W, 3) uint8 atomically; returns the SHA-256 of the file's bytes."""
    data = png_bytes(image)
    write_atomically(path, data)
    return digest_bytes(data)


def contact_sheet(
    images: Sequence[np.ndarray[Any, Any]], columns: int = 8, *, gap: int = 2, scale: int = 1
) -> ImageArray:
    """Arrange images of one size (H, W, 3) uint8 in rows of ``columns``, ``gap`` white pixels apart, enlarged
    ``scale`` times.

    An empty sequence, or images of different sizes, is an ``InputError``.
    """
    if not images:
        raise InputError("contact sheet", "has no images", "one or more")
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise InputError(
            "contact sheet", f"images of {len(shapes)} sizes: {sorted(shapes)}", "images of one size"
        )
    height, width = (side * scale for side in images[0].shape[:2])
    rows = -(-len(images) // columns)
    columns = min(columns, len(images))
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image.repeat(scale, 0).repeat(scale, 1)
    return sheet
