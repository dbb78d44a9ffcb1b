"""What the checks look at: the pictures, everybody's scores of them, low-level features and features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from almond.diagnosis.pictures import DiagnosisPicture, Purpose
from almond.diagnosis.readers import TargetReader
from almond.diagnosis.settings import DiagnosisSettings
from almond.encoding.features.space import FeatureSpace
from almond.errors import InputError
from almond.finite import require_finite
from almond.progress import Progress
from almond.stimuli.lowlevel import measure
from almond.typing import Floats, ImageArray, Ints

FLAT = 1e-9
"""A spread below this share of the mean is none."""


@dataclass(frozen=True, eq=False)
class DiagnosisEvidence:
    """Pictures (n) with a row of ``table`` each, and their scores in SD of each reader's unguided scores.

    ``table``: purpose, prompt, seed, scene (an index), target, direction, strength, towards, fraction and the
    low-level features. ``scores``: reader -> (n, T); ``location`` reader -> mean and SD (T,) of its raw
    scores of the unguided pictures. ``features`` (n, D) are those of ``space``, None without one. ``others``:
    name of a set of natural images -> its images.
    """

    settings: DiagnosisSettings
    targets: tuple[str, ...]
    table: pd.DataFrame
    images: Sequence[ImageArray]
    readers: Mapping[str, TargetReader]
    scores: Mapping[str, Floats]
    location: Mapping[str, tuple[Floats, Floats]]
    space: FeatureSpace | None = None
    features: Floats | None = None
    others: Mapping[str, Sequence[ImageArray]] = field(default_factory=dict)

    @property
    def guide(self) -> str:
        return next(name for name, reader in self.readers.items() if reader.role == "guide")

    @property
    def judge(self) -> str | None:
        """Return the name of the held-out reader, None where there is none."""
        return next((name for name, reader in self.readers.items() if reader.role == "judge"), None)

    def named(self, *roles: str) -> list[str]:
        """List the readers of some roles."""
        return [name for name, reader in self.readers.items() if reader.role in roles]

    @property
    def outsiders(self) -> list[str]:
        """List single subjects who did not guide; none where it is not known who guided."""
        guiding = self.readers[self.guide].subjects
        if guiding is None:
            return []
        return [
            name
            for name in self.named("subject")
            if (own := self.readers[name].subjects) is not None and not own & guiding
        ]

    def rows(self, purpose: Purpose, **equal: object) -> Ints:
        """Find the rows of a purpose in which columns have some values."""
        mask = self.table["purpose"] == purpose
        for column, value in equal.items():
            mask &= self.table[column] == value
        return np.flatnonzero(mask.to_numpy())

    @property
    def unguided(self) -> Ints:
        return self.rows("unguided")

    @property
    def strongest(self) -> Ints:
        """Find the guided pictures of the largest strength."""
        return self.rows("guided", strength=self.settings.strongest)

    def bases(self, rows: Ints) -> Ints:
        """Find the unguided picture of each row's scene."""
        scenes = self.table["scene"].to_numpy(np.intp)
        place = {int(scenes[row]): int(row) for row in self.unguided}
        return np.array([place[int(scenes[row])] for row in rows], np.intp)

    def shifts(self, reader: str, rows: Ints) -> Floats:
        """Compute scores minus those of the unguided picture of the scene, (rows, T)."""
        scores = self.scores[reader]
        return np.asarray(scores[rows] - scores[self.bases(rows)], np.float64)

    def own_shifts(self, reader: str, rows: Ints) -> Floats:
        """Compute the shift of each row's own target in the direction of guidance (rows,)."""
        column = self.table["target"].iloc[rows].map(self.targets.index).to_numpy(np.intp)
        direction = self.table["direction"].to_numpy(np.float64)[rows]
        own: Floats = self.shifts(reader, rows)[np.arange(len(rows)), column]
        return np.asarray(own * direction, np.float64)

    def standardised(self, reader: str, raw: Floats) -> Floats:
        """Express raw scores (n, T) in SD of the reader's unguided scores."""
        mean, sd = self.location[reader]
        return (raw - mean) / sd

    def read(self, reader: str, images: Sequence[ImageArray]) -> Floats:
        """Score further images by a reader, in SD of its unguided scores."""
        raw = self.readers[reader].read(images)
        require_finite(raw, f"scores by {reader}", axes=("image", self.targets))
        return self.standardised(reader, raw)


def gather(
    planned: Sequence[DiagnosisPicture],
    images: Sequence[ImageArray],
    readers: Sequence[TargetReader],
    settings: DiagnosisSettings,
    *,
    targets: Sequence[str],
    space: FeatureSpace | None,
    others: Mapping[str, Sequence[ImageArray]],
    progress: Progress,
) -> DiagnosisEvidence:
    """Score and measure all pictures.

    :raises InputError: readers of one name, or scores that do not vary over the unguided pictures.
    """
    if len({reader.name for reader in readers}) < len(readers):
        raise InputError("readers", "two have one name", "different names")
    table = tabulate(planned, images)
    unguided = np.flatnonzero(table["purpose"] == "unguided")
    scores: dict[str, Floats] = {}
    location: dict[str, tuple[Floats, Floats]] = {}
    for number, reader in enumerate(readers):
        progress.report(number / (len(readers) + 1), f"scores by {reader.name}")
        raw = reader.read(images)
        require_finite(raw, f"scores by {reader.name}", axes=("picture", targets))
        location[reader.name] = _location(reader.name, raw[unguided], targets)
        scores[reader.name] = (raw - location[reader.name][0]) / location[reader.name][1]
    progress.report(len(readers) / (len(readers) + 1), "features")
    features = None if space is None else np.asarray(space.extract(images), np.float64)
    return DiagnosisEvidence(
        settings,
        tuple(targets),
        table,
        images,
        {reader.name: reader for reader in readers},
        scores,
        location,
        space,
        features,
        others,
    )


def _location(name: str, raw: Floats, targets: Sequence[str]) -> tuple[Floats, Floats]:
    mean, sd = raw.mean(axis=0), raw.std(axis=0, ddof=1)
    if (flat := sd <= FLAT * np.maximum(np.abs(mean), 1.0)).any():
        target = targets[int(np.argmax(flat))]
        raise InputError(
            f"scores of {target} by {name}",
            f"do not vary over {len(raw)} unguided pictures",
            "prompts or seeds whose pictures differ",
        )
    return mean, sd


def tabulate(planned: Sequence[DiagnosisPicture], images: Sequence[ImageArray]) -> pd.DataFrame:
    """Tabulate pictures with their low-level features; ``scene`` numbers prompts and seeds."""
    scenes: dict[tuple[str, int], int] = {}
    rows = []
    for picture, image in zip(planned, images, strict=True):
        recipe = picture.recipe
        rows.append(
            {
                "purpose": picture.purpose,
                "prompt": recipe.prompt,
                "seed": recipe.seed,
                "scene": scenes.setdefault((recipe.prompt, recipe.seed), len(scenes)),
                "target": picture.target,
                "direction": recipe.direction,
                "strength": recipe.strength,
                "recipe_digest": recipe.digest,
                "towards": picture.towards,
                "fraction": picture.fraction,
                **measure(image),
            }
        )
    return pd.DataFrame(rows)
