"""Samples of an opened picture as 8 bits: grey, RGB or inks, and opacity beside them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from almond.errors import InputError

Layers = tuple[Image.Image, Image.Image | None]
"""A picture of mode L, RGB or CMYK, and its opacity of mode L or None."""

INTO = {
    "1": "L",
    "L": "L",
    "LA": "LA",
    "La": "LA",
    "P": "RGB",
    "PA": "RGBA",
    "RGB": "RGB",
    "RGBX": "RGB",
    "RGBA": "RGBA",
    "RGBa": "RGBA",
    "YCbCr": "RGB",
    "CMYK": "CMYK",
}
"""Pillow's mode -> the mode in which it is looked at; 16-bit grey is read separately."""


@dataclass(frozen=True)
class Samples:
    """How a file holds its samples: bits of each, whether they are grey, and whether 0 is white."""

    depth: int = 8
    grey: bool = False
    inverted: bool = False


def layers(image: ImageFile.ImageFile, data: bytes, samples: Samples, label: str) -> Layers:
    """Take a loaded picture apart; of more than 8 bits the upper 8 count, as in browsers.

    :raises InputError: a mode that is no picture's.
    """
    key = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        return _grey_16(np.asarray(image), samples, key)
    if image.mode not in INTO:
        raise InputError(label, f"holds colours of the kind {image.mode}", "grey, RGB, CMYK or a palette")
    if image.mode == "P":
        _check_palette(image, label)
    if image.mode == "P" and key is not None:
        return _apart(image.convert("RGBA"))
    if samples.depth == 16 and isinstance(key, tuple):
        return image, _opaque_but(_all_bits(image, data), key)
    if image.mode == "RGBA" and samples.grey:
        return image.getchannel(0), image.getchannel(3)
    shown = image.convert(INTO[image.mode])
    if key is None or image.mode not in ("1", "L", "RGB"):
        return _apart(shown)
    scale = 255 // (2**samples.depth - 1) if samples.depth in (2, 4) else 1  # Pillow gives the key as it is
    return shown, _opaque_but(np.asarray(shown), np.multiply(key, scale))


def _check_palette(image: Image.Image, label: str) -> None:
    colours, highest = len(image.getpalette() or ()) // 3, int(np.asarray(image).max())
    if highest >= colours:
        raise InputError(label, f"names colour {highest} of a palette of {colours}", "an image that is whole")


def _apart(image: Image.Image) -> Layers:
    if image.mode not in ("LA", "RGBA"):
        return image, None
    return image.convert(image.mode[:-1]), image.getchannel("A")


def _grey_16(values: NDArray[Any], samples: Samples, key: int | None) -> Layers:
    """Take the upper 8 of 9 to 16 bits (H, W)."""
    upper = (values >> max(samples.depth - 8, 0)).clip(0, 255).astype(np.uint8)
    opacity = None if key is None else _opaque_but(values, key)
    return Image.fromarray(255 - upper if samples.inverted else upper), opacity


def _opaque_but(values: NDArray[Any], key: Any) -> Image.Image:
    """Make what has the colour ``key`` transparent: (H, W) or (H, W, 3) -> mode L."""
    clear = values == np.asarray(key)
    clear = clear if clear.ndim == 2 else clear.all(axis=2)
    return Image.fromarray(np.where(clear, np.uint8(0), np.uint8(255)))


def _all_bits(image: Image.Image, data: bytes) -> NDArray[np.uint16]:
    """Read all 16 bits (H, W, 3) of a PNG of which Pillow has the upper 8, by decoding it as if reversed."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as again:
        again.tile = [tile._replace(args="RGB;16L") for tile in again.tile]
        lower = np.asarray(again)
    return np.asarray(np.asarray(image).astype(np.uint16) << 8 | lower, np.uint16)


def only_within(
    box: tuple[int, int, int, int], opacity: Image.Image | None, size: tuple[int, int]
) -> Image.Image:
    """Make everything outside ``box`` (left, top, right, bottom) transparent."""
    inside = Image.new("L", size, 0)
    inside.paste(255 if opacity is None else opacity.crop(box), box)
    return inside
