"""Simulated brains with known truth: people who watch a film of scenes while their BOLD is measured.

The truth of a region is a weighted sum of a scene's latents. A subject's region deviates from it, each of its
voxels deviates further, and what is written to disk has a haemodynamic delay of the subject's own, serially
correlated noise, noise shared by the whole brain, and drift. Nothing here shares code with the analysis:
this is the referee.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from almond.errors import InputError
from almond.files.writing import new_folder, publish
from almond.progress import Progress
from almond.rng import generator
from almond.typing import Floats
from almond.world.brain_files import ShownScene, write_film, write_head, write_masks, write_run, write_truth
from almond.world.lab import REGIONS
from almond.world.scenes import LATENTS, draw_scene, latents

TRUTH: dict[str, dict[str, float]] = {
    "LB": {"threat": 1.0, "fear": 0.5},
    "CM": {"arms_raised": 1.0, "anger": 0.5, "nearness": 0.3},
    "SF": {"presence": 1.0, "direct_gaze": 0.5, "dog": 0.3},
    "AStr": {"flowers": 1.0, "smile": 0.6, "darkness": -0.3},
    "VC": {"contrast": 1.0, "texture": 0.7, "darkness": -0.7},
    "IT": {"presence": 0.5, "nearness": 0.5, "outdoors": 0.5, "threat": 0.3},
}
"""Region -> latent -> weight."""

SHAPE = (24, 28, 20)
VOXEL_MM = 3.0
CENTRES: dict[str, tuple[float, float, float]] = {
    "LB": (16, 15, 6),
    "CM": (14, 13, 9),
    "SF": (13, 16, 9),
    "AStr": (16, 12, 10),
    "VC": (11, 4, 10),
    "IT": (18, 9, 4),
}
SIZES: dict[str, int] = {"LB": 40, "CM": 20, "SF": 16, "AStr": 12, "VC": 70, "IT": 60}
"""Voxels of each region."""

STEP = 0.1
"""Seconds of the grid on which responses are convolved."""

LEAD_IN, LEAD_OUT = 6.0, 9.0
"""Seconds of grey before the first and after the last scene."""

BASELINE, NOISE = 800.0, 8.0
"""Mean signal and noise of a brain voxel, in scanner units: one per cent."""

QUANTUM = 0.25
"""Scanners store steps, not real numbers; it also lets the files shrink."""


@dataclass(frozen=True)
class SimulatedDataset:
    """Where the data set lies and what is true of it.

    ``ceiling``: subject -> region -> mean over voxels of the correlation between the noise-free response and
    the measured one within runs: what a perfect model with perfect features would reach.
    """

    root: Path
    subjects: tuple[str, ...]
    regions: Mapping[str, Path]
    n_runs: int
    n_volumes: int
    tr: float
    ceiling: Mapping[str, Mapping[str, float]]


def region_weights(region: str) -> Floats:
    """Return the true weights of a region as a vector over ``LATENTS`` (16,)."""
    return np.array([TRUTH[region].get(name, 0.0) for name in LATENTS])


def region_masks() -> dict[str, NDArray[np.bool_]]:
    """Make masks (24, 28, 20) that do not overlap: the free voxels of the brain nearest to each centre."""
    positions = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1).reshape(-1, 3)
    free = brain_mask().ravel().copy()
    masks = {}
    for region in sorted(CENTRES, key=lambda name: SIZES[name]):
        distance = np.linalg.norm(positions - np.array(CENTRES[region]), axis=1)
        nearest = np.argsort(np.where(free, distance, np.inf), kind="stable")[: SIZES[region]]
        free[nearest] = False
        mask = np.zeros(free.shape, bool)
        mask[nearest] = True
        masks[region] = mask.reshape(SHAPE)
    return {region: masks[region] for region in REGIONS}


def brain_mask() -> NDArray[np.bool_]:
    """Make an ellipsoid that leaves a margin of air."""
    axes = [(np.arange(side) - (side - 1) / 2) / (side / 2 - 1) for side in SHAPE]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return np.asarray(x**2 + y**2 + z**2 <= 1.0, np.bool_)


def grid_affine() -> Floats:
    """Return the affine from voxel indices to millimetres, the middle of the grid at the origin."""
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    affine[:3, 3] = -VOXEL_MM * (np.array(SHAPE) - 1) / 2
    return affine


def haemodynamic_response(peak: float, undershoot: float, ratio: float) -> Floats:
    """Subtract two gamma-shaped curves that peak at ``peak`` and ``undershoot`` seconds, on the grid
    STEP."""
    time = np.arange(0.0, 30.0, STEP)

    def bump(at: float) -> Floats:
        curve = (time / at) ** at * np.exp(at - time)
        return np.asarray(curve / curve.sum(), np.float64)

    return bump(peak) - bump(undershoot) / ratio


def draw_film(rng: np.random.Generator, run: int, seconds: float) -> list[ShownScene]:
    """Draw scenes of 2 to 4 s, one after the other, between a lead-in and a lead-out of grey."""
    film: list[ShownScene] = []
    onset = LEAD_IN
    while True:
        duration = round(float(rng.uniform(2.0, 4.0)), 1)
        if onset + duration > seconds - LEAD_OUT:
            return film
        file = f"scenes/run-{run}_scene-{len(film) + 1:03d}.png"
        film.append(ShownScene(round(onset, 1), duration, draw_scene(rng), file))
        onset += duration


def time_course(film: Sequence[ShownScene], n_volumes: int, tr: float) -> Floats:
    """Return latents over time on the grid STEP (n, 16), 0 during grey."""
    course = np.zeros((round(n_volumes * tr / STEP), len(LATENTS)))
    for shown in film:
        first = round(shown.onset / STEP)
        course[first : first + round(shown.duration / STEP)] = latents(shown.scene)
    return course


@dataclass(frozen=True)
class Brain:
    """What is a subject's own: voxel weights (16, V) per region, gains in noise units, HRF, noise."""

    weights: Mapping[str, Floats]
    response: Floats
    persistence: float
    shared: float


