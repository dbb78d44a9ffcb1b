"""How well encoders predict held-out BOLD, per region and subject, and over subjects.

Pearson's r of a voxel is its mean over the folds; Fisher's z = atanh(r); zeros and undefined values (a voxel
that did not vary) are missing. A region's performance in a subject is the mean z over its voxels (Jang &
Kragel 2025, ``compile_matrices``, ``make_atanh_matrix_subregion``).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from almond.encoding.artifacts.artifact import EncoderArtifact
from almond.errors import InputError
from almond.stats.correlation import fisher_z
from almond.stats.ttest import one_sample
from almond.typing import Floats, Indices

SAME_AFFINE = 1e-4
"""Millimetres by which two affines may differ and still be one grid."""


def voxel_fisher_z(r: Floats) -> Floats:
    """Compute ``atanh(r)`` with zeros, undefined values and perfect correlations as NaN; any shape."""
    usable = np.isfinite(r) & (r != 0.0) & (np.abs(r) < 1.0)
    return fisher_z(np.where(usable, r, np.nan))


@dataclass(frozen=True)
class GroupTTest:
    """A two-sided t test of a mean against 0 over ``n`` subjects, its 95 % interval, and Cohen's d."""

    n: int
    mean: float
    sd: float
    t: float
    df: int
    p: float
    low: float
    high: float
    d: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def group_t_test(values: Floats) -> GroupTTest | None:
    """Test the mean of the finite ones of ``values`` (S,); None when fewer than two, or none differ."""
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    n = len(finite)
    test = one_sample(finite) if n > 1 else None
    if test is None or test.t is None or test.p is None:
        return None
    mean, sd = test.estimate, float(finite.std(ddof=1))
    return GroupTTest(n, mean, sd, float(test.t), n - 1, test.p, float(test.low), float(test.high), mean / sd)


@dataclass(frozen=True)
class Performance:
    """An encoder's held-out r of its voxels (V,) at grid indices (V, 3), and numbers of the whole region.

    ``numbers`` holds what the artifact's metrics have of: ``r`` (mean), ``r2``, ``null_r``, ``r_max``,
    ``normalised_r``, ``permutation_p``. ``voxels`` is None for an encoder of a region's mean. ``grid`` is
    (shape, affine), None for artifacts that do not say.
    """

    subject: str
    region: str
    model: str
    r: Floats
    voxels: Indices | None
    dropped: int
    grid: tuple[tuple[int, ...], Floats] | None
    numbers: Mapping[str, float]

    @property
    def z(self) -> float:
        """Average Fisher z over voxels; NaN when no voxel has one."""
        values = voxel_fisher_z(self.r)
        usable = np.isfinite(values)
        return float(values[usable].mean()) if usable.any() else float("nan")


def performance_of(artifact: EncoderArtifact) -> Performance:
    """Read the performance in an artifact's metrics.

    :raises InputError: an artifact that was never evaluated, such as imported weights.
    """
    correlations = artifact.metrics.get("heldout_r_voxels")
    if not correlations:
        raise InputError(
            f"encoder of {artifact.region} of sub-{artifact.subject}",
            "has no held-out correlations",
            "an encoder fitted by `python -m almond fit`",
        )
    r = np.asarray(correlations, np.float64)
    voxels = None if artifact.is_mean or len(r) != len(artifact.voxels) else artifact.voxels
    grid = None
    if artifact.grid is not None:
        shape = tuple(int(side) for side in artifact.grid["shape"])
        grid = (shape, np.asarray(artifact.grid["affine"], np.float64))
    return Performance(
        artifact.subject,
        artifact.region,
        artifact.model,
        r,
        voxels,
        len(artifact.dropped),
        grid,
        _numbers(artifact.metrics),
    )


NUMBERS: dict[str, tuple[str, ...]] = {
    "r": ("heldout_r", "mean"),
    "r2": ("heldout_r2", "mean"),
    "null_r": ("null_control", "heldout_r"),
    "null_r_blocks": ("null_control", "heldout_r_blocks"),
    "r_max": ("noise_ceiling", "r_max"),
    "normalised_r": ("noise_ceiling", "normalised_r"),
    "permutation_p": ("permutation", "p"),
}
"""Where the metrics of an artifact hold each number."""


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    numbers = {}
    for name, (section, key) in NUMBERS.items():
        part = metrics.get(section)
        value = part.get(key) if isinstance(part, Mapping) else None
        if isinstance(value, Mapping):
            value = value.get("mean")
        if isinstance(value, int | float):
            numbers[name] = float(value)
    return numbers


