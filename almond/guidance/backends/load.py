"""Generators by name: those that come with Almond, models that were added, or a diffusers folder."""

from __future__ import annotations

from pathlib import Path

from almond.errors import InputError
from almond.guidance.added.store import find_added
from almond.guidance.backends.base import Generator
from almond.guidance.conditioning import AddedNetworks
from almond.guidance.generators import GENERATORS, known_generators


def load_generator(name: str, networks: AddedNetworks | None = None) -> Generator:
    """Load a generator of ``GENERATORS``, a model added by ``almond models add``, or that of a folder.

    Modules are loaded only for the generator that is named.

    :param name: ``FOLDER#EulerDiscreteScheduler`` drives the folder's model with another scheduler.
    :param networks: a ControlNet and an IP-Adapter that are loaded onto a folder's model.
    :raises InputError: neither a known name nor a folder.
    :raises DigestMismatch: a file of an added model was changed.
    """
    if name in GENERATORS.names():
        if networks is not None and networks != AddedNetworks():
            raise InputError("generator", f"{name} takes no added networks", "a diffusers folder")
        return GENERATORS.load(name)()
    folder, _, scheduler = name.partition("#")
    added = find_added(folder)
    if added is None and not Path(folder).is_dir():
        raise InputError("generator", f"{name!r} is unknown", known_generators("a diffusers folder"))
    from almond.guidance.backends.open_folder import load_added, load_folder

    if added is not None:
        return load_added(added, name=name, scheduler=scheduler or None, added=networks)
    return load_folder(Path(folder), name=name, scheduler=scheduler or None, added=networks)
