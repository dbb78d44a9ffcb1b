"""Folders named by the digest of what is in them: ``artifact.json`` and a file of weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almond.digest import canonical_json, digest_files
from almond.errors import DigestMismatch, InputError
from almond.files.writing import new_folder, publish, write_atomically

DESCRIPTION = "artifact.json"


@dataclass(frozen=True)
class ArtifactFolder:
    """What folders of one kind of artifact hold: the name of their format, and that of the file of weights.

    ``noun`` is what such a folder is in the words of an error message.
    """

    format: str
    weights: str
    noun: str

    def save(self, root: Path, description: Mapping[str, Any], weights: bytes) -> tuple[str, Path]:
        """Write a folder below ``root`` and return its digest and path; the same bytes are written once."""
        with new_folder(root) as scratch:
            write_atomically(scratch / self.weights, weights)
            write_atomically(scratch / DESCRIPTION, canonical_json(description))
            digest = self._digest(scratch)
            path = root / digest
            if not self.is_intact(path):
                publish(scratch, path, over=True)  # what is damaged since gives way to what its name promises
        return digest, path

    def is_whole(self, path: Path) -> bool:
        """Tell whether a folder has both files."""
        return not self._missing(path)

    def is_intact(self, path: Path) -> bool:
        """Tell whether a folder holds the bytes for which it is named."""
        return self.is_whole(path) and self._digest(path) == path.name

    def read(self, path: Path) -> dict[str, Any]:
        """Read the description alone, without checking digests: for lists and pages.

        :raises InputError: it is no artifact of this format.
        """
        if missing := self._missing(path):
            raise InputError(path, f"has no {' and no '.join(missing)}", self.noun)
        try:
            description: dict[str, Any] = json.loads((path / DESCRIPTION).read_bytes())
        except ValueError as error:
            raise InputError(path / DESCRIPTION, f"is not JSON ({error})", self.format) from error
        if description.get("format") != self.format:
            raise InputError(path, f"has format {description.get('format')!r}", self.format)
        return description

    def checked(self, path: Path) -> dict[str, Any]:
        """Read the description of a folder that holds the bytes for which it is named.

        :raises DigestMismatch: it holds others.
        :raises InputError: it is no artifact of this format.
        """
        description = self.read(path)
        if (digest := self._digest(path)) != path.name:
            raise DigestMismatch(path, path.name, digest)
        return description

    def indexed(self, entry: Path, root: Path) -> Path | None:
        """Find the intact folder below ``root`` that the file ``entry`` of an index names."""
        if not entry.is_file():
            return None
        path = root / str(json.loads(entry.read_bytes())["artifact"])
        return path if self.is_intact(path) else None

    def _missing(self, path: Path) -> list[str]:
        return [name for name in (DESCRIPTION, self.weights) if not (path / name).is_file()]

    def _digest(self, path: Path) -> str:
        return digest_files({name: path / name for name in (DESCRIPTION, self.weights)})
