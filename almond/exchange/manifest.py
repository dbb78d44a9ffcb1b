"""The manifest of an export: what it holds, where it comes from, and the SHA-256 of every file in it.

The one writer and the one reader, for verification and analysis alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from almond.digest import digest_file, digest_json
from almond.errors import InputError
from almond.files.folders import visible
from almond.shapes import shown

FORMAT = "almond-export/1"
NAME = "manifest.json"
ORIGINS = ("almond", "external")
"""Who collected the data of an export: Almond, or somebody else, whose table was imported."""


def files_in(folder: Path) -> list[str]:
    """List relative paths of every file below a folder, sorted, with forward slashes.

    Neither the manifest nor hidden files count.
    """
    paths = visible((path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()), folder)
    names = (path.relative_to(folder).as_posix() for path in paths)
    return sorted(name for name in names if name != NAME)


def seal(folder: Path, facts: Mapping[str, Any], digests: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Make the manifest of a folder: ``facts``, the digest of every file, and its own over all of it.

    :param digests: those of files that were taken while they were written, by path.
    """
    known = digests or {}
    files = {name: known.get(name) or digest_file(folder / name) for name in files_in(folder)}
    content = {"format": FORMAT, **facts, "files": files}
    return {**content, "digest": digest_json(content)}


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """Write a manifest, in the one way: sorted keys, indented by one, a line feed at the end."""
    return (
        json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    ).encode()


def load_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of an export and check it against its own digest.

    Raises ``InputError`` when it is missing, no JSON, of another format or origin, or not as it was written.
    """
    path = folder / NAME
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, "cannot be read", "the folder of an export with its manifest") from error
    try:
        manifest = json.loads(data)
    except ValueError as error:
        raise InputError(path, f"is not JSON: {error}", "the manifest of an export") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(path, "is not the manifest of an export", f"format {FORMAT}")
    content = {name: value for name, value in manifest.items() if name != "digest"}
    if manifest.get("digest") != digest_json(content) or manifest_bytes(manifest) != data:
        raise InputError(path, "its bytes changed: they do not fit its own digest")
    if not isinstance(manifest.get("files"), dict):
        raise InputError(path, "names no files", "the digest of every file")
    if manifest.get("origin", ORIGINS[0]) not in ORIGINS:
        raise InputError(path, f"origin is {shown(manifest['origin'])}", " or ".join(ORIGINS))
    return manifest


def is_external(manifest: Mapping[str, Any]) -> bool:
    """Tell whether the data of an export were collected elsewhere; manifests without ``origin`` are ours."""
    return manifest.get("origin") == "external"
