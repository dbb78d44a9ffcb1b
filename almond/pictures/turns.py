"""How pictures and films lie in their files, and how they are turned upright: cameras write it down."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almond.errors import InputError
from almond.typing import ImageArray

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
        return turned[:: -1 if self.upended else 1, :: -1 if self.mirrored else 1]

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
