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
from scipy import stats

from almond.encoding.artifacts.artifact import EncoderArtifact
from almond.errors import InputError
from almond.typing import Floats

Places = np.ndarray[Any, np.dtype[np.int64]]

SAME_AFFINE = 1e-4
"""Millimetres by which two affines may differ and still be one grid."""


def fisher_z(r: Floats) -> Floats:
    """``atanh(r)`` with zeros, undefined values and perfect correlations as NaN; any shape."""
    values = np.asarray(r, np.float64)
    usable = np.isfinite(values) & (values != 0.0) & (np.abs(values) < 1.0)
    found: Floats = np.full(values.shape, np.nan)
    found[usable] = np.arctanh(values[usable])
    return found


@dataclass(frozen=True)
class OneSample:
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


def one_sample(values: Floats, level: float = 0.95) -> OneSample | None:
    """The test over the finite ones of ``values`` (S,); None when fewer than two, or none differ."""
    given = np.asarray(values, np.float64)
    given = given[np.isfinite(given)]
    n = len(given)
    if n < 2 or np.ptp(given) == 0.0:
        return None
    mean, sd = float(given.mean()), float(given.std(ddof=1))
    error = sd / np.sqrt(n)
    t, reach = mean / error, float(stats.t.ppf(0.5 + level / 2, n - 1)) * error
    p = float(2 * stats.t.sf(abs(t), n - 1))
    return OneSample(n, mean, sd, float(t), n - 1, p, float(mean - reach), float(mean + reach), mean / sd)


@dataclass(frozen=True)
class Performance:
    """One encoder, judged: r of its voxels (V,) at grid indices (V, 3), and numbers of the whole region.

    ``numbers`` holds what the artifact's metrics have of: ``r`` (mean), ``r2``, ``null_r``, ``r_max``,
    ``normalised_r``, ``permutation_p``. ``voxels`` is None for an encoder of a region's mean. ``grid`` is
    (shape, affine), None for artifacts that do not say.
    """

    subject: str
    region: str
    model: str
    r: Floats
    voxels: Places | None
    dropped: int
    grid: tuple[tuple[int, ...], Floats] | None
    numbers: Mapping[str, float]

    @property
    def z(self) -> float:
        """Mean Fisher z over voxels; NaN when no voxel has one."""
        values = fisher_z(self.r)
        usable = np.isfinite(values)
        return float(values[usable].mean()) if usable.any() else float("nan")


def performance_of(artifact: EncoderArtifact) -> Performance:
    """What an artifact's metrics say; ``InputError`` when it was never evaluated (imported weights)."""
    found = artifact.metrics.get("heldout_r_voxels")
    if not found:
        raise InputError(
            f"encoder of {artifact.region} of sub-{artifact.subject}",
            "has no held-out correlations",
            "an encoder fitted by `python -m almond fit`",
        )
    r = np.asarray(found, np.float64)
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
    found = {}
    for name, (section, key) in NUMBERS.items():
        part = metrics.get(section)
        value = part.get(key) if isinstance(part, Mapping) else None
        if isinstance(value, Mapping):
            value = value.get("mean")
        if isinstance(value, int | float):
            found[name] = float(value)
    return found


@dataclass(frozen=True)
class Scheme:
    """A table of subjects (rows) by regions (columns): ``values`` (S, R), NaN where there is none."""

    subjects: tuple[str, ...]
    regions: tuple[str, ...]
    values: Floats

    def of(self, regions: Sequence[str]) -> Scheme:
        columns = [self.regions.index(name) for name in regions]
        return Scheme(self.subjects, tuple(regions), self.values[:, columns])

    def column(self, region: str) -> Floats:
        found: Floats = self.values[:, self.regions.index(region)]
        return found

    def to_json(self) -> dict[str, Any]:
        rows = [[None if np.isnan(value) else float(value) for value in row] for row in self.values]
        return {"subjects": list(self.subjects), "regions": list(self.regions), "values": rows}

    def csv(self) -> bytes:
        lines = [",".join(["subject", *self.regions])]
        for subject, row in zip(self.subjects, self.values, strict=True):
            lines.append(
                ",".join([subject, *("" if np.isnan(value) else repr(float(value)) for value in row)])
            )
        return ("\n".join(lines) + "\n").encode()


