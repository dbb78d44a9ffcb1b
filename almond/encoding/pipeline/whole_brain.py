"""Maps of a whole brain, a subject at a time with bounded memory: how well ridge predicts every voxel.

BOLD is read once into a scratch file of single precision, and from there in chunks of voxels; what is
prepared and fitted is the same as in a fit of regions, in double precision.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.digest import canonical_json, digest_json
from almond.encoding.bold.censoring import uncensored_rows
from almond.encoding.bold.nifti import read_masked, write_map
from almond.encoding.bold.quality import VoxelQuality
from almond.encoding.bold.run_headers import number_of_volumes
from almond.encoding.bold.select import all_runs, subjects_of
from almond.encoding.config.fit_config import FitConfig
from almond.encoding.config.whole_brain import BrainSettings
from almond.encoding.evaluation.heldout import FoldScheme, quartiles
from almond.encoding.features.run_features import Scan
from almond.encoding.pipeline.design_matrix import nuisance_of, prepare_courses, prepared_predictors
from almond.encoding.pipeline.inputs import Inputs, gather_inputs
from almond.encoding.pipeline.streaming import VoxelResults, stream_ridge
from almond.errors import InputError
from almond.files.writing import new_folder, publish, write_atomically
from almond.progress import Part, Progress
from almond.remarks import Remarks
from almond.typing import Floats

FORMAT = "almond-brain-map/1"
REGION = "brain"


def map_brain(config: FitConfig, *, out: Path, progress: Progress) -> list[dict[str, Any]]:
    """Write maps of every subject below ``out/sub-<subject>``; what was mapped before from the same inputs
    stays.

    Each folder holds ``r.nii.gz`` and ``r2.nii.gz`` (held-out, averaged over folds; NaN outside the mask and
    in voxels that are constant in a run), ``penalty.nii.gz``, ``r_noise.nii.gz`` where the noise control is
    on, ``weights.npy`` (D + 1, V) float32 with the intercept last where asked for, and ``result.json``.

    :raises InputError: no section ``brain``, another model than ridge, or files that do not fit.
    """
    settings = config.brain
    if settings is None:
        raise InputError("brain", "is missing: there is no mask to map", "brain: {mask: file}")
    if config.models != ("ridge",):
        raise InputError("model", f"is {', '.join(config.models)}", "ridge, which fits each voxel by itself")
    own = config.model_copy(update={"regions": {**config.regions, REGION: settings.mask}})
    runs, subjects = all_runs(own), subjects_of(own)
    results = []
    for number, subject in enumerate(subjects):
        part = Part(progress, number / len(subjects), (number + 1) / len(subjects))
        inputs = gather_inputs(own, subject, out=config.output, progress=Part(part, 0.0, 0.1), runs=runs)
        results.append(_subject(inputs, settings, out / f"sub-{subject}", Part(part, 0.1, 1.0)))
    progress.report(1.0, f"maps of {len(subjects)} subjects in {out}")
    return results


def _subject(inputs: Inputs, settings: BrainSettings, folder: Path, progress: Progress) -> dict[str, Any]:
    region = next(region for region in inputs.regions if region.name == REGION)
    described = {
        "format": FORMAT,
        "subject": inputs.subject,
        "mask": region.digest,
        "settings": inputs.config.settings("ridge"),
        "weights": settings.weights,
        "provenance": inputs.provenance,
        **inputs.remarks.as_metrics(without=[name for name in inputs.config.regions if name != REGION]),
    }
    key = digest_json(described)
    known = _known(folder, key)
    if known is not None:
        inputs.check_strict(Remarks.from_json(known.get("remarks", ())))
        return known
    with new_folder(folder.parent) as scratch:
        mapped = _Brain(inputs, settings, region.voxels, scratch).run(progress)
        result = {**described, "inputs": key, **mapped}
        write_atomically(scratch / "result.json", canonical_json(result))
        publish(scratch, folder, over=True)  # over maps of other settings: the inputs' digest told them apart
    return result


def _known(folder: Path, key: str) -> dict[str, Any] | None:
    """The result of exactly these inputs; ``InputError`` when the folder holds something else than maps."""
    if not folder.exists():
        return None
    path = folder / "result.json"
    stored = json.loads(path.read_bytes()) if path.is_file() else {}
    if stored.get("format") != FORMAT:
        raise InputError(folder, "is there already and holds no maps", "another folder")
    return stored if stored["inputs"] == key else None


@dataclass(frozen=True)
class _Brain:
    """One subject's maps in ``scratch``."""

    inputs: Inputs
    settings: BrainSettings
    voxels: NDArray[np.int64]
    scratch: Path

    def run(self, progress: Progress) -> dict[str, Any]:
        config, scans = self.inputs.config, self.inputs.scans
        file = self.scratch / "bold.float32"
        lengths = tuple(scan.n_uncensored for scan in scans)
        bold = np.memmap(file, np.float32, "w+", shape=(sum(lengths), len(self.voxels)))
        remarks = Remarks(list(self.inputs.remarks))
        constant = self._read(bold, scans, remarks, Part(progress, 0.0, 0.2))
        self.inputs.check_strict(remarks)
        varying = np.flatnonzero(~constant)
        if len(varying) == 0:
            raise InputError(self.settings.mask.files()[0], "every voxel is constant", "measured data")
        scheme = FoldScheme.of(config, self.inputs.subject, lengths, scans[0].tr)
        folds = scheme.folds
        x = prepared_predictors(config, scans, self.inputs.predictors)
        noise = self.inputs.noise()
        self.inputs.release()
        share = 0.6 if noise is not None else 1.0
        real = self._ridge(
            x, bold, varying, scheme, weights=self._weights(), progress=Part(progress, 0.2, share)
        )
        maps = {"r": real.r, "r2": real.r2, "penalty": real.selected}
        summary: dict[str, Any] = {
            "voxels": len(varying),
            "constant_voxels": int(constant.sum()),
            "heldout_r": quartiles(real.r),
            "heldout_r2": quartiles(real.r2),
            "folds": {"kind": folds.kind, "number": len(folds.folds), "gap_seconds": config.gap},
            **({"warning": folds.warning} if folds.warning else {}),
            **remarks.as_metrics(without=[name for name in config.regions if name != REGION]),
        }
        if noise is not None:
            null = self._ridge(noise.x, bold, varying, scheme, progress=Part(progress, share, 1.0))
            maps["r_noise"] = null.r
            summary["null_control"] = {
                "heldout_r": float(null.r.mean()),
                "features": noise.features,
                "time_constant": noise.time_constant,
            }
        del bold
        for scratch in self.scratch.glob("*.float32"):
            scratch.unlink()
        for name, values in maps.items():
            self._save(name, values, varying)
        if self.settings.weights:
            write_atomically(self.scratch / "voxels.csv", _as_csv(self.voxels[varying]))
        return summary

    def _weights(self) -> Path | None:
        return self.scratch / "weights.npy" if self.settings.weights else None

    def _read(
        self, bold: NDArray[np.float32], scans: Sequence[Scan], remarks: Remarks, progress: Progress
    ) -> NDArray[np.bool_]:
        """Prepared BOLD (n, V) into the scratch file, each run's file read once; voxels that are left out."""
        left_out = np.zeros(len(self.voxels), bool)
        chunks = [
            slice(begin, begin + self.settings.chunk)
            for begin in range(0, len(self.voxels), self.settings.chunk)
        ]
        first = 0
        for number, scan in enumerate(scans):
            progress.report(number / len(scans), f"sub-{self.inputs.subject}: reading {scan.run.name}")
            rows = bold[first : first + scan.n_uncensored]
            measured = self._measured(scan, rows)
            basis = nuisance_of(self.inputs.config, scan)
            parts = []
            for chunk in chunks:
                part = np.asarray(self._kept(scan, measured[:, chunk]), np.float64)
                parts.append(prepare_courses(self.inputs.config, basis, part))
                rows[:, chunk] = part
            quality = VoxelQuality.joined(parts)
            quality.remark(scan.run, {REGION: np.arange(len(self.voxels))}, remarks)
            left_out |= quality.unusable
            first += scan.n_uncensored
        return left_out

    def _measured(self, scan: Scan, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """A run as its file has it: in its place, or in a scratch file when volumes will be dropped."""
        voxels, volumes = self.voxels, scan.run.volumes
        if scan.uncensored is None:
            return read_masked(scan.run.bold, voxels, volumes, out=rows)
        count = number_of_volumes(scan.run)
        file = self.scratch / "run.float32"
        held = np.memmap(file, np.float32, "w+", shape=(count, len(voxels)))
        return read_masked(scan.run.bold, voxels, volumes, out=held)

    def _kept(self, scan: Scan, courses: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        censor = self.inputs.config.censor
        if scan.uncensored is None or censor is None:
            return courses
        return uncensored_rows(np.asarray(courses, np.float64), scan.uncensored, censor.mode, scan.run.bold)

    def _ridge(
        self,
        x: Floats,
        bold: NDArray[np.float32],
        varying: NDArray[np.int64],
        scheme: FoldScheme,
        *,
        weights: Path | None = None,
        progress: Progress,
    ) -> VoxelResults:
        config = self.inputs.config
        return stream_ridge(
            x,
            lambda voxels: bold[:, varying[voxels]],
            len(varying),
            folds=scheme.folds.folds,
            inner=scheme.inner,
            factors=config.penalties,
            weights=weights,
            chunk=self.settings.chunk,
            backend=config.backend,
            device=config.device,
            precision=config.precision,
            progress=progress,
        )

    def _save(self, name: str, values: Floats, varying: NDArray[np.int64]) -> None:
        write_map(self.scratch / f"{name}.nii.gz", values, self.voxels[varying], self.inputs.grid)


def _as_csv(voxels: NDArray[np.int64]) -> bytes:
    """Grid indices of the columns of ``weights.npy``."""
    return "\n".join(["i,j,k", *(",".join(map(str, row)) for row in voxels.tolist()), ""]).encode()