def draw_brain(rng: np.random.Generator, masks: Mapping[str, NDArray[np.bool_]]) -> Brain:
    """Draw a subject: the true weights, varied per subject and then per voxel."""
    response = haemodynamic_response(rng.normal(5.4, 0.4), rng.normal(14.5, 0.8), rng.uniform(4.5, 7.0))
    weights = {}
    for region, mask in masks.items():
        truth = region_weights(region)
        own = truth * rng.normal(1.0, 0.2, len(truth)) + rng.normal(0.0, 0.06, len(truth))
        count = int(mask.sum())
        mixed = own[:, None] + rng.normal(0.0, 0.25, (len(truth), count)) * np.linalg.norm(own) / 2
        weights[region] = mixed * rng.uniform(0.6, 1.4, count)
    return Brain(weights, response, float(rng.uniform(0.3, 0.5)), float(rng.uniform(0.2, 0.4)))


def bold_responses(brain: Brain, course: Floats, n_volumes: int, tr: float) -> dict[str, Floats]:
    """Compute noise-free responses (n, V) of every region at the times of the volumes, in latent units."""
    convolved = lfilter(brain.response, [1.0], course, axis=0)
    rows = np.round(np.arange(n_volumes) * tr / STEP).astype(int)
    return {region: convolved[rows] @ weights for region, weights in brain.weights.items()}


CONTRAST_TO_NOISE: dict[str, float] = {"LB": 0.65, "CM": 0.6, "SF": 0.6, "AStr": 0.55, "VC": 0.9, "IT": 0.75}
"""Standard deviation of a region's response against that of its noise, on average over voxels."""


def measured_noise(
    rng: np.random.Generator, brain: Brain, n_volumes: int, voxels: int
) -> NDArray[np.float32]:
    """Draw noise (n, V) of unit variance without its drift: serially correlated, partly shared by voxels."""
    own = _autoregressive(rng, brain.persistence, n_volumes, voxels)
    common = _autoregressive(rng, 0.8, n_volumes, 1)
    time = np.linspace(-1.0, 1.0, n_volumes, dtype=np.float32)[:, None]
    drift = rng.normal(0.0, 0.8, voxels) * time + rng.normal(0.0, 0.2, voxels) * (time**2 - 1 / 3)
    mixed = np.sqrt(1 - brain.shared**2) * own + brain.shared * common
    return np.asarray(mixed + drift, np.float32)


def _autoregressive(rng: np.random.Generator, phi: float, n: int, columns: int) -> NDArray[np.float32]:
    """Draw AR(1) noise of unit variance from its stationary distribution."""
    shocks = rng.standard_normal((n, columns), dtype=np.float32)
    shocks[1:] *= np.float32(np.sqrt(1 - phi**2))
    return np.asarray(
        lfilter(np.ones(1, np.float32), np.array([1.0, -phi], np.float32), shocks, axis=0), np.float32
    )


