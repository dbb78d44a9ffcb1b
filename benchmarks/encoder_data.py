"""What the benchmarks of encoders share: data of a realistic shape, tasks measured in processes of their own,
and the command line."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from almond.encoding.hemodynamics.hrf import spm_hrf
from almond.encoding.models.folds import Fold
from almond.rng import generator
from almond.typing import Floats

T = TypeVar("T")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SUBREGIONS = (0.36, 0.28, 0.24, 0.12)
"""Shares of the voxels that the four subregions hold."""


@dataclass(frozen=True)
class Scale:
    """Volumes, features, voxels of the whole region, folds, and components or penalties."""

    rows: int = 5470
    features: int = 4096
    voxels: int = 250
    folds: int = 5
    components: int = 20
    penalties: int = 10
    seed: int = 1


def simulated(scale: Scale, rank: int = 200) -> tuple[Floats, Floats]:
    """Features (n, D) and BOLD (n, V) at a TR of 1 s.

    Features of a film are smooth in time and of low rank: ``rank`` autocorrelated factors whose variances
    fall as 1 / number, through the haemodynamic response, and a twentieth of their variance in noise of each
    feature's own. BOLD follows the first thirty factors, with four times their variance in autocorrelated
    noise.
    """
    rng = generator(scale.seed, "benchmark", scale.rows, scale.features)
    factors = _through_hrf(rng.standard_normal((scale.rows, rank)), 0.5)
    factors /= factors.std(axis=0) * np.sqrt(np.arange(1, rank + 1))
    x = factors @ rng.standard_normal((rank, scale.features))
    noise = np.sqrt(0.05) * x[:500].std()
    for first in range(0, scale.rows, 512):
        part = x[first : first + 512]
        part += noise * rng.standard_normal(part.shape) + 0.4
    signal = factors[:, :30] @ rng.standard_normal((30, scale.voxels))
    own = _through_hrf(rng.standard_normal((scale.rows, scale.voxels)), 0.5)
    y = signal / signal.std(axis=0) + 2.0 * own / own.std(axis=0) + 100.0
    return x, np.asarray(y, np.float64)


def _through_hrf(noise: Floats, persistence: float) -> Floats:
    slow = noise.copy()
    for row in range(1, len(slow)):
        slow[row] += persistence * slow[row - 1]
    response = spm_hrf(1.0)
    return np.stack([np.convolve(course, response)[: len(slow)] for course in slow.T], axis=1)


def regions(voxels: int) -> dict[str, NDArray[np.int64]]:
    """The whole and four subregions, whose voxels are some of its."""
    borders = np.round(np.cumsum((0.0, *SUBREGIONS)) * voxels).astype(int)
    parts = {f"part {n + 1}": np.arange(borders[n], borders[n + 1]) for n in range(4)}
    return {"whole": np.arange(voxels), **parts}


def contiguous(rows: int, number: int) -> list[Fold]:
    """Blocks of nearly equal length, everything else being the training rows (as scikit-learn's KFold)."""
    every = np.arange(rows)
    return [Fold(np.setdiff1d(every, part), part) for part in np.array_split(every, number)]


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and of processors (all threads): the second says more on a machine that is
    shared."""

    seconds: float
    processor_seconds: float


def timed(work: Callable[[], T]) -> tuple[Spent, T]:
    begun, used = time.perf_counter(), time.process_time()
    found = work()
    return Spent(time.perf_counter() - begun, time.process_time() - used), found


def peak_mb() -> float:
    """The most memory this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_child(module: str, task: str, settings: Any, threads: int) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Run ``python -m module --child TASK`` in a fresh process with so many BLAS threads.

    Gives what it wrote: plain numbers, and arrays.
    """
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
        text = settings if isinstance(settings, str) else json.dumps(asdict(settings))
        command = [sys.executable, "-m", module, "--child", task, "--settings", text, "--out", folder]
        subprocess.run(command, env=environment, check=True)
        report = json.loads((Path(folder) / "report.json").read_text())
        with np.load(Path(folder) / "arrays.npz") as stored:
            return report, {name: stored[name] for name in stored.files}


def parsed(
    parser: argparse.ArgumentParser, children: Mapping[str, Callable[[Any, Path], None]], settings: type[Any]
) -> argparse.Namespace | None:
    """Parse a benchmark's command line; None in a child (see :func:`in_child`), which has then done its
    task."""
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", choices=sorted(children), help=argparse.SUPPRESS)
    parser.add_argument("--settings", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.child:
        return arguments
    children[arguments.child](settings(**json.loads(arguments.settings)), arguments.out)
    return None


def show(report: dict[str, Any], arguments: argparse.Namespace, text: str | None = None) -> None:
    """Print the report in one line of JSON with ``--json``, otherwise as ``text`` (default: indented
    JSON)."""
    print(json.dumps(report) if arguments.json else text or json.dumps(report, indent=2))


def leave(out: Path, report: dict[str, Any], **arrays: Floats) -> None:
    """What a child hands back."""
    (out / "report.json").write_text(json.dumps({**report, "peak_mb": peak_mb()}))
    np.savez(out / "arrays.npz", allow_pickle=False, **arrays)


def surroundings(threads: int) -> dict[str, Any]:
    """Machine and versions, for the report."""
    from importlib.metadata import version

    names = ("numpy", "scipy", "scikit-learn", "himalaya", "torch")
    return {
        "threads": threads,
        "cores": os.cpu_count(),
        "load_at_start": round(os.getloadavg()[0], 2),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
    }
