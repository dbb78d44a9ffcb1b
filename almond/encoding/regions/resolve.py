"""Regions of interest: from masks, atlases, maps and their combinations to voxels of the BOLD grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from almond.digest import digest_file, digest_json
from almond.encoding.bold.nifti import Grid, grid_of, load_nifti, read_data
from almond.encoding.config.paths import NIFTI
from almond.encoding.config.regions import (
    DifferenceSpec,
    MaskSpec,
    ReferenceSpec,
    RegionSpec,
    circles,
)
from almond.encoding.regions.regridding import field_of_view_overlaps, onto_grid
from almond.encoding.regions.selection import selected
from almond.errors import InputError
from almond.remarks import Remark, Remarks

AFFINE_TOLERANCE = 1e-3
"""In millimetres per entry: headers are float32."""

MIDLINE = 1e-3
"""Millimetres: a voxel nearer to 0 is on neither side."""


@dataclass(frozen=True)
class Region:
    """The voxels (V, 3) of a region on ``grid``, in index order.

    ``digest``: of the file for a plain mask, otherwise of the specification with the digests of its files.
    ``path``: the first file it was read from. ``resampled``: whether any part came from another grid.
    ``lost``: the fraction of the region's own voxels (of all files it adds up, by number) whose centre lies
    outside the field of view of ``grid``. ``remarks``: what is doubtful about it.
    """

    name: str
    path: Path
    digest: str
    grid: Grid
    voxels: NDArray[np.int64]
    spec: RegionSpec
    resampled: bool = False
    lost: float = 0.0
    remarks: tuple[Remark, ...] = ()

    @property
    def warning(self) -> str | None:
        """What is doubtful about how the region came onto the grid, in words."""
        texts = [remark.text for remark in self.remarks if remark.kind == "outside"]
        texts += [f"{it.source} {it.text}" for it in self.remarks if it.kind == "coordinates"]
        return "; ".join(texts) or None

    def notes(self) -> dict[str, Any]:
        """Write how the region came onto the grid, for its metrics; empty when it lay there."""
        said = {"resampled": self.resampled, "lost": round(self.lost, 6), "region_warning": self.warning}
        return {key: value for key, value in said.items() if value}


def load_region(name: str, path_or_spec: Path | RegionSpec, grid: Grid | None = None) -> Region:
    """Find the voxels of one region.

    :param path_or_spec: a mask, or what the region is made of.
    :param grid: of the BOLD; that of the region's (first) file where None.
    :raises InputError: see ``resolve_regions``.
    """
    if isinstance(path_or_spec, RegionSpec):
        spec = path_or_spec
    else:
        spec = MaskSpec.model_construct(mask=Path(path_or_spec))  # reading it says what is wrong with it
    return resolve_regions({name: spec}, grid or _own_grid(name, spec))[name]


def resolve_regions(
    specs: Mapping[str, RegionSpec], grid: Grid, *, subject: str | None = None
) -> dict[str, Region]:
    """Find the voxels of every region on ``grid``, in the order of ``specs``.

    Files on other grids are resampled: each voxel of ``grid`` takes the value at its centre (nearest
    neighbour through both affines).

    :param specs: name -> what the region is made of; names may refer to each other.
    :param grid: of the BOLD.
    :param subject: fills ``{subject}`` in paths.

    :raises InputError: a file that is no 3-D NIfTI, an unknown label or region, regions made of themselves,
        other space or grid where that is not allowed (with both shapes and affines), or nothing left.
    """
    for circle in circles(specs):
        raise InputError(f"regions.{circle[0]}", f"is made of itself: {' -> '.join(circle)}", "an order")
    resolver = _Resolver(specs, grid, subject)
    return {name: resolver.region(name) for name in specs}


def bold_grid(bolds: Sequence[Path]) -> Grid:
    """Read the grid that several BOLD runs share; left and right are certain where all of them say so.

    :raises InputError: two differ; the message shows both.
    """
    first = grid_of(load_nifti(bolds[0]), bolds[0])
    for path in bolds[1:]:
        other = grid_of(load_nifti(path), path)
        if not same_grid(first, other):
            raise InputError(path, _differ(other, first), "runs of one subject on one grid")
        if first.sided and not other.sided:
            first = replace(first, name=other.name, doubt=other.doubt, sided=False)
    return first


def same_grid(first: Grid, second: Grid) -> bool:
    """Tell whether two grids have one shape and, to 0.001 mm, one affine."""
    close = np.allclose(first.affine, second.affine, atol=AFFINE_TOLERANCE, rtol=0)
    return first.shape == second.shape and bool(close)


def _own_grid(name: str, spec: RegionSpec) -> Grid:
    images = [path for path in spec.files() if path.name.lower().endswith(NIFTI)]
    if not images:
        raise InputError(f"regions.{name}", "refers to other regions and has no file", "the grid of the BOLD")
    return replace(grid_of(load_nifti(images[0]), images[0]), space=None)


def _text(grid: Grid) -> str:
    return str(np.round(grid.affine[:3], 3).tolist())


def _differ(first: Grid, second: Grid) -> str:
    return (
        f"has shape {first.shape} and affine {_text(first)}, "
        f"{second.name or 'the BOLD'} has shape {second.shape} and affine {_text(second)}"
    )


@dataclass(frozen=True)
class _Made:
    """Voxels as a mask on the BOLD grid, what they came from, and how many were lost of how many.

    ``sources``: the grids of its files. ``remarks`` are about no region yet: others may share them.
    """

    inside: NDArray[np.bool_]
    content: Any
    path: Path
    resampled: bool
    outside: int
    total: int
    sources: tuple[Grid, ...]
    remarks: Remarks


class _Resolver:
    """Makes regions one by one and keeps those that others refer to."""

    def __init__(self, specs: Mapping[str, RegionSpec], grid: Grid, subject: str | None) -> None:
        self.specs, self.grid, self.subject = specs, grid, subject
        self.known: dict[str, _Made] = {}

    def region(self, name: str) -> Region:
        spec, made = self.specs[name], self.made(name)
        voxels = np.argwhere(made.inside).astype(np.int64)
        if len(voxels) == 0:
            raise InputError(f"regions.{name}", "has no voxels left on the BOLD grid", "voxels inside it")
        lost = made.outside / made.total if made.total else 0.0
        remarks = Remarks()
        if lost > 0:
            text = f"{lost:.1%} of {name} lies outside the field of view of the BOLD"
            remarks.add("outside", made.path, text, about=name)
        for remark in made.remarks:
            remarks.add(remark.kind, remark.source, remark.text, about=name)
        digest = made.content if isinstance(made.content, str) else digest_json(made.content)
        return Region(
            name,
            made.path,
            digest,
            self.grid,
            voxels,
            spec,
            made.resampled,
            lost,
            tuple(remarks),
        )

    def made(self, name: str) -> _Made:
        if name not in self.specs:
            raise InputError(f"regions.{name}", "is no region", f"one of {', '.join(self.specs)}")
        if name not in self.known:
            spec = self.specs[name]
            self.known[name] = self._make(spec.for_subject(self.subject) if self.subject else spec)
        return self.known[name]

    def _make(self, spec: RegionSpec) -> _Made:
        if isinstance(spec, ReferenceSpec):
            return self.made(spec.region)
        made = self._combined(spec) if spec.parts else self._leaf(spec)
        if spec.side is None:
            return made
        self._check_sided(spec.side, made)
        content = {"side": spec.side, "of": made.content}
        return replace(made, inside=made.inside & on_side(self.grid, spec.side), content=content)

    def _check_sided(self, side: str, made: _Made) -> None:
        """Refuse half of a region whose left could be its right: no number would tell."""
        for grid in (self.grid, *made.sources):
            if not grid.sided:
                raise InputError(
                    grid.name or "the BOLD",
                    f"{grid.doubt}; side: {side} may be the other half",
                    "sform and qform that agree in its header, or a mask of that half without side:",
                )

    def _combined(self, spec: RegionSpec) -> _Made:
        parts = [self._make(self._inherited(part, spec)) for part in spec.parts]
        difference = isinstance(spec, DifferenceSpec)
        inside = parts[0].inside.copy()
        for part in parts[1:]:
            inside = inside & ~part.inside if difference else inside | part.inside
        # What is taken away does not count as lost when it lies outside the field of view.
        counted = parts[:1] if difference else parts
        return _Made(
            inside,
            {spec.kind: [part.content for part in parts]},
            parts[0].path,
            any(part.resampled for part in parts),
            sum(part.outside for part in counted),
            sum(part.total for part in counted),
            tuple(grid for part in parts for grid in part.sources),
            Remarks([remark for part in parts for remark in part.remarks]),
        )

    @staticmethod
    def _inherited(part: RegionSpec, whole: RegionSpec) -> RegionSpec:
        """Hand ``space`` and ``resample: false`` of a combination down to a part that says nothing."""
        handed = {"space": part.space or whole.space, "resample": part.resample and whole.resample}
        return part.model_copy(update=handed)

    def _leaf(self, spec: RegionSpec) -> _Made:
        path = spec.paths()["path"]
        image = load_nifti(path)
        shape = tuple(image.shape)
        if len(shape) != 3 and not (len(shape) == 4 and shape[3] == 1):
            raise InputError(path, f"has shape {shape}", "a 3-D mask")
        source = grid_of(image, path)
        remarks = Remarks()
        if source.doubt:
            remarks.add("orientation", path, source.doubt)
        on_grid = same_grid(source, self.grid)
        self._check_space(spec, source, path, remarks=None if on_grid else remarks)
        mask = selected(spec, read_data(image).reshape(shape[:3]), path, remarks)
        if not mask.any():
            raise InputError(path, "is empty", "a mask with voxels that are not 0")
        content = _content(spec, path)
        total = int(mask.sum())
        if on_grid:
            return _Made(mask, content, path, False, 0, total, (source,), remarks)
        inside, outside = self._resampled(spec, mask, source, path)
        return _Made(inside, content, path, True, outside, total, (source,), remarks)

    def _check_space(self, spec: RegionSpec, source: Grid, path: Path, *, remarks: Remarks | None) -> None:
        space = spec.space or source.space
        if space and self.grid.space and space.lower() != self.grid.space.lower():
            raise InputError(
                path,
                f"is in the space {space}, the BOLD in {self.grid.space}; {_differ(source, self.grid)}",
                "one space (space: says which it is, where a file name is wrong)",
            )
        other = self.grid.code == "scanner" and source.code in ("mni", "talairach")
        if other and not spec.space and remarks is not None:
            text = f"is in {source.code} coordinates, the BOLD's header says scanner coordinates"
            remarks.add("coordinates", path, text)

    def _resampled(
        self, spec: RegionSpec, mask: NDArray[np.bool_], source: Grid, path: Path
    ) -> tuple[NDArray[np.bool_], int]:
        if not spec.resample:
            raise InputError(path, _differ(source, self.grid), "the grid of the BOLD runs (resample: false)")
        if not field_of_view_overlaps(source, self.grid):
            raise InputError(
                path, f"no part of it overlaps the BOLD: it {_differ(source, self.grid)}", "the same space"
            )
        inside, outside = onto_grid(mask, source, self.grid)
        if not inside.any():
            raise InputError(
                path,
                f"nothing of the region is left on the BOLD grid: it {_differ(source, self.grid)}",
                "the space of the BOLD runs",
            )
        return inside, outside


def on_side(grid: Grid, side: str) -> NDArray[np.bool_]:
    """Mark voxels of a grid whose centre has x < 0 mm (left) or x > 0 mm (right); 0 is on neither side."""
    i, j, k = np.ogrid[tuple(slice(length) for length in grid.shape)]
    a, b, c, shift = grid.affine[0]
    x = a * i + b * j + c * k + shift
    return np.asarray(x < -MIDLINE if side == "left" else x > MIDLINE, np.bool_)


def _content(spec: RegionSpec, path: Path) -> Any:
    """Write what a file contributes to the digest: for a plain mask the digest of the file itself."""
    digest = digest_file(path)
    if isinstance(spec, MaskSpec):
        return digest
    said = {key: value for key, value in spec.to_json().items() if key not in ("side", "resample", "space")}
    return said | {key: digest_file(file) for key, file in spec.paths().items()}