def simulate_dataset(
    root: Path,
    *,
    n_subjects: int = 6,
    n_runs: int = 2,
    n_volumes: int = 260,
    tr: float = 1.5,
    seed: int,
    progress: Progress,
) -> SimulatedDataset:
    """Write a BIDS data set to ``root``, which must not exist or be empty; all of it or nothing.

    All subjects watch the same film; its runs differ. The same arguments give the same bytes.

    :raises InputError: ``root`` is not empty, or a number is too small to simulate.
    """
    _check_size(root, n_subjects=n_subjects, n_runs=n_runs, n_volumes=n_volumes, tr=tr)
    subjects = tuple(f"{number + 1:02d}" for number in range(n_subjects))
    films = [draw_film(generator(seed, "film", run), run, n_volumes * tr) for run in range(1, n_runs + 1)]
    with new_folder(root.parent) as scratch:
        progress.report(0.0, "drawing the film")
        write_head(scratch, subjects)
        write_film(scratch, films)
        masks = region_masks()
        write_masks(scratch, masks, brain_mask(), grid_affine())
        session = _Session(scratch, films, masks, n_volumes, tr)
        ceiling = {}
        for number, subject in enumerate(subjects):
            progress.report(0.2 + 0.8 * number / n_subjects, f"scanning sub-{subject}")
            ceiling[subject] = session.scan(subject, generator(seed, "brain", number))
        write_truth(scratch, {"weights": TRUTH, "latents": list(LATENTS), "ceiling": ceiling, "seed": seed})
        publish(scratch, root)
    progress.report(1.0, f"{n_subjects} subjects in {root}")
    paths = {name: root / "derivatives" / "regions" / f"{name}.nii.gz" for name in REGIONS}
    return SimulatedDataset(root, subjects, paths, n_runs, n_volumes, tr, ceiling)


def _check_size(root: Path, *, n_subjects: int, n_runs: int, n_volumes: int, tr: float) -> None:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(root, "is not empty", "a new folder")
    for name, value in (("n_subjects", n_subjects), ("n_runs", n_runs)):
        if value < 1:
            raise InputError(name, f"is {value}", "1 or more")
    if tr <= 0 or n_volumes * tr < LEAD_IN + LEAD_OUT + 30:
        raise InputError("n_volumes", f"{n_volumes} of {tr} s are too short a run", "45 s or more")


@dataclass(frozen=True)
class _Session:
    """What all scans share."""

    root: Path
    films: Sequence[Sequence[ShownScene]]
    masks: Mapping[str, NDArray[np.bool_]]
    n_volumes: int
    tr: float

    def scan(self, subject: str, rng: np.random.Generator) -> dict[str, float]:
        """Write the runs of one subject; return the noise ceiling of each region."""
        brain = draw_brain(rng, self.masks)
        baseline = BASELINE * rng.uniform(0.85, 1.15, SHAPE)
        courses = [time_course(film, self.n_volumes, self.tr) for film in self.films]
        clean = [bold_responses(brain, course, self.n_volumes, self.tr) for course in courses]
        reached: list[dict[str, float]] = []
        for run, (film, signal) in enumerate(zip(self.films, clean, strict=True), start=1):
            noise = measured_noise(rng, brain, self.n_volumes, int(np.prod(SHAPE)))
            bold = noise.T.reshape(*SHAPE, self.n_volumes)
            reached.append(self._add(bold, signal, clean))
            self._write(subject, run, bold, baseline, film)
        return {region: float(np.mean([part[region] for part in reached])) for region in self.masks}

    def _add(
        self,
        bold: NDArray[np.float32],
        signal: Mapping[str, Floats],
        clean: Sequence[Mapping[str, Floats]],
    ) -> dict[str, float]:
        """Add the responses in noise units, in place; return their correlation with the sum, trends
        aside."""
        ceilings = {}
        for region, mask in self.masks.items():
            spread = np.mean([part[region].std(axis=0).mean() for part in clean])
            scaled = signal[region] / spread * CONTRAST_TO_NOISE[region]
            bold[mask] += scaled.T.astype(np.float32)
            ceilings[region] = float(np.mean(_correlations(scaled, bold[mask].T.astype(np.float64))))
        return ceilings

    def _write(
        self,
        subject: str,
        run: int,
        bold: NDArray[np.float32],
        baseline: Floats,
        film: Sequence[ShownScene],
    ) -> None:
        bold *= np.float32(NOISE)
        inside = brain_mask()
        bold[~inside] = np.abs(bold[~inside])  # air: magnitude images hold no negative values
        bold[inside] += baseline[inside][:, None].astype(np.float32)
        np.round(bold / np.float32(QUANTUM), out=bold)
        bold *= np.float32(QUANTUM)
        write_run(self.root, subject, run, bold, affine=grid_affine(), tr=self.tr, film=film)


def _correlations(first: Floats, second: Floats) -> Floats:
    """Correlate columns after removing the linear trend from both."""
    time = np.linspace(-1.0, 1.0, len(first))
    basis = np.linalg.qr(np.stack([np.ones_like(time), time], axis=1))[0]
    a, b = (part - basis @ (basis.T @ part) for part in (first, second))
    return np.asarray((a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0)), np.float64)
