"""One model's encoders over subjects: performance, maps, subregions, random regions.

Every analysis either runs or says why not: ``Record.attempt`` keeps the reason of an ``InputError``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from almond.encoding.artifacts.catalogue import Stored
from almond.encoding.config.evaluation import PUBLISHED, EvaluationSettings
from almond.errors import InputError
from almond.files import write_atomically
from almond.group.maps import GroupMap, t_map, write_group_maps, write_scanner_map
from almond.group.performance import (
    GroupMatrix,
    Performance,
    Scheme,
    fisher_z,
    group_matrix,
    one_sample,
    performance_of,
    scheme,
)
from almond.group.subregions import subregion_model
from almond.naming import slug
from almond.progress import Part, Progress
from almond.typing import Floats

T = TypeVar("T")
MEASURES = ("r", "r2", "null_r", "null_r_blocks", "r_max", "normalised_r", "permutation_p")


@dataclass
class Record:
    """What did not run, and why."""

    model: str
    not_run: list[dict[str, str]] = field(default_factory=list)

    def attempt(self, analysis: str, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except InputError as error:
            self.skip(analysis, str(error))
            return None

    def skip(self, analysis: str, reason: str) -> None:
        self.not_run.append({"model": self.model, "analysis": analysis, "reason": reason})


@dataclass(frozen=True)
class Judgement:
    """What later analyses need: performances by region, matrices and maps of those that have them."""

    performances: tuple[Performance, ...]
    table: Scheme
    matrices: dict[str, GroupMatrix]
    maps: dict[str, GroupMap]

    def of(self, region: str) -> list[Performance]:
        return [one for one in self.performances if one.region == region]


def chosen_subregions(settings: EvaluationSettings, regions: Sequence[str]) -> tuple[str, ...]:
    """Those of the settings; else the four published ones when the configuration has them all."""
    if settings.subregions:
        return settings.subregions
    return PUBLISHED if set(PUBLISHED) <= set(regions) else ()


def judge(
    stored: Sequence[Stored],
    settings: EvaluationSettings,
    folder: Path,
    record: Record,
    progress: Progress,
) -> tuple[Judgement, dict[str, Any]]:
    """Read one model's artifacts, write tables and maps into ``folder``; returns them and JSON values."""
    found = []
    for index, one in enumerate(stored):
        progress.report(0.6 * index / len(stored), f"{one.model}: {one.region} of sub-{one.subject}")
        found.append(performance_of(one.load()))
    table = scheme(found)
    write_atomically(folder / "performance_z.csv", table.csv())
    data: dict[str, Any] = {
        "subjects": list(table.subjects),
        "regions": list(table.regions),
        "performance": [_region_row(found, region) for region in table.regions],
        "z": table.to_json(),
        "measures": _measures(found, folder),
        "warnings": sorted({str(one.metrics["warning"]) for one in stored if "warning" in one.metrics}),
    }
    matrices: dict[str, GroupMatrix] = {}
    maps: dict[str, GroupMap] = {}
    data["maps"] = {}
    for index, region in enumerate(table.regions):
        part = Part(
            progress, 0.6 + 0.4 * index / len(table.regions), 0.6 + 0.4 * (index + 1) / len(table.regions)
        )
        part.report(0.0, f"{record.model}: map of {region}")
        own = [one for one in found if one.region == region]
        matrix = record.attempt(f"group matrix of {region}", lambda own=own: group_matrix(own))  # type: ignore[misc]
        if matrix is None:
            continue
        matrices[region] = matrix
        data["maps"][region] = _write_region(
            matrix, own, settings, folder / "maps" / slug(region), record, maps
        )
    return Judgement(tuple(found), table, matrices, maps), data


