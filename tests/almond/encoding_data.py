"""Small BOLD data sets whose every number is known, written as files."""

import nibabel
import numpy as np
from scipy.signal import lfilter

from almond.encoding.artifacts.artifact import load_artifact
from almond.encoding.pipeline.fit import fit, parse_config
from almond.progress import Silent

AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def slow(rng, rows, columns, constant):
    """AR(1) noise of unit variance; ``constant`` in rows."""
    keep = np.exp(-1 / constant)
    return lfilter([np.sqrt(1 - keep**2)], [1, -keep], rng.standard_normal((rows + 50, columns)), axis=0)[50:]


def write_runs(folder, courses, tr=2.0, name="run"):
    """One NIfTI file (V, 1, 1, n) per time courses (n, V), and a mask of all of them."""
    for number, course in enumerate(courses):
        image = nibabel.Nifti1Image(course.T[:, None, None].astype(np.float64), AFFINE)
        image.header.set_xyzt_units("mm", "sec")
        image.header.set_zooms((3.0, 3.0, 3.0, tr))
        nibabel.save(image, folder / f"{name}{number}.nii.gz")
    mask = np.ones((courses[0].shape[1], 1, 1), np.uint8)
    nibabel.save(nibabel.Nifti1Image(mask, AFFINE), folder / "mask.nii.gz")


def configured(folder, runs=2, name="run", **changes):
    """``runs``: their number, or what the configuration says of them."""
    own = (
        [{"subject": "s1", "run": n, "bold": f"{name}{n}.nii.gz"} for n in range(runs)]
        if isinstance(runs, int)
        else runs
    )
    mapping = {
        "runs": own,
        "features": {"kind": "table", "path": "features.npy"},
        "regions": {"ROI": "mask.nii.gz"},
        "model": "ridge",
        "penalties": 1e-9,
        "standardise": False,
        "hrf": "none",
        "folds": 3,
        "gap": 4,
        "null_control": False,
    }
    return parse_config({**mapping, **changes}, folder)


def fitted(folder, **changes):
    """The only artifact, loaded."""
    (item,) = fit(configured(folder, **changes), progress=Silent()).artifacts
    return load_artifact(item.path)
