"""Predictors of a network for a film that the runs show, one going on where the one before it ended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from almond.encoding.config.section import DEFAULT
from almond.encoding.features.film import film_features
from almond.encoding.features.run_features import Predictors, Presentation, RunFeatures, Scan
from almond.encoding.features.space import card_of_space
from almond.errors import InputError

if TYPE_CHECKING:
    from almond.encoding.features.specs import NetworkSpec

MISSING_SHARE = 0.01
"""A film may be shorter than the runs that show it by this share of them: at the end nothing is shown."""

BORDER = 1e-6
"""In frames: keeps a frame that lies on the border of a run from slipping to the next."""


def predictors_of_film(spec: NetworkSpec, path: Path, presentation: Presentation) -> Predictors:
    """Take what a network gives for every n-th frame of the film; per run where ``order`` is ``sound``."""
    space = spec.open_space(device=presentation.device)
    film = film_features(
        space, path, every=spec.every, cache=presentation.cache, progress=presentation.progress
    )
    even = film.regular() if film.variable_rate else film
    whole = RunFeatures(even.values, even.interval, path)
    runs = split_film(whole, presentation.scans) if presentation.order == DEFAULT else ()
    return Predictors(card_of_space(space), runs, film=whole, files={path.name: film.digest})


def split_film(film: RunFeatures, scans: Sequence[Scan]) -> tuple[RunFeatures, ...]:
    """Cut out the part of a film that each run shows. Nothing of it reaches over a run's border.

    :raises InputError: the film is shorter than the runs by more than a hundredth of them.
    """
    shown, needed = len(film.values) * film.interval, sum(scan.seconds for scan in scans)
    if shown < needed * (1 - MISSING_SHARE):
        raise InputError(
            film.source,
            f"lasts {shown:.1f} s, the {len(scans)} runs that show it {needed:.1f} s",
            "the whole film (order: paper-amygdala stretches any film onto the runs)",
        )
    parts, begin = [], 0.0
    for scan in scans:
        # Frames k with begin <= k * interval < begin + seconds.
        first = math.ceil(begin / film.interval - BORDER)
        last = math.ceil((begin + scan.seconds) / film.interval - BORDER)
        start = max(0.0, first * film.interval - begin)
        rows = film.values[first:last]
        if len(rows) == 0:
            raise InputError(film.source, f"ends before {scan.run.name} begins", "a film that all runs show")
        if start < BORDER:
            missing = last - first - len(rows)
            rows = np.concatenate([rows, np.zeros((missing, rows.shape[1]), rows.dtype)]) if missing else rows
            start = 0.0
        parts.append(RunFeatures(rows, film.interval, film.source, start))
        begin += scan.seconds
    return tuple(parts)
