"""``python -m almond fit CONFIG``: encoding models from BOLD runs, without a database."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from almond.digest import printed_json
from almond.encoding.models.folds import RANDOM_WARNING
from almond.encoding.pipeline.fit import FitConfig, FitReport, FittedRegion, fit, load_config
from almond.progress import Console
from almond.remarks import remark_lines


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, see docs/fit.md")
    parser.add_argument("--out", type=Path, help="folder of the artifacts (overrides `output`)")
    parser.add_argument(
        "--strict", action="store_true", help="take every remark as an error (docs/remarks.md)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """Fit and print the held-out correlations; returns 0."""
    config = load_config(arguments.config)
    if arguments.out is not None:
        config = config.model_copy(update={"output": arguments.out.resolve()})
    if arguments.strict:
        config = config.model_copy(update={"strict": True})
    report = fit(config, progress=Console())
    print(printed_json(fit_json(config, report)) if arguments.json else fit_text(report))
    return 0


def fit_json(config: FitConfig, report: FitReport) -> dict[str, Any]:
    """Return ``heldout_r``: model -> region -> mean over subjects, and ``artifacts``: a row per model."""
    return {
        "output": str(config.output),
        "heldout_r": report.metrics,
        "artifacts": [
            {
                "subject": item.subject,
                "region": item.region,
                "model": item.model,
                "digest": item.digest,
                "path": str(item.path),
                "metrics": item.metrics,
            }
            for item in report.artifacts
        ],
    }


def fit_text(report: FitReport) -> str:
    lines = [
        "subject  region  model  voxels  held-out r: mean  median  quartiles      region mean"
        "  noise features  permutation p  normalised r"
    ]
    lines += [_line(item) for item in report.artifacts]
    lines += [f"warning: {text}" for text in warnings(report.artifacts)]
    remarks = remark_lines([{"subject": item.subject, **item.metrics} for item in report.artifacts])
    return "\n".join([*lines, *(f"remark: {text}" for text in remarks)])


def warnings(fitted: Sequence[FittedRegion]) -> list[str]:
    """List each warning once; what random folds do is said of all regions together."""
    kinds = ("region_warning", "precision_warning")
    texts = {
        str(item.metrics[kind])
        for item in fitted
        for kind in kinds
        # Fits of today say it as a remark.
        if item.metrics.get(kind) and not (kind == "region_warning" and "remarks" in item.metrics)
    }
    random = [item.metrics for item in fitted if item.metrics.get("warning")]
    if random:
        controls = [metrics["null_control"] for metrics in random if "null_control" in metrics]
        texts.add(RANDOM_WARNING + _inflation(controls))
    return sorted(texts)


def _inflation(controls: Sequence[dict[str, Any]]) -> str:
    if not controls:
        return ""
    here, blocks = ([control[key] for control in controls] for key in ("heldout_r", "heldout_r_blocks"))
    return (
        f"; here noise features reach {min(here):.2f} to {max(here):.2f} with these folds and "
        f"{min(blocks):.2f} to {max(blocks):.2f} with blocks"
    )


def _line(item: FittedRegion) -> str:
    metrics = item.metrics
    r = metrics["heldout_r"]
    noise = _number(metrics.get("null_control", {}).get("heldout_r"))
    p = _number(metrics.get("permutation", {}).get("p"))
    share = _number(metrics.get("noise_ceiling", {}).get("normalised_r"))
    return (
        f"{item.subject:<8} {item.region:<7} {item.model:<6} {metrics['n_voxels']:>6}  "
        f"{r['mean']:>16.3f}  {r['median']:>6.3f}  {r['lower_quartile']:.3f} to {r['upper_quartile']:.3f}"
        f"  {metrics['heldout_r_region_mean']:>11.3f}  {noise:>14}  {p:>13}  {share:>12}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
