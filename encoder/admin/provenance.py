"""Provenance of an artifact, as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Rows = list[tuple[str, str]]
FILES = ("bold", "events", "betas")


def rows(artifact: Mapping[str, Any], subject: str) -> Rows:
    """List (name, digest or value): files by their digests, runs, region, grid, features, and the code."""
    sources: Mapping[str, Any] = artifact.get("provenance", {})
    if "subjects" in sources:  # a model of all subjects stores those of each
        sources = {**sources, **sources["subjects"].get(subject, {})}
    return [
        *_files(sources),
        *_runs(sources),
        *_region(artifact, sources),
        *_features(artifact),
        *_grid(artifact),
        *_words(sources),
    ]


def _files(sources: Mapping[str, Any]) -> Rows:
    return [(name, digest) for kind in FILES for name, digest in sorted(sources.get(kind, {}).items())]


def _runs(sources: Mapping[str, Any]) -> Rows:
    shown = []
    for run in sources.get("runs", []):
        facts = [f"{run['volumes']} volumes", f"TR {run['tr']:g} s"]
        if "censored" in run:
            facts.append(f"{run['censored']} censored ({run['censor'][:12]}…)")
        if "confounds" in run:
            confounds = run["confounds"]
            facts.append(f"{confounds['columns']} confound regressors ({confounds['values'][:12]}…)")
        shown.append((f"run {run['run']}", ", ".join(facts)))
    return shown


def _region(artifact: Mapping[str, Any], sources: Mapping[str, Any]) -> Rows:
    region = sources.get("region") or {}
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


def _words(sources: Mapping[str, Any]) -> Rows:
    shown = [
        (name.replace("_", " "), value)
        for name, value in sorted(sources.items())
        if isinstance(value, str) and name not in ("features", "feature_rows")
    ]
    for name in ("preprocessing", "engine"):
        inner = sources.get(name) or {}
        shown += [(key.replace("_", " "), _text(value)) for key, value in inner.items() if value is not None]
    return shown


def _text(value: Any) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def simple_metrics(metrics: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """List the metrics that are one number or word each, also inside a group such as ``heldout_r``."""
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
