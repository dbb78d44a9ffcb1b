"""An index of what was fitted already, so that nothing is fitted twice, also after a stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almond.digest import canonical_json, digest_json
from almond.encoding.artifacts.artifact import ENCODER
from almond.files.writing import write_atomically


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
        folder = ENCODER.indexed(self.path, self.out)
        if folder is None:
            return None
        metrics = ENCODER.read(folder)["metrics"]
        return FittedRegion(self.subject, self.region, self.model, folder.name, folder, metrics)