def scheme(found: Sequence[Performance], measure: str = "z") -> Scheme:
    """The table of one model's encoders: of ``z`` (mean Fisher z) or of one of ``NUMBERS``."""
    subjects = tuple(dict.fromkeys(one.subject for one in found))
    regions = tuple(dict.fromkeys(one.region for one in found))
    values = np.full((len(subjects), len(regions)), np.nan)
    for one in found:
        value = one.z if measure == "z" else one.numbers.get(measure, np.nan)
        values[subjects.index(one.subject), regions.index(one.region)] = value
    return Scheme(subjects, regions, values)


@dataclass(frozen=True)
class GroupMatrix:
    """Subjects by voxels: ``z`` (S, V) Fisher z, NaN where a subject lacks the voxel; ``voxels`` (V, 3)."""

    region: str
    subjects: tuple[str, ...]
    voxels: Places
    z: Floats
    grid: tuple[tuple[int, ...], Floats] | None

    def npz(self) -> bytes:
        stream = io.BytesIO()
        np.savez_compressed(stream, subjects=np.array(self.subjects), voxels=self.voxels, z=self.z)
        return stream.getvalue()

    def csv(self) -> bytes:
        """A row per subject; columns are called by their grid index, as in ``x16_y15_z6``."""
        names = [f"x{x}_y{y}_z{z}" for x, y, z in self.voxels.tolist()]
        lines = [",".join(["subject", *names])]
        for subject, row in zip(self.subjects, self.z, strict=True):
            lines.append(
                ",".join([subject, *("" if np.isnan(value) else repr(float(value)) for value in row)])
            )
        return ("\n".join(lines) + "\n").encode()


def group_matrix(found: Sequence[Performance]) -> GroupMatrix:
    """Voxels of one region aligned over subjects by grid index.

    The union of the subjects' voxels, x fastest, as MATLAB and the NIfTI file order them; a voxel that a
    subject lacks or dropped is NaN; columns empty in everyone are left out.

    :raises InputError: encoders of a region's mean, or subjects on different grids.
    """
    region = found[0].region
    check_one_grid(found)
    places = []
    for one in found:
        if one.voxels is None:
            raise InputError(f"region {region}", "its encoders are of the mean over voxels", "target: voxels")
        places.append(one.voxels)
    union = np.unique(np.concatenate(places)[:, ::-1], axis=0)[:, ::-1]
    place = {tuple(voxel): column for column, voxel in enumerate(union.tolist())}
    z: Floats = np.full((len(found), len(union)), np.nan)
    for row, (one, own) in enumerate(zip(found, places, strict=True)):
        z[row, [place[tuple(voxel)] for voxel in own.tolist()]] = fisher_z(one.r)
    kept = np.isfinite(z).any(axis=0)
    subjects = tuple(one.subject for one in found)
    return GroupMatrix(region, subjects, np.ascontiguousarray(union[kept]), z[:, kept], found[0].grid)


def check_one_grid(found: Sequence[Performance]) -> None:
    """``InputError`` when two subjects' voxel indices do not mean the same places."""
    known = [(one, one.grid) for one in found if one.grid is not None]
    first, reference = known[0] if known else (found[0], None)
    for one, grid in known[1:]:
        if reference is None:
            return
        if grid[0] != reference[0] or not np.allclose(grid[1], reference[1], atol=SAME_AFFINE):
            raise InputError(
                f"region {one.region}",
                f"sub-{first.subject} has a grid of {reference[0]} with affine {reference[1].tolist()}, "
                f"sub-{one.subject} one of {grid[0]} with {grid[1].tolist()}",
                "BOLD of all subjects on one grid (normalised)",
            )
