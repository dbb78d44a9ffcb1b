"""The section ``brain`` of a configuration: a map of every voxel of a mask. Light: nothing is read here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from almond.encoding.config.checks import Checks
from almond.encoding.config.regions import RegionSpec, parse_region

KEYS = ("mask", "chunk", "weights", "out")
CHUNK = 4096


@dataclass(frozen=True)
class BrainSettings:
    """``mask``: the voxels to map; ``chunk``: how many are held at a time; ``weights``: keep them too."""

    mask: RegionSpec
    chunk: int = CHUNK
    weights: bool = False
    out: Path | None = None


def parse_brain(
    value: Any, checks: Checks, path: str = "brain", regions: Sequence[str] = ()
) -> BrainSettings | None:
    """The section's settings; None when it is absent or cannot be understood (which is a problem)."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        checks.add(path, f"is not a mapping with {', '.join(KEYS)}")
        return None
    checks.known(value, path, KEYS)
    if value.get("mask") is None:
        checks.add(f"{path}.mask", "is missing; give a mask file or any other region")
        return None
    mask = parse_region(value["mask"], f"{path}.mask", checks, list(regions))
    chunk = checks.whole(value.get("chunk"), f"{path}.chunk", least=1)
    weights = value.get("weights", False)
    if not isinstance(weights, bool):
        checks.add(f"{path}.weights", f"is {weights!r}, not true or false")
        weights = False
    out = value.get("out")
    if out is not None and not (isinstance(out, str) and out.strip()):
        checks.add(f"{path}.out", f"{out!r} is not a path")
        out = None
    if mask is None:
        return None
    return BrainSettings(mask, chunk or CHUNK, weights, checks.base / out if out else None)
