"""A folder of network weights that were given or fetched once, and are checked on every use.

``NAME.pt`` or ``NAME.safetensors`` holds the weights, ``NAME.json`` their SHA-256 as it was when they first
came: other bytes under that name are refused ever after, wherever they come from.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almond.digest import canonical_json, digest_file
from almond.encoding.features.networks.download import fetch
from almond.errors import DigestMismatch, InputError
from almond.files.writing import new_folder, publish, refusals_named, write_atomically
from almond.progress import Progress, Silent
from almond.registry import Registry

PLACE = "ALMOND_WEIGHTS"

WEIGHTS_CHECKS: Registry[Callable[[Path, str, str], None]] = Registry(
    "network", {"emonet": "almond.encoding.features.networks.emonet:check_emonet_weights"}
)
"""Network -> what refuses a file (path, suffix, source) that does not hold its weights."""


@dataclass(frozen=True)
class Pinned:
    """Weights in the store: ``path`` of the file, its SHA-256, and where it came from."""

    name: str
    path: Path
    sha256: str
    source: str


def weights_folder() -> Path:
    """Name the folder of the store: ``ALMOND_WEIGHTS``, or ``almond/weights`` in the user's data (XDG)."""
    stated = os.environ.get(PLACE)
    if stated:
        return Path(stated)
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "almond" / "weights"


def stored_weights(name: str, folder: Path | None = None) -> Path:
    """Find the file of stored weights and check its bytes.

    :raises InputError: they are not in the store; the message says which command puts them there.
    :raises DigestMismatch: the bytes are not those that were pinned.
    """
    pinned = find_pinned(name, folder or weights_folder())
    if pinned is None or not pinned.path.is_file():
        raise InputError(
            f"weights of {name}",
            f"are not in {folder or weights_folder()}",
            f"a file of weights in the configuration, or: python -m almond weights {name} --file PATH",
        )
    digest = digest_file(pinned.path)
    if digest != pinned.sha256:
        raise DigestMismatch(pinned.path, pinned.sha256, digest)
    return pinned.path


def add_file(name: str, path: Path, *, sha256: str | None = None, folder: Path | None = None) -> Pinned:
    """Copy a file of weights into the store and pin its digest.

    :raises DigestMismatch: it differs from ``sha256``, or from what the name was pinned to before.
    """
    if not path.is_file():
        raise InputError(path, "file not found", "a file of weights")
    store = _prepared(folder)
    with new_folder(store) as scratch:
        shutil.copyfile(path, scratch / path.name)
        return _keep(name, scratch / path.name, str(path), sha256, store)


def add_url(
    name: str,
    url: str,
    *,
    sha256: str | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Pinned:
    """Fetch weights from an http, https or file address into the store and pin their digest.

    What a broken connection left is continued the next time, where the server says that it is the same file.

    :raises InputError: the address cannot be read, or ended early.
    :raises DigestMismatch: other bytes than ``sha256`` or the pin; they are thrown away.
    """
    store = _prepared(folder)
    part = fetch(url, store, f".{name}", progress or Silent())
    try:
        return _keep(name, part, url, sha256, store)
    finally:
        part.unlink(missing_ok=True)


def _prepared(folder: Path | None) -> Path:
    store = folder or weights_folder()
    with refusals_named(store):
        store.mkdir(parents=True, exist_ok=True)
    return store


def _keep(name: str, scratch: Path, source: str, sha256: str | None, store: Path) -> Pinned:
    """Check the scratch file and rename it; the pin is written last, so that it never lacks its file."""
    digest, known = digest_file(scratch), find_pinned(name, store)
    for wanted in (sha256, known.sha256 if known else None):
        if wanted is not None and digest != wanted.lower():
            raise DigestMismatch(source, wanted.lower(), digest)
    path = store / f"{name}{kind_of(scratch, source)}"
    _check(name, scratch, path.suffix, source)
    os.chmod(scratch, 0o644)
    publish(scratch, path)
    entry = {"file": path.name, "sha256": digest, "source": source, "bytes": path.stat().st_size}
    write_atomically(store / f"{name}.json", canonical_json(entry) + b"\n")
    return Pinned(name, path, digest, source)


def find_pinned(name: str, folder: Path) -> Pinned | None:
    """Read what the store says about a name, whether or not its file is still there."""
    path = folder / f"{name}.json"
    if not path.is_file():
        return None
    try:
        entry: Any = json.loads(path.read_text(encoding="utf-8"))
        return Pinned(name, folder / str(entry["file"]), str(entry["sha256"]), str(entry["source"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(path, f"cannot be read ({error})", "the digest of stored weights") from error


def kind_of(path: Path, source: str) -> str:
    """Tell ``.safetensors`` from ``.pt`` by the first bytes: addresses often do not say.

    :raises InputError: neither.
    """
    with path.open("rb") as stream:
        start = stream.read(9)
    if start[:2] in (b"PK", b"\x80\x02"):
        return ".pt"
    if len(start) == 9 and start[8:] == b"{":
        return ".safetensors"
    raise InputError(source, "holds no weights", "a file of PyTorch (.pt, .pth) or safetensors")


def _check(name: str, scratch: Path, suffix: str, source: str) -> None:
    """Refuse weights that do not fit their network, before anything is pinned."""
    WEIGHTS_CHECKS.load(name)(scratch, suffix, source)
