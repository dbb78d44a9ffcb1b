"""What an export carries besides tables: images, recipes, targets, encoder artifacts, each by its digest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from almond.digest import canonical_json, digest_bytes, digest_json
from almond.errors import DigestMismatch, InputError
from almond.files.folders import visible

ImageSource = tuple[str, Path | bytes]
SUFFIXES = ("png", "jpg")


def add_images(folder: Path, digests: Iterable[str], images: Mapping[str, ImageSource]) -> dict[str, str]:
    """Write every image named by digest to ``stimuli/<digest>.<suffix>``; returns digest -> relative path.

    Raises ``InputError`` for a missing image, ``DigestMismatch`` for bytes of another digest.
    """
    files = {}
    for digest in sorted(set(digests)):
        if digest not in images:
            raise InputError(f"image {digest[:12]}…", "is shown in the study but is missing")
        suffix, source = images[digest]
        suffix = suffix.lstrip(".").lower().replace("jpeg", "jpg")
        if suffix not in SUFFIXES:
            raise InputError(f"image {digest[:12]}…", f"has suffix {suffix!r}", "png or jpg")
        data = source if isinstance(source, bytes) else read_bytes(source)
        actual = digest_bytes(data)
        if actual != digest:
            raise DigestMismatch(f"image {digest[:12]}…", digest, actual)
        files[digest] = f"stimuli/{digest}.{suffix}"
        put(folder / files[digest], data)
    return files


def add_recipes(folder: Path, digests: Iterable[str], recipes: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Write the recipes named by digest to ``recipes/<digest>.json``; returns their targets' digests."""
    targets: set[str] = set()
    for digest in sorted(set(digests)):
        if digest not in recipes:
            raise InputError(f"recipe {digest[:12]}…", "an image was made from it but it is missing")
        recipe = recipes[digest]
        actual = digest_json(recipe)
        if actual != digest:
            raise DigestMismatch(f"recipe {digest[:12]}…", digest, actual)
        put(folder / "recipes" / f"{digest}.json", canonical_json(recipe))
        targets |= set(recipe_targets(recipe).values())
    return targets


def recipe_targets(recipe: Mapping[str, Any]) -> dict[str, str]:
    """Return target name -> digest of everything that guided the image: empty for an unguided image."""
    return {str(name): str(digest) for name, digest in dict(recipe.get("target_digests") or {}).items()}


def add_targets(folder: Path, digests: Iterable[str], source: Path | None) -> tuple[set[str], list[str]]:
    """Copy the targets named by digest; returns the digests of their artifacts, and the targets left out.

    Without a source folder all are left out; with one, a target that it lacks is an ``InputError``.
    """
    artifacts: set[str] = set()
    if source is None:
        return artifacts, sorted(set(digests))
    for digest in sorted(set(digests)):
        for suffix in ("json", "npz"):
            path = source / f"{digest}.{suffix}"
            put(folder / "targets" / path.name, read_bytes(path))
        artifacts |= set(target_sources(folder / "targets" / f"{digest}.json"))
    return artifacts, []


def target_sources(path: Path) -> list[str]:
    """Read the digests of the encoder artifacts that a target was made from, as its file states them."""
    try:
        sources = json.loads(path.read_bytes())["sources"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(path, f"is not a target's description ({error})", "its sources") from error
    return [str(digest) for digest in sources]


def add_artifacts(folder: Path, digests: Iterable[str], source: Path | None) -> list[str]:
    """Copy the artifact folders named by digest; returns those left out because there is no source folder."""
    if source is None:
        return sorted(set(digests))
    for digest in sorted(set(digests)):
        if not (source / digest).is_dir():
            raise InputError(source / digest, "is missing", "the folder of an encoder artifact")
        for path in visible((source / digest).iterdir()):
            put(folder / "artifacts" / digest / path.name, read_bytes(path))
    return []


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "a file of the export") from error


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
