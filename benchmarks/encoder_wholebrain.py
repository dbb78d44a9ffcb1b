"""A whole brain in chunks: ``python -m benchmarks.encoder_wholebrain --json``.

200 000 voxels, never held together: a reader makes the BOLD of a chunk when it is asked for. Ridge chooses a
penalty per voxel by nested cross-validation; PLS is fitted per parcel. Each runs twice in a fresh process,
for all voxels and for a tenth of them: that the peaks hardly differ is what bounded memory means.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.encoding.models.folds import Fold, inner_folds, make_folds
from almond.encoding.pipeline.streaming import VoxelResults, stream_pls, stream_ridge
from almond.progress import Console
from almond.rng import generator
from almond.typing import Floats
from benchmarks.encoder_data import Scale, in_child, leave, parsed, show, simulated, surroundings, timed


@dataclass(frozen=True)
class Settings:
    rows: int = 600
    features: int = 512
    voxels: int = 200_000
    parcel: int = 500
    chunk: int = 4000
    folds: int = 5
    inner: int = 4
    gap: float = 20.0
    penalties: int = 7
    components: int = 10
    precision: str = "float64"
    seed: int = 1


class Reader:
    """BOLD (n, k) in float32 of any voxels: a fifth of its variance from the features' leading factors."""

    def __init__(self, settings: Settings, x: Floats) -> None:
        self.settings = settings
        centred = x - x.mean(axis=0)
        self.factors = np.linalg.svd(centred, full_matrices=False)[0][:, :20] * np.sqrt(len(x))

    def __call__(self, voxels: NDArray[np.int64]) -> NDArray[np.float32]:
        rng = generator(self.settings.seed, "whole brain", int(voxels[0]))
        signal = self.factors @ rng.standard_normal((20, len(voxels))) / np.sqrt(20)
        noise = rng.standard_normal((len(self.factors), len(voxels)))
        return np.asarray(100 + signal + 2 * noise, np.float32)


def _parts(settings: Settings) -> tuple[Floats, Reader, list[Fold], Any]:
    scale = Scale(settings.rows, settings.features, 10, seed=settings.seed)
    x = simulated(scale)[0]
    lengths = (settings.rows // 2, settings.rows - settings.rows // 2)
    folds = make_folds("blocks", lengths, n_folds=settings.folds, gap=settings.gap, tr=1.0).folds

    def inner(fold: Fold) -> list[Fold]:
        return inner_folds(fold, lengths, n_folds=settings.inner, gap=settings.gap, tr=1.0)

    return x, Reader(settings, x), list(folds), inner


def ridge(settings: Settings, out: Path) -> None:
    x, reader, folds, inner = _parts(settings)
    factors = np.logspace(-3, 3, settings.penalties).tolist()

    def work() -> VoxelResults:
        return stream_ridge(
            x,
            reader,
            settings.voxels,
            folds=folds,
            inner=inner,
            factors=factors,
            chunk=settings.chunk,
            precision=settings.precision,
            progress=Console(sys.stderr),
        )

    spent, found = timed(work)
    leave(out, {**asdict(spent), "heldout_r_mean": float(found.r.mean())}, r=found.r)


def pls(settings: Settings, out: Path) -> None:
    x, reader, folds, inner = _parts(settings)
    parcels = np.array_split(np.arange(settings.voxels), max(1, settings.voxels // settings.parcel))

    def work() -> VoxelResults:
        return stream_pls(
            x,
            reader,
            settings.voxels,
            parcels,
            folds=folds,
            inner=inner,
            components=(settings.components,),
            chunk=settings.chunk,
            precision=settings.precision,
            progress=Console(sys.stderr),
        )

    spent, found = timed(work)
    leave(out, {**asdict(spent), "heldout_r_mean": float(found.r.mean())}, r=found.r)


CHILDREN = {"ridge": ridge, "pls": pls}


def measured(settings: Settings, threads: int) -> dict[str, Any]:
    """Both models with all voxels and with a tenth of them."""
    found: dict[str, Any] = {}
    for name in CHILDREN:
        for key, voxels in ((name, settings.voxels), (f"{name}_tenth", settings.voxels // 10)):
            report, _ = in_child(
                "benchmarks.encoder_wholebrain", name, replace(settings, voxels=voxels), threads
            )
            found[key] = {
                "voxels": voxels,
                "seconds": round(report["seconds"], 1),
                "processor_seconds": round(report["processor_seconds"], 1),
                "peak_mb": round(report["peak_mb"]),
                "heldout_r_mean": round(report["heldout_r_mean"], 4),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in asdict(Settings()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    arguments = parsed(parser, CHILDREN, Settings)
    if arguments is None:
        return
    settings = Settings(**{name: getattr(arguments, name) for name in asdict(Settings())})
    found = measured(settings, arguments.threads)
    bytes_of_bold = 4 * settings.rows * settings.voxels
    report = {
        "scale": asdict(settings),
        **surroundings(arguments.threads),
        **found,
        "seconds": round(found["ridge"]["seconds"] + found["pls"]["seconds"], 1),
        "peak_mb": max(found["ridge"]["peak_mb"], found["pls"]["peak_mb"]),
        "bold_mb_in_single_precision": round(bytes_of_bold / 2**20),
    }
    show(report, arguments)


if __name__ == "__main__":
    main()
