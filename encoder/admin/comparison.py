"""Comparison of two fits: performance, settings and provenance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from almond.errors import InputError
from almond.files.arrays import read_npz
from encoder import services
from encoder.models import Encoder, EncoderVersion
from encoder.services.fits import read_description

Rows = Sequence[tuple[str, float, float]]
ABSENT = "—"


@dataclass(frozen=True)
class RegionDifference:
    """Held-out r of the same subjects with two encoders; ``rows`` are (subject, first, second)."""

    region: str
    rows: Rows

    @property
    def means(self) -> tuple[float, float]:
        return _mean([a for _, a, _ in self.rows]), _mean([b for _, _, b in self.rows])

    @property
    def differences(self) -> list[float]:
        return [b - a for _, a, b in self.rows]

    @property
    def difference(self) -> float:
        return _mean(self.differences)

    @property
    def error(self) -> float | None:
        """Standard error of the mean difference; None for one subject."""
        values = self.differences
        if len(values) < 2:
            return None
        variance = sum((value - self.difference) ** 2 for value in values) / (len(values) - 1)
        return math.sqrt(variance / len(values))

    @property
    def higher(self) -> int:
        """Count the subjects with a higher second value."""
        return sum(value > 0 for value in self.differences)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def compare_encoders(first: Encoder, second: Encoder) -> list[RegionDifference]:
    """Compare every region (by name) over the subjects that both fitted.

    :raises InputError: there is none.
    """
    others = {(v.region.name, v.subject): v for v in services.newest_versions(second)}
    rows: dict[str, list[tuple[str, float, float]]] = {}
    for version in services.newest_versions(first):
        other = others.get((version.region.name, version.subject))
        a, b = version.heldout_r, other.heldout_r if other else None
        if a is not None and b is not None:
            rows.setdefault(version.region.name, []).append((f"sub-{version.subject}", a, b))
    if not rows:
        raise InputError(
            "compare", f"{first} and {second} share no fitted region of a subject", "fits of the same regions"
        )
    return [RegionDifference(region, pairs) for region, pairs in rows.items()]


def settings_rows(encoder: Encoder) -> dict[str, Any]:
    """Collect an encoder's settings: its row, and those in its newest artifact."""
    newest = encoder.versions.order_by("-pk").first()
    config = read_description(Path(newest.path)).get("config", {}) if newest else {}
    return {
        "dataset": encoder.dataset.name,
        "feature space": ", ".join(
            [encoder.feature_space.name, *encoder.more_spaces.values_list("name", flat=True)]
        ),
        "model": encoder.model,
        **flat(config or encoder.config),
    }


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings to dotted names."""
    dotted: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            dotted |= flat(value, f"{name}.")
        else:
            dotted[name] = value
    return dotted


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """List (setting, first, second) of those that differ."""
    names = dict.fromkeys([*first, *second])
    return [
        (name, shown(first.get(name)), shown(second.get(name)))
        for name in names
        if first.get(name) != second.get(name)
    ]


def shown(value: Any) -> str:
    """Write the value of a setting for people."""
    if value is None or value == [] or value == "":
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def voxel_pairs(first: EncoderVersion, second: EncoderVersion) -> list[tuple[float, float]]:
    """Pair held-out r of the voxels that both have.

    Empty where their grids differ or a model has no voxels.
    """
    values, others = voxel_values(first), voxel_values(second)
    grids = [read_description(Path(version.path)).get("grid") for version in (first, second)]
    if grids[0] != grids[1] or not values or not others:
        return []
    return [(value, others[voxel]) for voxel, value in values.items() if voxel in others]


def voxel_values(version: EncoderVersion) -> dict[tuple[int, ...], float]:
    """Return voxel -> held-out r. Reads only the voxel indices from the artifact."""
    values = version.metrics.get("heldout_r_voxels") or []
    weights = Path(version.path) / "weights.npz"
    if not values or not weights.is_file():
        return {}
    voxels = read_npz(weights, ["voxels"])["voxels"].tolist()
    if len(voxels) != len(values):
        return {}
    return {tuple(voxel): value for voxel, value in zip(voxels, values, strict=True) if value is not None}


def correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Compute Pearson's r of pairs; None for fewer than three, or where either does not vary."""
    if len(pairs) < 3:
        return None
    values = np.array(pairs)
    if (values.std(axis=0) < 1e-12).any():
        return None
    return float(np.corrcoef(values.T)[0, 1])
