"""The pages' files, as ``collectstatic`` copies them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.storage import StaticFilesStorage

from almond.files.writing import write_atomically


class WholeFiles(StaticFilesStorage):
    """Copies appear whole: half of one would count as up to date the next time."""

    copied = 0

    def _save(self, name: str, content: Any) -> str:
        write_atomically(Path(self.path(name)), content.read(), durable=False)
        self.copied += 1
        return name

    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> list[Any]:
        """Flush the copies to the disk, all at once; no file is changed."""
        if self.copied:
            os.sync()
        return []
