"""Performance of fitted regions: plots, tables and maps for the pages of encoders and versions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.utils.safestring import SafeString

from almond.naming import natural
from encoder import services
from encoder.admin import comparison
from encoder.models import Encoder, EncoderVersion
from encoder.plots.pictures import scatter, strip_plot


def scatters(first: Encoder, second: Encoder) -> list[tuple[str, SafeString, float | None, int]]:
    """Plot r per voxel of two encoders against each other, per region over all subjects.

    Returns (region, plot, correlation, number of voxels)."""
    others = {(v.region.name, v.subject): v for v in services.newest_versions(second)}
    pairs: dict[str, list[tuple[float, float]]] = {}
    for version in services.newest_versions(first):
        other = others.get((version.region.name, version.subject))
        if other is not None:
            pairs.setdefault(version.region.name, []).extend(comparison.voxel_pairs(version, other))
    return [
        (
            name,
            scatter(points, x_title=first.name, y_title=second.name),
            comparison.correlation(points),
            len(points),
        )
        for name, points in pairs.items()
        if points
    ]


def null_of(version: EncoderVersion) -> float | None:
    """Return the held-out r of noise features, cross-validated in the same way."""
    value = (version.metrics.get("null_control") or {}).get("heldout_r")
    return float(value) if isinstance(value, int | float) else None


def ceiling_of(version: EncoderVersion) -> float | None:
    """Return the noise ceiling of r, or None where it was not estimated."""
    value = (version.metrics.get("noise_ceiling") or {}).get("r_max")
    return float(value) if isinstance(value, int | float) else None


def performance(versions: Sequence[EncoderVersion], marked: str | None = None) -> SafeString | str:
    """Plot the held-out correlation per region, a dot per subject, with noise control and noise ceiling."""
    groups: dict[str, list[tuple[str, float]]] = {}
    controls: dict[str, list[tuple[str, float]]] = {}
    ceilings: dict[str, list[tuple[str, float]]] = {}
    for version in versions:
        name, who = version.region.name, f"sub-{version.subject}"
        for values, value in (
            (groups, version.heldout_r),
            (controls, null_of(version)),
            (ceilings, ceiling_of(version)),
        ):
            if value is not None:
                values.setdefault(name, []).append((who, value))
    if not groups:
        return ""
    return strip_plot(groups, title="held-out r", marked=marked, controls=controls, ceilings=ceilings)


def matrix(versions: Sequence[EncoderVersion]) -> dict[str, Any]:
    """Arrange the versions as regions by subjects."""
    subjects = list(dict.fromkeys(version.subject for version in versions))
    subjects.sort(key=natural)
    cells = {(version.region.name, version.subject): version for version in versions}
    regions = dict.fromkeys(version.region.name for version in versions)
    rows = [(region, [cells.get((region, subject)) for subject in subjects]) for region in regions]
    return {"subjects": subjects, "rows": rows}


def mapped(versions: Sequence[EncoderVersion]) -> dict[str, list[EncoderVersion]]:
    """Return region -> versions whose maps are drawn."""
    drawn: dict[str, list[EncoderVersion]] = {}
    for version in versions:
        if (version.pictures / "slices.png").is_file():
            drawn.setdefault(version.region.name, []).append(version)
    return drawn


def label(version: EncoderVersion) -> str:
    """Name a version in a plot."""
    return f"{version.encoder}, sub-{version.subject}"


def map_of(version: EncoderVersion) -> dict[str, Any]:
    """Read ``maps.json`` of a version, or ``{}`` before its maps are drawn."""
    file = version.pictures / "maps.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}
