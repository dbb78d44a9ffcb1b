"""The files of a model's folder that are loaded, and their digests.

A folder may hold each network several times (``model.safetensors``, ``model.fp16.safetensors``, ``.bin``).
Only what is loaded is hashed, and a digest is kept beside the file's size and time, so that gigabytes are
read once and not at every start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from almond.digest import canonical_json, digest_file
from almond.errors import InputError
from almond.files.folders import visible
from almond.files.writing import write_atomically

WEIGHTS = re.compile(
    r"^(?:diffusion_pytorch_model|pytorch_model|model)"
    r"(?:\.(?P<before>[a-z]\w*))?(?:-\d{5}-of-\d{5})?(?:\.(?P<after>[a-z]\w*))?\.(?P<kind>safetensors|bin)$"
)
"""Names of weights as diffusers and transformers write them; the variant stands before or after the shard."""

PLAIN = ""
"""The variant without a name."""


def variants_of(folder: Path) -> dict[str, list[Path]]:
    """List a part's weight files by variant; safetensors where a variant has them, else ``.bin``."""
    files: dict[str, dict[str, list[Path]]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = WEIGHTS.match(path.name)
        if match and path.is_file():
            variant = match["before"] or match["after"] or PLAIN
            files.setdefault(variant, {}).setdefault(match["kind"], []).append(path)
    return {variant: kinds.get("safetensors") or kinds["bin"] for variant, kinds in files.items()}


def variant_for(folder: Path, wanted: str | None) -> str:
    """Return the variant of a part to load: the one that is wanted, else the plain, else the only one.

    :raises InputError: the part has no weights, or several variants of which none is plain or wanted.
    """
    variants = variants_of(folder)
    if not variants:
        raise InputError(folder, "holds no weights", "a .safetensors or .bin file that diffusers wrote")
    for variant in (wanted, PLAIN):
        if variant in variants:
            return variant
    if len(variants) == 1:
        return next(iter(variants))
    there = ", ".join(variants)
    raise InputError(folder, f"has weights of {there} and none plain", f"--variant {next(iter(variants))}")


def loaded_files(folder: Path, networks: Mapping[str, str], others: Sequence[str]) -> dict[str, Path]:
    """Name every file that is loaded: ``networks`` maps parts to variants, ``others`` are folders read whole.

    Returns paths by their name relative to the folder.
    """
    paths = [folder / "model_index.json"]
    for part, variant in networks.items():
        paths += [folder / part / "config.json", *variants_of(folder / part)[variant]]
    for part in others:
        paths += [path for path in visible((folder / part).rglob("*"), folder) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path for path in paths}


def digests_of(files: Mapping[str, Path], store: Path | None = None) -> dict[str, str]:
    """SHA-256 of files by name, from ``store`` where a file's size and time are those recorded there."""
    known = _recorded(store)
    digests: dict[str, str] = {}
    for name, path in sorted(files.items()):
        state, key = path.stat(), str(path.resolve())
        stamp = [state.st_size, state.st_mtime_ns]
        if known.get(key, {}).get("stamp") != stamp:
            known[key] = {"stamp": stamp, "sha256": digest_file(path)}
        digests[name] = str(known[key]["sha256"])
    if store is not None and known != _recorded(store):
        write_atomically(store, canonical_json(known))
    return digests


def _recorded(store: Path | None) -> dict[str, dict[str, object]]:
    if store is None or not store.is_file():
        return {}
    values = json.loads(store.read_text(encoding="utf-8"))
    return dict(values)
