"""How pictures and films lie in their files, and how they are turned upright: cameras write it down."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from almond.errors import InputError
from almond.typing import ImageArray

ORIENTATION, SHORT, ENTRY = 274, 3, 12
"""EXIF's tag, the type of its value, and the bytes of an entry."""

LINEAR = (0, 1, 3, 4)
"""Places of a, b, c, d in a display matrix: a point (x, y) goes to (a x + c y, b x + d y), y downwards."""


@dataclass(frozen=True)
class Turn:
    """Rows and columns exchanged, then columns and rows in reverse order: any of the eight ways to lie."""

    transposed: bool = False
    mirrored: bool = False
    upended: bool = False

    def apply(self, image: ImageArray) -> ImageArray:
        """Turn an image (H, W, 3)."""
        turned = image.swapaxes(0, 1) if self.transposed else image
        turned = turned[:: -1 if self.upended else 1, :: -1 if self.mirrored else 1]
        return np.ascontiguousarray(turned)

    def to_json(self) -> list[bool]:
        return [self.transposed, self.mirrored, self.upended]


UPRIGHT = Turn()

BY_ORIENTATION = {
    1: UPRIGHT,
    2: Turn(mirrored=True),
    3: Turn(mirrored=True, upended=True),
    4: Turn(upended=True),
    5: Turn(transposed=True),
    6: Turn(transposed=True, mirrored=True),
    7: Turn(transposed=True, mirrored=True, upended=True),
    8: Turn(transposed=True, upended=True),
}
"""EXIF's orientation -> what makes the picture upright."""


def turn_of_exif(exif: bytes) -> Turn:
    """Read how a picture is to be turned from its EXIF block, which may be damaged, as browsers do."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 8:
        return UPRIGHT
    start = struct.unpack_from(f"{order}I", tiff, 4)[0] + 2
    for place in range(start, len(tiff) - ENTRY + 1, ENTRY)[: _count(tiff, start - 2, order)]:
        tag, kind, count, value = struct.unpack_from(f"{order}HHIH", tiff, place)
        if (tag, kind, count) == (ORIENTATION, SHORT, 1):
            return BY_ORIENTATION.get(value, UPRIGHT)
    return UPRIGHT


def _count(tiff: bytes, place: int, order: str) -> int:
    return int(struct.unpack_from(f"{order}H", tiff, place)[0]) if place + 2 <= len(tiff) else 0


def turn_of_frame(frame: Any, path: Path) -> Turn:
    """Read how a frame of a film is to be turned; ``InputError`` for an angle between quarter turns."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return UPRIGHT
    matrix = struct.unpack("=9i", bytes(data))
    a, b, c, d = (matrix[place] for place in LINEAR)
    if a and d and not b and not c:
        return Turn(mirrored=a < 0, upended=d < 0)
    if b and c and not a and not d:
        return Turn(transposed=True, mirrored=c < 0, upended=b < 0)
    raise InputError(path, f"is to be shown at an angle (display matrix {a}, {b}, {c}, {d})", "quarter turns")
