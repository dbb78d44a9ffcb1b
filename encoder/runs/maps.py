"""Jobs that draw maps of fitted regions: held-out r per voxel over an anatomical image. Loads nilearn.

A folder per version: ``slices.png``, ``heldout_r.nii.gz`` on the grid of the BOLD and ``maps.json``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from nilearn.plotting import plot_stat_map
from numpy.typing import NDArray

from almond.digest import canonical_json
from almond.encoding.artifacts.artifact import load_artifact
from almond.encoding.bold.nifti import Grid, grid_of, load_nifti, read_data, write_map
from almond.encoding.bold.select import all_runs
from almond.encoding.multisubject.flow_artifact import load_flow
from almond.errors import InputError
from almond.files.writing import new_folder, publish, write_atomically
from almond.progress import Part
from almond.typing import Floats
from encoder import services
from encoder.models import Encoder, EncoderVersion
from encoder.services.fit_settings import settings_of
from jobs.services.execution import RunningJob

FILES = ("slices.png", "heldout_r.nii.gz", "maps.json")
VOLUMES = 40
"""Of the first run, whose mean is the background where no anatomical image is given."""

FIGURE = (9.0, 3.2)
"""Width and height in inches."""

RESOLUTION = 200
"""Pixels per inch."""

DIM = 0.8
"""How much nilearn darkens the background, from -2 (brighter) to 2 (darker)."""

SHARES = (1.0, 99.5)
"""Percentiles of the background that are drawn black and white."""


SMALLEST = 1e-5
"""Magnitude of r below which a voxel is drawn with this value: nilearn takes 0 for outside the region."""


@dataclass(frozen=True)
class Background:
    """The image beneath the maps, and its description."""

    values: Floats
    affine: Floats
    label: str


def draw(job: RunningJob) -> dict[str, Any]:
    """Draw the newest fitted regions of one subject; existing maps stay."""
    encoder = Encoder.objects.select_related("dataset").get(pk=job.arguments["encoder"])
    subject = job.arguments["subject"]
    missing = [
        version
        for version in services.newest_versions(encoder)
        if version.subject == subject and has_voxels(version) and not is_drawn(version)
    ]
    if not missing:
        return {"drawn": 0}
    job.report(0.0, f"sub-{subject}: background")
    background = background_of(encoder, subject)
    for number, version in enumerate(missing):
        part = Part(job, 0.2 + 0.8 * number / len(missing), 0.2 + 0.8 * (number + 1) / len(missing))
        part.report(0.0, f"sub-{subject}: {version.region.name}")
        draw_version(version, background)
    return {"drawn": len(missing)}


def has_voxels(version: EncoderVersion) -> bool:
    """Whether r is known per voxel: not for the mean of a region, nor for weights fitted elsewhere."""
    values = version.metrics.get("heldout_r_voxels") or []
    return len(values) > 0 and len(values) == version.metrics.get("n_voxels")


def is_drawn(version: EncoderVersion) -> bool:
    """Whether all files of a version's maps exist."""
    return all((version.pictures / name).is_file() for name in FILES)


def background_of(encoder: Encoder, subject: str) -> Background:
    """Read the dataset's anatomical image, or average the subject's first volumes."""
    if encoder.dataset.anatomy:
        path = Path(encoder.dataset.anatomy)
        image = load_nifti(path)
        shape = image.shape[:3]
        return Background(read_data(image).reshape(shape), grid_of(image, path).affine, path.name)
    runs = [run for run in all_runs(settings_of(encoder)) if run.subject == subject]
    if not runs:
        raise InputError(encoder.dataset, f"has no run of sub-{subject}", "the runs that were fitted")
    path = runs[0].bold
    image = load_nifti(path)
    count = min(VOLUMES, image.shape[3])
    mean = read_data(image, count).mean(axis=-1)
    return Background(mean, grid_of(image, path).affine, f"mean of {count} volumes of {path.name}")


