"""Images in and out: read strictly, written so that equal pixels are equal bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from almond.digest import digest_bytes
from almond.errors import InputError
from almond.files import write_atomically
from almond.folders import visible
from almond.stimuli.norms import IMAGE_SUFFIXES
from almond.typing import ImageArray

COMPRESSION = 6


def read_image(source: Path | bytes, *, name: str | None = None) -> ImageArray:
    """Read the pixels (H, W, 3) uint8 of an image file or of its bytes.

    Turned as its EXIF orientation says, transparency over white, in RGB. ``name`` is what an error calls
    it. Anything that is no readable image, or is missing or cut short, is an ``InputError``.
    """
    label = name or (str(source) if isinstance(source, Path) else "image")
    expected = "a PNG, JPEG, GIF, BMP, TIFF or WebP image"
    try:
        data = source.read_bytes() if isinstance(source, Path) else source
    except OSError as error:
        raise InputError(label, f"cannot be read ({error.strerror})", expected) from error
    try:
        with Image.open(io.BytesIO(data)) as opened:
            upright = ImageOps.exif_transpose(opened)
            return np.asarray(_flatten(upright), dtype=np.uint8).copy()
    except UnidentifiedImageError as error:
        raise InputError(label, "is not an image", expected) from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(label, f"is a damaged image ({error})", expected) from error


def _flatten(image: Image.Image) -> Image.Image:
    """Convert to RGB, with transparent pixels over white as a browser page would."""
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layer).convert("RGB")


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


def image_files(folder: Path) -> list[Path]:
    """List the images directly in a folder, by name; ``InputError`` when there is none."""
    if not folder.is_dir():
        raise InputError(folder, "is not a folder", "a folder of images")
    paths = [
        path for path in visible(folder.iterdir()) if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES
    ]
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
