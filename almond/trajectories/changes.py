"""What changed from one step of a trajectory to the next: in numbers, and in words by a reader."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from almond.stimuli.likeness import RADIUS, structural_similarity
from almond.trajectories.find import FoundTrajectory, TrajectoryStep


def changes(trajectory: FoundTrajectory) -> list[dict[str, Any]]:
    """List what changed at every step after the first.

    ``rms``: root-mean-square difference of pixels in [0, 1]; ``ssim``: structural similarity, None for
    pictures too small for it; ``off_target``: differences of the guide's other scores; ``lowlevel``:
    differences of low-level features; ``said``: attributes with their values before and after.
    """
    return [_between(before, after, trajectory.target) for before, after in pairwise(trajectory.steps)]


def _between(before: TrajectoryStep, after: TrajectoryStep, target: str) -> dict[str, Any]:
    difference = after.image.astype(float) - before.image.astype(float)
    large = min(after.image.shape[:2]) > 2 * RADIUS
    return {
        "rms": float(np.sqrt((difference**2).mean())) / 255.0,
        "ssim": structural_similarity(after.image, before.image) if large else None,
        "off_target": {
            name: float(value - before.record.scores[name])
            for name, value in after.record.scores.items()
            if name != target
        },
        "lowlevel": {
            name: float(value - before.record.lowlevel[name]) for name, value in after.record.lowlevel.items()
        },
        "said": changed_attributes(before.scene, after.scene),
    }


def changed_attributes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Write every attribute that differs as ``object: none → snake``; what is not there is ``nothing``."""
    names = [*before, *(name for name in after if name not in before)]
    return [
        f"{name}: {before.get(name, 'nothing')} → {after.get(name, 'nothing')}"
        for name in names
        if before.get(name) != after.get(name)
    ]
