"""Generators by name."""

from __future__ import annotations

from pathlib import Path

from almond.errors import InputError
from almond.guidance.backends.base import Generator

EMBEDDED = ("analytic", "small-unet")


def load_generator(name: str) -> Generator:
    """``"analytic"``, ``"small-unet"``, or the path of a diffusers folder.

    ``FOLDER#EulerDiscreteScheduler`` drives the folder's model with another scheduler. An unknown name is an
    ``InputError``. Modules are loaded only for the generator that is asked for.
    """
    if name == "analytic":
        from almond.guidance.backends.analytic import AnalyticGenerator

        return AnalyticGenerator()
    if name == "small-unet":
        from almond.guidance.backends.small_unet import load_small_unet

        return load_small_unet()
    folder, _, scheduler = name.partition("#")
    if not Path(folder).is_dir():
        raise InputError("generator", f"{name!r} is unknown", f"{', '.join(EMBEDDED)} or a diffusers folder")
    from almond.guidance.backends.diffusion import load_folder

    return load_folder(Path(folder), name=name, scheduler=scheduler or None)
