"""Every model fitted from files by ``almond fit``: weights, metrics, provenance and digests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import yaml
from safetensors.numpy import load_file
from scipy.signal import lfilter

from almond.digest import digest_file
from almond.rng import generator
from tests.almond.encoding_data import AFFINE, slow, write_runs
from tests.contracts.golden_tools import command, digest_of

SUBJECTS, LENGTHS, TR, VOXELS = ("1", "2", "3"), (60, 70), 2.0, 6
RESPONSE = np.array([0.0, 0.3, 0.8, 1.0, 0.7, 0.3])
FEATURES = {"kind": "table", "path": "features.npy"}
SPACES = {"first": FEATURES, "second": {"kind": "table", "path": "others.npy"}}

COMMON: dict[str, Any] = {
    "runs": [
        {"subject": subject, "run": run, "bold": f"s{subject}-{run}.nii.gz"}
        for subject in SUBJECTS
        for run in range(len(LENGTHS))
    ],
    "features": FEATURES,
    "regions": {"whole": "mask.nii.gz", "part": "part.nii.gz"},
    "folds": 3,
    "gap": 4,
    "null_control": False,
}
CASES: dict[str, dict[str, Any]] = {
    "pls": {"model": "pls", "components": 3},
    "nested": {"model": "pls", "components": [1, 2, 3, 5]},
    "ridge": {"model": "ridge"},
    "banded": {"model": "banded", "features": SPACES, "penalties": [0.1, 1, 10], "subjects": ["1"]},
    "fir": {"model": ["ridge", "pls"], "hrf": "fir", "delays": [2, 4, 6], "components": 2},
    "derivatives": {"model": "ridge", "hrf": "spm+derivatives"},
    "mean": {"model": ["ridge", "pls"], "target": "mean", "components": [1, 2]},
    "single": {"model": "ridge", "precision": "float32"},
    "judged": {
        "model": "ridge",
        "null_control": {"features": 8},
        "permutations": 9,
        "crossvalidation": "random",
        "seed": 3,
    },
    "prepared": {
        "model": ["ridge", "pls"],
        "components": 2,
        "high_pass": 0.01,
        "confounds": {"columns": ["x*"], "path": "confounds-{run}.tsv"},
        "censor": {"path": "censor-{run}.1D", "mode": "zero-filled"},
        "crossvalidation": "runs",
    },
    "amygdala": {"preset": "paper-amygdala", "components": 3, "folds": 4},
    "subregions": {"preset": "paper-subregions", "components": 3, "folds": 4},
    "shared": {"model": "shared", "shared": {"dimensions": 3}},
    "new subject": {
        "model": "shared",
        "shared": {"dimensions": 3, "new_subjects": ["3"], "volumes": 40, "space": "film", "prior": "even"},
    },
    "flow": {
        "model": "flow",
        "flow": {
            "epochs": 6,
            "flow_epochs": 4,
            "width": 3,
            "hidden": 4,
            "kernel": 6,
            "samples": 4,
            "steps": 5,
            "batch": 64,
        },
    },
}


def make_data(folder: Path) -> None:
    """Three subjects who see the same two runs: features, BOLD that follows them, masks, nuisance."""
    rng, rows = generator(7, "golden film"), sum(LENGTHS)
    features, others = slow(rng, rows, 5, 3.0), slow(rng, rows, 3, 2.0)
    np.save(folder / "features.npy", features)
    np.save(folder / "others.npy", others)
    driven = lfilter(RESPONSE, [1.0], np.concatenate([features, others], axis=1), axis=0)
    borders = np.cumsum(LENGTHS)[:-1]
    for subject in SUBJECTS:
        rng = generator(7, "golden subject", subject)
        weights = rng.standard_normal((driven.shape[1], VOXELS))
        bold = 100 + driven @ weights + 2 * slow(rng, rows, VOXELS, 1.5)
        write_runs(folder, np.split(bold, borders), tr=TR, name=f"s{subject}-")
    part = np.zeros((VOXELS, 1, 1), np.uint8)
    part[[1, 2, 4]] = 1
    nibabel.save(nibabel.Nifti1Image(part, AFFINE), folder / "part.nii.gz")
    make_nuisance(folder)


def make_nuisance(folder: Path) -> None:
    """Confounds with a column that no glob takes, and vectors that censor every ninth volume."""
    for run, length in enumerate(LENGTHS):
        values = slow(generator(7, "golden confounds", run), length, 3, 4.0)
        lines = ["x1\tx2\ty", *("\t".join(f"{value:.6f}" for value in row) for row in values)]
        (folder / f"confounds-{run}.tsv").write_text("\n".join(lines) + "\n")
        kept = [str(int(volume % 9 != 4)) for volume in range(length)]
        (folder / f"censor-{run}.1D").write_text("\n".join(kept) + "\n")


def record_model(case: str, folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Fit one of ``CASES`` in an empty folder; returns what is said of the artifacts, and their arrays."""
    make_data(folder)
    (folder / "fit.yaml").write_text(yaml.safe_dump({**COMMON, **CASES[case]}))
    report = json.loads(command("fit", folder / "fit.yaml", "--json"))
    said: dict[str, Any] = {"heldout_r": report["heldout_r"], "artifacts": {}, "bits": {}}
    arrays: dict[str, np.ndarray] = {}
    for item in report["artifacts"]:
        name = "/".join((item["model"], item["subject"], item["region"]))
        path = Path(item["path"])
        meta = json.loads((path / "artifact.json").read_bytes())
        assert path.name == item["digest"]
        said["artifacts"][name] = {**described(meta), "reported": item["metrics"]}
        said["bits"][name] = digest_of([without_version(meta), digest_file(path / weights_of(path))])
        prefix = "flow" if item["model"] == "flow" else name
        arrays |= {f"{prefix}/{key}": value for key, value in stored(path).items()}
    return said, arrays


def described(meta: dict[str, Any]) -> dict[str, Any]:
    """What an artifact says of itself, its configuration also as a digest."""
    found = {key: value for key, value in meta.items() if key not in ("provenance", "arrays")}
    return {**found, "config_digest": digest_of(meta["config"]), "provenance": meta["provenance"]}


def without_version(meta: dict[str, Any]) -> dict[str, Any]:
    """What an artifact says of itself, but for the version that wrote it."""
    provenance = {key: value for key, value in meta["provenance"].items() if key != "code"}
    return {**meta, "provenance": provenance}


def weights_of(path: Path) -> str:
    """The name of the file of arrays in an artifact's folder."""
    flow = "weights.safetensors"
    return flow if (path / flow).exists() else "weights.npz"


def stored(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an artifact's folder."""
    name = weights_of(path)
    if name.endswith(".safetensors"):
        return dict(load_file(path / name))
    with np.load(path / name, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
