"""Summarise one model's encoders over subjects: performance, maps, subregions, controls.

Every analysis either runs or says why not: ``Record.attempt`` keeps the reason of an ``InputError``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from almond.encoding.artifacts.catalogue import Stored
from almond.encoding.config.evaluation import EvaluationSettings
from almond.errors import InputError
from almond.files.writing import write_atomically
from almond.group.contrasts import PUBLISHED, contrast_weights
from almond.group.maps import GroupMap, t_map, write_group_maps, write_scanner_map
from almond.group.performance import (
    GroupMatrix,
    Performance,
    PerformanceTable,
    group_matrix,
    group_t_test,
    performance_of,
    performance_table,
    voxel_fisher_z,
)
from almond.group.subregions import subregion_model
from almond.naming import slug
from almond.progress import Part, Progress
from almond.typing import Floats

T = TypeVar("T")
MEASURES = ("r", "r2", "null_r", "null_r_blocks", "r_max", "normalised_r", "permutation_p")


@dataclass
class Record:
    """The analyses of a model that did not run, with their reasons."""

    model: str
    not_run: list[dict[str, str]] = field(default_factory=list)

    def attempt(self, analysis: str, work: Callable[[], T]) -> T | None:
        """Run an analysis, or record why it cannot run and return None."""
        try:
            return work()
        except InputError as error:
            self.skip(analysis, str(error))
            return None

    def skip(self, analysis: str, reason: str) -> None:
        """Record that an analysis does not run."""
        self.not_run.append({"model": self.model, "analysis": analysis, "reason": reason})


@dataclass(frozen=True)
class ModelPerformance:
    """The held-out performance of one model's encoders; matrices and maps of the regions that have them."""

    performances: tuple[Performance, ...]
    table: PerformanceTable
    matrices: dict[str, GroupMatrix]
    maps: dict[str, GroupMap]


def subregion_names(settings: EvaluationSettings, regions: Sequence[str]) -> tuple[str, ...]:
    """Return those of the settings; else the four published ones when the configuration has them all."""
    if settings.subregions:
        return settings.subregions
    return PUBLISHED if set(PUBLISHED) <= set(regions) else ()


def summarise_performance(
    stored: Sequence[Stored],
    settings: EvaluationSettings,
    folder: Path,
    record: Record,
    progress: Progress,
) -> tuple[ModelPerformance, dict[str, Any]]:
    """Read one model's artifacts and write tables and maps into ``folder``; return them and JSON values."""
    performances = []
    for index, encoder in enumerate(stored):
        progress.report(
            0.6 * index / len(stored), f"{encoder.model}: {encoder.region} of sub-{encoder.subject}"
        )
        performances.append(performance_of(encoder.load()))
    table = performance_table(performances)
    write_atomically(folder / "performance_z.csv", table.csv())
    data: dict[str, Any] = {
        "subjects": list(table.subjects),
        "regions": list(table.regions),
        "performance": [_region_row(performances, region) for region in table.regions],
        "z": table.to_json(),
        "measures": _measures(performances, folder),
        "warnings": sorted(
            {str(encoder.metrics["warning"]) for encoder in stored if "warning" in encoder.metrics}
        ),
    }
    matrices: dict[str, GroupMatrix] = {}
    maps: dict[str, GroupMap] = {}
    data["maps"] = {}
    for index, region in enumerate(table.regions):
        part = Part(
            progress, 0.6 + 0.4 * index / len(table.regions), 0.6 + 0.4 * (index + 1) / len(table.regions)
        )
        part.report(0.0, f"{record.model}: map of {region}")
        own = [performance for performance in performances if performance.region == region]
        matrix = record.attempt(f"group matrix of {region}", lambda own=own: group_matrix(own))  # type: ignore[misc]
        if matrix is None:
            continue
        matrices[region] = matrix
        data["maps"][region], group_map = _write_region(
            matrix, own, settings, folder / "maps" / slug(region), record
        )
        if group_map is not None:
            maps[region] = group_map
    return ModelPerformance(tuple(performances), table, matrices, maps), data


