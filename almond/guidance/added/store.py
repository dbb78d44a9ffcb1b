"""The models that were added: one JSON file each. Light: the site reads names without torch."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from almond.digest import printed_json
from almond.errors import InputError
from almond.files.writing import write_atomically
from almond.guidance.generators import GENERATORS, UNCALIBRATED, Defaults, defaults_of
from almond.guidance.model_settings import ModelOptions
from almond.shapes import Digest, Shape, Text, Whole, read

HOME = "ALMOND_HOME"

NAMES = re.compile(r"^[a-z0-9][a-z0-9._-]{0,62}$")

DIGESTS = "digests.json"
"""File beside the models that keeps digests with the sizes and times of the files."""


class AddedModel(Shape):
    """A model under a name: where its files are, which they are, and how it is used."""

    name: Text
    folder: Text
    source: Text
    """Folder or id as it was given."""
    family: Text
    """Class of the pipeline."""
    scheduler: Text
    own_scheduler: Text
    """What the folder names; another one drives where an x0 prediction cannot drive that."""
    files: dict[str, Digest]
    """SHA-256 of every file that is loaded, by its name in the folder."""
    settings: ModelOptions
    size: Whole
    steps: Whole
    digest: Digest
    """Digest of the generator when it was added."""


def models_folder() -> Path:
    """Name the folder of added models: in ``ALMOND_HOME``, or ``almond`` in the user's data (XDG)."""
    if home := os.environ.get(HOME):
        return Path(home) / "models"
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "almond" / "models"


def digests_path() -> Path | None:
    """Name the file of known digests; None until a model was added, for reading a folder leaves no traces."""
    folder = models_folder()
    return folder / DIGESTS if folder.is_dir() else None


def check_name(name: str) -> str:
    """Refuse a name that could be a path, or that a generator has already."""
    if not NAMES.match(name) or name == DIGESTS.removesuffix(".json"):
        raise InputError("name", f"is {name!r}", "lower-case letters, digits, '.', '_' and '-', such as sdxl")
    if name in GENERATORS.names():
        raise InputError("name", f"{name} comes with Almond", "another name")
    return name


def find_added(name: str) -> AddedModel | None:
    """Read the model of a name; None where there is none.

    :raises InputError: its file is not what was written.
    """
    path = models_folder() / f"{name}.json"
    if not NAMES.match(name) or name == DIGESTS.removesuffix(".json") or not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(path, f"is not JSON ({error})", "add the model again") from error
    return read(AddedModel, values, source=path)


def defaults_for(generator: str) -> Defaults:
    """Return where to start with a generator: as calibrated, or with an added model's steps."""
    model = find_added(generator.partition("#")[0])
    return defaults_of(generator) if model is None else UNCALIBRATED.with_steps(model.steps)


def added_names() -> list[str]:
    """List the names of added models."""
    folder = models_folder()
    paths = folder.glob("*.json") if folder.is_dir() else ()
    return sorted(path.stem for path in paths if path.name != DIGESTS)


def keep_added(model: AddedModel) -> Path:
    """Write a model's file; one of the same name is replaced."""
    folder = models_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{check_name(model.name)}.json"
    write_atomically(path, printed_json(model.model_dump(mode="json")).encode())
    return path