def _region_row(found: Sequence[Performance], region: str) -> dict[str, Any]:
    own = [one for one in found if one.region == region]
    test = one_sample(np.array([one.z for one in own]))
    row: dict[str, Any] = {
        "region": region,
        "subjects": len(own),
        "voxels": float(np.mean([len(one.r) for one in own])),
        "dropped_voxels": int(sum(one.dropped for one in own)),
        "z": None if test is None else test.to_json(),
    }
    for name in MEASURES:
        values = [one.numbers[name] for one in own if name in one.numbers]
        row[name] = float(np.mean(values)) if values else None
    both = [(one.numbers["r"], one.numbers["null_r"]) for one in own if {"r", "null_r"} <= set(one.numbers)]
    against = one_sample(np.diff(fisher_z(np.array(both)[:, ::-1]), axis=1)[:, 0]) if both else None
    row["against_null"] = None if against is None else against.to_json()
    p = [one.numbers["permutation_p"] for one in own if "permutation_p" in one.numbers]
    row["permutation_significant"] = sum(value < 0.05 for value in p) if p else None
    return row


def _measures(found: Sequence[Performance], folder: Path) -> dict[str, Any]:
    """A table of subjects by regions for every number that some artifact has."""
    written = {}
    for name in MEASURES:
        table = scheme(found, name)
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
    maps: dict[str, GroupMap],
) -> dict[str, Any]:
    write_atomically(folder / "fisher_z.npz", matrix.npz())
    write_atomically(folder / "fisher_z.csv", matrix.csv())
    row: dict[str, Any] = {"voxels": len(matrix.voxels), "files": ["fisher_z.npz", "fisher_z.csv"]}
    if matrix.grid is not None:
        for one in own:
            if one.voxels is not None:
                write_scanner_map(
                    folder / f"sub-{slug(one.subject)}_r.nii.gz", matrix.grid, one.voxels, one.r
                )
                row["files"].append(f"sub-{slug(one.subject)}_r.nii.gz")
    else:
        record.skip(
            f"NIfTI maps of {matrix.region}", "the artifacts do not say on which grid their voxels lie"
        )
    found = record.attempt(
        f"t map of {matrix.region}",
        lambda: t_map(matrix, rate=settings.fdr, least=settings.least_subjects),
    )
    if found is None:
        return row
    maps[matrix.region] = found
    if matrix.grid is not None:
        row["files"] += list(write_group_maps(folder, found, matrix.grid).values())
    return {**row, **_described(found)}


def _described(found: GroupMap) -> dict[str, Any]:
    tested = np.isfinite(found.p)
    best = int(np.nanargmax(np.abs(found.t))) if tested.any() else None
    return {
        "tested": int(tested.sum()),
        "significant": int(found.significant.sum()),
        "fdr": found.rate,
        "least_subjects": found.least,
        "threshold_t": found.threshold,
        "peak": None
        if best is None
        else {"voxel": found.voxels[best].tolist(), "t": float(found.t[best]), "q": float(found.q[best])},
    }


def subregions(judged: Judgement, names: Sequence[str], settings: EvaluationSettings) -> dict[str, Any]:
    """JSON values of the model of subregions; ``InputError`` when it cannot be fitted."""
    missing = [name for name in names if name not in judged.table.regions]
    if len(names) < 2 or missing:
        problem = f"has no encoders of {', '.join(missing)}" if missing else "names fewer than two"
        raise InputError("evaluation.subregions", problem, "two or more fitted regions")
    chosen = judged.table.of(names)
    contrasts = settings.contrast_weights(names)
    return subregion_model(chosen, contrasts, settings.correction).to_json()


def against_controls(judged: Judgement, controls: Sequence[str]) -> list[dict[str, Any]]:
    """Paired t tests of every other region's Fisher z against each control's; n is 0 without pairs."""
    rows = []
    for control in controls:
        for region in judged.table.regions:
            if region in controls:
                continue
            differences: Floats = judged.table.column(region) - judged.table.column(control)
            test = one_sample(differences)
            if test is not None:
                rows.append({"region": region, "control": control, **test.to_json()})
    return rows
