"""The p values of simulated studies on disk, so that an interrupted power analysis goes on where it was.

One line of JSON for each finished study and effect. Every study has random numbers of its own, so that it
does not matter which of them were finished before.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from almond.files.writing import refusals_named

P = dict[str, float | None]
"""Name of the test -> its p, None where it did not run."""


class StudyKey(NamedTuple):
    """Which study: numbers of people and themes, effect, and its own number from 0."""

    people: int
    themes: int
    effect: float
    study: int


@dataclass
class StudyStore:
    """Finished studies by key; with a ``path`` they are also kept there.

    A line whose writer was killed half-way is dropped, and its study runs again.
    """

    path: Path | None = None
    finished: dict[StudyKey, P] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is None or not self.path.exists():
            return
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        for line in whole.splitlines():
            *key, p = json.loads(line)
            self.finished[StudyKey(*key)] = p
        if len(whole) < len(data):
            os.truncate(self.path, len(whole))

    def add(self, key: StudyKey, p: P) -> None:
        """Keep the p values of one study."""
        self.finished[key] = p
        if self.path is None:
            return
        line = json.dumps([*key, p]).encode() + b"\n"
        with refusals_named(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as stream:
                stream.write(line)