@dataclass(frozen=True)
class PerformanceTable:
    """A table of subjects (rows) by regions (columns): ``values`` (S, R), NaN where there is none."""

    subjects: tuple[str, ...]
    regions: tuple[str, ...]
    values: Floats

    def of(self, regions: Sequence[str]) -> PerformanceTable:
        """Select the columns of ``regions``."""
        columns = [self.regions.index(name) for name in regions]
        return PerformanceTable(self.subjects, tuple(regions), self.values[:, columns])

    def column(self, region: str) -> Floats:
        """Return the values (S,) of one region."""
        column: Floats = self.values[:, self.regions.index(region)]
        return column

    def to_json(self) -> dict[str, Any]:
        rows = [[None if np.isnan(value) else float(value) for value in row] for row in self.values]
        return {"subjects": list(self.subjects), "regions": list(self.regions), "values": rows}

    def csv(self) -> bytes:
        return _csv(self.regions, self.subjects, self.values)


def _csv(names: Sequence[str], subjects: Sequence[str], values: Floats) -> bytes:
    """Write a row per subject of ``values`` (S, columns), NaN as an empty cell."""
    rows = [["" if np.isnan(value) else repr(float(value)) for value in row] for row in values]
    lines = [["subject", *names], *([subject, *row] for subject, row in zip(subjects, rows, strict=True))]
    return "".join(",".join(line) + "\n" for line in lines).encode()


def performance_table(performances: Sequence[Performance], measure: str = "z") -> PerformanceTable:
    """Tabulate one model's encoders: ``z`` (mean Fisher z) or one of ``NUMBERS``."""
    subjects = tuple(dict.fromkeys(performance.subject for performance in performances))
    regions = tuple(dict.fromkeys(performance.region for performance in performances))
    values = np.full((len(subjects), len(regions)), np.nan)
    for performance in performances:
        value = performance.z if measure == "z" else performance.numbers.get(measure, np.nan)
        values[subjects.index(performance.subject), regions.index(performance.region)] = value
    return PerformanceTable(subjects, regions, values)


@dataclass(frozen=True)
class GroupMatrix:
    """Subjects by voxels: ``z`` (S, V) Fisher z, NaN where a subject lacks the voxel; ``voxels`` (V, 3)."""

    region: str
    subjects: tuple[str, ...]
    voxels: Indices
    z: Floats
    grid: tuple[tuple[int, ...], Floats] | None

    def npz(self) -> bytes:
        stream = io.BytesIO()
        np.savez_compressed(stream, subjects=np.array(self.subjects), voxels=self.voxels, z=self.z)
        return stream.getvalue()

    def csv(self) -> bytes:
        """Write a row per subject; columns are named by their grid index, as in ``x16_y15_z6``."""
        names = [f"x{x}_y{y}_z{z}" for x, y, z in self.voxels.tolist()]
        return _csv(names, self.subjects, self.z)


def group_matrix(performances: Sequence[Performance]) -> GroupMatrix:
    """Align the voxels of one region over subjects by grid index.

    The union of the subjects' voxels, x fastest, as MATLAB and the NIfTI file order them; a voxel that a
    subject lacks or dropped is NaN; columns empty in everyone are left out.

    :raises InputError: encoders of a region's mean, or subjects on different grids.
    """
    region = performances[0].region
    check_one_grid(performances)
    voxels_of = []
    for performance in performances:
        if performance.voxels is None:
            raise InputError(f"region {region}", "its encoders are of the mean over voxels", "target: voxels")
        voxels_of.append(performance.voxels)
    union = np.unique(np.concatenate(voxels_of)[:, ::-1], axis=0)[:, ::-1]
    column_of = {tuple(voxel): column for column, voxel in enumerate(union.tolist())}
    z: Floats = np.full((len(performances), len(union)), np.nan)
    for row, (performance, own) in enumerate(zip(performances, voxels_of, strict=True)):
        z[row, [column_of[tuple(voxel)] for voxel in own.tolist()]] = voxel_fisher_z(performance.r)
    present = np.isfinite(z).any(axis=0)
    subjects = tuple(performance.subject for performance in performances)
    return GroupMatrix(
        region, subjects, np.ascontiguousarray(union[present]), z[:, present], performances[0].grid
    )


def check_one_grid(performances: Sequence[Performance]) -> None:
    """Raise ``InputError`` when two subjects' voxel indices are of different grids."""
    known = [(performance, performance.grid) for performance in performances if performance.grid is not None]
    first, reference = known[0] if known else (performances[0], None)
    for performance, grid in known[1:]:
        if reference is None:
            return
        if grid[0] != reference[0] or not np.allclose(grid[1], reference[1], atol=SAME_AFFINE):
            raise InputError(
                f"region {performance.region}",
                f"sub-{first.subject} has a grid of {reference[0]} with affine {reference[1].tolist()}, "
                f"sub-{performance.subject} one of {grid[0]} with {grid[1].tolist()}",
                "BOLD of all subjects on one grid (normalised)",
            )