def draw_version(version: EncoderVersion, background: Background) -> None:
    """Write the folder of one version's maps: all of it, or nothing."""
    voxels, grid = voxels_of(version)
    values = np.array(version.metrics.get("heldout_r_voxels") or [], np.float64)
    if grid is None or len(values) != len(voxels):
        raise InputError(version, "has no r per voxel on a grid", "a model of voxels, fitted to BOLD")
    affine = np.array(grid["affine"], np.float64)
    volume = np.full(tuple(grid["shape"]), np.nan, np.float32)
    volume[tuple(voxels.T)] = values
    centre = centre_of(voxels, affine)
    limit = round_limit(values)
    description = {
        "background": background.label,
        "centre": [round(float(value), 1) for value in centre],
        "limit": limit,
        "voxels": len(voxels),
    }
    image = nibabel.Nifti1Image(volume, affine)  # type: ignore[no-untyped-call]
    folder = version.pictures
    with new_folder(folder.parent) as scratch:
        draw_slices(image, background, scratch / "slices.png", centre=centre, limit=limit)
        write_map(scratch / "heldout_r.nii.gz", values, voxels, Grid.from_json(grid), units=None)
        write_atomically(scratch / "maps.json", canonical_json(description))
        publish(scratch, folder, over=True)  # over one of which some files were lost


def voxels_of(version: EncoderVersion) -> tuple[NDArray[np.int64], dict[str, Any] | None]:
    """Read the voxel indices (V, 3) of a region, and the grid that they index."""
    path = Path(version.path)
    if version.model == "flow":
        flow = load_flow(path)
        columns = flow.columns[version.subject][version.region.name]
        return flow.voxels[version.subject][columns], dict(flow.grid) if flow.grid else None
    artifact = load_artifact(path)
    return artifact.voxels, dict(artifact.grid) if artifact.grid else None


def centre_of(voxels: NDArray[np.int64], affine: Floats) -> Floats:
    """Return the millimetres of the region's voxel nearest to its centre of mass.

    Planes through a voxel of the region always meet the region.
    """
    nearest = voxels[np.abs(voxels - voxels.mean(axis=0)).sum(axis=1).argmin()]
    return np.asarray(affine[:3, :3] @ nearest + affine[:3, 3])


def round_limit(values: Floats) -> float:
    """Return the end of the colour bar: the largest magnitude, rounded up to a twentieth."""
    top = float(np.abs(values[np.isfinite(values)]).max()) if np.isfinite(values).any() else 0.0
    return max(0.05, math.ceil(top * 20 - 1e-9) / 20)


def draw_slices(image: Any, background: Background, path: Path, *, centre: Floats, limit: float) -> None:
    """Draw a sagittal, a coronal and an axial slice through ``centre`` as PNG.

    White on black, so that it reads the same on light and dark pages.

    :param image: r per voxel, NaN outside the region.
    :param centre: (3,) in mm.
    :param limit: r at the ends of the symmetric colour scale.
    """
    low, high = np.percentile(background.values, SHARES)
    grey = np.clip((background.values - low) / max(high - low, 1e-9), 0, 1).astype(np.float32)
    r = np.nan_to_num(image.get_fdata())
    inside = np.isfinite(image.get_fdata())
    r[inside & (np.abs(r) < SMALLEST)] = SMALLEST
    figure = Figure(figsize=FIGURE)  # outside pyplot, which would keep it
    FigureCanvasAgg(figure)
    plot_stat_map(
        nibabel.Nifti1Image(r, image.affine),  # type: ignore[no-untyped-call]
        bg_img=nibabel.Nifti1Image(grey, background.affine),  # type: ignore[no-untyped-call]
        cut_coords=tuple(float(value) for value in centre),
        display_mode="ortho",
        draw_cross=False,
        black_bg=True,
        cmap="cyan_orange",
        threshold=SMALLEST / 2,
        vmin=-limit,
        vmax=limit,
        cbar_tick_format="%.3g",
        dim=DIM,
        resampling_interpolation="nearest",
        figure=figure,
    )
    figure.text(0.01, 0.97, "held-out r", color="white", size=13, va="top")
    figure.savefig(path, dpi=RESOLUTION, facecolor="black")
