"""Small pictures of every kind that Almond reads or refuses, written byte by byte or by Pillow.

All show the same scene where their kind allows it, so that a picture that is turned, cut or recoloured is
seen to be so.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageCms

HEIGHT, WIDTH = 34, 45

XY = Sequence[tuple[float, float]]
SRGB_XY: XY = ((0.3127, 0.3290), (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
WIDE_XY: XY = ((0.3127, 0.3290), (0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
"""White, red, green and blue of sRGB and of Adobe RGB."""


def scene() -> np.ndarray:
    """Smooth colours with a hard-edged block near one corner: no symmetry (H, W, 3) uint8."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    image = np.stack([x * 255 / WIDTH, y * 255 / HEIGHT, 255 - (x + y) * 255 / (WIDTH + HEIGHT)], 2)
    image[4:12, 6:20] = (230, 40, 90)
    return image.astype(np.uint8)


def greys(bits: int = 8) -> np.ndarray:
    """A ramp over the whole range of ``bits`` bits (H, W)."""
    return np.linspace(0, 2**bits - 1, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint16)


def veil() -> np.ndarray:
    """Opacity (H, W) from nothing to full."""
    return np.broadcast_to(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, WIDTH))


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(rows: np.ndarray, depth: int, colour: int, *chunks: bytes, after: Sequence[bytes] = ()) -> bytes:
    """A PNG of samples (H, W) or (H, W, n); ``chunks`` stand before the pixels, ``after`` after them."""
    height, width = rows.shape[:2]
    flat = rows.reshape(height, -1)
    if depth < 8:
        digits = (flat[..., None] >> np.arange(depth)[::-1]) & 1
        lines = np.packbits(digits.reshape(height, -1).astype(np.uint8), axis=1)
    else:
        lines = flat.astype(">u2" if depth == 16 else "u1").view(np.uint8).reshape(height, -1)
    raw = b"".join(b"\0" + line.tobytes() for line in lines)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [chunk(b"IHDR", head), *chunks, chunk(b"IDAT", zlib.compress(raw)), *after, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def saved(image: Image.Image | np.ndarray, kind: str, **options: Any) -> bytes:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[274] = orientation
    return tags.tobytes()


def lying(orientation: int) -> np.ndarray:
    """The scene as a camera stores it that writes this orientation."""
    upright = scene()
    undo: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda image: image,
        2: lambda image: image[:, ::-1],
        3: lambda image: image[::-1, ::-1],
        4: lambda image: image[::-1],
        5: lambda image: image.swapaxes(0, 1),
        6: lambda image: np.rot90(image, 1),
        7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
        8: lambda image: np.rot90(image, -1),
    }
    return np.ascontiguousarray(undo[orientation](upright))


def _tag(kind: bytes, body: bytes) -> bytes:
    return kind + bytes(4) + body


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _icc(space: bytes, pcs: bytes, device: bytes, tags: dict[bytes, bytes]) -> bytes:
    offset, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += padded
    whole = struct.pack(">I", len(tags)) + table + body
    head = struct.pack(">I", 128 + len(whole)) + bytes(4) + struct.pack(">I", 0x02400000)
    head += device + space + pcs + bytes(12) + b"acsp" + bytes(28) + _fixed(0.9642, 1.0, 0.8249)
    return head.ljust(128, b"\0") + whole


_NAME = b"desc" + bytes(4) + struct.pack(">I", 5) + b"made\0" + bytes(78)
_WHITE = _tag(b"XYZ ", _fixed(0.9642, 1.0, 0.8249))


def _curve(gamma: float) -> bytes:
    return _tag(b"curv", struct.pack(">IH", 1, round(gamma * 256)))


def wide_profile() -> bytes:
    """Adobe RGB (1998) as its specification gives it."""
    columns = {
        b"rXYZ": (0.60974, 0.31111, 0.01947),
        b"gXYZ": (0.20528, 0.62567, 0.06087),
        b"bXYZ": (0.14919, 0.06322, 0.74457),
    }
    tags = {b"desc": _NAME, b"wtpt": _WHITE, **{k: _tag(b"XYZ ", _fixed(*v)) for k, v in columns.items()}}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(2.19921875))
    return _icc(b"RGB ", b"XYZ ", b"mntr", {**tags, **curves})


def grey_profile(gamma: float = 1.0) -> bytes:
    return _icc(b"GRAY", b"XYZ ", b"mntr", {b"desc": _NAME, b"wtpt": _WHITE, b"kTRC": _curve(gamma)})


def ink_profile() -> bytes:
    """Four inks of which black is not quite black, as a table of Lab colours at their corners."""
    ramp = b"".join(bytes([value]) for value in range(256))
    nodes = []
    for index in range(16):
        c, m, y, k = ((index >> place) & 1 for place in (3, 2, 1, 0))
        light = 255 * (1 - 0.3 * c) * (1 - 0.45 * m) * (1 - 0.1 * y) * (1 - 0.9 * k)
        nodes.append(bytes([round(light), 128 - 30 * c + 60 * m, 128 - 40 * c + 80 * y * (1 - k)]))
    identity = _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    table = bytes([4, 3, 2, 0]) + identity + ramp * 4 + b"".join(nodes) + ramp * 3
    tags = {b"desc": _NAME, b"wtpt": _WHITE, b"A2B0": _tag(b"mft1", table)}
    return _icc(b"CMYK", b"Lab ", b"prtr", tags)


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def gama(gamma: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(gamma * 100000)))


def chrm(points: XY) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(value * 100000) for point in points for value in point)))


def iccp(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"made\0\0" + zlib.compress(profile))
