"""Which files are pictures, and how large they may be. Light: no Pillow."""

from __future__ import annotations

from almond.errors import InputError

SUFFIXES = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
"""Format, by Pillow's name -> how the names of its files end."""

IMAGE_SUFFIXES = tuple(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)

UNREAD_SUFFIXES = (".heic", ".heif", ".avif", ".jxl", ".jp2")
"""Pictures, mostly of telephones, that are not read. A folder that holds one is refused, not read in part."""

EXPECTED = "a PNG, JPEG, GIF, BMP, TIFF or WebP image"

MOST_PIXELS = 25_000_000
"""A picture, or a frame of a film, may have so many: 75 MB once it is decoded."""

_SIGNATURES = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "GIF": (b"GIF87a", b"GIF89a"),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "WEBP": (b"RIFF",),
}


def is_picture(name: str, label: str) -> bool:
    """Tell by its name whether a file is a picture; hidden files are none.

    :raises InputError: a picture of a kind that is not read, which would otherwise be left out.
    """
    lower = name.lower()
    if name.startswith(".") or not lower.endswith(IMAGE_SUFFIXES + UNREAD_SUFFIXES):
        return False
    if lower.endswith(UNREAD_SUFFIXES):
        raise InputError(label, "is of a kind that is not read", EXPECTED)
    return True


def format_of(data: bytes, label: str) -> str:
    """Tell the format of a picture by its first bytes, whatever its name ends with; else ``InputError``."""
    for name, signatures in _SIGNATURES.items():
        if data.startswith(signatures) and (name != "WEBP" or data[8:12] == b"WEBP"):
            return name
    raise InputError(label, "is not an image", EXPECTED)


def check_size(width: int, height: int, label: str) -> None:
    """Refuse a picture by the size in its header, before anything of it is decoded; else ``InputError``."""
    if width < 1 or height < 1:
        raise InputError(label, f"says that it is {width} x {height} pixels", EXPECTED)
    if width * height > MOST_PIXELS:
        raise InputError(
            label, f"has {width} x {height} pixels", f"at most {MOST_PIXELS // 10**6} million pixels"
        )
