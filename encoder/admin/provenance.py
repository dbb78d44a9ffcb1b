"""What an artifact says of where it came from, as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Rows = list[tuple[str, str]]
FILES = ("bold", "events", "betas")


def rows(artifact: Mapping[str, Any], subject: str) -> Rows:
    """(what, digest or value): files by their digests, runs, region, grid, features, and the code."""
    found: Mapping[str, Any] = artifact.get("provenance", {})
    if "subjects" in found:  # a model of all subjects keeps everyone's
        found = {**found, **found["subjects"].get(subject, {})}
    return [
        *_files(found),
        *_runs(found),
        *_region(artifact, found),
        *_features(artifact),
        *_grid(artifact),
        *_words(found),
    ]


def _files(found: Mapping[str, Any]) -> Rows:
    return [(name, digest) for kind in FILES for name, digest in sorted(found.get(kind, {}).items())]


def _runs(found: Mapping[str, Any]) -> Rows:
    shown = []
    for run in found.get("runs", []):
        said = [f"{run['volumes']} volumes", f"TR {run['tr']:g} s"]
        if "censored" in run:
            said.append(f"{run['censored']} censored ({run['censor'][:12]}…)")
        if "confounds" in run:
            confounds = run["confounds"]
            said.append(f"{confounds['columns']} confound regressors ({confounds['values'][:12]}…)")
        shown.append((f"run {run['run']}", ", ".join(said)))
    return shown


def _region(artifact: Mapping[str, Any], found: Mapping[str, Any]) -> Rows:
    region = found.get("region") or {}
    shown = [("mask", str(artifact["mask_digest"]))] if artifact.get("mask_digest") else []
    if region.get("path"):
        shown.append(("region from", f"{region['path']}{', resampled' if region.get('resampled') else ''}"))
    if region.get("warning"):
        shown.append(("region, note", region["warning"]))
    return shown


def _features(artifact: Mapping[str, Any]) -> Rows:
    card = artifact.get("feature_space")
    return [(f"features {card['name']}, {card['dimension']} values", card["digest"])] if card else []


def _grid(artifact: Mapping[str, Any]) -> Rows:
    grid = artifact.get("grid")
    if not grid:
        return []
    sides = [
        sum(value**2 for value in column) ** 0.5 for column in list(zip(*grid["affine"][:3], strict=True))[:3]
    ]
    size = " × ".join(f"{side:.3g}" for side in sides)
    return [("grid", f"{' × '.join(map(str, grid['shape']))} voxels of {size} mm")]


def _words(found: Mapping[str, Any]) -> Rows:
    shown = [
        (name.replace("_", " "), value)
        for name, value in sorted(found.items())
        if isinstance(value, str) and name not in ("features", "feature_rows")
    ]
    for name in ("preprocessing", "engine"):
        inner = found.get(name) or {}
        shown += [(key.replace("_", " "), _said(value)) for key, value in inner.items() if value is not None]
    return shown


def _said(value: Any) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def simple_metrics(metrics: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The metrics that are one number or word each, also inside a group such as ``heldout_r``."""
    plain: list[tuple[str, Any]] = []
    for name, value in metrics.items():
        if name == "warning":
            continue
        if isinstance(value, Mapping):
            plain += [(f"{name} {inner}", number) for inner, number in value.items()]
        else:
            plain.append((name, value))
    shown = [
        (name.replace("_", " ").replace("heldout", "held-out"), value)
        for name, value in plain
        if isinstance(value, int | float | str)
    ]
    return [(name, f"{value:.4g}" if isinstance(value, float) else value) for name, value in shown]
