"""The file of a rater model: YAML with the keys of ``RaterModel``."""

from __future__ import annotations

from pathlib import Path

import yaml

from almond.errors import InputError
from almond.shapes import read
from almond.world.rater_model import RaterModel


def read_rater_model(path: Path | None) -> RaterModel:
    """Read a rater model; without a file the usual one.

    :raises InputError: no such file, or no YAML; ``ShapeError`` with every wrong setting.
    """
    if path is None:
        return RaterModel()
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "a YAML file of raters") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not YAML: {error}", "the settings in docs/power.md") from error
    return read(RaterModel, {} if value is None else value, source=path)
