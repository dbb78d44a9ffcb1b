"""Trained flow models on disk: ``<root>/<digest>/artifact.json`` and ``weights.safetensors``.

One folder holds all subjects and regions. ``artifact.json`` has the format's name, subjects, regions, feature
space, settings, provenance and metrics (subject -> region -> numbers); the tensors are float32 but for voxel
indices. It is written beside and renamed; its digest is its name, and loading refuses what was changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor

from almond.encoding.artifacts.folder import ArtifactFolder
from almond.encoding.multisubject.flow_anchor import Anchor, KernelWindow
from almond.encoding.multisubject.flow_matching import Velocity
from almond.encoding.multisubject.flow_model import FlowModel, SubjectParameters
from almond.encoding.multisubject.residual_covariance import ResidualCovariance

FLOW = ArtifactFolder("almond-flow/1", "weights.safetensors", "the folder of a flow model")


@dataclass(frozen=True)
class FlowArtifact:
    """A model with what it was made from. ``voxels``: subject -> (V, 3); ``columns``: subject -> region ->
    positions among them. ``digest`` is set once it is on disk."""

    model: FlowModel
    voxels: Mapping[str, NDArray[np.int64]]
    columns: Mapping[str, Mapping[str, NDArray[np.int64]]]
    tr: float
    feature_space: Mapping[str, Any]
    mask_digests: Mapping[str, str]
    grid: Mapping[str, Any] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""

    def predict(self, features: NDArray[np.floating], subject: str) -> NDArray[np.float64]:
        """Predict the mean response (n, V) of all the subject's voxels: see ``FlowModel.predict``."""
        return self.model.predict(features, subject)

    def sample(
        self, features: NDArray[np.floating], subject: str, n: int, *, steps: int = 25, seed: int = 0
    ) -> NDArray[np.float64]:
        """Draw samples (n, T, V): see ``FlowModel.sample``."""
        return self.model.sample(features, subject, n, steps=steps, seed=seed)

    def to_json(self) -> dict[str, Any]:
        model = self.model
        return {
            "format": FLOW.format,
            "model": "flow",
            "subjects": list(model.subjects),
            "regions": sorted({region for of in self.columns.values() for region in of}),
            "feature_space": dict(self.feature_space),
            "tr": self.tr,
            "shape": {
                "taps": model.window.taps,
                "lead": model.window.lead,
                "width": int(model.anchor.trunk.shape[0]),
                "hidden": int(model.velocity.context.weight.shape[0]),
                "samples": model.samples,
                "steps": model.steps,
                "seed": model.seed,
            },
            "mask_digests": dict(self.mask_digests),
            "grid": dict(self.grid) if self.grid is not None else None,
            "config": dict(self.config),
            "provenance": dict(self.provenance),
            "metrics": dict(self.metrics),
        }


def save_flow(root: Path, artifact: FlowArtifact) -> tuple[str, Path]:
    """Write an artifact under its digest and return both; the same artifact twice is written once."""
    return FLOW.save(root, artifact.to_json(), save(_tensors(artifact)))


def load_flow(path: Path, device: str = "cpu") -> FlowArtifact:
    """Read an artifact's folder.

    :raises DigestMismatch: its bytes are not those for which the folder is named.
    :raises InputError: it is no such folder, or of another format.
    """
    meta = FLOW.checked(path)
    tensors = load((path / FLOW.weights).read_bytes())
    subjects = meta["subjects"]
    voxels = {name: tensors[f"subject/{name}/voxels"].numpy() for name in subjects}
    columns: dict[str, dict[str, NDArray[np.int64]]] = {name: {} for name in subjects}
    for key, tensor in tensors.items():
        match key.split("/", 3):
            case ["subject", name, "columns", region]:
                columns[name][region] = tensor.numpy()
    on_device = {name: tensor.to(device) for name, tensor in tensors.items()}
    return FlowArtifact(
        model=_model(meta["shape"], subjects, on_device),
        voxels=voxels,
        columns=columns,
        tr=float(meta["tr"]),
        digest=path.name,
        **{
            name: meta[name]
            for name in ("feature_space", "mask_digests", "grid", "config", "provenance", "metrics")
        },
    )


def _tensors(artifact: FlowArtifact) -> dict[str, Tensor]:
    model = artifact.model
    tensors = {
        "feature_mean": model.feature_mean,
        "feature_scale": model.feature_scale,
        "context": model.context,
        "offset": model.offset,
    }
    tensors |= {f"anchor/{name}": tensor for name, tensor in model.anchor.state_dict().items()}
    tensors |= {f"velocity/{name}": tensor for name, tensor in model.velocity.state_dict().items()}
    for name, own in zip(model.subjects, model.parameters, strict=True):
        here = f"subject/{name}"
        tensors |= {f"{here}/mean": own.mean, f"{here}/scale": own.scale}
        tensors |= {f"{here}/spread/{part}": getattr(own.covariance, part) for part in COVARIANCE}
        tensors[f"{here}/temperature"] = torch.tensor(own.temperature, dtype=torch.float64)
        tensors[f"{here}/voxels"] = torch.from_numpy(np.asarray(artifact.voxels[name], np.int64))
        for region, columns in artifact.columns[name].items():
            tensors[f"{here}/columns/{region}"] = torch.from_numpy(np.asarray(columns, np.int64))
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}


COVARIANCE = ("scale", "directions", "variances", "rest")


def _model(shape: Mapping[str, Any], subjects: list[str], tensors: Mapping[str, Tensor]) -> FlowModel:
    nothing = torch.Generator()
    covariances = [
        ResidualCovariance(**{part: tensors[f"subject/{name}/spread/{part}"] for part in COVARIANCE})
        for name in subjects
    ]
    dimension = len(tensors["feature_mean"])
    voxels = [len(covariance.scale) for covariance in covariances]
    anchor = Anchor(dimension, shape["width"], tensors["anchor/expected"], voxels, nothing)
    bases = [tensors[f"velocity/basis_{number}"] for number in range(len(subjects))]
    velocity = Velocity(bases, len(tensors["offset"]), shape["hidden"], nothing)
    for module, prefix in ((anchor, "anchor/"), (velocity, "velocity/")):
        module.load_state_dict(
            {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        )
        module.to(tensors["offset"].device)
    parameters = [
        SubjectParameters(
            tensors[f"subject/{name}/mean"],
            tensors[f"subject/{name}/scale"],
            covariance,
            float(tensors[f"subject/{name}/temperature"]),
        )
        for name, covariance in zip(subjects, covariances, strict=True)
    ]
    return FlowModel(
        tuple(subjects),
        KernelWindow(shape["taps"], shape["lead"]),
        tensors["feature_mean"],
        tensors["feature_scale"],
        anchor,
        tensors["context"],
        tensors["offset"],
        velocity,
        tuple(parameters),
        shape["samples"],
        shape["steps"],
        shape["seed"],
    )
