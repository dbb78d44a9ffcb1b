"""``python -m almond distil CONFIG``: guidance as a slider (LoRA) with a dial per target."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from almond.digest import printed_json
from almond.progress import Console


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="YAML file, see docs/distillation.md")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """Distil and print what the judge found; returns 0."""
    from almond.chain.distil import distil
    from almond.guidance.distillation.config import load_distil_config

    report = distil(load_distil_config(arguments.config), Console())
    print(printed_json(report) if arguments.json else report_text(report))
    return 0


def report_text(report: dict[str, Any]) -> str:
    """Write the report as a table: shifts in SD against the unguided pictures of the same scenes."""
    lines = ["how      target    dial  judged shift  off-target  own shift  change of pixels"]
    for how in ("guided", "slider"):
        lines += [
            f"{how:<8} {row['target']:<8} {row['dial']:>5.1f}  {row['shift']:>12.2f}"
            f"  {row['off_target']:>10.2f}  {row['own']:>9.2f}  {row['change']:>16.3f}"
            for row in report[how]
        ]
    kept = ", ".join(f"{target} {share:.2f}" for target, share in report["shift_kept"].items())
    seconds = ", ".join(f"{name} {value:.2f}" for name, value in report["cpu_seconds_per_picture"].items())
    return "\n".join(
        [
            *lines,
            f"judged shift kept (dial -1 to 1 over guidance down to up): {kept}",
            f"CPU seconds a picture: {seconds}; guided over slider {report['speedup']:.2f}",
            f"{report['scenes']} scenes, prompts and seeds not trained on",
        ]
    )
