"""Colours of pictures to sRGB, as browsers show them: embedded ICC profiles, PNG's gamma, inks, opacity."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from almond.errors import InputError
from almond.typing import Floats

SPACES = {"L": ("GRAY", "RGB"), "RGB": ("RGB",), "CMYK": ("CMYK",)}
"""Mode of a picture -> colour spaces of profiles that fit it. Browsers ignore any other."""

ALIKE = 1
"""Grey levels: a profile that moves no colour by more is sRGB under another name, and moves none."""

GAMMA_SLACK = 0.05
"""A lone gamma within this share of 1/2.2 counts as sRGB's, as in libpng and Chromium."""

ROWS = 256
"""Rows that are converted together, so that a large picture costs little more than its bytes."""

D50 = (0.9642, 1.0, 0.8249)
SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
"""Chromaticities x, y of white, red, green and blue."""

BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def in_srgb(image: Image.Image, info: Mapping[Any, Any], label: str) -> tuple[Image.Image, str]:
    """Convert a picture of mode L, RGB or CMYK to L or RGB in sRGB, and say from what; "" for sRGB.

    ``info`` is what Pillow read: an ICC profile counts before an sRGB chunk, and that before gamma and
    chromaticities. A profile that cannot be read, or is for another kind of picture, is ignored as in
    browsers.

    :raises InputError: inks with a profile, of which browsers and other programs make different colours.
    """
    profile = _opened(info.get("icc_profile"), image.mode)
    if image.mode == "CMYK":
        if profile is not None:
            raise InputError(
                label,
                "has CMYK colours with a profile, which programs show differently",
                "the picture in RGB",
            )
        return _inks_to_rgb(image), "CMYK"
    if profile is not None:
        try:
            return _by_profile(image, profile)
        except ImageCms.PyCMSError:
            return image, ""
    if "srgb" not in info and info.get("gamma"):
        return _by_gamma(image, float(info["gamma"]), info.get("chromaticity"))
    return image, ""


def _opened(data: bytes | None, mode: str) -> ImageCms.ImageCmsProfile | None:
    """Open a profile; None where there is none, or it cannot be read or is for another kind of picture."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data)) if data else None
    except OSError:
        return None
    return profile if profile and profile.profile.xcolor_space.strip() in SPACES[mode] else None


def _by_profile(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> tuple[Image.Image, str]:
    space = profile.profile.xcolor_space.strip()
    said = f"colour profile {(profile.profile.profile_description or space).strip()!r}"
    if space == "GRAY":
        ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
        levels = np.asarray(ImageCms.applyTransform(ramp, _transform(profile, "L")))[0]
        return Image.fromarray(levels[np.asarray(image)]), said
    transform = _transform(profile, "RGB")
    if _moves_little(transform):
        return image, ""
    shown = image.convert("RGB")
    ImageCms.applyTransform(shown, transform, inPlace=True)
    return shown, said


def _transform(profile: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    """Make a transform to sRGB: relative, because for "perceptual" lcms moves black, as browsers do not."""
    exact = ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.HIGHRESPRECALC
    return ImageCms.buildTransform(
        profile,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=exact,
    )


def _moves_little(transform: ImageCms.ImageCmsTransform) -> bool:
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    moved = np.asarray(ImageCms.applyTransform(Image.fromarray(cube), transform))
    return int(np.abs(moved.astype(int) - cube).max()) <= ALIKE


def _inks_to_rgb(image: Image.Image) -> Image.Image:
    """Mix inks (mode CMYK) without a profile: each channel (1 - ink)(1 - black), cut to whole levels."""
    inks = np.asarray(image)
    shown = np.empty((*inks.shape[:2], 3), np.uint8)
    for first in range(0, len(inks), ROWS):
        light = 255 - inks[first : first + ROWS].astype(np.uint16)
        shown[first : first + ROWS] = light[..., :3] * light[..., 3:] // 255
    return Image.fromarray(shown)


def _by_gamma(image: Image.Image, gamma: float, points: tuple[float, ...] | None) -> tuple[Image.Image, str]:
    """Apply a PNG's gamma (the exponent it was written with) and, where given, chromaticities."""
    if points is None and abs(gamma * 2.2 - 1) < GAMMA_SLACK:
        return image, ""
    try:
        matrix = np.linalg.solve(_to_d50(SRGB), _to_d50(points or SRGB)).astype(np.float32)
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return image, ""  # chromaticities that are no colours
    linear = (np.arange(256) / 255) ** (1 / gamma)
    pixels = np.asarray(image.convert("RGB"))
    shown = np.empty_like(pixels)
    for first in range(0, len(pixels), ROWS):
        light = linear.astype(np.float32)[pixels[first : first + ROWS]] @ matrix.T
        shown[first : first + ROWS] = np.rint(255 * _encoded(np.clip(light, 0, 1)))
    return Image.fromarray(shown), f"gamma {gamma:g}"


def _to_d50(points: tuple[float, ...]) -> Floats:
    """Compute the matrix (3, 3) from linear RGB to XYZ under D50, by Bradford's adaptation.

    ``points`` are x, y of white, red, green and blue.
    """
    xyz = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in zip(points[::2], points[1::2], strict=True)])
    primaries = xyz[1:].T
    scaled = primaries * np.linalg.solve(primaries, xyz[0])
    gain = (BRADFORD @ D50) / (BRADFORD @ xyz[0])
    return np.asarray(np.linalg.solve(BRADFORD, gain[:, None] * (BRADFORD @ scaled)))


def _encoded(light: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Apply sRGB's transfer function to linear light in [0, 1]."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def over_white(image: Image.Image, opacity: Image.Image | None) -> Image.Image:
    """Lay a picture (mode L or RGB) with its opacity (mode L; None: opaque) over white; RGB."""
    shown = image.convert("RGB")
    if opacity is None:
        return shown
    shown.putalpha(opacity)
    white = Image.new("RGBA", shown.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, shown).convert("RGB")
