"""The section ``brain`` of a configuration: a map of every voxel of a mask. Light: nothing is read here."""

from __future__ import annotations

from almond.encoding.config.paths import ResolvedPath
from almond.encoding.config.regions import RegionForm
from almond.encoding.config.section import ConfigSection, Count
from almond.shapes import Flag


class BrainSettings(ConfigSection):
    """``map``: how well ridge predicts every voxel of a mask, with bounded memory."""

    mask: RegionForm
    """a mask file, or any other form of a region"""
    chunk: Count = 4096
    """voxels that are held at a time"""
    weights: Flag = False
    """keep the weights too: `weights.npy` (D + 1, V), single precision, the intercept last"""
    out: ResolvedPath | None = None
    """folder per subject with `r`, `r2`, `penalty`, `r_noise` as NIfTI and `result.json`; `brain` in `output`
    unless given"""
