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


def deep(rows: np.ndarray) -> np.ndarray:
    """8-bit samples as 16-bit ones whose lower halves are noise."""
    noise = np.random.default_rng(0).integers(0, 256, rows.shape, dtype=np.uint16)
    return rows.astype(np.uint16) << 8 | noise


def keyed(*key: int, depth: int = 8) -> bytes:
    """A PNG whose lower right is of the transparent colour ``key``, beside one that differs by 1."""
    rows = np.array(scene() if len(key) == 3 else greys(), np.uint16)
    rows = deep(rows) if depth == 16 else rows
    rows[15:, 20:] = key if len(key) == 3 else key[0]
    rows[25:, 20:] += 1
    return png(rows, depth, 2 if len(key) == 3 else 0, chunk(b"tRNS", struct.pack(f">{len(key)}H", *key)))


def _indexed() -> Image.Image:
    return Image.fromarray(scene()).quantize(64)


def _small_frame() -> bytes:
    """A GIF whose only frame covers a part of its screen."""
    data = bytearray(saved(_indexed(), "GIF"))
    data[6:10] = struct.pack("<HH", WIDTH + 10, HEIGHT + 5)
    return bytes(data)


def _high_colour() -> bytes:
    """A BMP of 5 bits a channel."""
    fives = scene().astype(np.uint16) >> 3
    rows = (fives[..., 0] << 10 | fives[..., 1] << 5 | fives[..., 2])[::-1].astype("<u2")
    data = b"".join(row.tobytes() + bytes(-2 * WIDTH % 4) for row in rows)
    head = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 16, 0, len(data), 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) + head + data


def painted() -> dict[str, bytes]:
    """Files that Almond reads and Chromium paints, by names that end as the files' do."""
    grey, rgba = greys().astype(np.uint8), np.dstack([scene(), veil()])
    inks = Image.fromarray(np.dstack([scene(), grey]), "CMYK")
    turned = {
        f"turned-{way}.{kind.lower()}": saved(lying(way), kind, exif=exif(way))
        for way in range(1, 9)
        for kind in ("JPEG", "PNG")
    }
    return turned | {
        "plain.png": saved(scene(), "PNG"),
        "plain.jpg": saved(scene(), "JPEG", quality=90),
        "no-subsampling.jpg": saved(scene(), "JPEG", quality=90, subsampling=0),
        "progressive.jpg": saved(scene(), "JPEG", quality=80, progressive=True),
        "grey.jpg": saved(grey, "JPEG"),
        "cmyk.jpg": saved(inks, "JPEG", quality=95),
        "plain.bmp": saved(scene(), "BMP"),
        "opaque-32.bmp": saved(rgba, "BMP"),
        "palette.bmp": saved(_indexed(), "BMP"),
        "plain.gif": saved(_indexed(), "GIF"),
        "clear.gif": saved(_indexed(), "GIF", transparency=3),
        "small-frame.gif": _small_frame(),
        "lossless.webp": saved(scene(), "WEBP", lossless=True),
        "lossy.webp": saved(scene(), "WEBP", quality=80),
        "palette.png": saved(_indexed(), "PNG"),
        "clear-palette.png": saved(_indexed(), "PNG", transparency=bytes(range(0, 256, 4))),
        "veiled.png": saved(rgba, "PNG"),
        "veiled-grey.png": png(np.dstack([grey, veil()]), 8, 4),
        "key.png": keyed(10, 20, 30),
        "grey-key.png": keyed(77),
        "16-bit-key.png": keyed(1000, 2000, 3000, depth=16),
        "16-bit-grey-key.png": keyed(30000, depth=16),
        "2-bit-key.png": png(greys(2), 2, 0, chunk(b"tRNS", b"\0\1")),
        "1-bit.png": png(greys(1), 1, 0),
        "1-bit-key.png": png(greys(1), 1, 0, chunk(b"tRNS", b"\0\0")),
        "4-bit.png": png(greys(4), 4, 0),
        "16-bit-grey.png": png(greys(16), 16, 0),
        "16-bit.png": png(deep(scene()), 16, 2),
        "16-bit-veiled.png": png(deep(rgba), 16, 6),
        "16-bit-veiled-grey.png": png(deep(np.dstack([grey, veil()])), 16, 4),
    }


