"""Maps of fitted regions: held-out r per voxel on slices of an anatomical image. Loads nibabel and scipy.

A folder per version: ``slices.png``, ``heldout_r.nii.gz`` on the grid of the BOLD and ``maps.json``.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from almond.digest import canonical_json
from almond.encoding.artifacts.artifact import load_artifact
from almond.encoding.bold.nifti import Grid, grid_of, load_nifti, read_data, write_map
from almond.encoding.bold.select import all_runs
from almond.encoding.multisubject.flow_artifact import load_flow
from almond.errors import InputError
from almond.files import new_folder, write_atomically
from almond.progress import Part
from almond.typing import Floats
from encoder import services
from encoder.models import Encoder, EncoderVersion
from encoder.runs import slices
from encoder.services.fit_settings import settings_of
from jobs.services.execution import RunningJob

FILES = ("slices.png", "heldout_r.nii.gz", "maps.json")
VOLUMES = 40
"""Of the first run, whose mean is drawn where no anatomical image is given."""


@dataclass(frozen=True)
class Background:
    """An image in grey values with its affine, and what it is in words."""

    values: Floats
    affine: Floats
    said: str


def draw(job: RunningJob) -> dict[str, Any]:
    """Draw the newest fitted regions of one subject; what is drawn already stays."""
    encoder = Encoder.objects.select_related("dataset").get(pk=job.arguments["encoder"])
    subject = job.arguments["subject"]
    waiting = [
        version
        for version in services.newest_versions(encoder)
        if version.subject == subject and knows_voxels(version) and not is_drawn(version)
    ]
    if not waiting:
        return {"drawn": 0}
    job.report(0.0, f"sub-{subject}: background")
    background = background_of(encoder, subject)
    for number, version in enumerate(waiting):
        part = Part(job, 0.2 + 0.8 * number / len(waiting), 0.2 + 0.8 * (number + 1) / len(waiting))
        part.report(0.0, f"sub-{subject}: {version.region.name}")
        draw_version(version, background)
    return {"drawn": len(waiting)}


def knows_voxels(version: EncoderVersion) -> bool:
    """Not a model of a region's mean, nor weights without BOLD: of those there is no map."""
    values = version.metrics.get("heldout_r_voxels") or []
    return len(values) > 0 and len(values) == version.metrics.get("n_voxels")


def is_drawn(version: EncoderVersion) -> bool:
    return all((version.pictures / name).is_file() for name in FILES)


def background_of(encoder: Encoder, subject: str) -> Background:
    """The dataset's anatomical image, or the mean of the subject's first volumes."""
    if encoder.dataset.anatomy:
        path = Path(encoder.dataset.anatomy)
        image = load_nifti(path)
        shape = image.shape[:3]
        return Background(read_data(image, path).reshape(shape), grid_of(image, path).affine, path.name)
    runs = [run for run in all_runs(settings_of(encoder)) if run.subject == subject]
    if not runs:
        raise InputError(encoder.dataset, f"has no run of sub-{subject}", "the runs that were fitted")
    path = runs[0].bold
    image = load_nifti(path)
    count = min(VOLUMES, image.shape[3])
    mean = read_data(image, path, (..., slice(0, count))).mean(axis=-1)
    return Background(mean, grid_of(image, path).affine, f"mean of {count} volumes of {path.name}")


def draw_version(version: EncoderVersion, background: Background) -> None:
    """Write the folder of one version's maps: all of it, or nothing."""
    voxels, grid = places_of(version)
    values = np.array(version.metrics.get("heldout_r_voxels") or [], np.float64)
    if grid is None or len(values) != len(voxels):
        raise InputError(version, "has no r per voxel on a grid", "a model of voxels, fitted to BOLD")
    affine = np.array(grid["affine"], np.float64)
    volume = np.full(tuple(grid["shape"]), np.nan)
    volume[tuple(voxels.T)] = values
    centre = centre_of(voxels, affine)
    limit = slices.round_limit(values)
    planes = [sample(background, volume, affine, axis, centre) for axis in slices.AXES]
    said = {
        "background": background.said,
        "centre": [round(float(value), 1) for value in centre],
        "limit": limit,
        "voxels": len(voxels),
    }
    picture = slices.compose(planes, limit)
    folder = version.pictures
    with new_folder(folder.parent) as scratch:
        picture.save(scratch / "slices.png")
        write_map(scratch / "heldout_r.nii.gz", values, voxels, Grid.from_json(grid), units=None)
        write_atomically(scratch / "maps.json", canonical_json(said))
        if folder.exists():
            shutil.rmtree(folder)  # a part of it was lost: here is all of it
        scratch.rename(folder)


def places_of(version: EncoderVersion) -> tuple[NDArray[np.int64], dict[str, Any] | None]:
    """Voxels (V, 3) of the region and the grid on which they lie."""
    path = Path(version.path)
    if version.model == Encoder.Model.FLOW:
        flow = load_flow(path)
        columns = flow.columns[version.subject][version.region.name]
        return flow.voxels[version.subject][columns], dict(flow.grid) if flow.grid else None
    artifact = load_artifact(path)
    return artifact.voxels, dict(artifact.grid) if artifact.grid else None


def centre_of(voxels: NDArray[np.int64], affine: Floats) -> Floats:
    """Millimetres of the voxel of the region that is nearest to its centre of mass: a plane through it always
    meets the region."""
    nearest = voxels[np.abs(voxels - voxels.mean(axis=0)).sum(axis=1).argmin()]
    return np.asarray(affine[:3, :3] @ nearest + affine[:3, 3])


def sample(background: Background, volume: Floats, affine: Floats, axis: str, centre: Floats) -> slices.Plane:
    """A plane in millimetres: the background by linear interpolation, r of the nearest voxel."""
    low, high = bounds(volume.shape, affine)
    points, step, extent = slices.plane_points(axis, centre, low, high)
    grey = map_coordinates(
        background.values, indices(points, background.affine), order=1, mode="constant", cval=0.0
    )
    nearest = np.rint(indices(points, affine)).astype(np.int64)
    inside = np.all((nearest >= 0) & (nearest < np.array(volume.shape)[:, None, None]), axis=0)
    kept = np.where(inside, nearest, 0)
    r = np.where(inside, volume[tuple(kept)], np.nan)
    top = float(np.percentile(background.values[background.values > 0], 99.5)) if grey.any() else 1.0
    low_grey = float(np.percentile(background.values, 1))
    shown = np.clip((grey - low_grey) / max(top - low_grey, 1e-9), 0, 1)
    return slices.Plane(axis, shown, r, float(centre[slices.NORMAL[axis]]), step, extent)


def indices(points: Floats, affine: Floats) -> Floats:
    """Millimetres (3, h, w) to voxel indices of an image."""
    inverse = np.linalg.inv(affine)
    moved = np.tensordot(inverse[:3, :3], points, axes=1)
    return np.asarray(moved + inverse[:3, 3][:, None, None])


def bounds(shape: Sequence[int], affine: Floats) -> tuple[Floats, Floats]:
    """The corners of a grid's field of view in millimetres."""
    corners = np.array(
        [
            [x, y, z]
            for x in (-0.5, shape[0] - 0.5)
            for y in (-0.5, shape[1] - 0.5)
            for z in (-0.5, shape[2] - 0.5)
        ]
    )
    placed = corners @ affine[:3, :3].T + affine[:3, 3]
    return placed.min(axis=0), placed.max(axis=0)
