"""Headers of pictures, looked at before Pillow is: what it passes over, guesses or allocates too early."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from PIL.TiffImagePlugin import ImageFileDirectory_v2

from almond.errors import InputError
from almond.pictures.formats import check_size
from almond.pictures.samples import Samples

PAINTED = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"eXIf", b"IDAT", b"IEND")
"""The chunks of a PNG that say what is painted."""

SDR = ((1, 13), (2, 2))
"""Colours (primaries, transfer) of a cICP chunk that are sRGB's, or not said."""

SINGLE = (1).to_bytes(4, "big")
"""Frames of an animation that is none."""

WHOLE = "a file that is whole"
STILL = "a picture with one frame, such as PNG or JPEG"

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_MIN_IS_WHITE = 0
_UNREAD_SAMPLES = {2: "signed whole numbers", 3: "floating-point numbers", 5: "complex", 6: "complex"}


def painted_png(data: bytes, label: str) -> bytes:
    """Leave of a PNG what is painted: text, times and other programs' notes neither count nor cost.

    :raises InputError: a chunk that is cut or damaged (each has a check sum), an animation, colours that
        only a cICP chunk describes.
    """
    parts = [data[:8]]
    pixels = False
    for name, body, raw in _chunks(data, label):
        pixels = pixels or name == b"IDAT"
        if name == b"fdAT" or (name == b"acTL" and body[:4] != SINGLE):
            raise InputError(label, "is an animation (APNG)", STILL)
        if name == b"cICP" and tuple(body[:2]) not in SDR:
            raise InputError(
                label,
                f"has colours of wide range (cICP {', '.join(map(str, body))})",
                "sRGB, or an ICC profile",
            )
        if name == b"eXIf" and pixels:
            raise InputError(label, "says after its pixels how to turn it (eXIf)", "eXIf before the pixels")
        if name in PAINTED:
            parts.append(raw)
    return b"".join(parts)


def _chunks(data: bytes, label: str) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield name, body and all bytes of each chunk, up to the last."""
    place, name = 8, b""
    while name != b"IEND":
        if place + 12 > len(data):
            raise InputError(label, "is a damaged image (it ends too early)", WHOLE)
        length, name = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            raise InputError(label, "is a damaged image (it ends too early)", WHOLE)
        if zlib.crc32(data[place + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise InputError(label, f"is a damaged image (check sum of {name!r} at byte {place})", WHOLE)
        yield name, data[place + 8 : end - 4], data[place:end]
        place = end


def check_webp(data: bytes, label: str) -> None:
    """Check the size and the length that a WebP file gives: Pillow would allocate its canvas at once."""
    try:
        (length,) = struct.unpack_from("<I", data, 4)
        kind = data[12:16]
        if kind == b"VP8X":
            width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        elif kind == b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        else:
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    except struct.error as error:
        raise InputError(label, "is a damaged image (its header is cut)", WHOLE) from error
    if length + 8 > len(data):
        raise InputError(label, f"is a damaged image ({len(data)} of {length + 8} bytes)", WHOLE)
    check_size(width, height, label)


def check_tiff(data: bytes, label: str) -> Samples:
    """Return how a TIFF holds its samples.

    :raises InputError: samples that are no whole numbers of at most 16 bits.
    """
    head = data[:16] if b"+" in data[2:4] else data[:8]
    try:
        tags = ImageFileDirectory_v2(head)
        stream = io.BytesIO(data)
        stream.seek(tags.next)
        tags.load(stream)
        bits = max(_numbers(tags.get(_BITS, 1)))
        kinds = _numbers(tags.get(_SAMPLE_FORMAT, 1))
        inverted = tags.get(_PHOTOMETRIC) == _MIN_IS_WHITE
    except (struct.error, SyntaxError, ValueError, TypeError, KeyError, OSError, OverflowError) as error:
        raise InputError(label, f"is a damaged image (its tags: {error})", WHOLE) from error
    strange = [f"holds {_UNREAD_SAMPLES[kind]}" for kind in kinds if kind in _UNREAD_SAMPLES]
    if strange or bits > 16:
        problem = strange[0] if strange else f"holds numbers of {bits} bits"
        raise InputError(label, problem, "whole numbers of 1 to 16 bits")
    return Samples(bits, inverted=inverted)


def _numbers(value: object) -> list[int]:
    """Return a tag's numbers, of which Pillow gives one alone without a tuple."""
    return [int(number) for number in value] if isinstance(value, tuple) else [int(str(value))]