def coloured() -> dict[str, bytes]:
    """Files as of :func:`painted` whose colours two programs round differently: profiles, gamma, blending."""
    grey, rgba = greys().astype(np.uint8), np.dstack([scene(), veil()])
    return {
        "wide.png": png(scene(), 8, 2, iccp(wide_profile())),
        "wide.jpg": saved(scene(), "JPEG", icc_profile=wide_profile()),
        "wide.webp": saved(scene(), "WEBP", lossless=True, icc_profile=wide_profile()),
        "wide-palette.png": saved(_indexed(), "PNG", icc_profile=wide_profile()),
        "wide-veiled.png": png(rgba, 8, 6, iccp(wide_profile())),
        "wide-16-bit.png": png(deep(scene()), 16, 2, iccp(wide_profile())),
        "wide-grey.jpg": saved(grey, "JPEG", icc_profile=wide_profile()),
        "grey-profile.png": png(grey, 8, 0, iccp(grey_profile())),
        "grey-profile.jpg": saved(grey, "JPEG", icc_profile=grey_profile()),
        "grey-profile-16-bit-veiled.png": png(deep(np.dstack([grey, veil()])), 16, 4, iccp(grey_profile())),
        "srgb.png": png(scene(), 8, 2, iccp(srgb_profile())),
        "srgb.jpg": saved(scene(), "JPEG", icc_profile=srgb_profile()),
        "broken-profile.png": png(scene(), 8, 2, iccp(wide_profile()[:200])),
        "profile-of-greys-on-rgb.jpg": saved(scene(), "JPEG", icc_profile=grey_profile()),
        "profile-before-gamma.png": png(scene(), 8, 2, iccp(wide_profile()), gama(1.0)),
        "broken-profile-and-gamma.png": png(scene(), 8, 2, iccp(wide_profile()[:200]), gama(1.0)),
        "gamma.png": png(scene(), 8, 2, gama(1.0)),
        "usual-gamma.png": png(scene(), 8, 2, gama(0.45455)),
        "gamma-and-primaries.png": png(scene(), 8, 2, gama(0.45455), chrm(WIDE_XY)),
        "primaries.png": png(scene(), 8, 2, chrm(WIDE_XY)),
        "srgb-before-gamma.png": png(scene(), 8, 2, gama(1.0), chunk(b"sRGB", b"\0")),
        "gamma-veiled.png": png(rgba, 8, 6, gama(1.0)),
        "gamma-grey.png": png(grey, 8, 0, gama(1.0)),
        "veiled.webp": saved(rgba, "WEBP", lossless=True, exact=True),
        "high-colour.bmp": _high_colour(),
        "lossy-veiled.webp": saved(rgba, "WEBP", quality=80),
    }


def tiff(rows: np.ndarray, *, order: str = "<", bits: int = 16, white_first: bool = False) -> bytes:
    """A grey TIFF (H, W) of one strip in either order of bytes."""
    height, width = rows.shape
    mark = b"II*\0" if order == "<" else b"MM\0*"
    data = rows.astype(f"{order}u{bits // 8}").tobytes()
    values = {256: width, 257: height, 258: bits, 259: 1, 262: 0 if white_first else 1}
    values |= {273: 8, 277: 1, 278: height, 279: len(data)}
    entries = b"".join(struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0) for tag, value in values.items())
    head = mark + struct.pack(f"{order}I", 8 + len(data))
    return head + data + struct.pack(f"{order}H", len(values)) + entries + bytes(4)


