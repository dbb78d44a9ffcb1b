"""What the other targets' scores predict of one, over unguided images: for the objective ``partial``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from almond.errors import InputError
from encoder.models import Target
from generation.models import Stimulus

FEWEST_IMAGES = 30
"""Unguided images that the regression on a handful of scores needs."""


def coefficients_of(objective: str, targets: Sequence[Target]) -> dict[str, dict[str, float]]:
    """Regress each target's score on the others' over all unguided images; empty for other objectives.

    :raises InputError: fewer than ``FEWEST_IMAGES`` unguided images were scored by these targets.
    """
    if objective != "partial" or len(targets) < 2:
        return {}
    digests = {target.score_name: target.digest for target in targets}
    scored = [
        [scores[name] for name in digests]
        for scores, by in Stimulus.objects.bases().values_list("scores", "score_digests")
        if digests.items() <= by.items()
    ]
    if len(scored) < FEWEST_IMAGES:
        raise InputError(
            "objective",
            f"partial needs {FEWEST_IMAGES} unguided images scored by these targets; there are {len(scored)}",
            "more images first, or another objective",
        )
    centred = np.array(scored) - np.mean(scored, axis=0)
    names = [target.name for target in targets]
    found = {}
    for index, name in enumerate(names):
        others = np.delete(centred, index, axis=1)
        slopes = np.linalg.lstsq(others, centred[:, index], rcond=None)[0]
        left = names[:index] + names[index + 1 :]
        found[name] = {other: float(slope) for other, slope in zip(left, slopes, strict=True)}
    return found
