"""Generators by name, or from the folder of a diffusers pipeline."""

from __future__ import annotations

from pathlib import Path

from almond.errors import InputError
from almond.guidance.backends.base import Generator
from almond.guidance.generators import GENERATORS, known_generators


def load_generator(name: str) -> Generator:
    """Load a generator of ``GENERATORS``, or the model in a diffusers folder.

    Modules are loaded only for the generator that is named.

    :param name: ``FOLDER#EulerDiscreteScheduler`` drives the folder's model with another scheduler.
    :raises InputError: neither a known name nor a folder.
    """
    if name in GENERATORS.names():
        return GENERATORS.load(name)()
    folder, _, scheduler = name.partition("#")
    if not Path(folder).is_dir():
        raise InputError("generator", f"{name!r} is unknown", known_generators("a diffusers folder"))
    from almond.guidance.backends.open_folder import load_folder

    return load_folder(Path(folder), name=name, scheduler=scheduler or None)