def tiffs() -> dict[str, tuple[bytes, np.ndarray]]:
    """TIFFs, which browsers do not paint, with the pixels (H, W, 3) that they hold."""
    grey, deep_grey = greys().astype(np.uint8), deep(greys())
    three = np.repeat(grey[..., None], 3, 2)
    return {
        "plain.tif": (saved(scene(), "TIFF"), scene()),
        "turned-packed.tif": (saved(lying(6), "TIFF", tiffinfo={274: 6}, compression="tiff_lzw"), scene()),
        "packed.tif": (saved(scene(), "TIFF", compression="tiff_lzw"), scene()),
        "turned.tif": (saved(lying(8), "TIFF", tiffinfo={274: 8}), scene()),
        "16-bit.tif": (tiff(deep_grey), three),
        "16-bit-big-endian.tiff": (tiff(deep_grey, order=">"), three),
        "16-bit-white-first.tif": (tiff(65535 - deep_grey, white_first=True), three),
        "8-bit-white-first.tif": (tiff(255 - grey, bits=8, white_first=True), three),
    }


def _pages(kind: str, **options: Any) -> bytes:
    pages = [Image.fromarray(np.roll(scene(), step, 1)) for step in range(3)]
    return saved(pages[0], kind, save_all=True, append_images=pages[1:], **options)


def refused() -> dict[str, tuple[bytes, str]]:
    """Files that are refused, with the words of the error."""
    inks = Image.fromarray(np.dstack([scene(), greys().astype(np.uint8)]), "CMYK")
    flat = scene().mean(axis=2)
    huge = png(np.zeros((1, 1), np.uint8), 8, 0).replace(
        struct.pack(">II", 1, 1), struct.pack(">II", 6000, 6000)
    )
    head = huge[12:29]
    huge = huge.replace(huge[29:33], struct.pack(">I", zlib.crc32(head)))
    return {
        "animation.gif": (_pages("GIF"), "3 frames"),
        "animation.png": (_pages("PNG"), "animation"),
        "animation.webp": (_pages("WEBP", lossless=True), "3 frames"),
        "pages.tif": (_pages("TIFF"), "3 frames or pages"),
        "float.tif": (saved(flat.astype(np.float32), "TIFF"), "floating-point numbers"),
        "whole-32.tif": (saved(flat.astype(np.int32), "TIFF"), "signed whole numbers|32 bits"),
        "turned.webp": (saved(lying(6), "WEBP", exif=exif(6)), "to be turned"),
        "turned-late.png": (png(lying(6), 8, 2, after=[chunk(b"eXIf", exif(6)[6:])]), "after its pixels"),
        "inks.jpg": (saved(inks, "JPEG", icc_profile=ink_profile()), "CMYK colours with a profile"),
        "wide-range.png": (png(scene(), 8, 2, chunk(b"cICP", bytes([9, 16, 0, 1]))), "cICP"),
        "short-palette.png": (
            png(np.array(_indexed()), 8, 3, chunk(b"PLTE", bytes(_indexed().getpalette()[:90]))),
            "colour 63 of a palette of 30",
        ),
        "huge.png": (huge, "6000 x 6000 pixels.*25 million"),
        "cut.png": (saved(scene(), "PNG")[:-30], "ends too early"),
        "cut.jpg": (saved(scene(), "JPEG")[:-30], "damaged"),
        "cut.webp": (saved(scene(), "WEBP")[:-30], "damaged"),
        "cut.gif": (saved(_indexed(), "GIF")[:-60], "damaged"),
        "cut.bmp": (saved(scene(), "BMP")[:-60], "damaged"),
        "cut.tif": (tiff(greys(16))[:400], "damaged"),
        "drawing.eps": (saved(scene(), "EPS"), "is not an image"),
        "icon.png": (saved(scene(), "ICO"), "is not an image"),
        "layers.png": (saved(scene(), "JPEG2000"), "is not an image"),
        "empty.png": (b"", "is not an image"),
        "text.jpg": (b"not an image at all", "is not an image"),
    }
