"""Diagnoses of generators and scorers whose truth is known, drawn once for all tests of a process."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from almond.diagnosis.checks.natural import FILM
from almond.diagnosis.diagnose import Diagnosis, diagnose
from almond.diagnosis.readers import reader_of
from almond.progress import Silent
from almond.rng import generator as random_generator
from almond.typing import Floats, ImageArray
from tests.almond.guided_fakes import (
    PROMPTS,
    SIDE,
    TARGETS,
    Colours,
    Linear,
    Pixels,
    means,
    settings,
    textured,
)

SMALL: dict[str, Any] = {
    "seeds": (1,),
    "strengths": (0.02, 0.04),
    "unguided": 48,
    "permutations": 99,
}
FEW: dict[str, Any] = {"prompts": PROMPTS[:3], "unguided": 24, "interpolations": 0}
FOOLED = 1.0 / 16.0
"""By ``textured``: the own shift is twice the judged one."""

PLACE = TemporaryDirectory(prefix="almond-diagnoses-")
"""Where the pictures lie while the process lasts."""


def diagnosis_of(
    keep: Path, judge: Linear | None = None, guide: Linear | None = None, **changes: Any
) -> Diagnosis:
    """Diagnose with channel means as guide and, on another scale, as judge, where nothing else is asked."""
    others: dict[str, Any] = changes.pop("others", {})
    generator = changes.pop("generator", Colours())
    readers = [
        reader_of("guide", "guide", guide or Linear(means()), TARGETS, subjects=["01"]),
        reader_of(
            "other", "judge", judge or Linear(means(), scale=3.0, offset=1.0), TARGETS, subjects=["02"]
        ),
        reader_of("sub-01", "subject", Linear(means()), TARGETS, subjects=["01"]),
        reader_of("sub-02", "subject", Linear(means(0.5)), TARGETS, subjects=["02"]),
    ]
    return diagnose(
        settings(**{**SMALL, **changes}),
        generator=generator,
        readers=readers,
        keep=keep,
        progress=Silent(),
        space=Pixels(),
        others=others,
    )


def pictures_folder() -> Path:
    """Return the folder of the pictures of the honest guide, which several diagnoses share."""
    return Path(PLACE.name) / "pictures"


@cache
def honest_diagnosis() -> Diagnosis:
    """Diagnose a guide whose judge sees what it moves."""
    return diagnosis_of(pictures_folder(), others={"photographs": patches(1), FILM: patches(2)})


@cache
def fooled_diagnosis() -> Diagnosis:
    """Diagnose a guide that moves its own score twice as much as the judge's."""
    # Another guide has no digest of its own here, so that its pictures would be taken for the first one's.
    return diagnosis_of(Path(PLACE.name) / "fooled", guide=Linear(textured(FOOLED)))


def patches(seed: int, count: int = 12) -> list[ImageArray]:
    rng = random_generator(seed, "patches")
    colours = 0.5 + rng.uniform(-0.15, 0.15, (count, 1, 1, 3))
    return [np.broadcast_to(np.round(255 * c), (SIDE, SIDE, 3)).astype(np.uint8) for c in colours]


def numbers(diagnosis: Diagnosis, name: str) -> Any:
    finding = diagnosis.answers[name].finding
    assert finding is not None, diagnosis.answers[name].reason
    return finding.numbers


def unguided_sd(diagnosis: Diagnosis) -> Floats:
    """SD of the channel means of the unguided pictures, from the pictures themselves."""
    evidence = diagnosis.evidence
    images = np.stack([evidence.images[row] for row in evidence.unguided]) / 255.0
    return images.mean(axis=(1, 2)).std(axis=0, ddof=1)
