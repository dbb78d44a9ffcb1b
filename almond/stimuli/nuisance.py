"""The low-level features that regressions hold constant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from almond.pictures.reading import read_image
from almond.progress import Progress
from almond.stimuli import lowlevel, lowlevel_paper
from almond.typing import Floats

NUISANCE = ("median_red", "median_green", "median_blue", "power_high", "power_low")
"""Their names, in the order of the published regressions."""


def nuisance_features(paths: Sequence[Path], kind: str, progress: Progress) -> Floats:
    """Measure the low-level features (n, 5) of images, or (n, 0).

    :param kind: ``default``, ``paper`` (as published) or ``none``.
    """
    if kind == "none":
        return np.empty((len(paths), 0))
    measure = lowlevel_paper.measure_as_published if kind == "paper" else lowlevel.measure
    rows = []
    for index, path in enumerate(paths):
        progress.report(index / len(paths), f"low-level features of {path.name}")
        values = measure(read_image(path))
        rows.append([values[name] for name in NUISANCE])
    return np.reshape(np.array(rows, np.float64), (len(paths), len(NUISANCE)))
