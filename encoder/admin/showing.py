"""What the pages of fits show beside the rows: plots of performance, tables, maps that are drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.utils.safestring import SafeString

from encoder import services
from encoder.admin import comparing
from encoder.models import Encoder, EncoderVersion
from encoder.plots.pictures import scatter, strip_plot


def scatters(first: Encoder, second: Encoder) -> list[tuple[str, SafeString, float | None, int]]:
    """Per region: r per voxel by both, the voxels of all subjects together."""
    known = {(one.region.name, one.subject): one for one in services.newest_versions(second)}
    pairs: dict[str, list[tuple[float, float]]] = {}
    for version in services.newest_versions(first):
        other = known.get((version.region.name, version.subject))
        if other is not None:
            pairs.setdefault(version.region.name, []).extend(comparing.voxel_pairs(version, other))
    return [
        (
            name,
            scatter(found, x_title=first.name, y_title=second.name),
            comparing.correlation(found),
            len(found),
        )
        for name, found in pairs.items()
        if found
    ]


def null_of(version: EncoderVersion) -> float | None:
    """Held-out r of noise features, judged in the same way."""
    found = version.metrics.get("null_control") or {}
    value = found.get("heldout_r")
    return float(value) if isinstance(value, int | float) else None


def ceiling_of(version: EncoderVersion) -> float | None:
    value = (version.metrics.get("noise_ceiling") or {}).get("r_max")
    return float(value) if isinstance(value, int | float) else None


def performance(versions: Sequence[EncoderVersion], marked: str | None = None) -> SafeString | str:
    """Held-out correlation per region, a dot per subject, with noise control and ceiling where they are."""
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
    """Regions by subjects, with the version in each cell."""
    subjects = list(dict.fromkeys(one.subject for one in versions))
    subjects.sort(key=services.natural)
    cells = {(one.region.name, one.subject): one for one in versions}
    regions = dict.fromkeys(one.region.name for one in versions)
    rows = [(region, [cells.get((region, subject)) for subject in subjects]) for region in regions]
    return {"subjects": subjects, "rows": rows}


def mapped(versions: Sequence[EncoderVersion]) -> dict[str, list[EncoderVersion]]:
    """Region -> versions whose maps are drawn."""
    found: dict[str, list[EncoderVersion]] = {}
    for version in versions:
        if (version.pictures / "slices.png").is_file():
            found.setdefault(version.region.name, []).append(version)
    return found


def label(version: EncoderVersion) -> str:
    return f"{version.encoder}, sub-{version.subject}"


def map_of(version: EncoderVersion) -> dict[str, Any]:
    """What is said of a version's map; ``{}`` before it is drawn."""
    file = version.pictures / "maps.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}