def _region_row(performances: Sequence[Performance], region: str) -> dict[str, Any]:
    own = [performance for performance in performances if performance.region == region]
    test = group_t_test(np.array([performance.z for performance in own]))
    row: dict[str, Any] = {
        "region": region,
        "subjects": len(own),
        "voxels": float(np.mean([len(performance.r) for performance in own])),
        "dropped_voxels": int(sum(performance.dropped for performance in own)),
        "z": None if test is None else test.to_json(),
    }
    every = [performance.numbers for performance in own]
    for name in MEASURES:
        values = [numbers[name] for numbers in every if name in numbers]
        row[name] = float(np.mean(values)) if values else None
    both = [(numbers["r"], numbers["null_r"]) for numbers in every if {"r", "null_r"} <= set(numbers)]
    against = group_t_test(np.diff(voxel_fisher_z(np.array(both)[:, ::-1]), axis=1)[:, 0]) if both else None
    row["against_null"] = None if against is None else against.to_json()
    p = [numbers["permutation_p"] for numbers in every if "permutation_p" in numbers]
    row["permutation_significant"] = sum(value < 0.05 for value in p) if p else None
    return row


def _measures(performances: Sequence[Performance], folder: Path) -> dict[str, Any]:
    """Write a table of subjects by regions for every number that some artifact has."""
    written = {}
    for name in MEASURES:
        table = performance_table(performances, name)
        if np.isfinite(table.values).any():
            write_atomically(folder / f"performance_{name}.csv", table.csv())
            written[name] = table.to_json()
    return written


def _write_region(
    matrix: GroupMatrix,
    own: Sequence[Performance],
    settings: EvaluationSettings,
    folder: Path,
    record: Record,
) -> tuple[dict[str, Any], GroupMap | None]:
    write_atomically(folder / "fisher_z.npz", matrix.npz())
    write_atomically(folder / "fisher_z.csv", matrix.csv())
    row: dict[str, Any] = {"voxels": len(matrix.voxels), "files": ["fisher_z.npz", "fisher_z.csv"]}
    if matrix.grid is not None:
        for performance in own:
            if performance.voxels is not None:
                write_scanner_map(
                    folder / f"sub-{slug(performance.subject)}_r.nii.gz",
                    matrix.grid,
                    performance.voxels,
                    performance.r,
                )
                row["files"].append(f"sub-{slug(performance.subject)}_r.nii.gz")
    else:
        record.skip(
            f"NIfTI maps of {matrix.region}", "the artifacts do not say on which grid their voxels lie"
        )
    group_map = record.attempt(
        f"t map of {matrix.region}",
        lambda: t_map(matrix, rate=settings.fdr, least=settings.least_subjects),
    )
    if group_map is None:
        return row, None
    if matrix.grid is not None:
        row["files"] += list(write_group_maps(folder, group_map, matrix.grid).values())
    return {**row, **_described(group_map)}, group_map


def _described(group_map: GroupMap) -> dict[str, Any]:
    tested = np.isfinite(group_map.p)
    best = int(np.nanargmax(np.abs(group_map.t))) if tested.any() else None
    return {
        "tested": int(tested.sum()),
        "significant": int(group_map.significant.sum()),
        "fdr": group_map.rate,
        "least_subjects": group_map.least,
        "threshold_t": group_map.threshold,
        "peak": None
        if best is None
        else {
            "voxel": group_map.voxels[best].tolist(),
            "t": float(group_map.t[best]),
            "q": float(group_map.q[best]),
        },
    }


def compare_subregions(
    model: ModelPerformance, names: Sequence[str], settings: EvaluationSettings
) -> dict[str, Any]:
    """Fit the mixed model of subregions, as JSON values; ``InputError`` when it cannot be fitted."""
    missing = [name for name in names if name not in model.table.regions]
    if len(names) < 2 or missing:
        problem = f"has no encoders of {', '.join(missing)}" if missing else "names fewer than two"
        raise InputError("evaluation.subregions", problem, "two or more fitted regions")
    table = model.table.of(names)
    return subregion_model(table, contrast_weights(settings, names), settings.correction).to_json()


def compare_with_controls(model: ModelPerformance, controls: Sequence[str]) -> list[dict[str, Any]]:
    """Test every other region's Fisher z against each control's by paired t, where there are pairs."""
    rows = []
    for control in controls:
        for region in model.table.regions:
            if region in controls:
                continue
            differences: Floats = model.table.column(region) - model.table.column(control)
            test = group_t_test(differences)
            if test is not None:
                rows.append({"region": region, "control": control, **test.to_json()})
    return rows
