"""The simulated brains' data set on disk: BIDS, with NIfTI files as a scanner's converter would leave them.

The film is a sequence of still scenes. Each is a PNG in ``stimuli/`` that the events name in ``stim_file``:
that is the place and the column that BIDS has for what was shown, anyone can look at them, and one file per
scene needs no codec and loses no pixel, as a video would.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from almond.world.attributes import Scene
from almond.world.scenes import render

TASK = "scenes"
STIMULI = "stimuli"
BIDS_VERSION = "1.10.0"


@dataclass(frozen=True)
class ShownScene:
    """A scene of the film with its onset and duration in seconds from the first volume of its run."""

    onset: float
    duration: float
    scene: Scene
    file: str


def write_head(root: Path, subjects: Sequence[str]) -> None:
    """Write what BIDS wants at the top of a data set."""
    write_json(
        root / "dataset_description.json",
        {
            "Name": "Simulated brains watching scenes",
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "raw",
            "License": "CC0",
            "GeneratedBy": [{"Name": "Almond", "Description": "simulated world with known truth"}],
        },
    )
    (root / "README").write_text(
        "Simulated BOLD of simulated people who watch drawn scenes. Nothing here was measured.\n"
        "stimuli/ holds the scenes as pictures and, in scenes.json, what is in each of them;\n"
        "derivatives/regions the masks of the regions; derivatives/truth what their responses are made of.\n",
        encoding="utf-8",
    )
    lines = ["participant_id", *(f"sub-{subject}" for subject in subjects)]
    (root / "participants.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_film(root: Path, runs: Sequence[Sequence[ShownScene]]) -> None:
    """Write the pictures, and a table of what each of them shows."""
    table: dict[str, Any] = {}
    for shown in (item for run in runs for item in run):
        path = root / STIMULI / shown.file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(render(shown.scene)).save(path, format="PNG", compress_level=1)
        table[shown.file] = dataclasses.asdict(shown.scene)
    write_json(root / STIMULI / "scenes.json", table)


def write_run(
    root: Path,
    subject: str,
    run: int,
    bold: NDArray[np.float32],
    *,
    affine: NDArray[np.float64],
    tr: float,
    film: Sequence[ShownScene],
) -> Path:
    """Write one run: BOLD (x, y, z, n), its sidecar and its events; return the path of the BOLD file."""
    folder = root / f"sub-{subject}" / "func"
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"sub-{subject}_task-{TASK}_run-{run}"
    path = folder / f"{stem}_bold.nii.gz"
    save_nifti(path, bold, affine, tr)
    write_json(folder / f"{stem}_bold.json", {"TaskName": TASK, "RepetitionTime": tr})
    rows = ["onset\tduration\ttrial_type\tstim_file"]
    rows += [f"{item.onset:.3f}\t{item.duration:.3f}\tscene\t{item.file}" for item in film]
    (folder / f"{stem}_events.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def save_nifti(path: Path, data: NDArray[Any], affine: NDArray[np.float64], tr: float | None = None) -> None:
    """Write a NIfTI-1 file in scanner space (mm, with ``tr`` also s); the same data give the same bytes."""
    image: Any = nibabel.Nifti1Image(data, affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm", "sec" if tr else None)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    if tr:
        image.header.set_zooms((*image.header.get_zooms()[:3], tr))
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(image, path)


def write_masks(
    root: Path, masks: Mapping[str, NDArray[np.bool_]], brain: NDArray[np.bool_], affine: NDArray[np.float64]
) -> None:
    """Write one mask per region in ``derivatives/regions``, and the brain mask beside them."""
    _write_derivative(root / "derivatives" / "regions", "Masks of the simulated regions")
    for name, mask in masks.items():
        save_nifti(root / "derivatives" / "regions" / f"{name}.nii.gz", mask.astype(np.uint8), affine)
    _write_derivative(root / "derivatives" / "brain", "Brain mask of the simulated brains")
    save_nifti(root / "derivatives" / "brain" / "brain_mask.nii.gz", brain.astype(np.uint8), affine)


def write_truth(root: Path, truth: Mapping[str, Any]) -> None:
    """Write the true weights of the responses, against which methods are compared."""
    _write_derivative(root / "derivatives" / "truth", "What the simulated responses are made of")
    write_json(root / "derivatives" / "truth" / "truth.json", truth)


def _write_derivative(folder: Path, name: str) -> None:
    described = {"Name": name, "BIDSVersion": BIDS_VERSION, "DatasetType": "derivative"}
    write_json(folder / "dataset_description.json", {**described, "GeneratedBy": [{"Name": "Almond"}]})


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
