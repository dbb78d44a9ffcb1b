"""Several readers of the same targets: subjects, or feature networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from almond.digest import digest_json
from almond.errors import InputError
from almond.guidance.objectives.references import ScoreReader


class Ensemble:
    """A scorer whose scores are the mean over readers of the same targets.

    Guidance climbs the mean of what the readers say, or the worst of it (``Recipe.readers``).

    :raises InputError: no readers, or readers of different targets.
    """

    def __init__(self, readers: Sequence[ScoreReader]) -> None:
        self.readers = tuple(readers)
        if not self.readers:
            raise InputError("readers", "none were given", "one or more scorers")
        self.names = self.readers[0].names
        for reader in self.readers[1:]:
            if reader.names != self.names:
                raise InputError(
                    "readers", f"one reads {reader.names}, another {self.names}", "the same targets"
                )

    @property
    def digests(self) -> dict[str, str]:
        """Map target names to a digest over those of all readers, for recipes."""
        own = [getattr(reader, "digests", {}) for reader in self.readers]
        return {
            name: digest_json([digests[name] for digests in own])
            for name in self.names
            if all(name in digests for digests in own)
        }

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Score images (B, 3, H, W) in [0, 1]: (B, T)."""
        return torch.stack([reader(images) for reader in self.readers]).mean(dim=0)
