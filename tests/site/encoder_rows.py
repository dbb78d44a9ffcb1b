"""A tiny real dataset in BIDS layout with known weights, and rows made of it through the services."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd

from almond.rng import generator
from encoder import services
from encoder.models import Dataset, Encoder, EncoderVersion, FeatureSpace, Target

GRID = (4, 4, 3)
VOLUMES, RUNS, FEATURES = 45, 2, 4
SETTINGS = {"components": 3, "folds": 3, "gap": 0, "hrf": "none"}


def write_bids(root: Path, subjects: Sequence[str] = ("01", "02")) -> Path:
    """BOLD that is a known mixture of the columns of ``features.csv``, and two masks."""
    rng = generator(5, "tiny dataset")
    features = rng.normal(size=(VOLUMES * RUNS, FEATURES))
    root.mkdir(parents=True)
    (root / "dataset_description.json").write_text(json.dumps({"Name": "tiny", "BIDSVersion": "1.9.0"}))
    pd.DataFrame(features, columns=[f"f{n}" for n in range(FEATURES)]).to_csv(
        root / "features.csv", index=False
    )
    for subject in subjects:
        weights = rng.normal(size=(FEATURES, int(np.prod(GRID))))
        bold = features @ weights + 0.3 * rng.normal(size=(VOLUMES * RUNS, weights.shape[1])) + 100
        folder = root / f"sub-{subject}" / "func"
        folder.mkdir(parents=True)
        for run in range(RUNS):
            part = bold[run * VOLUMES : (run + 1) * VOLUMES].T.reshape(*GRID, VOLUMES)
            name = f"sub-{subject}_task-scenes_run-{run + 1}_bold"
            write_nifti(folder / f"{name}.nii.gz", part.astype(np.float32))
            (folder / f"{name}.json").write_text(json.dumps({"RepetitionTime": 2.0, "TaskName": "scenes"}))
    for name, low in (("LB", 0), ("CM", 2)):
        mask = np.zeros(GRID, np.uint8)
        mask[low : low + 2, :2, :2] = 1
        write_nifti(root / "masks" / f"{name}.nii.gz", mask)
    return root


def write_nifti(path: Path, data: np.ndarray[Any, Any], *, shift: float = 0.0) -> None:
    """Voxels of 2 mm; the first one lies at ``shift`` millimetres along x."""
    path.parent.mkdir(parents=True, exist_ok=True)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[0, 3] = shift
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    if data.ndim == 4:
        image.header.set_zooms((2.0, 2.0, 2.0, 2.0))
    nibabel.save(image, path)


def add_dataset(root: Path, **given: Any) -> Dataset:
    dataset = services.create_dataset(name=given.pop("name", "tiny"), root=root, by=None)
    for name in ("LB", "CM"):
        services.add_region(dataset=dataset, name=name, mask_path=root / "masks" / f"{name}.nii.gz", by=None)
    return dataset


def add_encoder(root: Path, **given: Any) -> Encoder:
    """An encoder over the dataset at ``root``, with its table as feature space."""
    dataset = add_dataset(root)
    space = services.create_feature_space(name="table", kind="table", path=root / "features.csv", by=None)
    values: dict[str, Any] = {
        "name": "tiny PLS",
        "dataset": dataset,
        "feature_space": space,
        "regions": dataset.regions.all(),
        "config": SETTINGS,
        "by": None,
    }
    return services.create_encoder(**{**values, **given})


def bare_encoder() -> Encoder:
    """Rows alone, without files: for pages and rules that never open them."""
    dataset = Dataset.objects.create(name="bare", root="/nowhere", subjects=["01", "02", "03", "04"], runs=8)
    space = FeatureSpace.objects.create(name="world-fc7")
    encoder = Encoder.objects.create(name="bare PLS", dataset=dataset, feature_space=space)
    for number, name in enumerate(("LB", "CM", "SF")):
        region = dataset.regions.create(
            name=name, mask_path=f"/nowhere/{name}.nii", mask_digest=digest(number)
        )
        encoder.regions.add(region)
        for place, subject in enumerate(dataset.subjects):
            EncoderVersion.objects.create(
                encoder=encoder,
                subject=subject,
                region=region,
                model="pls",
                digest=digest(100 + 10 * number + place),
                path="/nowhere",
                metrics={"heldout_r": {"mean": 0.1 * (place + 1), "median": 0.2}, "n_voxels": 8},
            )
    return encoder


def digest(number: int) -> str:
    return f"{number:064x}"


def add_target(encoder: Encoder, name: str, role: str = "guide", number: int = 1) -> Target:
    """A target whose weights count as made, without a file."""
    return Target.objects.create(
        name=name,
        encoder=encoder,
        role=role,
        subjects=["01", "02"] if role == "guide" else ["03", "04"],
        coefficients={name: 1.0},
        reference={"kind": "world", "scenes": 400, "seed": 0},
        digest=digest(1000 + number),
        path=f"/nowhere/{name}.json",
        sources=[digest(1), digest(2)],
    )
