"""An index of what was fitted already, so that nothing is fitted twice, also after a stop."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almond.digest import canonical_json, digest_json
from almond.encoding.artifacts.artifact import is_intact, read_artifact_json
from almond.files import write_atomically


@dataclass(frozen=True)
class FittedRegion:
    """An artifact; its digest is the name of the folder ``path``."""

    subject: str
    region: str
    model: str
    digest: str
    path: Path
    metrics: dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """The artifact made from exactly these inputs, remembered as ``<out>/index/<digest of them>.json``."""

    out: Path
    subject: str
    region: str
    model: str
    inputs: Mapping[str, Any]

    @property
    def path(self) -> Path:
        names = {"subject": self.subject, "region": self.region, "model": self.model}
        return self.out / "index" / f"{digest_json({**names, **self.inputs})}.json"

    def remember(self, digest: str) -> None:
        """Write down which artifact these inputs gave."""
        write_atomically(self.path, canonical_json({"artifact": digest}))

    def find(self) -> FittedRegion | None:
        """Find the artifact; None where there is none or it was changed since: it is fitted again."""
        if not self.path.is_file():
            return None
        digest = str(json.loads(self.path.read_bytes())["artifact"])
        folder = self.out / digest
        if not is_intact(folder):
            return None
        metrics = read_artifact_json(folder)["metrics"]
        return FittedRegion(self.subject, self.region, self.model, digest, folder, metrics)
