"""Which voxels of an image belong to a region: masks, labels of atlases, thresholds on maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from almond.encoding.config.regions import AtlasSpec, MapSpec, RegionSpec
from almond.encoding.regions.atlas import label_numbers
from almond.errors import InputError
from almond.remarks import Remarks

ROUNDING = 1e-3
"""Of the largest value of a mask, or of one step of an atlas: what is nearer than this was rounded away by an
interpolation or a file's scaling."""

LISTED = 6
"""Values of an image that an error lists."""


def selected(
    spec: RegionSpec, values: NDArray[np.float64], path: Path, remarks: Remarks
) -> NDArray[np.bool_]:
    """Mark the voxels of an image that belong to a mask, atlas or map; NaN never does.

    :raises InputError: a mask with several values beside 0, or an atlas without one of the labels.
    """
    if isinstance(spec, AtlasSpec):
        return _labelled(spec, values, path, remarks)
    if isinstance(spec, MapSpec):
        return _beyond(spec, values, path, remarks)
    return _inside(values, path, remarks)


def _labelled(
    spec: AtlasSpec, values: NDArray[np.float64], path: Path, remarks: Remarks
) -> NDArray[np.bool_]:
    whole = np.round(values)
    apart = np.abs(values - whole)[np.isfinite(values)].max(initial=0.0)
    if 0 < apart <= ROUNDING:
        remarks.add(
            "rounded-values", path, f"has labels up to {apart:.1g} from whole numbers; they were rounded"
        )
        values = whole
    numbers = label_numbers(spec, values, path)
    return np.asarray(np.isin(values, np.array(numbers, np.float64)), np.bool_)


def _beyond(spec: MapSpec, values: NDArray[np.float64], path: Path, remarks: Remarks) -> NDArray[np.bool_]:
    inside = np.isfinite(values)
    if spec.above is not None:
        inside &= values > spec.above
    if spec.below is not None:
        inside &= values < spec.below
    if inside.all():
        lowest, highest = values.min(), values.max()
        text = f"has values from {lowest:.4g} to {highest:.4g}: all {inside.size} voxels pass the threshold"
        remarks.add("whole-map", path, f"{text} and were taken")
    return np.asarray(inside, np.bool_)


def _inside(values: NDArray[np.float64], path: Path, remarks: Remarks) -> NDArray[np.bool_]:
    """Mark the voxels of a mask: those of its one value beside 0."""
    inside = np.isfinite(values) & (values != 0)
    marked = values[inside]
    if not marked.size or (marked == marked[0]).all():
        return np.asarray(inside, np.bool_)
    largest = marked[np.abs(marked).argmax()]
    relative = marked / largest
    apart = np.minimum(np.abs(relative), np.abs(relative - 1)).max()
    if apart > ROUNDING:
        raise _no_mask(marked, inside.size, path)
    inside[inside] = relative > 0.5
    text = f"has values up to {apart * abs(largest):.1g} from 0 and {largest:.6g}; they were rounded to these"
    remarks.add("rounded-values", path, f"{text}: {int(inside.sum())} voxels")
    return np.asarray(inside, np.bool_)


def _no_mask(marked: NDArray[np.float64], size: int, path: Path) -> InputError:
    """Say what an image with several values is likely to be, and how to write that."""
    levels = np.unique(marked)
    shown = [f"{level:.4g}" for level in levels]
    text = ", ".join(shown if len(shown) <= LISTED else [*shown[: LISTED - 1], "...", shown[-1]])
    threshold = f"{{map: {path.name}, above: {(levels[0] + levels[-1]) / 2:.3g}}} for a map with a threshold"
    labels = f"{{atlas: {path.name}, labels: [{shown[0]}]}} for labels of areas"
    whole = bool((levels == np.round(levels)).all())
    return InputError(
        path,
        f"is no mask: beside 0 it has {len(levels)} values ({text}) in {marked.size} of {size} voxels",
        " or ".join([labels, threshold] if whole else [threshold]) + "; a mask has one value beside 0",
    )
