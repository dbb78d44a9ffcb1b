"""The one reader of pictures: whatever reads a file of one, on the site or in a command, reads it here.

What comes out are the pixels that a browser paints on a white page (``tests/browser/test_picture_zoo.py``
compares them with Chromium's); what browsers and other programs show differently is refused by name.
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from almond.errors import InputError
from almond.pictures.colours import in_srgb, over_white
from almond.pictures.formats import EXPECTED, check_size, format_of
from almond.pictures.headers import STILL, WHOLE, check_tiff, check_webp, painted_png
from almond.pictures.samples import Samples, layers, only_within
from almond.pictures.turns import BY_ORIENTATION, ORIENTATION, UPRIGHT, Turn, turn_of_exif
from almond.typing import ImageArray

READER = 2
"""Counts the changes of this reader after which some file gives other pixels: cached features name it."""

GREY = (0, 4)
"""A PNG's types of colour that are grey."""

_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    ZeroDivisionError,
    AttributeError,
    Image.DecompressionBombError,
)
"""What Pillow's readers of file formats raise for damaged files; they are many hands' work."""


@dataclass(frozen=True)
class DecodedPicture:
    """A picture as it is to be seen: pixels (H, W, 3) uint8 in sRGB, upright, over white.

    ``format`` is the file's, by Pillow's name. ``changes`` says what had to be done that other programs may
    leave out or do otherwise; without any, the file's bytes look the same everywhere.
    """

    pixels: ImageArray
    format: str
    changes: tuple[str, ...]


def read_image(source: Path | bytes, *, name: str | None = None) -> ImageArray:
    """Read the pixels (H, W, 3) uint8 of an image file or of its bytes; see :func:`read_picture`."""
    return read_picture(source, name=name).pixels


def read_picture(source: Path | bytes, *, name: str | None = None) -> DecodedPicture:
    """Read an image file, or its bytes, as a browser shows it on a white page.

    ``name`` is what an error calls it.

    :raises InputError: a file that is missing, no image, cut short or damaged; one with several frames or
        pages, with more pixels than ``MOST_PIXELS``, or whose samples are no whole numbers of up to 16 bits.
    """
    label = name or (str(source) if isinstance(source, Path) else "image")
    data = _bytes(source, label)
    kind = format_of(data, label)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is refused here, or does not matter to the pixels
            data, samples = _checked(data, kind, label)
            return _decoded(data, kind, samples, label)
    except UnidentifiedImageError as error:
        raise InputError(label, f"is a {kind} image that is damaged or of a rare kind", EXPECTED) from error
    except InputError:
        raise
    except _DAMAGE as error:
        raise InputError(label, f"is a damaged image ({error})", WHOLE) from error


def _bytes(source: Path | bytes, label: str) -> bytes:
    try:
        return source.read_bytes() if isinstance(source, Path) else source
    except OSError as error:
        raise InputError(label, f"cannot be read ({error.strerror})", EXPECTED) from error


def _checked(data: bytes, kind: str, label: str) -> tuple[bytes, Samples]:
    """Check what can be known before Pillow opens the file; returns what of it is to be opened."""
    if kind == "PNG":
        painted = painted_png(data, label)
        return painted, Samples(depth=painted[24], grey=painted[25] in GREY)
    if kind == "WEBP":
        check_webp(data, label)
    return data, check_tiff(data, label) if kind == "TIFF" else Samples()


def _decoded(data: bytes, kind: str, samples: Samples, label: str) -> DecodedPicture:
    with Image.open(io.BytesIO(data), formats=[kind]) as opened:
        check_size(*opened.size, label)
        # A telephone's JPEG may hold previews or gain maps after the picture, which browsers pass over.
        frames = 1 if kind == "JPEG" else getattr(opened, "n_frames", 1)
        if frames > 1:
            raise InputError(label, f"holds {frames} frames or pages ({kind})", STILL)
        box = opened.tile[0].extents if kind == "GIF" and opened.tile else None
        opened.load()
        turn = _turn(opened, kind, label)
        image, opacity = layers(opened, data, samples, label)
        if box is not None and box != (0, 0, *opened.size):
            opacity = only_within(box, opacity, opened.size)
        shown, colours = in_srgb(image, opened.info, label)
    pixels = turn.apply(np.asarray(over_white(shown, opacity)))
    changes = (
        f"{samples.depth} bits to 8" if samples.depth > 8 else "",
        f"{colours} to sRGB" if colours else "",
        "transparency over white" if opacity is not None else "",
        "turned upright" if turn != UPRIGHT else "",
    )
    return DecodedPicture(np.array(pixels, order="C"), kind, tuple(change for change in changes if change))


def _turn(image: ImageFile.ImageFile, kind: str, label: str) -> Turn:
    """Read how to turn a picture; as it lies where nothing readable says it, as browsers do."""
    if kind == "TIFF":
        tags: Any = getattr(image, "tag_v2", {})
        return BY_ORIENTATION.get(tags.get(ORIENTATION), UPRIGHT)
    turn = turn_of_exif(image.info.get("exif", b""))
    if kind == "WEBP" and turn != UPRIGHT:
        raise InputError(label, "is to be turned (EXIF), which browsers do not do", "an upright WebP image")
    return turn
