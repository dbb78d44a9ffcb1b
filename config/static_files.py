"""The pages' files, as ``collectstatic`` makes them: scripts joined, names with a hash, compressed.

In tests and with ``ALMOND_DEBUG`` pages take the files as they are written; the scripts are the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from whitenoise.storage import CompressedManifestStaticFilesStorage

from almond.files import write_atomically
from config.scripts import is_joined, join_script

OWN_SCRIPTS = "js/"


class PageFiles(CompressedManifestStaticFilesStorage):
    """Files with the hash of their bytes in the name, which browsers may keep for ever, also compressed.

    Copies appear whole: half of one would count as up to date the next time.
    """

    copied = 0

    def _save(self, name: str, content: Any) -> str:
        write_atomically(Path(self.path(name)), b"".join(content.chunks()), durable=False)
        self.copied += 1
        return name

    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> Iterator[Any]:
        """Join the scripts, then hash and compress all files, then flush them to the disk at once."""
        if dry_run:
            return
        yield from super().post_process({**paths, **self.join_scripts(paths)}, dry_run, **options)
        if self.copied:
            os.sync()

    def join_scripts(self, paths: dict[str, Any]) -> dict[str, Any]:
        """Put each of our scripts that imports others together with them; returns where they lie."""
        own = {name: paths[name] for name in paths if name.startswith(OWN_SCRIPTS) and name.endswith(".js")}
        sources = {name: read_text(storage, path) for name, (storage, path) in own.items()}
        joined = {}
        for name, source in sources.items():
            if is_joined(source):
                whole = join_script(name, sources, base=settings.STATIC_URL)
                self._save(name, ContentFile(whole.encode()))
                joined[name] = (self, name)
        return joined


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
