"""The pages' files, as ``collectstatic`` makes them: scripts joined, names with a hash, compressed.

In tests and with ``ALMOND_DEBUG`` pages take the files as they are written; the scripts are the same.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import brotli
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage

from almond.files.writing import write_atomically
from config.scripts import is_joined, join_script, without_word_list

OWN_SCRIPTS = "js/"
JSPSYCH = "vendor/jspsych.js"


class KeepingCompressor(Compressor):
    """Leaves files alone that are compressed already: to do it again at every start takes seconds."""

    def compress(self, path: str) -> list[str]:
        data, made = Path(path).read_bytes(), [f"{path}.br", f"{path}.gz"]
        if holds(made[0], brotli.decompress, data) and holds(made[1], gzip.decompress, data):
            return made
        compressed: list[str] = super().compress(path)
        return compressed


def holds(path: str, decompress: Callable[[bytes], bytes], data: bytes) -> bool:
    """Tell whether a compressed file is there, whole, and of these bytes."""
    try:
        return decompress(Path(path).read_bytes()) == data
    except (OSError, EOFError, zlib.error, brotli.error):
        return False


class PageFiles(CompressedManifestStaticFilesStorage):
    """Files with the hash of their bytes in the name, which browsers may keep for ever, also compressed.

    Copies appear whole: half of one would count as up to date the next time.
    """

    copied = 0

    def create_compressor(self, **kwargs: Any) -> Compressor:
        return KeepingCompressor(**kwargs)

    def _save(self, name: str, content: Any) -> str:
        write_atomically(Path(self.path(name)), b"".join(content.chunks()), durable=False)
        self.copied += 1
        return name

    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> Iterator[Any]:
        """Make the scripts smaller, then hash and compress all files, then flush them to the disk at once."""
        if dry_run:
            return
        yield from super().post_process({**paths, **self.made_smaller(paths)}, dry_run, **options)
        if self.copied:
            os.sync()

    def made_smaller(self, paths: dict[str, Any]) -> dict[str, Any]:
        """Write the scripts that pages take otherwise than they are written; returns where they lie."""
        scripts = {name for name in paths if name.startswith(OWN_SCRIPTS) and name.endswith(".js")}
        sources = {name: read_text(*paths[name]) for name in scripts}
        texts = {
            name: join_script(name, sources, base=settings.STATIC_URL)
            for name, source in sources.items()
            if is_joined(source)
        }
        texts |= {name: without_word_list(name, read_text(*paths[name])) for name in {JSPSYCH} & paths.keys()}
        for name, text in texts.items():
            self._save(name, ContentFile(text.encode()))
        return {name: (self, name) for name in texts}


def read_text(storage: Any, path: str) -> str:
    with storage.open(path) as stream:
        data: bytes = stream.read()
    return data.decode()


def uncollected() -> Path | None:
    """Return where the list of the pages' files should be, if pages need one and it is not there."""
    storage = storages["staticfiles"]
    if isinstance(storage, PageFiles) and storage.read_manifest() is None:
        return Path(storage.path(storage.manifest_name))
    return None
