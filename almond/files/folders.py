"""Files as people's folders hold them: hidden ones are none, and a name is one name in every Unicode form."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path, PurePath

from almond.errors import InputError

ARCHIVE_LITTER = "__MACOSX"
"""Folder of a zip file in which macOS keeps what is no part of its content."""


def normalised(name: str) -> str:
    """Write a name in the Unicode form NFC: macOS and some archives take an umlaut apart (NFD)."""
    return unicodedata.normalize("NFC", name)


def is_hidden(path: PurePath | str) -> bool:
    """Tell whether a file, or a folder on a relative path to it, is hidden: ``._sub-01.tsv``, ``.git``."""
    parts = PurePath(path).parts
    return any((part.startswith(".") and part not in (".", "..")) or part == ARCHIVE_LITTER for part in parts)


def visible(paths: Iterable[Path], below: Path | None = None) -> list[Path]:
    """Sort paths without the hidden ones, by their names alone or by all parts below a folder."""
    return sorted(
        path for path in paths if not is_hidden(path.name if below is None else path.relative_to(below))
    )


def find_path(path: Path, same: Callable[[str], str] = normalised) -> Path:
    """Find the file or folder that a path means where its names are written in another way on the disk.

    :param same: a function that is equal for names that mean the same.
    :return: the path itself where it exists, or where nothing does that it could mean.
    :raises InputError: several files could be meant.
    """
    if os.path.lexists(path) or path == path.parent:  # unlike pathlib, not shaken by odd names
        return path
    folder = find_path(path.parent, same)
    if not os.path.isdir(folder) or not os.access(folder, os.R_OK):
        return path
    wanted = same(path.name)
    matching = visible(item for item in folder.iterdir() if same(item.name) == wanted)
    if len(matching) > 1:
        names = ", ".join(repr(item.name) for item in matching)
        raise InputError(path, f"could be any of {names}, whose names mean the same", "one of them")
    return matching[0] if matching else path
